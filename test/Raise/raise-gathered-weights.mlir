// RUN: ac-opt %s --ac-raise-gathered-weights | FileCheck %s

// Two of three experts for each row, whose matrices are gathered; choices are a dimension of their own.
// CHECK-LABEL: func @choices_apart
// CHECK-DAG: %[[NUMBERS:.*]] = onnx.Constant() {value = dense<[0, 1, 2]> : tensor<3xi64>}
// CHECK-DAG: %[[CHOSEN:.*]] = onnx.Equal({{.*}}, %[[NUMBERS]]) : (tensor<?x2x1xi64>, tensor<3xi64>) -> tensor<?x2x3xi1>
// CHECK: %[[EACH:.*]] = onnx.Where(%[[CHOSEN]], {{.*}}) : (tensor<?x2x3xi1>, tensor<?x2x1xf32>, tensor<f32>) -> tensor<?x2x3xf32>
// CHECK: %[[WEIGHTS:.*]] = onnx.ReduceSum(%[[EACH]], {{.*}}) {keepdims = 0 : i64} : {{.*}} -> tensor<?x3xf32>
// CHECK: ac.moe_dispatch %[[WEIGHTS]] : tensor<?x3xf32> rows(%{{.*}} : tensor<?x4xf32>) expert {
// CHECK: %[[UP:.*]] = onnx.Gather(%arg2, {{.*}}) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<i64>) -> tensor<4x8xf32>
// CHECK: onnx.MatMul({{.*}}, %[[UP]]) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Add({{.*}}) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Relu
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
// CHECK-COUNT-2: } expert {
// CHECK-NOT: onnx.MatMul({{.*}}x2x
// CHECK: return
func.func @choices_apart(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>, %bias: tensor<3x8xf32>,
                         %down: tensor<3x8x4xf32>) -> tensor<?x4xf32> {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %both = "onnx.Constant"() {value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %row = "onnx.Unsqueeze"(%x, %both) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x1x1x4xf32>
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %b = "onnx.Gather"(%bias, %ids) {axis = 0 : i64} : (tensor<3x8xf32>, tensor<?x2xi64>) -> tensor<?x2x8xf32>
  %d = "onnx.Gather"(%down, %ids) {axis = 0 : i64} : (tensor<3x8x4xf32>, tensor<?x2xi64>) -> tensor<?x2x8x4xf32>
  %0 = "onnx.MatMul"(%row, %u) : (tensor<?x1x1x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x1x8xf32>
  %1 = "onnx.Unsqueeze"(%b, %two) : (tensor<?x2x8xf32>, tensor<1xi64>) -> tensor<?x2x1x8xf32>
  %2 = "onnx.Add"(%0, %1) : (tensor<?x2x1x8xf32>, tensor<?x2x1x8xf32>) -> tensor<?x2x1x8xf32>
  %3 = "onnx.Relu"(%2) : (tensor<?x2x1x8xf32>) -> tensor<?x2x1x8xf32>
  %4 = "onnx.MatMul"(%3, %d) : (tensor<?x2x1x8xf32>, tensor<?x2x8x4xf32>) -> tensor<?x2x1x4xf32>
  %5 = "onnx.Squeeze"(%4, %two) : (tensor<?x2x1x4xf32>, tensor<1xi64>) -> tensor<?x2x4xf32>
  %6 = "onnx.Unsqueeze"(%w, %two) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x2x1xf32>
  %7 = "onnx.Mul"(%5, %6) : (tensor<?x2x4xf32>, tensor<?x2x1xf32>) -> tensor<?x2x4xf32>
  %8 = "onnx.ReduceSum"(%7, %one) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %8 : tensor<?x4xf32>
}

// Rows and choices folded together, the row as a column; matrices are transposed in the expert.
// CHECK-LABEL: func @choices_folded
// CHECK: ac.moe_dispatch {{.*}} : tensor<?x3xf32> rows(%{{.*}} : tensor<?x4xf32>) expert {
// CHECK: onnx.Transpose({{.*}}) {perm = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Split({{.*}}) {axis = 1 : i64, num_outputs = 2 : i64} : {{.*}} -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK: return
func.func @choices_folded(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x8x4xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = "onnx.Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %twice = "onnx.Constant"() {value = dense<[1, 2, 1]> : tensor<3xi64>} : () -> tensor<3xi64>
  %flat = "onnx.Constant"() {value = dense<[-1, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  %apart = "onnx.Constant"() {value = dense<[-1, 2, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %0 = "onnx.Unsqueeze"(%x, %one) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1x4xf32>
  %1 = "onnx.Expand"(%0, %twice) : (tensor<?x1x4xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %2 = "onnx.Reshape"(%1, %flat) : (tensor<?x2x4xf32>, tensor<2xi64>) -> tensor<?x4xf32>
  %3 = "onnx.Unsqueeze"(%2, %last) : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x4x1xf32>
  %4 = "onnx.Reshape"(%ids, %last) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
  %5 = "onnx.Unsqueeze"(%4, %last) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %6 = "onnx.GatherND"(%up, %5) : (tensor<3x8x4xf32>, tensor<?x1xi64>) -> tensor<?x8x4xf32>
  %7 = "onnx.MatMul"(%6, %3) : (tensor<?x8x4xf32>, tensor<?x4x1xf32>) -> tensor<?x8x1xf32>
  %8 = "onnx.Squeeze"(%7, %last) : (tensor<?x8x1xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  %9:2 = "onnx.Split"(%8, %none) {axis = 1 : i64, num_outputs = 2 : i64} : (tensor<?x8xf32>, none) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  %10 = "onnx.Mul"(%9#0, %9#1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %11 = "onnx.Reshape"(%w, %flat) : (tensor<?x2xf32>, tensor<2xi64>) -> tensor<?x1xf32>
  %12 = "onnx.Mul"(%11, %10) : (tensor<?x1xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %13 = "onnx.Reshape"(%12, %apart) : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %14 = "onnx.ReduceSum"(%13, %one) {keepdims = 0 : i64} : (tensor<?x2x4xf32>, tensor<1xi64>) -> tensor<?x4xf32>
  return %14 : tensor<?x4xf32>
}

// Sums and products written as Einsum.
// CHECK-LABEL: func @einsum
// CHECK: ac.moe_dispatch {{.*}} : tensor<?x3xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
// CHECK: return
func.func @einsum(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>) -> tensor<?x8xf32> {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %u = "onnx.Gather"(%up, %ids) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<?x2xi64>) -> tensor<?x2x4x8xf32>
  %0 = "onnx.Einsum"(%x, %u) {equation = "td,tkdf->tkf"} : (tensor<?x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8xf32>
  %1 = "onnx.Einsum"(%w, %0) {equation = "tk,tkf->tf"} : (tensor<?x2xf32>, tensor<?x2x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
