// RUN: ac-opt %s --ac-raise-stacked-rows | FileCheck %s
// RUN: ac-opt %s --ac-raise | FileCheck %s --check-prefix=RAISED

// CHECK-LABEL: func @stack_times_mask
// CHECK: %[[MASK:.*]] = onnx.Cast
// CHECK: %[[OWN0:.*]] = onnx.Gather(%[[MASK]], {{.*}}) {axis = 1 : i64} : (tensor<?x2x1xf32>, tensor<i64>) -> tensor<?x1xf32>
// CHECK: %[[TERM0:.*]] = onnx.Mul(%{{.*}}, %[[OWN0]])
// CHECK: %[[OWN1:.*]] = onnx.Gather(%[[MASK]]
// CHECK: %[[TERM1:.*]] = onnx.Mul(%{{.*}}, %[[OWN1]])
// CHECK: %[[SUM:.*]] = onnx.Add(%[[TERM0]], %[[TERM1]])
// CHECK: return %[[SUM]]
// Learner n is taken where k >= n, which is k + 1 > n.
// RAISED-LABEL: func @stack_times_mask
// RAISED: %[[LEAST:.*]] = onnx.Constant() {value = dense<-1> : tensor<i64>}
// RAISED: onnx.Sub(%arg3, %[[LEAST]])
// RAISED: ac.learner_chain {{.*}} rows(%arg0 : tensor<?x8xf32>) learner {
// RAISED: } learner {
func.func @stack_times_mask(%x: tensor<?x8xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %k: tensor<?x1xi64>) -> tensor<?x4xf32> {
  %axis = "onnx.Constant"() {value = dense<-2> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = "onnx.Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %range = "onnx.Constant"() {value = dense<[0, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = 1 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %5 = "onnx.LessOrEqual"(%range, %k) : (tensor<2xi64>, tensor<?x1xi64>) -> tensor<?x2xi1>
  %6 = "onnx.Unsqueeze"(%5, %last) : (tensor<?x2xi1>, tensor<1xi64>) -> tensor<?x2x1xi1>
  %7 = "onnx.Cast"(%6) {to = 1 : i64} : (tensor<?x2x1xi1>) -> tensor<?x2x1xf32>
  %8 = "onnx.Mul"(%7, %4) : (tensor<?x2x1xf32>, tensor<?x2x4xf32>) -> tensor<?x2x4xf32>
  %9 = "onnx.ReduceSum"(%8, %axis) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %9 : tensor<?x4xf32>
}

// CHECK-LABEL: func @stack_in_a_where
// CHECK: onnx.Where
// CHECK: onnx.Where
// CHECK: %[[SUM:.*]] = onnx.Add
// CHECK: %[[KEPT:.*]] = onnx.Unsqueeze(%[[SUM]]
// CHECK: return %[[KEPT]]
// RAISED-LABEL: func @stack_in_a_where
// RAISED: ac.moe_dispatch {{.*}} rows(%arg0 : tensor<?x8xf32>) expert {
// RAISED: } expert {
func.func @stack_in_a_where(%x: tensor<?x8xf32>, %w0: tensor<8x4xf32>, %w1: tensor<8x4xf32>, %on: tensor<?x2x1xi1>) -> tensor<?x1x4xf32> {
  %axis = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "onnx.MatMul"(%x, %w0) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.MatMul"(%x, %w1) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Unsqueeze"(%0, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %3 = "onnx.Unsqueeze"(%1, %axis) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %4 = "onnx.Concat"(%2, %3) {axis = -2 : i64} : (tensor<?x1x4xf32>, tensor<?x1x4xf32>) -> tensor<?x2x4xf32>
  %5 = "onnx.Where"(%on, %4, %zero) : (tensor<?x2x1xi1>, tensor<?x2x4xf32>, tensor<f32>) -> tensor<?x2x4xf32>
  %6 = "onnx.ReduceSum"(%5, %axis) {keepdims = 1 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  return %6 : tensor<?x1x4xf32>
}
