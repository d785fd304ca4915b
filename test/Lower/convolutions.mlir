// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-DAG: #[[$SHARED:.*]] = affine_map<(d0) -> (0)>
// CHECK-DAG: #[[$GROUPS:.*]] = affine_map<(d0) -> (d0 mod 2)>
// CHECK-DAG: #[[$STARTS:.*]] = affine_map<()[s0, s1, s2] -> (s0 * 12 + s1 * 48 + s2)>
// CHECK-DAG: #[[$PHASES:.*]] = affine_map<()[s0, s1, s2] -> (s0 * 18 + s1 * 72 + s2 * 9 - (s2 floordiv 2) * 17)>
// CHECK-DAG: #[[$EVERY_OTHER:.*]] = affine_map<(d0) -> (d0 * 2)>
// CHECK-DAG: #[[$TAP:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, 5)>
// CHECK-DAG: #[[$TILE:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2 mod 2, d3 mod 2, d2 floordiv 2, d3 floordiv 2)>

// Columns are runs of the padded image: rows of it, all channels of a row together, and where each tap begins in them.
// The bias is left to the epilogue.
// CHECK-LABEL: func.func @lines(
// CHECK-NOT: scf.for
// CHECK-NOT: tensor.insert_slice
// CHECK: linalg.generic
// CHECK: arith.cmpi ult, %{{.*}}, %c10
// CHECK: tensor.extract %arg0
// CHECK: tensor<2x12x4x1x12xf32>
// CHECK: affine.apply #[[$STARTS]]()
// CHECK: ac.contract ins({{.*}} : tensor<1x8x36xf32>, tensor<24x48xf32>)
// CHECK-SAME: rhs_starts({{.*}} : tensor<36xindex>) outs({{.*}} : tensor<2x8x10x10xf32>)
// CHECK-SAME: out_order = array<i64: 3, 1, 0, 2>
// CHECK: arith.addf
func.func @lines(%x: tensor<2x4x10x10xf32>, %w: tensor<8x4x3x3xf32>, %b: tensor<8xf32>) -> tensor<2x8x10x10xf32> {
  %y = "onnx.Conv"(%x, %w, %b) {kernel_shape = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>}
    : (tensor<2x4x10x10xf32>, tensor<8x4x3x3xf32>, tensor<8xf32>) -> tensor<2x8x10x10xf32>
  return %y : tensor<2x8x10x10xf32>
}

// With a stride, columns of the image that are as far apart stand together.
// CHECK-LABEL: func.func @lines_apart(
// CHECK: tensor<1x17x4x2x9xf32>
// CHECK: affine.apply #[[$PHASES]]()
// CHECK: ac.contract
// CHECK-SAME: rhs_batch = #[[$EVERY_OTHER]]
func.func @lines_apart(%x: tensor<1x4x16x16xf32>, %w: tensor<8x4x3x3xf32>) -> tensor<1x8x8x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>}
    : (tensor<1x4x16x16xf32>, tensor<8x4x3x3xf32>, none) -> tensor<1x8x8x8xf32>
  return %y : tensor<1x8x8x8xf32>
}

// Nothing is copied where there is no padding.
// CHECK-LABEL: func.func @lines_in_place(
// CHECK: %[[LINES:.*]] = tensor.collapse_shape %arg0 {{.*}} : tensor<3x4x20xf32> into tensor<3x80xf32>
// CHECK: ac.contract ins({{.*}}, %[[LINES]] : tensor<1x8x12xf32>, tensor<3x80xf32>)
func.func @lines_in_place(%x: tensor<3x4x20xf32>, %w: tensor<8x4x3xf32>) -> tensor<3x8x18xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) : (tensor<3x4x20xf32>, tensor<8x4x3xf32>, none) -> tensor<3x8x18xf32>
  return %y : tensor<3x8x18xf32>
}

// Rows of few positions would leave vectors empty: columns are copied once, one row of the matrix for each channel and tap.
// What lies in the padding is not read, and no padded image is made.
// CHECK-LABEL: func.func @few_columns(
// CHECK-NOT: scf.for
// CHECK-NOT: tensor.insert_slice
// CHECK: linalg.generic
// CHECK: arith.cmpi ult, %{{.*}}, %c7
// CHECK: tensor.extract %arg0
// CHECK: linalg.yield
// CHECK: ac.contract ins({{.*}} : tensor<1x8x36xf32>, tensor<1x36x49xf32>)
func.func @few_columns(%x: tensor<1x4x7x7xf32>, %w: tensor<8x4x3x3xf32>) -> tensor<1x8x7x7xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) {pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x4x7x7xf32>, tensor<8x4x3x3xf32>, none) -> tensor<1x8x7x7xf32>
  return %y : tensor<1x8x7x7xf32>
}

// Many columns of groups, or a number that is not known: a few rows of the image at a time, each written to its place.
// CHECK-LABEL: func.func @many_columns(
// CHECK: scf.for
// CHECK: tensor.extract %arg0
// CHECK: ac.contract
// CHECK: arith.addf
// CHECK: tensor.insert_slice
func.func @many_columns(%x: tensor<1x64x?x?xf32>, %w: tensor<8x32x3x3xf32>, %b: tensor<8xf32>) -> tensor<1x8x?x?xf32> {
  %y = "onnx.Conv"(%x, %w, %b) {group = 2 : i64, kernel_shape = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x64x?x?xf32>, tensor<8x32x3x3xf32>, tensor<8xf32>) -> tensor<1x8x?x?xf32>
  return %y : tensor<1x8x?x?xf32>
}

// Each group has its own filters: chosen by the batch map, not copied.
// CHECK-LABEL: func.func @groups(
// CHECK: ac.contract ins({{.*}} : tensor<2x4x3xf32>, tensor<6x3x100xf32>)
// CHECK-SAME: lhs_batch = #[[$GROUPS]]
func.func @groups(%x: tensor<3x6x10x10xf32>, %w: tensor<8x3x1x1xf32>) -> tensor<3x8x10x10xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) {group = 2 : i64} : (tensor<3x6x10x10xf32>, tensor<8x3x1x1xf32>, none) -> tensor<3x8x10x10xf32>
  return %y : tensor<3x8x10x10xf32>
}

// Nothing to contract: all nine taps in one loop without reduction, which what follows can join.
// CHECK-LABEL: func.func @depthwise(
// CHECK-NOT: ac.contract
// CHECK-NOT: "reduction"
// CHECK-NOT: tensor.insert_slice
// CHECK: linalg.generic {indexing_maps = [{{.*}}#[[$TAP]]
// CHECK-COUNT-9: tensor.extract %arg0
func.func @depthwise(%x: tensor<1x6x10x10xf32>, %w: tensor<6x1x3x3xf32>) -> tensor<1x6x10x10xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) {group = 6 : i64, pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x6x10x10xf32>, tensor<6x1x3x3xf32>, none) -> tensor<1x6x10x10xf32>
  return %y : tensor<1x6x10x10xf32>
}

// One position: the filters are the right-hand side, which is packed while compiling if they are constant.
// CHECK-LABEL: func.func @one_position(
// CHECK: ac.contract ins({{.*}} : tensor<1x?x16xf32>, tensor<1x16x8xf32>)
func.func @one_position(%x: tensor<?x16x1x1xf32>, %w: tensor<8x16x1x1xf32>) -> tensor<?x8x1x1xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) : (tensor<?x16x1x1xf32>, tensor<8x16x1x1xf32>, none) -> tensor<?x8x1x1xf32>
  return %y : tensor<?x8x1x1xf32>
}

// A stride as large as the kernel: every pixel of the result is one element of the product.
// CHECK-LABEL: func.func @tiles(
// CHECK: ac.contract ins({{.*}} : tensor<1x32x4xf32>, tensor<?x4x25xf32>)
// CHECK-SAME: lhs_batch = #[[$SHARED]]
// CHECK: linalg.generic {indexing_maps = [#[[$TILE]],
// CHECK-NOT: scf.if
// CHECK: return
func.func @tiles(%x: tensor<?x4x5x5xf32>, %w: tensor<4x8x2x2xf32>) -> tensor<?x8x10x10xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvTranspose"(%x, %w, %none) {strides = array<i64: 2, 2>}
    : (tensor<?x4x5x5xf32>, tensor<4x8x2x2xf32>, none) -> tensor<?x8x10x10xf32>
  return %y : tensor<?x8x10x10xf32>
}

// Windows that overlap are summed where they fall, tap by tap.
// CHECK-LABEL: func.func @overlap(
// CHECK: ac.contract
// CHECK-NOT: scf.if
// CHECK-COUNT-9: tensor.insert_slice {{.*}} [1, 1, 2, 2]
func.func @overlap(%x: tensor<1x4x5x5xf32>, %w: tensor<4x8x3x3xf32>) -> tensor<1x8x11x11xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.ConvTranspose"(%x, %w, %none) {strides = array<i64: 2, 2>}
    : (tensor<1x4x5x5xf32>, tensor<4x8x3x3xf32>, none) -> tensor<1x8x11x11xf32>
  return %y : tensor<1x8x11x11xf32>
}

// The padding of a pooling never wins.
// CHECK-LABEL: func.func @max_pool(
// CHECK: arith.constant 0xFF800000 : f32
// CHECK: linalg.generic
// CHECK: arith.maximumf
func.func @max_pool(%x: tensor<1x4x10x10xf32>) -> tensor<1x4x6x6xf32> {
  %y:2 = "onnx.MaxPool"(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
    : (tensor<1x4x10x10xf32>) -> (tensor<1x4x6x6xf32>, none)
  return %y#0 : tensor<1x4x6x6xf32>
}

// Windows without padding have a constant number of elements; one that hangs over is divided by what it holds.
// CHECK-LABEL: func.func @average_pool(
// CHECK: arith.constant 2.500000e-01 : f32
// CHECK-NOT: arith.divf
// CHECK: return
func.func @average_pool(%x: tensor<1x4x10x10xf32>) -> tensor<1x4x5x5xf32> {
  %y = "onnx.AveragePool"(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>}
    : (tensor<1x4x10x10xf32>) -> tensor<1x4x5x5xf32>
  return %y : tensor<1x4x5x5xf32>
}

// CHECK-LABEL: func.func @average_pool_hanging_over(
// CHECK: arith.divf
func.func @average_pool_hanging_over(%x: tensor<1x4x9x9xf32>) -> tensor<1x4x5x5xf32> {
  %y = "onnx.AveragePool"(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>, ceil_mode = 1 : i64}
    : (tensor<1x4x9x9xf32>) -> tensor<1x4x5x5xf32>
  return %y : tensor<1x4x5x5xf32>
}
