// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-DAG: #[[$DIAGONAL:.*]] = affine_map<(d0, d1) -> (d0, d1, d1)>

// Shared labels that the result has are the batch; those that it lacks are contracted.
// CHECK-LABEL: func.func @batched(
// CHECK: ac.contract ins({{.*}} : tensor<5x3x8xf32>, tensor<5x8x4xf32>)
func.func @batched(%a: tensor<5x3x8xf32>, %b: tensor<5x8x4xf32>) -> tensor<5x3x4xf32> {
  %y = "onnx.Einsum"(%a, %b) {equation = "bij,bjk->bik"} : (tensor<5x3x8xf32>, tensor<5x8x4xf32>) -> tensor<5x3x4xf32>
  return %y : tensor<5x3x4xf32>
}

// Without contracted labels nothing is summed.
// CHECK-LABEL: func.func @outer(
// CHECK-NOT: ac.contract
// CHECK: arith.mulf
func.func @outer(%a: tensor<3xf32>, %b: tensor<4xf32>) -> tensor<3x4xf32> {
  %y = "onnx.Einsum"(%a, %b) {equation = "i,j->ij"} : (tensor<3xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// CHECK-LABEL: func.func @diagonal(
// CHECK: linalg.generic {indexing_maps = [#[[$DIAGONAL]],
func.func @diagonal(%a: tensor<2x3x3xf32>) -> tensor<2x3xf32> {
  %y = "onnx.Einsum"(%a) {equation = "...ii->...i"} : (tensor<2x3x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// What only one operand has, and the result has not, is summed before the product.
// CHECK-LABEL: func.func @private_label(
// CHECK: arith.addf
// CHECK: ac.contract ins({{.*}} : tensor<1x3x4xf32>, tensor<1x4x2xf32>)
func.func @private_label(%a: tensor<3x7x4xf32>, %b: tensor<4x2xf32>) -> tensor<3x2xf32> {
  %y = "onnx.Einsum"(%a, %b) {equation = "izj,jk->ik"} : (tensor<3x7x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
