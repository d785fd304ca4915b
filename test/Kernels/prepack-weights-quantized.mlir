// RUN: ac-opt %s --ac-prepack-weights --canonicalize | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Panels of two lanes. -8 and 7 fit four bits: less the smallest, steps from the lowest bits on. Of three columns the last
// has a panel with a scale of zero beside it. Scales that f16 holds are f16.
module attributes {ac.target = {vector_bits = 32 : i64, tile_vectors = 2 : i64}} {

// CHECK-LABEL: func.func @four_bits(
// CHECK-DAG: %[[W:.*]] = arith.constant dense<{{\[\[\[\[}}1057, 1028]], {{\[\[}}2288, 2184]]]]> : tensor<1x2x1x2xi32>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00]], {{\[\[}}5.000000e-01, 0.000000e+00]]]]> : tensor<1x2x1x2xf16>
// CHECK: ac.contract packed ins(%{{.*}}, %[[W]] : tensor<1x?x3xf32>, tensor<1x2x1x2xi32>) scales(%[[S]] : tensor<1x2x1x2xf16>)
// CHECK-SAME: block_size = 3 : i64, {{.*}}least = -8 : i64
func.func @four_bits(%a: tensor<1x?x3xf32>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %b = arith.constant dense<[[[-7, -4, -8], [-6, -8, 7], [-4, -4, 0]]]> : tensor<1x3x3xi8>
  %s = arith.constant dense<[[[1.0, 2.0, 0.5]]]> : tensor<1x1x3xf32>
  %p = ac.contract ins(%a, %b : tensor<1x?x3xf32>, tensor<1x3x3xi8>) scales(%s : tensor<1x1x3xf32>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 3 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}

// Sixteen numbers apart: a byte each. A third is no f16.
// CHECK-LABEL: func.func @bytes(
// CHECK-DAG: %[[W:.*]] = arith.constant dense<{{\[\[\[\[}}-8, 8], [0, 1]]]]> : tensor<1x1x2x2xi8>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<0.333333343> : tensor<1x1x1x2xf32>
// CHECK-DAG: %[[Z:.*]] = arith.constant dense<{{\[\[\[\[}}1, -1]]]]> : tensor<1x1x1x2xi8>
// CHECK: ac.contract packed ins(%{{.*}}, %[[W]] : tensor<1x?x2xf32>, tensor<1x1x2x2xi8>) scales(%[[S]] : tensor<1x1x1x2xf32>) zeros(%[[Z]] : tensor<1x1x1x2xi8>)
// CHECK-NOT: least
func.func @bytes(%a: tensor<1x?x2xf32>, %i: tensor<1x?x2xf32>) -> tensor<1x?x2xf32> {
  %b = arith.constant dense<[[[-8, 8], [0, 1]]]> : tensor<1x2x2xi8>
  %s = arith.constant dense<[[[0.333333343, 0.333333343]]]> : tensor<1x1x2xf32>
  %z = arith.constant dense<[[[1, -1]]]> : tensor<1x1x2xi8>
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x2xi8>) scales(%s : tensor<1x1x2xf32>) zeros(%z : tensor<1x1x2xi8>) extras() outs(%i : tensor<1x?x2xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 2 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x2xf32>
  return %p : tensor<1x?x2xf32>
}

// CHECK-LABEL: func.func @computed_scales_stay(
// CHECK: ac.contract ins(
func.func @computed_scales_stay(%a: tensor<1x?x2xf32>, %s: tensor<1x1x2xf32>, %i: tensor<1x?x2xf32>) -> tensor<1x?x2xf32> {
  %b = arith.constant dense<[[[-8, 8], [0, 1]]]> : tensor<1x2x2xi8>
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x2xi8>) scales(%s : tensor<1x1x2xf32>) extras() outs(%i : tensor<1x?x2xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 2 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x2xf32>
  return %p : tensor<1x?x2xf32>
}
}
