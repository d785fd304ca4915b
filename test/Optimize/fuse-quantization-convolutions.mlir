// RUN: ac-opt %s --ac-fuse-quantization --split-input-file | FileCheck %s

module attributes {ac.target = {cpu = "sapphirerapids", tile_dots = [i8], masks = true}} {

// One convolution of bytes, and what bounded the floats bounds the bytes.
// CHECK-LABEL: func.func @to_bytes(
// CHECK-NOT: onnx.DequantizeLinear
// CHECK: %[[Q:.*]] = onnx.QLinearConv(%arg0,
// CHECK-SAME: pads = array<i64: 1, 1, 1, 1>
// CHECK: %[[LOW:.*]] = onnx.Constant() {value = dense<7> : tensor<ui8>}
// CHECK: %[[MAX:.*]] = onnx.Max(%[[Q]], %[[LOW]])
// CHECK: %[[HIGH:.*]] = onnx.Constant() {value = dense<31> : tensor<ui8>}
// CHECK: %[[MIN:.*]] = onnx.Min(%[[MAX]], %[[HIGH]])
// CHECK: return %[[MIN]]
func.func @to_bytes(%x: tensor<?x2x5x5xui8>) -> tensor<?x3x5x5xui8> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x2x3x3xi8>} : () -> tensor<3x2x3x3xi8>
  %sx = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %sw = "onnx.Constant"() {value = dense<[0.5, 2.0, 1.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %sb = "onnx.Constant"() {value = dense<[0.125, 0.5, 0.25]> : tensor<3xf32>} : () -> tensor<3xf32>
  %zx = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> tensor<ui8>
  %ib = "onnx.Constant"() {value = dense<[1, 2, 3]> : tensor<3xi32>} : () -> tensor<3xi32>
  %none = "onnx.NoValue"() : () -> none
  %six = "onnx.Constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %a = "onnx.DequantizeLinear"(%x, %sx, %zx) : (tensor<?x2x5x5xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x2x5x5xf32>
  %b = "onnx.DequantizeLinear"(%w, %sw, %none) {axis = 0 : i64} : (tensor<3x2x3x3xi8>, tensor<3xf32>, none) -> tensor<3x2x3x3xf32>
  %c = "onnx.DequantizeLinear"(%ib, %sb, %none) {axis = 0 : i64} : (tensor<3xi32>, tensor<3xf32>, none) -> tensor<3xf32>
  %y = "onnx.Conv"(%a, %b, %c) {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x2x5x5xf32>, tensor<3x2x3x3xf32>, tensor<3xf32>) -> tensor<?x3x5x5xf32>
  %clip = "onnx.Clip"(%y, %zero, %six) : (tensor<?x3x5x5xf32>, tensor<f32>, tensor<f32>) -> tensor<?x3x5x5xf32>
  %q = "onnx.QuantizeLinear"(%clip, %sx, %zx) : (tensor<?x3x5x5xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x3x5x5xui8>
  return %q : tensor<?x3x5x5xui8>
}

// A result that stays in floats: the exact sum is scaled.
// CHECK-LABEL: func.func @to_floats(
// CHECK-NOT: onnx.DequantizeLinear
// CHECK: %[[SUM:.*]] = onnx.ConvInteger(
// CHECK: %[[SCALE:.*]] = onnx.Constant() {value = dense<6.250000e-02> : tensor<1x1x1xf32>}
// CHECK: %[[FLOATS:.*]] = onnx.Cast(%[[SUM]])
// CHECK: onnx.Mul(%[[FLOATS]], %[[SCALE]])
// CHECK: onnx.Add(
func.func @to_floats(%x: tensor<?x2x5x5xi8>, %bias: tensor<3xf32>) -> tensor<?x3x3x3xf32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x2x3x3xi8>} : () -> tensor<3x2x3x3xi8>
  %s = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %s, %none) : (tensor<?x2x5x5xi8>, tensor<f32>, none) -> tensor<?x2x5x5xf32>
  %b = "onnx.DequantizeLinear"(%w, %s, %none) : (tensor<3x2x3x3xi8>, tensor<f32>, none) -> tensor<3x2x3x3xf32>
  %y = "onnx.Conv"(%a, %b, %bias) : (tensor<?x2x5x5xf32>, tensor<3x2x3x3xf32>, tensor<3xf32>) -> tensor<?x3x3x3xf32>
  return %y : tensor<?x3x3x3xf32>
}

// Left alone: it is summed in floats anyway.
// CHECK-LABEL: func.func @depthwise_floats(
// CHECK: onnx.Conv(
func.func @depthwise_floats(%x: tensor<?x2x5x5xi8>) -> tensor<?x2x3x3xf32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<2x1x3x3xi8>} : () -> tensor<2x1x3x3xi8>
  %s = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %s, %none) : (tensor<?x2x5x5xi8>, tensor<f32>, none) -> tensor<?x2x5x5xf32>
  %b = "onnx.DequantizeLinear"(%w, %s, %none) : (tensor<2x1x3x3xi8>, tensor<f32>, none) -> tensor<2x1x3x3xf32>
  %y = "onnx.Conv"(%a, %b, %none) {group = 2 : i64} : (tensor<?x2x5x5xf32>, tensor<2x1x3x3xf32>, none) -> tensor<?x2x3x3xf32>
  return %y : tensor<?x2x3x3xf32>
}
}

// -----

// Where nothing multiplies groups of bytes, floats are faster.
// CHECK-LABEL: func.func @without_groups(
// CHECK: onnx.Conv(
func.func @without_groups(%x: tensor<?x2x5x5xi8>, %bias: tensor<3xf32>) -> tensor<?x3x3x3xf32> {
  %w = "onnx.Constant"() {value = dense<2> : tensor<3x2x3x3xi8>} : () -> tensor<3x2x3x3xi8>
  %s = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %s, %none) : (tensor<?x2x5x5xi8>, tensor<f32>, none) -> tensor<?x2x5x5xf32>
  %b = "onnx.DequantizeLinear"(%w, %s, %none) : (tensor<3x2x3x3xi8>, tensor<f32>, none) -> tensor<3x2x3x3xf32>
  %y = "onnx.Conv"(%a, %b, %bias) : (tensor<?x2x5x5xf32>, tensor<3x2x3x3xf32>, tensor<3xf32>) -> tensor<?x3x3x3xf32>
  return %y : tensor<?x3x3x3xf32>
}
