// RUN: ac-opt %s --ac-prepack-weights --canonicalize | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Panels are as wide as the vectors of the sums, and hold the elements as they are.
module attributes {ac.target = {vector_bits = 32 : i64, tile_vectors = 2 : i64}} {

// CHECK-LABEL: func.func @small_floats(
// CHECK: %[[PACKED:.*]] = arith.constant dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00], [4.000000e+00, 5.000000e+00]],
// CHECK-SAME: {{\[\[}}3.000000e+00, 0.000000e+00], [6.000000e+00, 0.000000e+00]]]]> : tensor<1x2x2x2xf16>
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] : tensor<1x?x2xf32>, tensor<1x2x2x2xf16>)
func.func @small_floats(%a: tensor<1x?x2xf32>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %b = arith.constant dense<[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]> : tensor<1x2x3xf16>
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x3xf16>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}
}
