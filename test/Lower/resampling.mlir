// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-DAG: #[[$TWICE:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2 floordiv 2, d3 floordiv 2)>

// A whole number of repetitions is one affine read.
// CHECK-LABEL: func.func @repeat(
// CHECK-NOT: tensor.extract
// CHECK: linalg.generic {indexing_maps = [#[[$TWICE]],
// CHECK-NOT: arith.divf
// CHECK: return
func.func @repeat(%x: tensor<1x4x?x?xf32>) -> tensor<1x4x?x?xf32> {
  %none = "onnx.NoValue"() : () -> none
  %s = "onnx.Constant"() {value = dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %y = "onnx.Resize"(%x, %none, %s, %none) {mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"}
    : (tensor<1x4x?x?xf32>, none, tensor<4xf32>, none) -> tensor<1x4x?x?xf32>
  return %y : tensor<1x4x?x?xf32>
}

// Coordinates are computed once for each position of an axis, and only for the axis that changes.
// CHECK-LABEL: func.func @one_axis(
// CHECK: tensor.empty() : tensor<9xi64>
// CHECK: tensor.empty() : tensor<9x2xf32>
// CHECK: tensor.empty() : tensor<1x4x8x9xf32>
// CHECK-NOT: arith.divf
// CHECK: return
func.func @one_axis(%x: tensor<1x4x8x6xf32>) -> tensor<1x4x8x9xf32> {
  %none = "onnx.NoValue"() : () -> none
  %s = "onnx.Constant"() {value = dense<[1, 4, 8, 9]> : tensor<4xsi64>} : () -> tensor<4xsi64>
  %y = "onnx.Resize"(%x, %none, %none, %s) {mode = "linear"}
    : (tensor<1x4x8x6xf32>, none, none, tensor<4xsi64>) -> tensor<1x4x8x9xf32>
  return %y : tensor<1x4x8x9xf32>
}
