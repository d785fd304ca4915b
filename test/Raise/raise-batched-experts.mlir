// RUN: ac-opt %s --ac-raise-batched-experts | FileCheck %s

// All experts for all rows, weights scattered into zeros.
// CHECK-LABEL: func @repeated_rows
// CHECK: %[[DENSE:.*]] = onnx.ScatterElements
// CHECK: ac.moe_dispatch %[[DENSE]] : tensor<?x3xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK: onnx.Gather(%arg2, {{.*}}) {axis = 0 : i64} : (tensor<3x4x8xf32>, tensor<i64>) -> tensor<4x8xf32>
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Add({{.*}}) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
// CHECK: onnx.Gelu
// CHECK-COUNT-2: } expert {
// CHECK-NOT: onnx.Tile
// CHECK: return
func.func @repeated_rows(%x: tensor<?x4xf32>, %scores: tensor<?x3xf32>, %up: tensor<3x4x8xf32>, %bias: tensor<3x1x8xf32>,
                         %shape: tensor<2xi64>) -> tensor<?x8xf32> {
  %k = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = "onnx.Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %thrice = "onnx.Constant"() {value = dense<[3, 1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %apart = "onnx.Constant"() {value = dense<[3, -1, 4]> : tensor<3xi64>} : () -> tensor<3xi64>
  %w, %ids = "onnx.TopK"(%scores, %k) {axis = -1 : i64} : (tensor<?x3xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %zeros = "onnx.ConstantOfShape"(%shape) : (tensor<2xi64>) -> tensor<?x3xf32>
  %dense = "onnx.ScatterElements"(%zeros, %ids, %w) {axis = 1 : i64} : (tensor<?x3xf32>, tensor<?x2xi64>, tensor<?x2xf32>) -> tensor<?x3xf32>
  %0 = "onnx.Tile"(%x, %thrice) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x4xf32>
  %1 = "onnx.Reshape"(%0, %apart) : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<3x?x4xf32>
  %2 = "onnx.MatMul"(%1, %up) : (tensor<3x?x4xf32>, tensor<3x4x8xf32>) -> tensor<3x?x8xf32>
  %3 = "onnx.Add"(%2, %bias) : (tensor<3x?x8xf32>, tensor<3x1x8xf32>) -> tensor<3x?x8xf32>
  %4 = "onnx.Gelu"(%3) : (tensor<3x?x8xf32>) -> tensor<3x?x8xf32>
  %5 = "onnx.Transpose"(%dense) {perm = array<i64: 1, 0>} : (tensor<?x3xf32>) -> tensor<3x?xf32>
  %6 = "onnx.Unsqueeze"(%5, %last) : (tensor<3x?xf32>, tensor<1xi64>) -> tensor<3x?x1xf32>
  %7 = "onnx.Mul"(%4, %6) : (tensor<3x?x8xf32>, tensor<3x?x1xf32>) -> tensor<3x?x8xf32>
  %8 = "onnx.ReduceSum"(%7, %zero) {keepdims = 0 : i64} : (tensor<3x?x8xf32>, tensor<1xi64>) -> tensor<?x8xf32>
  return %8 : tensor<?x8xf32>
}

// Rows keep two dimensions; experts are the third.
// CHECK-LABEL: func @einsum_over_sequences
// CHECK: ac.moe_dispatch {{.*}} : tensor<?x?x3xf32> rows(%arg0 : tensor<?x?x4xf32>) expert {
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x?x4xf32>, tensor<4x8xf32>) -> tensor<?x?x8xf32>
// CHECK: return
func.func @einsum_over_sequences(%x: tensor<?x?x4xf32>, %on: tensor<?x?x3xi1>, %up: tensor<3x4x8xf32>) -> tensor<?x?x8xf32> {
  %dense = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x?x3xi1>) -> tensor<?x?x3xf32>
  %0 = "onnx.Einsum"(%x, %up) {equation = "bsd,edf->bsef"} : (tensor<?x?x4xf32>, tensor<3x4x8xf32>) -> tensor<?x?x3x8xf32>
  %1 = "onnx.Relu"(%0) : (tensor<?x?x3x8xf32>) -> tensor<?x?x3x8xf32>
  %2 = "onnx.Einsum"(%1, %dense) {equation = "bsef,bse->bsf"} : (tensor<?x?x3x8xf32>, tensor<?x?x3xf32>) -> tensor<?x?x8xf32>
  return %2 : tensor<?x?x8xf32>
}
