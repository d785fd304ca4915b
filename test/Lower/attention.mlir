// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-LABEL: func.func @grouped_causal(
// CHECK-NOT: ac.contract
// CHECK: ac.attention ins(%arg0, %arg1, %arg2 : {{.*}}) attributes {after = 0 : i64, empty_is_zero
// CHECK-SAME: scale = 0.35355
// CHECK-NEXT: return
func.func @grouped_causal(%q: tensor<2x9x4x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>)
    -> tensor<2x9x4x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y:4 = "onnx.Attention"(%q, %k, %v, %none, %none, %none, %none) {is_causal = 1 : i64}
    : (tensor<2x9x4x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>, none, none, none, none)
    -> (tensor<2x9x4x8xf32>, none, none, none)
  return %y#0 : tensor<2x9x4x8xf32>
}

// The reference: nine query heads read three heads of K and V through the batch map of the product; nothing is repeated. The
// mask is computed where it is applied, and rows are normalised after the product with V.
// CHECK-LABEL: func.func @dense(
// CHECK: ac.contract ins({{.*}} : tensor<18x4x8xf32>, tensor<6x8x6xf32>)
// CHECK-SAME: rhs_batch = #{{.*}}
// CHECK: linalg.index 3
// CHECK: arith.maxnumf
// CHECK: math.exp
// CHECK: ac.contract ins({{.*}} : tensor<18x4x6xf32>, tensor<6x6x8xf32>)
// CHECK: arith.mulf
// CHECK: return
func.func @dense(%q: tensor<2x9x4x8xf32>, %k: tensor<2x3x6x8xf32>, %v: tensor<2x3x6x8xf32>) -> tensor<2x9x4x8xf32> {
  %r = ac.attention dense ins(%q, %k, %v : tensor<2x9x4x8xf32>, tensor<2x3x6x8xf32>, tensor<2x3x6x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64, after = 0 : i64} -> tensor<2x9x4x8xf32>
  return %r : tensor<2x9x4x8xf32>
}
