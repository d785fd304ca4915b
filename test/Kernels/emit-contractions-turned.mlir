// RUN: ac-opt %s --ac-emit-contractions --canonicalize --cse | FileCheck %s

#same = affine_map<(d0) -> (d0)>
#zero = affine_map<(d0) -> (0)>

module attributes {ac.target = {vector_bits = 128 : i64, tile_rows = 3 : i64, tile_vectors = 2 : i64, masks = true}} {

// A range has memory for the sums of its columns. Vectors of rows come from the packed lhs, elements of columns one by one;
// four rows and columns at a time are turned over for the epilogue, under a mask. The last panel has three rows.
// CHECK-LABEL: func.func @turned(
// CHECK: memref.alloc() : memref<96x8xf32>
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: vector.load %arg0[{{.*}}] : memref<{{.*}}8xf32{{.*}}>, vector<4xf32>
// CHECK: llvm.load {{.*}} -> f32
// CHECK: vector.fma
// CHECK: vector.shuffle
// CHECK-COUNT-4: vector.maskedstore %arg2[
// CHECK-COUNT-3: vector.maskedstore %arg2[
// CHECK-NOT: vector.maskedstore
func.func @turned(%w: memref<1x2x5x8xf32>, %x: memref<2x5x7xf32>, %r: memref<2x11x7xf32>) {
  ac.contract ins(%w, %x : memref<1x2x5x8xf32>, memref<2x5x7xf32>) extras() outs(%r : memref<2x11x7xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #same, turned} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

}
