// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-DAG: #[[$SAME:.*]] = affine_map<(d0) -> (d0)>
// CHECK-DAG: #[[$SHARED:.*]] = affine_map<(d0) -> (0)>

// One matrix for all of the batch: batch and rows are rows of one product.
// CHECK-LABEL: func.func @batch_becomes_rows(
// CHECK: ac.contract ins({{.*}} : tensor<1x?x768xf32>, tensor<1x768x4xf32>)
// CHECK: tensor.expand_shape {{.*}} into tensor<?x197x4xf32>
func.func @batch_becomes_rows(%x: tensor<?x197x768xf32>, %w: tensor<768x4xf32>) -> tensor<?x197x4xf32> {
  %p = "onnx.MatMul"(%x, %w) : (tensor<?x197x768xf32>, tensor<768x4xf32>) -> tensor<?x197x4xf32>
  return %p : tensor<?x197x4xf32>
}

// CHECK-LABEL: func.func @matrix_for_each_head(
// CHECK: ac.contract ins({{.*}} : tensor<24x8x64xf32>, tensor<24x64x8xf32>)
// CHECK-SAME: lhs_batch = #[[$SAME]], rhs_batch = #[[$SAME]]
func.func @matrix_for_each_head(%q: tensor<2x12x8x64xf32>, %k: tensor<2x12x64x8xf32>) -> tensor<2x12x8x8xf32> {
  %p = "onnx.MatMul"(%q, %k) : (tensor<2x12x8x64xf32>, tensor<2x12x64x8xf32>) -> tensor<2x12x8x8xf32>
  return %p : tensor<2x12x8x8xf32>
}

// A convolution with 1x1 kernels is a product as it stands: filters by pixels, the filters shared by the batch.
// CHECK-LABEL: func.func @pointwise_convolution(
// CHECK-NOT: linalg.generic
// CHECK: ac.contract ins({{.*}} : tensor<1x8x16xf32>, tensor<?x16x100xf32>)
// CHECK-SAME: lhs_batch = #[[$SHARED]], rhs_batch = #[[$SAME]]
func.func @pointwise_convolution(%x: tensor<?x16x10x10xf32>, %w: tensor<8x16x1x1xf32>) -> tensor<?x8x10x10xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Conv"(%x, %w, %none) {kernel_shape = array<i64: 1, 1>} : (tensor<?x16x10x10xf32>, tensor<8x16x1x1xf32>, none) -> tensor<?x8x10x10xf32>
  return %y : tensor<?x8x10x10xf32>
}

// Integers do not go through the microkernel.
// CHECK-LABEL: func.func @integers(
// CHECK-NOT: ac.contract
// CHECK: arith.muli
func.func @integers(%x: tensor<4x8xsi32>, %w: tensor<8x4xsi32>) -> tensor<4x4xsi32> {
  %p = "onnx.MatMul"(%x, %w) : (tensor<4x8xsi32>, tensor<8x4xsi32>) -> tensor<4x4xsi32>
  return %p : tensor<4x4xsi32>
}
