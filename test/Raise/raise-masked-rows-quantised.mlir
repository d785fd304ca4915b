// RUN: ac-opt %s --ac-raise-masked-rows | FileCheck %s

// Rows are made bytes by one scale, multiplied, and made floats again.
// CHECK-LABEL: func @one_scale
// CHECK: ac.masked_rows
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<?x8xf32>):
// CHECK-NEXT: onnx.QuantizeLinear(%[[ROW]],
// CHECK-NEXT: onnx.MatMulInteger
// CHECK-NEXT: onnx.Cast
// CHECK-NEXT: onnx.Mul
// CHECK-NEXT: ac.yield
func.func @one_scale(%x: tensor<?x8xf32>, %w: tensor<8x4xi8>, %s: tensor<f32>, %z: tensor<ui8>, %columns: tensor<4xf32>, %on: tensor<?x1xi1>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %q = "onnx.QuantizeLinear"(%x, %s, %z) : (tensor<?x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x8xui8>
  %p = "onnx.MatMulInteger"(%q, %w, %z, %none) : (tensor<?x8xui8>, tensor<8x4xi8>, tensor<ui8>, none) -> tensor<?x4xi32>
  %f = "onnx.Cast"(%p) {to = 1 : i64} : (tensor<?x4xi32>) -> tensor<?x4xf32>
  %y = "onnx.Mul"(%f, %columns) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %r = "onnx.Mul"(%y, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// The scale of a column belongs to all rows, those of rows to their own: only the first may go inside.
// CHECK-LABEL: func @scale_for_each_column
// CHECK: ac.masked_rows
// CHECK-NEXT: ^bb0
// CHECK-NEXT: onnx.DequantizeLinear
// CHECK-NEXT: onnx.MatMul
func.func @scale_for_each_column(%x: tensor<5x8xi8>, %w: tensor<8x4xf32>, %s: tensor<8xf32>, %on: tensor<5x1xi1>) -> tensor<5x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<5x1xi1>) -> tensor<5x1xf32>
  %q = "onnx.DequantizeLinear"(%x, %s, %none) {axis = 1 : i64} : (tensor<5x8xi8>, tensor<8xf32>, none) -> tensor<5x8xf32>
  %p = "onnx.MatMul"(%q, %w) : (tensor<5x8xf32>, tensor<8x4xf32>) -> tensor<5x4xf32>
  %r = "onnx.Mul"(%p, %mask) : (tensor<5x4xf32>, tensor<5x1xf32>) -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}

// CHECK-LABEL: func @scale_for_each_row
// CHECK: onnx.DequantizeLinear
// CHECK: ac.masked_rows
// CHECK-NOT: onnx.DequantizeLinear
// CHECK: return
func.func @scale_for_each_row(%x: tensor<5x8xi8>, %w: tensor<8x4xf32>, %s: tensor<5xf32>, %on: tensor<5x1xi1>) -> tensor<5x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<5x1xi1>) -> tensor<5x1xf32>
  %q = "onnx.DequantizeLinear"(%x, %s, %none) {axis = 0 : i64} : (tensor<5x8xi8>, tensor<5xf32>, none) -> tensor<5x8xf32>
  %p = "onnx.MatMul"(%q, %w) : (tensor<5x8xf32>, tensor<8x4xf32>) -> tensor<5x4xf32>
  %r = "onnx.Mul"(%p, %mask) : (tensor<5x4xf32>, tensor<5x1xf32>) -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}

// CHECK-LABEL: func @zero_point_for_each_row
// CHECK-NOT: ac.masked_rows
// CHECK: return
func.func @zero_point_for_each_row(%x: tensor<5x8xi8>, %w: tensor<8x4xi8>, %z: tensor<5xi8>, %on: tensor<5x1xi1>) -> tensor<5x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<5x1xi1>) -> tensor<5x1xf32>
  %p = "onnx.MatMulInteger"(%x, %w, %z, %none) : (tensor<5x8xi8>, tensor<8x4xi8>, tensor<5xi8>, none) -> tensor<5x4xi32>
  %f = "onnx.Cast"(%p) {to = 1 : i64} : (tensor<5x4xi32>) -> tensor<5x4xf32>
  %r = "onnx.Mul"(%f, %mask) : (tensor<5x4xf32>, tensor<5x1xf32>) -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}

// The range of all rows is that of no single one.
// CHECK-LABEL: func @dynamic_range
// CHECK: onnx.DynamicQuantizeLinear
// CHECK: ac.masked_rows
// CHECK-NOT: onnx.DynamicQuantizeLinear
// CHECK: return
func.func @dynamic_range(%x: tensor<?x8xf32>, %w: tensor<8x4xi8>, %on: tensor<?x1xi1>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %q, %s, %z = "onnx.DynamicQuantizeLinear"(%x) : (tensor<?x8xf32>) -> (tensor<?x8xui8>, tensor<f32>, tensor<ui8>)
  %p = "onnx.MatMulInteger"(%q, %w, %z, %none) : (tensor<?x8xui8>, tensor<8x4xi8>, tensor<ui8>, none) -> tensor<?x4xi32>
  %f = "onnx.Cast"(%p) {to = 1 : i64} : (tensor<?x4xi32>) -> tensor<?x4xf32>
  %y = "onnx.Mul"(%f, %s) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %r = "onnx.Mul"(%y, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}
