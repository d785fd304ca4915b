// RUN: ac-opt %s --ac-raise-unrolled-loops | FileCheck %s

// A product with one weight, its copies with equal bytes, and an index and a table that differ from step to step.
// CHECK-LABEL: func @shared_weight
// CHECK-DAG: %[[TABLE:.*]] = onnx.Constant() {value = dense<{{\[\[}}1.000000e+00, 2.000000e+00], [3.000000e+00, 5.000000e+00], [4.000000e+00, 4.000000e+00]]> : tensor<3x2xf32>}
// CHECK-DAG: %[[TRIPS:.*]] = onnx.Constant() {value = dense<3> : tensor<i64>}
// CHECK-DAG: %[[TRUE:.*]] = onnx.Constant() {value = dense<true> : tensor<i1>}
// CHECK: %[[LOOP:.*]] = onnx.Loop(%[[TRIPS]], %[[TRUE]], %arg0) (%[[I:.*]]: tensor<i64>, %{{.*}}: tensor<i1>, %[[X:.*]]: tensor<?x2xf32>) {
// CHECK-DAG:   %[[POSITION:.*]] = onnx.Gather(%[[TABLE]], %[[I]]) {axis = 0 : i64}
// CHECK-DAG:   %[[MOVED:.*]] = onnx.Add(%[[X]], %[[POSITION]])
// CHECK-DAG:   %[[ROW:.*]] = onnx.Gather(%arg1, %[[I]]) {axis = 0 : i64}
// CHECK-DAG:   %[[PRODUCT:.*]] = onnx.MatMul(%[[MOVED]], %{{.*}})
// CHECK:       %[[NEXT:.*]] = onnx.Add(%[[PRODUCT]], %[[ROW]])
// CHECK:       %[[GO:.*]] = onnx.Constant() {value = dense<true> : tensor<i1>}
// CHECK:       onnx.Yield(%[[GO]], %[[NEXT]])
// CHECK: return %[[LOOP]]
func.func @shared_weight(%x: tensor<?x2xf32>, %bias: tensor<3x2xf32>) -> tensor<?x2xf32> {
  %i0 = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %i1 = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %i2 = "onnx.Constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %p0 = "onnx.Constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %p1 = "onnx.Constant"() {value = dense<[3.0, 5.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %p2 = "onnx.Constant"() {value = dense<4.0> : tensor<2xf32>} : () -> tensor<2xf32>
  %w = "onnx.Constant"() {value = dense<[[0.5, 0.25], [0.0, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %same = "onnx.Constant"() {value = dense<[[0.5, 0.25], [0.0, 1.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %r0 = "onnx.Gather"(%bias, %i0) {axis = 0 : i64} : (tensor<3x2xf32>, tensor<i64>) -> tensor<2xf32>
  %r1 = "onnx.Gather"(%bias, %i1) {axis = 0 : i64} : (tensor<3x2xf32>, tensor<i64>) -> tensor<2xf32>
  %r2 = "onnx.Gather"(%bias, %i2) {axis = 0 : i64} : (tensor<3x2xf32>, tensor<i64>) -> tensor<2xf32>
  %a0 = "onnx.Add"(%x, %p0) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %b0 = "onnx.MatMul"(%a0, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c0 = "onnx.Add"(%b0, %r0) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %a1 = "onnx.Add"(%c0, %p1) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %b1 = "onnx.MatMul"(%a1, %same) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c1 = "onnx.Add"(%b1, %r1) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %again = "onnx.Identity"(%w) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %a2 = "onnx.Add"(%c1, %p2) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %b2 = "onnx.MatMul"(%a2, %again) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c2 = "onnx.Add"(%b2, %r2) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  return %c2 : tensor<?x2xf32>
}

// What the loop begins with is made as what it carries: that addition belongs to the step before.
// CHECK-LABEL: func @residual
// CHECK: %[[X:.*]] = onnx.Add(%arg0, %arg1)
// CHECK: onnx.Loop(%{{.*}}, %{{.*}}, %[[X]]) (%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %[[H:.*]]: tensor<4x2xf32>)
// CHECK:   %[[PRODUCT:.*]] = onnx.MatMul(%[[H]], %arg2)
// CHECK:   %[[NEXT:.*]] = onnx.Add(%[[H]], %[[PRODUCT]])
// CHECK:   onnx.Yield(%{{.*}}, %[[NEXT]])
func.func @residual(%word: tensor<4x2xf32>, %position: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x2xf32> {
  %x = "onnx.Add"(%word, %position) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %b0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %c0 = "onnx.Add"(%x, %b0) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %b1 = "onnx.MatMul"(%c0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %c1 = "onnx.Add"(%c0, %b1) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %b2 = "onnx.MatMul"(%c1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %c2 = "onnx.Add"(%c1, %b2) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  return %c2 : tensor<4x2xf32>
}

// The last step's state is read by nothing, so the exporter dropped what makes it; what is read is the sum of all steps.
// CHECK-LABEL: func @last_step_without_state
// CHECK: %[[LOOP:.*]]:2 = onnx.Loop(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) (%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %[[A:.*]]: tensor<4x2xf32>, %[[B:.*]]: tensor<4x2xf32>)
// CHECK:   onnx.MatMul
// CHECK:   onnx.Relu
// CHECK-NOT: onnx.MatMul
// CHECK: return %[[LOOP]]#
func.func @last_step_without_state(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>, %zero: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %b0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %s0 = "onnx.Add"(%zero, %b0) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %c0 = "onnx.Relu"(%b0) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %b1 = "onnx.MatMul"(%c0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %s1 = "onnx.Add"(%s0, %b1) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %c1 = "onnx.Relu"(%b1) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %b2 = "onnx.MatMul"(%c1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %s2 = "onnx.Add"(%s1, %b2) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %dead = "onnx.Relu"(%b0) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  return %s2 : tensor<4x2xf32>
}

// States of all steps, side by side.
// CHECK-LABEL: func @stacked
// CHECK: %[[LOOP:.*]]:2 = onnx.Loop
// CHECK: %[[ALL:.*]] = onnx.Squeeze(%[[LOOP]]#1, %{{.*}}) : (tensor<3x4x1x2xf32>, tensor<1xi64>) -> tensor<3x4x2xf32>
// CHECK: %[[SWAPPED:.*]] = onnx.Transpose(%[[ALL]]) {perm = array<i64: 1, 0, 2>} : (tensor<3x4x2xf32>) -> tensor<4x3x2xf32>
// CHECK: return %[[SWAPPED]]
func.func @stacked(%x: tensor<4x2xf32>, %w: tensor<2x2xf32>) -> tensor<4x3x2xf32> {
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %b0 = "onnx.MatMul"(%x, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %b1 = "onnx.MatMul"(%b0, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %b2 = "onnx.MatMul"(%b1, %w) : (tensor<4x2xf32>, tensor<2x2xf32>) -> tensor<4x2xf32>
  %u0 = "onnx.Unsqueeze"(%b0, %one) : (tensor<4x2xf32>, tensor<1xi64>) -> tensor<4x1x2xf32>
  %u1 = "onnx.Unsqueeze"(%b1, %one) : (tensor<4x2xf32>, tensor<1xi64>) -> tensor<4x1x2xf32>
  %u2 = "onnx.Unsqueeze"(%b2, %one) : (tensor<4x2xf32>, tensor<1xi64>) -> tensor<4x1x2xf32>
  %all = "onnx.Concat"(%u0, %u1, %u2) {axis = 1 : i64} : (tensor<4x1x2xf32>, tensor<4x1x2xf32>, tensor<4x1x2xf32>) -> tensor<4x3x2xf32>
  return %all : tensor<4x3x2xf32>
}

// The first step adds nothing, the last one subtracts: three are alike.
// CHECK-LABEL: func @ends_differ
// CHECK: onnx.MatMul(%arg0, %arg1)
// CHECK: onnx.Tanh
// CHECK: onnx.Constant() {value = dense<3> : tensor<i64>}
// CHECK: %[[LOOP:.*]] = onnx.Loop
// CHECK:   onnx.MatMul
// CHECK:   onnx.Add
// CHECK:   onnx.Tanh
// CHECK:   onnx.Yield
// CHECK: %[[LAST:.*]] = onnx.MatMul(%[[LOOP]], %arg1)
// CHECK: onnx.Sub(%[[LAST]], %arg2)
// CHECK-NOT: onnx.MatMul
// CHECK: return
func.func @ends_differ(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>, %b: tensor<2xf32>) -> tensor<?x2xf32> {
  %b0 = "onnx.MatMul"(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %h0 = "onnx.Tanh"(%b0) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b1 = "onnx.MatMul"(%h0, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c1 = "onnx.Add"(%b1, %b) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %h1 = "onnx.Tanh"(%c1) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b2 = "onnx.MatMul"(%h1, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c2 = "onnx.Add"(%b2, %b) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %h2 = "onnx.Tanh"(%c2) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b3 = "onnx.MatMul"(%h2, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c3 = "onnx.Add"(%b3, %b) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %h3 = "onnx.Tanh"(%c3) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b4 = "onnx.MatMul"(%h3, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %c4 = "onnx.Sub"(%b4, %b) : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %h4 = "onnx.Tanh"(%c4) : (tensor<?x2xf32>) -> tensor<?x2xf32>
  return %h4 : tensor<?x2xf32>
}
