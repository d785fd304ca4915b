// RUN: ac-opt %s --ac-lower --split-input-file | FileCheck %s

module attributes {ac.target = {cpu = "sapphirerapids", tile_dots = [i8], masks = true}} {

// Bytes as they stand: padding is the zero point, whose part of each sum is known, 7 * 36 less than the bias.
// CHECK-LABEL: func.func @lines(
// CHECK-DAG: %[[W:.*]] = arith.constant dense<2> : tensor<1x3x18xi8>
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 7 : i8
// CHECK-DAG: %[[OFFSETS:.*]] = arith.constant dense<[-251, -250, -249]> : tensor<3xi32>
// CHECK-DAG: %[[SCALES:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00, 4.000000e+00]> : tensor<3xf32>
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[ZERO]] : i8
// CHECK: ac.contract ins(%[[W]], %{{.*}} : tensor<1x3x18xi8>, tensor<12x24xi8>) extras() rhs_starts(
// CHECK-SAME: rhs_unsigned}
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[OFFSETS]] :
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[SCALES]] :
// CHECK: arith.fptosi
// CHECK: return
func.func @lines(%x: tensor<1x2x10x10xui8>) -> tensor<1x3x10x10xui8> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x2x3x3xi8>} : () -> tensor<3x2x3x3xi8>
  %s = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %sw = "onnx.Constant"() {value = dense<[1.0, 2.0, 4.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %zx = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> tensor<ui8>
  %zw = "onnx.Constant"() {value = dense<0> : tensor<3xi8>} : () -> tensor<3xi8>
  %b = "onnx.Constant"() {value = dense<[1, 2, 3]> : tensor<3xi32>} : () -> tensor<3xi32>
  %y = "onnx.QLinearConv"(%x, %s, %zx, %w, %sw, %zw, %s, %zx, %b) {pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x2x10x10xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<3xf32>, tensor<3xi8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x10x10xui8>
  return %y : tensor<1x3x10x10xui8>
}

// Weights less their zero point are bytes again.
// CHECK-LABEL: func.func @one_tap(
// CHECK: %[[W:.*]] = arith.constant dense<72> : tensor<1x3x2xi8>
// CHECK: %[[X:.*]] = tensor.collapse_shape %arg0
// CHECK: ac.contract ins(%[[W]], %[[X]] : tensor<1x3x2xi8>, tensor<1x2x100xi8>)
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @one_tap(%x: tensor<1x2x10x10xi8>) -> tensor<1x3x10x10xi32> {
  %w = "onnx.Constant"() {value = dense<200> : tensor<3x2x1x1xui8>} : () -> tensor<3x2x1x1xui8>
  %zw = "onnx.Constant"() {value = dense<128> : tensor<ui8>} : () -> tensor<ui8>
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvInteger"(%x, %w, %none, %zw) : (tensor<1x2x10x10xi8>, tensor<3x2x1x1xui8>, none, tensor<ui8>) -> tensor<1x3x10x10xi32>
  return %y : tensor<1x3x10x10xi32>
}

// Sums that f32 holds.
// CHECK-LABEL: func.func @depthwise(
// CHECK: arith.constant dense<2.000000e+00> : tensor<3x9xf32>
// CHECK: ac.depthwise
// CHECK: arith.fptosi
// CHECK: return
func.func @depthwise(%x: tensor<1x3x10x10xui8>) -> tensor<1x3x8x8xi32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x1x3x3xi8>} : () -> tensor<3x1x3x3xi8>
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvInteger"(%x, %w, %none, %none) {group = 3 : i64} : (tensor<1x3x10x10xui8>, tensor<3x1x3x3xi8>, none, none) -> tensor<1x3x8x8xi32>
  return %y : tensor<1x3x8x8xi32>
}

// With a stride, bytes are read where they are and centred there: outside of the image there are zero points.
// CHECK-LABEL: func.func @depthwise_strided(
// CHECK: %[[ZERO:.*]] = arith.constant 7 : i8
// CHECK-NOT: tensor<1x3x11x11xf32>
// CHECK: %[[BYTE:.*]] = tensor.extract %{{.*}} : tensor<1x3x11x11xi8>
// CHECK: %[[READ:.*]] = arith.select %{{.*}}, %[[BYTE]], %[[ZERO]] : i8
// CHECK: arith.extui %[[READ]] : i8 to i32
// CHECK: arith.sitofp
func.func @depthwise_strided(%x: tensor<1x3x11x11xui8>) -> tensor<1x3x6x6xi32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x1x3x3xi8>} : () -> tensor<3x1x3x3xi8>
  %zx = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> tensor<ui8>
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvInteger"(%x, %w, %zx, %none) {group = 3 : i64, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x3x11x11xui8>, tensor<3x1x3x3xi8>, tensor<ui8>, none) -> tensor<1x3x6x6xi32>
  return %y : tensor<1x3x6x6xi32>
}

// 200 less 3 is no byte: what a position reads is summed.
// CHECK-LABEL: func.func @zero_points_of_weights(
// CHECK: arith.constant -2800 : i32
// CHECK: ac.contract
// CHECK-SAME: lhs_unsigned
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "parallel", "parallel"]
// CHECK: arith.muli %{{.*}}, %c3_i32
// CHECK: arith.subi
func.func @zero_points_of_weights(%x: tensor<1x2x10x10xui8>) -> tensor<1x3x10x10xi32> {
  %w = "onnx.Constant"() {value = dense<200> : tensor<3x2x1x1xui8>} : () -> tensor<3x2x1x1xui8>
  %zx = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> tensor<ui8>
  %zw = "onnx.Constant"() {value = dense<3> : tensor<ui8>} : () -> tensor<ui8>
  %y = "onnx.ConvInteger"(%x, %w, %zx, %zw) : (tensor<1x2x10x10xui8>, tensor<3x2x1x1xui8>, tensor<ui8>, tensor<ui8>) -> tensor<1x3x10x10xi32>
  return %y : tensor<1x3x10x10xi32>
}
}

// -----

// Nothing multiplies groups of bytes here, and the sums are whole numbers of f32.
// CHECK-LABEL: func.func @in_floats(
// CHECK: ac.contract ins({{.*}} : tensor<1x3x18xf32>,
// CHECK: arith.fptosi
func.func @in_floats(%x: tensor<1x2x10x10xui8>) -> tensor<1x3x8x8xi32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x2x3x3xi8>} : () -> tensor<3x2x3x3xi8>
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvInteger"(%x, %w, %none, %none) : (tensor<1x2x10x10xui8>, tensor<3x2x3x3xi8>, none, none) -> tensor<1x3x8x8xi32>
  return %y : tensor<1x3x8x8xi32>
}
