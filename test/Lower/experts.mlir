// RUN: ac-opt %s --ac-lower | FileCheck %s

// Each expert numbers the rows that chose it, and its products have as many; the sum reads computed rows only.
// CHECK-LABEL: func.func @experts_take_their_rows(
// CHECK: %[[FIRST:.*]]:3 = scf.for
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>, tensor<1x4x6xf32>)
// CHECK: ac.contract ins({{.*}} : tensor<1x?x6xf32>, tensor<1x6x4xf32>)
// CHECK: %[[SECOND:.*]]:3 = scf.for
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>, tensor<1x4x6xf32>)
// CHECK: ac.contract ins({{.*}} : tensor<1x?x6xf32>, tensor<1x6x4xf32>)
// CHECK: linalg.generic
// CHECK: tensor.extract %[[FIRST]]#2
// CHECK: scf.if
// CHECK: tensor.extract %[[SECOND]]#2
// CHECK: scf.if
// CHECK: linalg.yield
func.func @experts_take_their_rows(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>,
                                   %b1: tensor<2x6xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %y = "onnx.Custom"(%x, %r, %w1, %b1, %w2) {domain = "com.microsoft", op_type = "MoE", activation_type = "relu", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, tensor<2x6xf32>, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
