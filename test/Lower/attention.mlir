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

// A cache with its own length for each entry: the past and the new rows are written, and lengths and positions are structure.
// CHECK-LABEL: func.func @group_query(
// CHECK: %[[PRESENT:.*]] = scf.for
// CHECK: tensor.insert_slice
// CHECK: tensor.insert_slice
// CHECK: ac.attention ins(%{{.*}}, %[[PRESENT]], %{{.*}}) offsets({{.*}}) lengths({{.*}}) sinks({{.*}}) attributes {after = 0 : i64, before = 31 : i64
func.func @group_query(%q: tensor<?x1x64xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %pk: tensor<?x2x?x16xf32>,
                       %pv: tensor<?x2x?x16xf32>, %lengths: tensor<?xi32>, %total: tensor<i32>)
    -> (tensor<?x1x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) {
  %y:3 = "onnx.Custom"(%q, %k, %v, %pk, %pv, %lengths, %total) {domain = "com.microsoft", op_type = "GroupQueryAttention",
      num_heads = 4 : i64, kv_num_heads = 2 : i64, local_window_size = 32 : i64, smooth_softmax = 1 : i64}
    : (tensor<?x1x64xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?xi32>, tensor<i32>)
    -> (tensor<?x1x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>)
  return %y#0, %y#1, %y#2 : tensor<?x1x64xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>
}

// Queries, keys and values are parts of one product, and nothing is moved.
// CHECK-LABEL: func.func @microsoft_attention(
// CHECK: ac.contract
// CHECK-NOT: linalg.transpose
// CHECK: ac.attention ins({{.*}}) lengths({{.*}}) attributes {empty_is_zero, key_order = array<i64: 0, 2, 1, 3>
func.func @microsoft_attention(%x: tensor<2x9x10xf32>, %w: tensor<10x96xf32>, %b: tensor<96xf32>, %m: tensor<2xi32>)
    -> tensor<2x9x32xf32> {
  %y = "onnx.Custom"(%x, %w, %b, %m) {domain = "com.microsoft", op_type = "Attention", num_heads = 4 : i64}
    : (tensor<2x9x10xf32>, tensor<10x96xf32>, tensor<96xf32>, tensor<2xi32>) -> tensor<2x9x32xf32>
  return %y : tensor<2x9x32xf32>
}
