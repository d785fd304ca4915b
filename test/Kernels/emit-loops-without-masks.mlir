// RUN: ac-opt %s --ac-emit-loops --canonicalize | FileCheck %s

// Where masked loads are slow (NEON), windows are loops over elements, split where they enter and leave the padding.

#id = affine_map<(d0, d1) -> (d0, d1)>
module attributes {ac.target = {vector_bits = 128 : i64, tile_rows = 6 : i64, tile_vectors = 4 : i64, masks = false}} {
// CHECK-LABEL: func.func @padded(
// CHECK-NOT: vector.
// CHECK: scf.for %{{.*}} = %c1 to %c128
// CHECK-NOT: vector.
// CHECK: return
func.func @padded(%x: memref<64x128xf32>, %y: memref<64x128xf32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%y : memref<64x128xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %left = affine.apply affine_map<(d0) -> (d0 - 1)>(%j)
    %inside = arith.cmpi ult, %left, %c128 : index
    %column = arith.select %inside, %left, %c0 : index
    %read = memref.load %x[%i, %column] : memref<64x128xf32>
    %value = arith.select %inside, %read, %zero : f32
    linalg.yield %value : f32
  }
  return
}
}
