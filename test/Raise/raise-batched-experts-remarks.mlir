// RUN: ac-opt %s --ac-raise-batched-experts --verify-diagnostics --split-input-file

func.func @found(%x: tensor<?x4xf32>, %on: tensor<?x3xi1>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %dense = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x3xi1>) -> tensor<?x3xf32>
  %0 = "onnx.Einsum"(%x, %up) {equation = "td,edf->tef"} : (tensor<?x4xf32>, tensor<3x4x8xf32>) -> tensor<?x3x8xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 3 experts}}
  %1 = "onnx.Einsum"(%0, %dense) {equation = "tef,te->tf"} : (tensor<?x3x8xf32>, tensor<?x3xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

func.func @soft_weights(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %dense = "onnx.Softmax"(%scores) : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %0 = "onnx.Einsum"(%x, %up) {equation = "td,edf->tef"} : (tensor<?x4xf32>, tensor<3x4x8xf32>) -> tensor<?x3x8xf32>
  // expected-remark @+1 {{batched experts not raised: no weight of an expert is ever exactly zero}}
  %1 = "onnx.Einsum"(%0, %dense) {equation = "tef,te->tf"} : (tensor<?x3x8xf32>, tensor<?x3xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// -----

// Heads of an attention are summed by nobody; a product over experts without weights has nothing to skip.
func.func @without_weights(%x: tensor<?x4xf32>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %zero = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.MatMul"(%x, %up) : (tensor<?x4xf32>, tensor<3x4x8xf32>) -> tensor<3x?x8xf32>
  // expected-remark @+1 {{batched experts not raised: no weight of an expert is ever exactly zero}}
  %1 = "onnx.ReduceSum"(%0, %zero) {keepdims = 0 : i64} : (tensor<3x?x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
