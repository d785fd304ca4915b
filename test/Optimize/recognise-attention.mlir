// RUN: ac-opt %s --ac-recognise-attention | FileCheck %s
// RUN: ac-opt %s --ac-recognise-attention=dense | FileCheck %s --check-prefix=DENSE

// DENSE: ac.attention dense

// Heads are moved by transposes on all sides; the scale is a division, the mask an addition.
// CHECK-LABEL: func.func @written_out(
// CHECK-NOT: onnx.Softmax
// CHECK: ac.attention ins(%arg0, %arg1, %arg2 : {{.*}}) mask(%arg3 : tensor<1x1x1x?xf32>)
// CHECK-SAME: key_order = array<i64: 0, 2, 1, 3>, out_order = array<i64: 0, 2, 1, 3>
// CHECK-SAME: query_order = array<i64: 0, 2, 1, 3>, scale = 1.250000e-01 : f64, value_order = array<i64: 0, 2, 1, 3>
// CHECK-SAME: -> tensor<1x?x12x64xf32>
// CHECK-NEXT: return
func.func @written_out(%q: tensor<1x?x12x64xf32>, %k: tensor<1x?x12x64xf32>, %v: tensor<1x?x12x64xf32>,
                       %m: tensor<1x1x1x?xf32>) -> tensor<1x?x12x64xf32> {
  %0 = onnx.Transpose(%q) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x12x64xf32>) -> tensor<1x12x?x64xf32>
  %1 = onnx.Transpose(%k) {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x?x12x64xf32>) -> tensor<1x12x64x?xf32>
  %2 = onnx.Transpose(%v) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x?x12x64xf32>) -> tensor<1x12x?x64xf32>
  %3 = onnx.MatMul(%0, %1) : (tensor<1x12x?x64xf32>, tensor<1x12x64x?xf32>) -> tensor<1x12x?x?xf32>
  %4 = onnx.Constant() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
  %5 = onnx.Div(%3, %4) : (tensor<1x12x?x?xf32>, tensor<f32>) -> tensor<1x12x?x?xf32>
  %6 = onnx.Add(%5, %m) : (tensor<1x12x?x?xf32>, tensor<1x1x1x?xf32>) -> tensor<1x12x?x?xf32>
  %7 = onnx.Softmax(%6) {axis = -1 : i64} : (tensor<1x12x?x?xf32>) -> tensor<1x12x?x?xf32>
  %8 = onnx.MatMul(%7, %2) : (tensor<1x12x?x?xf32>, tensor<1x12x?x64xf32>) -> tensor<1x12x?x64xf32>
  %9 = onnx.Transpose(%8) {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x12x?x64xf32>) -> tensor<1x?x12x64xf32>
  return %9 : tensor<1x?x12x64xf32>
}

// Queries and keys are scaled, a mask selects where the score does not count.
// CHECK-LABEL: func.func @selected(
// CHECK: %[[SEEN:.*]] = onnx.Not(%arg3)
// CHECK: ac.attention ins(%arg0, %arg1, %arg2 : {{.*}}) mask(%[[SEEN]]
// CHECK-SAME: fill = -1.000000e+09 : f64
// CHECK-SAME: key_order = array<i64: 2, 3>
// CHECK-SAME: scale = 2.500000e-01 : f64
func.func @selected(%q: tensor<5x8xf32>, %k: tensor<7x8xf32>, %v: tensor<7x3xf32>, %m: tensor<5x7xi1>)
    -> tensor<5x3xf32> {
  %half = onnx.Constant() {value = dense<0.5> : tensor<1xf32>} : () -> tensor<1xf32>
  %low = onnx.Constant() {value = dense<-1.0e9> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.Mul(%q, %half) : (tensor<5x8xf32>, tensor<1xf32>) -> tensor<5x8xf32>
  %1 = onnx.Transpose(%k) {perm = array<i64: 1, 0>} : (tensor<7x8xf32>) -> tensor<8x7xf32>
  %2 = onnx.Mul(%half, %1) : (tensor<1xf32>, tensor<8x7xf32>) -> tensor<8x7xf32>
  %3 = onnx.MatMul(%0, %2) : (tensor<5x8xf32>, tensor<8x7xf32>) -> tensor<5x7xf32>
  %4 = onnx.Where(%m, %low, %3) : (tensor<5x7xi1>, tensor<f32>, tensor<5x7xf32>) -> tensor<5x7xf32>
  %5 = onnx.Softmax(%4) {axis = 1 : i64} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %6 = onnx.MatMul(%5, %v) : (tensor<5x7xf32>, tensor<7x3xf32>) -> tensor<5x3xf32>
  return %6 : tensor<5x3xf32>
}

// The weights are wanted as well.
// CHECK-LABEL: func.func @weights_are_used(
// CHECK-NOT: ac.attention
func.func @weights_are_used(%q: tensor<5x8xf32>, %k: tensor<8x7xf32>, %v: tensor<7x3xf32>)
    -> (tensor<5x3xf32>, tensor<5x7xf32>) {
  %0 = onnx.MatMul(%q, %k) : (tensor<5x8xf32>, tensor<8x7xf32>) -> tensor<5x7xf32>
  %1 = onnx.Softmax(%0) {axis = -1 : i64} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %2 = onnx.MatMul(%1, %v) : (tensor<5x7xf32>, tensor<7x3xf32>) -> tensor<5x3xf32>
  return %2, %1 : tensor<5x3xf32>, tensor<5x7xf32>
}

// Keys of one batch entry for all: products repeat them.
// CHECK-LABEL: func.func @keys_are_repeated(
// CHECK-NOT: ac.attention
func.func @keys_are_repeated(%q: tensor<2x5x8xf32>, %k: tensor<1x8x7xf32>, %v: tensor<1x7x3xf32>) -> tensor<2x5x3xf32> {
  %0 = onnx.MatMul(%q, %k) : (tensor<2x5x8xf32>, tensor<1x8x7xf32>) -> tensor<2x5x7xf32>
  %1 = onnx.Softmax(%0) {axis = -1 : i64} : (tensor<2x5x7xf32>) -> tensor<2x5x7xf32>
  %2 = onnx.MatMul(%1, %v) : (tensor<2x5x7xf32>, tensor<1x7x3xf32>) -> tensor<2x5x3xf32>
  return %2 : tensor<2x5x3xf32>
}

// Rows of NaN become zero, which hides rows that see nothing.
// CHECK-LABEL: func.func @rows_of_nan(
// CHECK-NOT: onnx.IsNaN
// CHECK: ac.attention ins(%arg0, %arg1, %arg2 : {{.*}}) attributes {{.*}}nan_is_zero
// CHECK-NEXT: return
func.func @rows_of_nan(%q: tensor<5x8xf32>, %k: tensor<8x7xf32>, %v: tensor<7x3xf32>) -> tensor<5x3xf32> {
  %zero = onnx.Constant() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.MatMul(%q, %k) : (tensor<5x8xf32>, tensor<8x7xf32>) -> tensor<5x7xf32>
  %1 = onnx.Softmax(%0) {axis = -1 : i64} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %2 = onnx.IsNaN(%1) : (tensor<5x7xf32>) -> tensor<5x7xi1>
  %3 = onnx.Where(%2, %zero, %1) : (tensor<5x7xi1>, tensor<f32>, tensor<5x7xf32>) -> tensor<5x7xf32>
  %4 = onnx.MatMul(%3, %v) : (tensor<5x7xf32>, tensor<7x3xf32>) -> tensor<5x3xf32>
  return %4 : tensor<5x3xf32>
}

// One in place of NaN is no attention, nor is another tensor that is asked.
// CHECK-LABEL: func.func @not_zero(
// CHECK-NOT: ac.attention
// CHECK: return
func.func @not_zero(%q: tensor<5x8xf32>, %k: tensor<8x7xf32>, %v: tensor<7x3xf32>) -> tensor<5x3xf32> {
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %0 = onnx.MatMul(%q, %k) : (tensor<5x8xf32>, tensor<8x7xf32>) -> tensor<5x7xf32>
  %1 = onnx.Softmax(%0) {axis = -1 : i64} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %2 = onnx.IsNaN(%1) : (tensor<5x7xf32>) -> tensor<5x7xi1>
  %3 = onnx.Where(%2, %one, %1) : (tensor<5x7xi1>, tensor<f32>, tensor<5x7xf32>) -> tensor<5x7xf32>
  %4 = onnx.MatMul(%3, %v) : (tensor<5x7xf32>, tensor<7x3xf32>) -> tensor<5x3xf32>
  return %4 : tensor<5x3xf32>
}
