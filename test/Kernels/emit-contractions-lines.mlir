// RUN: ac-opt %s --ac-emit-contractions --split-input-file | FileCheck %s

module attributes {ac.target = {cpu = "sapphirerapids", tile_dots = [i8], masks = true}} {

// The columns of both images are copied to groups, ten rows of ten positions being a hundred columns, in front of the
// product, which writes them as such.
// CHECK-LABEL: func.func @images(
// CHECK: %[[OUT:.*]] = memref.reinterpret_cast {{.*}} to memref<2x8x100xi8, strided<[800, 100, 1], offset: ?>>
// CHECK: %[[MEMORY:.*]] = memref.alloc({{.*}}) : memref<?x?x?x128xi8>
// CHECK: call @[[LINES:ac_lines[_0-9]*]](%{{.*}}, %{{.*}}, %[[MEMORY]],
// CHECK: call @ac_contract
// CHECK: memref.dealloc %[[MEMORY]]
// CHECK: func.func private @[[LINES]](
// CHECK: scf.index_switch
// CHECK: case 1 {
// CHECK: vector.maskedload
// CHECK: vector.interleave
// CHECK: case 2 {
// CHECK: default {
// CHECK: scf.for
// CHECK: vector.bitcast {{.*}} : vector<1xi32> to vector<32xi1>
func.func @images(%w: memref<1x8x36xi8>, %lines: memref<24x48xi8>, %starts: memref<36xindex>, %bias: memref<8xi32>, %out: memref<2x8x10x10xi8>) {
  ac.contract ins(%w, %lines : memref<1x8x36xi8>, memref<24x48xi8>) extras(%bias : memref<8xi32>)
      rhs_starts(%starts : memref<36xindex>) outs(%out : memref<2x8x10x10xi8>)
      attributes {extra_maps = [affine_map<(d0, d1, d2, d3) -> (d1)>], lhs_batch = affine_map<(d0) -> (0)>,
                  rhs_batch = affine_map<(d0) -> (d0)>, out_order = array<i64: 3, 1, 0, 2>, rhs_unsigned} {
  ^bb0(%sum: i32, %add: i32):
    %0 = arith.addi %sum, %add : i32
    %1 = arith.trunci %0 : i32 to i8
    ac.yield %1 : i8
  }
  return
}
}

// -----

// Rows that are constant are arranged while compiling, [batch, block, step, two tiles], and nobody keeps the others.
// CHECK-LABEL: module attributes
// CHECK-NOT: memref.global "private" constant @weights :
// CHECK: memref.global "private" constant @weights_rows_1x8 : memref<1x1x1x2048xi8>
// CHECK-LABEL: func.func @constant_rows(
// CHECK: memref.get_global @weights_rows_1x8
// CHECK-NOT: ac_rows
// CHECK: call @ac_contract
module attributes {ac.target = {cpu = "sapphirerapids", tile_dots = [i8], masks = true}} {
memref.global "private" constant @weights : memref<8x36xi8> = dense<3>
func.func @constant_rows(%columns: memref<1x36x50xi8>, %out: memref<1x8x50xi32>) {
  %weights = memref.get_global @weights : memref<8x36xi8>
  %w = memref.expand_shape %weights [[0, 1], [2]] output_shape [1, 8, 36] : memref<8x36xi8> into memref<1x8x36xi8>
  ac.contract ins(%w, %columns : memref<1x8x36xi8>, memref<1x36x50xi8>) extras() outs(%out : memref<1x8x50xi32>)
      attributes {extra_maps = [], lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}
}
