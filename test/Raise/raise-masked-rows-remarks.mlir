// RUN: ac-opt %s --ac-raise-masked-rows --verify-diagnostics --split-input-file

func.func @found(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?x1xi1>) -> tensor<?x4xf32> {
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{became ac.masked_rows with 1 matrix products}}
  %1 = "onnx.Mul"(%0, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// -----

func.func @other_user(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?x1xi1>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{mask of rows not used: node '?' (MatMul) has users that are not masked, such as node '?' (func.return)}}
  %1 = "onnx.Mul"(%0, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}
