// RUN: ac-opt %s --ac-lower | FileCheck %s

// Nine query heads read three heads of K and V through the batch map of the product; nothing is repeated. The mask is
// computed where it is applied, and rows are normalised after the product with V.
// CHECK-DAG: #[[$SHARED:.*]] = affine_map<(d0) -> (d0 floordiv 3)>
// CHECK-LABEL: func.func @grouped_causal(
// CHECK: ac.contract ins({{.*}} : tensor<18x4x8xf32>, tensor<6x8x6xf32>)
// CHECK-SAME: rhs_batch = #[[$SHARED]]
// CHECK: linalg.index 3
// CHECK: arith.maxnumf
// CHECK: math.exp
// CHECK: ac.contract ins({{.*}} : tensor<18x4x6xf32>, tensor<6x6x8xf32>)
// CHECK-SAME: rhs_batch = #[[$SHARED]]
// CHECK: arith.mulf
// CHECK: return
func.func @grouped_causal(%q: tensor<2x9x4x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>)
    -> tensor<2x9x4x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y:4 = "onnx.Attention"(%q, %k, %v, %none, %none, %none, %none) {is_causal = 1 : i64}
    : (tensor<2x9x4x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>, none, none, none, none)
    -> (tensor<2x9x4x8xf32>, none, none, none)
  return %y#0 : tensor<2x9x4x8xf32>
}
