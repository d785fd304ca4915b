// RUN: ac-opt %s --ac-fuse-quantization | FileCheck %s

// CHECK-LABEL: func.func @for_each_column(
// CHECK-DAG: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}-128, 1], [2, 127]]>
// CHECK-DAG: %[[SX:.*]] = onnx.Constant() {value = dense<2.500000e-01>
// CHECK-DAG: %[[SW:.*]] = onnx.Constant() {value = dense<[5.000000e-01, 2.000000e+00]>
// CHECK-DAG: %[[ZX:.*]] = onnx.Constant() {value = dense<7>
// CHECK-DAG: %[[NONE:.*]] = onnx.NoValue()
// CHECK: %[[SUM:.*]] = onnx.MatMulInteger(%{{.*}}, %[[W]], %[[ZX]], %[[NONE]])
// CHECK-DAG: %[[SCALE:.*]] = onnx.Mul(%[[SX]], %[[SW]])
// CHECK-DAG: %[[FLOAT:.*]] = onnx.Cast(%[[SUM]])
// CHECK: onnx.Mul(%[[FLOAT]], %[[SCALE]])
// CHECK-NOT: onnx.DequantizeLinear
func.func @for_each_column(%x: tensor<?x2xui8>) -> tensor<?x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127]]> : tensor<2x2xi8>} : () -> tensor<2x2xi8>
  %sx = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %sw = "onnx.Constant"() {value = dense<[0.5, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %zx = "onnx.Constant"() {value = dense<7> : tensor<ui8>} : () -> tensor<ui8>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %sx, %zx) : (tensor<?x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x2xf32>
  %b = "onnx.DequantizeLinear"(%w, %sw, %none) {axis = 1 : i64} : (tensor<2x2xi8>, tensor<2xf32>, none) -> tensor<2x2xf32>
  %y = "onnx.MatMul"(%a, %b) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @gemm(
// CHECK: %[[T:.*]] = onnx.Transpose(%{{.*}})
// CHECK: %[[SUM:.*]] = onnx.MatMulInteger(%{{.*}}, %[[T]],
// CHECK: %[[P:.*]] = onnx.Mul(
// CHECK: onnx.Add(
func.func @gemm(%x: tensor<?x2xi8>, %c: tensor<3xf32>) -> tensor<?x3xf32> {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127], [3, 4]]> : tensor<3x2xi8>} : () -> tensor<3x2xi8>
  %s = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %s, %none) : (tensor<?x2xi8>, tensor<f32>, none) -> tensor<?x2xf32>
  %b = "onnx.DequantizeLinear"(%w, %s, %none) : (tensor<3x2xi8>, tensor<f32>, none) -> tensor<3x2xf32>
  %y = "onnx.Gemm"(%a, %b, %c) {transB = 1 : i64} : (tensor<?x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// Left alone: a scale for each row of the weights, rows that were never bytes, scales whose product is no normal number.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: onnx.MatMulInteger
// CHECK: return
func.func @others(%x: tensor<?x2xui8>, %f: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = "onnx.Constant"() {value = dense<[[-128, 1], [2, 127]]> : tensor<2x2xi8>} : () -> tensor<2x2xi8>
  %s = "onnx.Constant"() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %tiny = "onnx.Constant"() {value = dense<2.0e-38> : tensor<f32>} : () -> tensor<f32>
  %sw = "onnx.Constant"() {value = dense<[0.5, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %none = "onnx.NoValue"() : () -> none
  %a = "onnx.DequantizeLinear"(%x, %s, %none) : (tensor<?x2xui8>, tensor<f32>, none) -> tensor<?x2xf32>
  %rows = "onnx.DequantizeLinear"(%w, %sw, %none) {axis = 0 : i64} : (tensor<2x2xi8>, tensor<2xf32>, none) -> tensor<2x2xf32>
  %columns = "onnx.DequantizeLinear"(%w, %sw, %none) {axis = 1 : i64} : (tensor<2x2xi8>, tensor<2xf32>, none) -> tensor<2x2xf32>
  %small = "onnx.DequantizeLinear"(%w, %tiny, %none) : (tensor<2x2xi8>, tensor<f32>, none) -> tensor<2x2xf32>
  %1 = "onnx.MatMul"(%a, %rows) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %2 = "onnx.MatMul"(%f, %columns) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %3 = "onnx.MatMul"(%a, %small) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %1, %2, %3 : tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>
}
