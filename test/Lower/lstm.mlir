// RUN: ac-opt %s --ac-lower | FileCheck %s

// The product with all inputs stands in front of the loop; a step is one product and one elementwise operation that
// writes over both states.
// CHECK-LABEL: func.func @lstm(
// CHECK: ac.contract ins({{.*}} : tensor<1x?x3xf32>, tensor<1x3x20xf32>)
// CHECK: scf.for {{.*}} iter_args(%[[H:[^ ]*]] = {{.*}}, %[[C:[^ ]*]] = {{.*}})
// CHECK: ac.contract ins({{.*}} : tensor<1x2x5xf32>, tensor<1x5x20xf32>)
// CHECK: %[[HS:.*]] = tensor.expand_shape %[[H]] {{.*}} into tensor<2x1x5xf32>
// CHECK: %[[CS:.*]] = tensor.expand_shape %[[C]] {{.*}} into tensor<2x1x5xf32>
// CHECK: linalg.generic
// CHECK-SAME: outs(%[[HS]], %[[CS]] : tensor<2x1x5xf32>, tensor<2x1x5xf32>)
// CHECK-NOT: linalg.generic
// CHECK: scf.yield
func.func @lstm(%x: tensor<?x2x3xf32>, %w: tensor<1x20x3xf32>, %r: tensor<1x20x5xf32>) -> tensor<1x2x5xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y:3 = "onnx.LSTM"(%x, %w, %r, %none, %none, %none, %none, %none) {hidden_size = 5 : i64}
    : (tensor<?x2x3xf32>, tensor<1x20x3xf32>, tensor<1x20x5xf32>, none, none, none, none, none)
    -> (none, tensor<1x2x5xf32>, none)
  return %y#1 : tensor<1x2x5xf32>
}

// The four gates of sixteen units stand together, and sixteen units are what threads share.
// CHECK-LABEL: func.func @pieces(
// CHECK: linalg.transpose ins({{.*}} : tensor<1x3x4x2x16xf32>) {{.*}} permutation = [0, 1, 3, 2, 4]
// CHECK: linalg.transpose ins({{.*}} : tensor<1x32x4x2x16xf32>) {{.*}} permutation = [0, 1, 3, 2, 4]
// CHECK: scf.for
// CHECK: tensor.extract_slice {{.*}}[0, 0, 3, 0] [5, 2, 1, 16] {{.*}} : tensor<5x2x4x16xf32>
// CHECK: linalg.generic
// CHECK-SAME: outs({{.*}} : tensor<5x2x16xf32>, tensor<5x2x16xf32>)
func.func @pieces(%x: tensor<?x5x3xf32>, %w: tensor<1x128x3xf32>, %r: tensor<1x128x32xf32>) -> tensor<1x5x32xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y:3 = "onnx.LSTM"(%x, %w, %r, %none, %none, %none, %none, %none) {hidden_size = 32 : i64}
    : (tensor<?x5x3xf32>, tensor<1x128x3xf32>, tensor<1x128x32xf32>, none, none, none, none, none)
    -> (none, tensor<1x5x32xf32>, none)
  return %y#1 : tensor<1x5x32xf32>
}
