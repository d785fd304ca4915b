// RUN: ac-opt %s --ac-raise-unrolled-loops --verify-diagnostics --split-input-file

func.func @found(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x2xf32> {
  // expected-remark @+1 {{became a loop of 3 steps with 1 products each, 1 values carried, 0 stacked}}
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.MatMul"(%0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %2 = "onnx.MatMul"(%1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  return %2 : tensor<4x2xf32>
}

// -----

func.func @steps_differ(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x2xf32> {
  // expected-remark @+1 {{repeated 3 times, but not a loop: step 2 reads node 'relu' (Relu) where another one reads node 'tanh' (Tanh)}}
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.Tanh"(%0) : (tensor<4x2xf32>) -> tensor<4x2xf32> loc("tanh")
  %2 = "onnx.MatMul"(%1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %3 = "onnx.Relu"(%2) : (tensor<4x2xf32>) -> tensor<4x2xf32> loc("relu")
  %4 = "onnx.MatMul"(%3, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  return %4 : tensor<4x2xf32>
}

// -----

func.func @every_step_is_a_result(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>)
    -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) {
  // expected-remark @+1 {{repeated 3 times, but not a loop: node '?' (MatMul) of step 0 is used by node '?' (func.return)}}
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.MatMul"(%0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %2 = "onnx.MatMul"(%1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  return %0, %1, %2 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
}

// -----

// A second weight is another one in each step.
func.func @weights_differ(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x2xf32> {
  %v0 = "onnx.Constant"() {value = dense<[[1.0, 2.0], [0.5, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %v1 = "onnx.Constant"() {value = dense<[[2.0, 2.0], [0.5, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %v2 = "onnx.Constant"() {value = dense<[[3.0, 2.0], [0.5, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  // expected-remark @+1 {{repeated 3 times, but not a loop: the weight of node 'v1' (MatMul) is not that of node 'v0' (MatMul)}}
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.MatMul"(%0, %v0) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32> loc("v0")
  %2 = "onnx.MatMul"(%1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %3 = "onnx.MatMul"(%2, %v1) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32> loc("v1")
  %4 = "onnx.MatMul"(%3, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %5 = "onnx.MatMul"(%4, %v2) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32> loc("v2")
  return %5 : tensor<4x2xf32>
}

// -----

// One weight, three inputs: nothing is handed from one to the next, and nothing is said.
func.func @side_by_side(%x: tensor<4x2xf32>, %y: tensor<4x2xf32>, %z: tensor<4x2xf32>, %w: tensor<2x2xf32>)
    -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) {
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.MatMul"(%y, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %2 = "onnx.MatMul"(%z, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  return %0, %1, %2 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
}

// -----

// What one step gives is changed by the other function's reader and handed to the step after the next.
func.func @between_steps(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x2xf32> {
  // expected-remark @+1 {{repeated 3 times, but not a loop: step 2 reads node '?' (Add) where another one reads node '?' (MatMul)}}
  %0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %1 = "onnx.MatMul"(%0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %2 = "onnx.Add"(%0, %1) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  return %3 : tensor<4x2xf32>
}
