// RUN: ac-opt %s --ac-emit-contractions --canonicalize | FileCheck %s

// Where masked loads are slow (NEON), only the panel past the last whole one uses them.

#same = affine_map<(d0) -> (d0)>
module attributes {ac.target = {vector_bits = 128 : i64, tile_rows = 1 : i64, tile_vectors = 1 : i64, masks = false}} {
func.func @product(%a: memref<1x?x64xf32>, %b: memref<1x64x?xf32>, %r: memref<1x?x?xf32>) {
  ac.contract ins(%a, %b : memref<1x?x64xf32>, memref<1x64x?xf32>) extras() outs(%r : memref<1x?x?xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: scf.if
// CHECK: vector.load
// CHECK: vector.store
// CHECK: } else {
// CHECK: vector.maskedload
// CHECK: vector.maskedstore
}
