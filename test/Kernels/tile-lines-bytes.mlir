// RUN: ac-opt %s --ac-tile-lines --canonicalize --cse | FileCheck %s

#zero = affine_map<(d0) -> (0)>
#each = affine_map<(d0) -> (d0)>
#id = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>

module attributes {ac.target = {cpu = "sapphirerapids", tile_dots = [i8], masks = true}} {
// The lines are few, but the columns that are copied to groups are not: a row of positions has 56 * 576 of them, and 16 rows
// half a megabyte.
// CHECK-LABEL: func.func @columns(
// CHECK: scf.for %{{.*}} = %c0 to %c56 step %c16
// CHECK: linalg.generic
// CHECK: tensor.extract %arg0
// CHECK: ac.contract
// CHECK-SAME: outs(%{{.*}} : tensor<1x64x?x56xi32>)
// CHECK: tensor.insert_slice
func.func @columns(%x: tensor<1x64x58x58xi8>, %w: tensor<1x64x576xi8>, %starts: tensor<576xindex>) -> tensor<1x64x56x56xi32> {
  %empty = tensor.empty() : tensor<1x58x64x1x58xi8>
  %lines = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      outs(%empty : tensor<1x58x64x1x58xi8>) {
  ^bb0(%out: i8):
    %c0 = arith.constant 0 : index
    %h = linalg.index 1 : index
    %c = linalg.index 2 : index
    %j = linalg.index 4 : index
    %read = tensor.extract %x[%c0, %c, %h, %j] : tensor<1x64x58x58xi8>
    linalg.yield %read : i8
  } -> tensor<1x58x64x1x58xi8>
  %flat = tensor.collapse_shape %lines [[0, 1], [2, 3, 4]] : tensor<1x58x64x1x58xi8> into tensor<58x3712xi8>
  %init = tensor.empty() : tensor<1x64x56x56xi32>
  %y = ac.contract ins(%w, %flat : tensor<1x64x576xi8>, tensor<58x3712xi8>) extras()
      rhs_starts(%starts : tensor<576xindex>) outs(%init : tensor<1x64x56x56xi32>)
      attributes {lhs_batch = #zero, rhs_batch = #each, out_order = array<i64: 3, 1, 0, 2>, extra_maps = [], rhs_unsigned} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x64x56x56xi32>
  return %y : tensor<1x64x56x56xi32>
}
}
