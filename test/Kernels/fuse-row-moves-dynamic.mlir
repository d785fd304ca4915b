// RUN: ac-opt %s --ac-lower --ac-kernels | FileCheck %s

// Both experts read their rows where they are and add where they belong, for any number of rows.
// CHECK-LABEL: func.func @experts
// CHECK: ac.contract{{.*}}lhs_rows({{.*}})
// CHECK: ac.contract{{.*}}out_rows({{.*}}) accumulate
// CHECK: ac.contract{{.*}}lhs_rows({{.*}})
// CHECK: ac.contract{{.*}}out_rows({{.*}}) accumulate
// CHECK-NOT: ac.scatter_rows
func.func @experts(%x: tensor<?x4xf32>, %router: tensor<4x2xf32>, %up: tensor<4x8xf32>, %down: tensor<8x4xf32>) -> tensor<?x4xf32> {
  %scores = "onnx.MatMul"(%x, %router) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  %w = "onnx.Relu"(%scores) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %y = ac.moe_dispatch %w : tensor<?x2xf32> rows(%x : tensor<?x4xf32>) expert {
  ^bb0(%row: tensor<?x4xf32>):
    %0 = "onnx.MatMul"(%row, %up) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
    %1 = "onnx.Relu"(%0) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = "onnx.MatMul"(%1, %down) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } expert {
  ^bb0(%row: tensor<?x4xf32>):
    %0 = "onnx.MatMul"(%row, %up) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
    %1 = "onnx.Tanh"(%0) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = "onnx.MatMul"(%1, %down) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
