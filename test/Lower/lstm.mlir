// RUN: ac-opt %s --ac-lower | FileCheck %s

// The product with all inputs stands in front of the loop; a step is one product and one elementwise operation that
// writes over both states.
// CHECK-LABEL: func.func @lstm(
// CHECK: ac.contract ins({{.*}} : tensor<1x?x3xf32>, tensor<1x3x20xf32>)
// CHECK: scf.for {{.*}} iter_args(%[[H:[^ ]*]] = {{.*}}, %[[C:[^ ]*]] = {{.*}})
// CHECK: ac.contract ins({{.*}} : tensor<1x2x5xf32>, tensor<1x5x20xf32>)
// CHECK: linalg.generic
// CHECK-SAME: outs(%[[H]], %[[C]] : tensor<2x5xf32>, tensor<2x5xf32>)
// CHECK-NOT: linalg.generic
// CHECK: scf.yield
func.func @lstm(%x: tensor<?x2x3xf32>, %w: tensor<1x20x3xf32>, %r: tensor<1x20x5xf32>) -> tensor<1x2x5xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y:3 = "onnx.LSTM"(%x, %w, %r, %none, %none, %none, %none, %none) {hidden_size = 5 : i64}
    : (tensor<?x2x3xf32>, tensor<1x20x3xf32>, tensor<1x20x5xf32>, none, none, none, none, none)
    -> (none, tensor<1x2x5xf32>, none)
  return %y#1 : tensor<1x2x5xf32>
}
