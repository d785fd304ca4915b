// RUN: ac-opt %s --ac-raise-skips --verify-diagnostics --split-input-file

func.func @found(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %on: tensor<i1>) -> tensor<?x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
  // expected-remark @+1 {{became ac.skip of 1 matrix products, by the condition as it is: the condition is not computed here}}
  %1 = onnx.Where(%on, %0, %x) : (tensor<i1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// -----

// It might broadcast.
func.func @shapes(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %z: tensor<?x5xf32>, %on: tensor<i1>) -> tensor<?x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
  // expected-remark @+1 {{block is not skipped: its sides are not known to have one shape}}
  %1 = onnx.Where(%on, %0, %z) : (tensor<i1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// -----

func.func @types(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %z: tensor<1x5xf32>, %on: tensor<i1>) -> tensor<?x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
  // expected-remark @+1 {{block is not skipped: its sides are not of one type of known rank}}
  %1 = onnx.Where(%on, %0, %z) : (tensor<i1>, tensor<?x5xf32>, tensor<1x5xf32>) -> tensor<?x5xf32>
  return %1 : tensor<?x5xf32>
}

// -----

func.func @ranks(%x: tensor<5x5xf32>, %w: tensor<5x5xf32>, %on: tensor<1x1x1xi1>) -> tensor<1x5x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<5x5xf32>
  // expected-remark @+1 {{block is not skipped: its sides are not of one type of known rank}}
  %1 = onnx.Where(%on, %0, %x) : (tensor<1x1x1xi1>, tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<1x5x5xf32>
  return %1 : tensor<1x5x5xf32>
}

// -----

func.func @condition(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %on: tensor<*xi1>) -> tensor<?x5xf32> {
  // expected-remark @+1 {{block is not skipped: its condition is not known to have one element}}
  %y = onnx.If(%on) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%0) : (tensor<?x5xf32>) -> ()
  } : (tensor<*xi1>) -> tensor<?x5xf32>
  %r = onnx.Relu(%y) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// -----

// One flag for each row, a block that something else reads, a block without a product, an exit: no candidates.
func.func @others(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %rows: tensor<?x1xi1>, %on: tensor<i1>)
    -> (tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>) {
  %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
  %1 = onnx.Where(%rows, %0, %x) : (tensor<?x1xi1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
  %3 = onnx.Where(%on, %2, %x) : (tensor<i1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %4 = onnx.Exp(%x) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %5 = onnx.Where(%on, %4, %x) : (tensor<i1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %6 = onnx.If(%on) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %7 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%7) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %1, %2, %3, %5, %6 : tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>, tensor<?x5xf32>
}
