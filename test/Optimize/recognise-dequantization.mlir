// RUN: ac-opt %s --ac-recognise-dequantization | FileCheck %s

// CHECK-LABEL: func.func @for_each_column(
// CHECK-DAG: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}-128, 1], [2, 127]]> : tensor<2x2xi8>}
// CHECK-DAG: %[[S:.*]] = onnx.Constant() {value = dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>}
// CHECK-DAG: %[[NONE:.*]] = onnx.NoValue()
// CHECK: onnx.DequantizeLinear(%[[W]], %[[S]], %[[NONE]]) {axis = 1 : i64}
// CHECK-NOT: onnx.Mul
func.func @for_each_column() -> tensor<2x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127]]> : tensor<2x2xi8>} : () -> tensor<2x2xi8>
  %s = "onnx.Constant"() {value = dense<[[0.5, 0.25]]> : tensor<1x2xf32>} : () -> tensor<1x2xf32>
  %c = "onnx.Cast"(%w) {to = 1 : i64} : (tensor<2x2xi8>) -> tensor<2x2xf32>
  %y = "onnx.Mul"(%c, %s) : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// The scale comes first; a row is one block.
// CHECK-LABEL: func.func @for_each_row(
// CHECK: onnx.DequantizeLinear(%{{.*}}) {axis = 1 : i64, block_size = 3 : i64} : (tensor<2x3xui8>, tensor<2x1xf32>, none)
func.func @for_each_row() -> tensor<2x3xf32> {
  %w = "onnx.Constant"() {value = dense<[[255, 1, 0], [2, 127, 9]]> : tensor<2x3xui8>} : () -> tensor<2x3xui8>
  %s = "onnx.Constant"() {value = dense<[[0.5], [0.25]]> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %c = "onnx.Cast"(%w) {to = 1 : i64} : (tensor<2x3xui8>) -> tensor<2x3xf32>
  %y = "onnx.Mul"(%s, %c) : (tensor<2x1xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// A zero point of f32 that a byte holds, one for all, with a scale for each column.
// CHECK-LABEL: func.func @zero_point(
// CHECK: %[[Z:.*]] = onnx.Constant() {value = dense<128> : tensor<2xui8>}
// CHECK: onnx.DequantizeLinear(%{{.*}}, %{{.*}}, %[[Z]])
func.func @zero_point() -> tensor<2x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[255, 1], [2, 127]]> : tensor<2x2xui8>} : () -> tensor<2x2xui8>
  %s = "onnx.Constant"() {value = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %z = "onnx.Constant"() {value = dense<128.0> : tensor<f32>} : () -> tensor<f32>
  %c = "onnx.Cast"(%w) {to = 1 : i64} : (tensor<2x2xui8>) -> tensor<2x2xf32>
  %d = "onnx.Sub"(%c, %z) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %y = "onnx.Mul"(%d, %s) : (tensor<2x2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// The difference in i32, of two casts, before a cast to f32.
// CHECK-LABEL: func.func @whole_difference(
// CHECK-DAG: %[[Z:.*]] = onnx.Constant() {value = dense<-3> : tensor<i8>}
// CHECK-DAG: %[[S:.*]] = onnx.Constant() {value = dense<5.000000e-01> : tensor<f32>}
// CHECK: onnx.DequantizeLinear(%{{.*}}, %[[S]], %[[Z]])
func.func @whole_difference() -> tensor<2x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127]]> : tensor<2x2xi8>} : () -> tensor<2x2xi8>
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<1xf32>} : () -> tensor<1xf32>
  %z = "onnx.Constant"() {value = dense<-3> : tensor<i8>} : () -> tensor<i8>
  %c = "onnx.Cast"(%w) {to = 6 : i64} : (tensor<2x2xi8>) -> tensor<2x2xi32>
  %e = "onnx.Cast"(%z) {to = 6 : i64} : (tensor<i8>) -> tensor<i32>
  %d = "onnx.Sub"(%c, %e) : (tensor<2x2xi32>, tensor<i32>) -> tensor<2x2xi32>
  %f = "onnx.Cast"(%d) {to = 1 : i64} : (tensor<2x2xi32>) -> tensor<2x2xf32>
  %y = "onnx.Mul"(%f, %s) : (tensor<2x2xf32>, tensor<1xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// Left alone: bytes that are subtracted as such wrap, zero points that no byte holds, parameters of another shape.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: onnx.DequantizeLinear
// CHECK: return
func.func @others(%x: tensor<2x2xi8>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127]]> : tensor<2x2xi8>} : () -> tensor<2x2xi8>
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %z = "onnx.Constant"() {value = dense<3> : tensor<i8>} : () -> tensor<i8>
  %half = "onnx.Constant"() {value = dense<1.5> : tensor<f32>} : () -> tensor<f32>
  %matrix = "onnx.Constant"() {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %d = "onnx.Sub"(%w, %z) : (tensor<2x2xi8>, tensor<i8>) -> tensor<2x2xi8>
  %c = "onnx.Cast"(%d) {to = 1 : i64} : (tensor<2x2xi8>) -> tensor<2x2xf32>
  %a = "onnx.Mul"(%c, %s) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %e = "onnx.Cast"(%w) {to = 1 : i64} : (tensor<2x2xi8>) -> tensor<2x2xf32>
  %f = "onnx.Sub"(%e, %half) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %b = "onnx.Mul"(%f, %s) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %g = "onnx.Mul"(%e, %matrix) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %h = "onnx.Cast"(%x) {to = 1 : i64} : (tensor<2x2xi8>) -> tensor<2x2xf32>
  %i = "onnx.Mul"(%h, %s) : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  return %a, %b, %g, %i : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
