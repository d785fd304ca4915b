// RUN: ac-opt %s --ac-lower | FileCheck %s

// Each expert lists the rows that chose it, gathers them for its products, and adds what they make where they belong.
// CHECK-LABEL: func.func @experts_take_their_rows(
// CHECK: %[[FIRST:.*]]:2 = scf.for
// CHECK: %[[PLACES:.*]] = tensor.extract_slice %[[FIRST]]#1[0] [%[[FIRST]]#0] [1]
// CHECK: ac.gather_rows %arg0 at %[[PLACES]]
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>, tensor<1x4x6xf32>)
// CHECK: ac.contract ins({{.*}} : tensor<1x?x6xf32>, tensor<1x6x4xf32>)
// CHECK: %[[SUM:.*]] = ac.scatter_rows %{{.*}} at %[[PLACES]] accumulate outs(
// CHECK: scf.for
// CHECK: ac.gather_rows %arg0
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>, tensor<1x4x6xf32>)
// CHECK: ac.contract ins({{.*}} : tensor<1x?x6xf32>, tensor<1x6x4xf32>)
// CHECK: %[[ALL:.*]] = ac.scatter_rows {{.*}} accumulate outs(%[[SUM]] :
// CHECK: return %[[ALL]]
func.func @experts_take_their_rows(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>,
                                   %b1: tensor<2x6xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %y = "onnx.Custom"(%x, %r, %w1, %b1, %w2) {domain = "com.microsoft", op_type = "MoE", activation_type = "relu", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, tensor<2x6xf32>, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
