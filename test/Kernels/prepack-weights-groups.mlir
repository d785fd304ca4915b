// RUN: ac-opt %s --split-input-file --ac-prepack-weights --canonicalize | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Panels of two vectors of one sum: three columns make two panels. Four steps of a column stand together, the fourth of
// which is past the depth.
module attributes {ac.target = {vector_bits = 32 : i64, tile_vectors = 2 : i64, vector_dots = [i8], tile_dots = []}} {

// CHECK-LABEL: func.func @bytes_lie_in_groups(
// CHECK: %[[PACKED:.*]] = arith.constant dense<{{\[\[\[\[}}1, 4, 7, 0, 2, 5, 8, 0]], {{\[\[}}3, 6, 9, 0, 0, 0, 0, 0]]]]> : tensor<1x2x1x8xi8>
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] :
// CHECK-SAME: group = 4 : i64
func.func @bytes_lie_in_groups(%a: tensor<1x?x3xi8>, %i: tensor<1x?x3xi32>) -> tensor<1x?x3xi32> {
  %b = arith.constant dense<[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]> : tensor<1x3x3xi8>
  %p = ac.contract ins(%a, %b : tensor<1x?x3xi8>, tensor<1x3x3xi8>) extras() outs(%i : tensor<1x?x3xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_unsigned} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x?x3xi32>
  return %p : tensor<1x?x3xi32>
}

// The target has no instruction for these.
// CHECK-LABEL: func.func @bf16_lies_in_rows(
// CHECK-NOT: group
// CHECK: return
func.func @bf16_lies_in_rows(%a: tensor<1x?x3xbf16>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %b = arith.constant dense<[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]> : tensor<1x3x3xbf16>
  %p = ac.contract ins(%a, %b : tensor<1x?x3xbf16>, tensor<1x3x3xbf16>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}
}

// -----

#same = affine_map<(d0) -> (d0)>

// Tiles have sixteen groups of sixteen columns, and a panel is two tiles wide.
module attributes {ac.target = {vector_dots = [], tile_dots = [bf16]}} {

// CHECK-LABEL: func.func @panels_hold_whole_tiles(
// CHECK: ac.contract packed ins(%{{.*}} : tensor<1x?x3xbf16>, tensor<1x1x16x64xbf16>)
// CHECK-SAME: group = 2 : i64
func.func @panels_hold_whole_tiles(%a: tensor<1x?x3xbf16>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %b = arith.constant dense<[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]> : tensor<1x3x3xbf16>
  %p = ac.contract ins(%a, %b : tensor<1x?x3xbf16>, tensor<1x3x3xbf16>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}
}
