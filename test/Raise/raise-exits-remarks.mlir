// RUN: ac-opt %s --ac-raise-exits --verify-diagnostics --split-input-file

func.func @found(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>) -> tensor<1x5xf32> {
  %t = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %flag = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // expected-remark @+1 {{became ac.exit with ac.decide value per row, budget 'exit.1.value'}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @no_budget(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>, %t: tensor<f32>) -> tensor<1x5xf32> {
  %flag = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // expected-remark @+1 {{became ac.exit with ac.decide value per row, without a budget: its threshold is not a constant}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @infinite(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>) -> tensor<1x5xf32> {
  %t = onnx.Constant() {value = dense<0x7F800000> : tensor<f32>} : () -> tensor<f32>
  %flag = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // expected-remark @+1 {{without a budget: its threshold is not a finite number of single precision}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @no_comparison(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %a: tensor<i1>, %b: tensor<i1>) -> tensor<1x5xf32> {
  %flag = onnx.And(%a, %b) : (tensor<i1>, tensor<i1>) -> tensor<i1> loc("both")
  // expected-remark @+1 {{branch is no early exit: node 'both' (And) does not compare a score with a threshold of one element}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @argument(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %flag: tensor<i1>) -> tensor<1x5xf32> {
  // expected-remark @+1 {{branch is no early exit: the condition is not computed here}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @balanced(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>, %t: tensor<f32>) -> tensor<1x5xf32> {
  %flag = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // expected-remark @+1 {{branch is no early exit: both branches hold 1 matrix products}}
  %y = onnx.If(%flag) () {
    %1 = onnx.Gemm(%x, %w, %w) : (tensor<1x5xf32>, tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// -----

func.func @ranks(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>, %t: tensor<f32>, %v: tensor<5xf32>) -> tensor<*xf32> {
  %flag = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  // expected-remark @+1 {{branch is no early exit: output 0 is no tensor of one known rank and element type from both branches}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%v) : (tensor<5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// -----

func.func @any(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %s: tensor<?xf32>, %t: tensor<f32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %rows = onnx.Greater(%s, %t) : (tensor<?xf32>, tensor<f32>) -> tensor<?xi1>
  %ints = onnx.Cast(%rows) {to = 7 : i64} : (tensor<?xi1>) -> tensor<?xi64>
  %sum = onnx.ReduceSum(%ints, %none) {keepdims = 0 : i64} : (tensor<?xi64>, none) -> tensor<i64> loc("any")
  %flag = onnx.Cast(%sum) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
  // expected-remark @+1 {{branch is no early exit: node 'any' (ReduceSum) asks whether one row does, not all}}
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%1) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// -----

// Without work, and with work behind it: no candidates.
func.func @others(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>, %flag: tensor<i1>) -> tensor<1x5xf32> {
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.Exp(%x) : (tensor<1x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  %z = onnx.If(%flag) () {
    onnx.Yield(%y) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%y, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  %r = onnx.Relu(%z) : (tensor<1x5xf32>) -> tensor<1x5xf32>
  return %r : tensor<1x5xf32>
}
