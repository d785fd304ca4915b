// RUN: ac-opt %s --ac-emit-contractions --split-input-file | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Tasks are the same; a task is one call. Rows in a list are read by the kernel.
// CHECK: ac.kernels = ["{\22compute\22:\22matrix_product\22,
// CHECK-SAME: \22lhs_rows\22:true
// CHECK: llvm.func @[[$ENTRY:ac_halide_[0-9a-f]+]](i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// CHECK-LABEL: func.func @picked(
// CHECK: ac.parallel
// CHECK: call @ac_contract_0(
// CHECK: func.func private @ac_contract_0(
// CHECK-NOT: vector.fma
// CHECK: scf.for
// CHECK: llvm.call @[[$ENTRY]](
func.func @picked(%a: memref<1x50x9xf32>, %b: memref<1x2x9x64xf32>, %bias: memref<70xf32>, %rows: memref<5xindex>, %r: memref<1x5x70xf32>) {
  ac.contract packed ins(%a, %b : memref<1x50x9xf32>, memref<1x2x9x64xf32>) extras(%bias : memref<70xf32>)
      lhs_rows(%rows : memref<5xindex>) outs(%r : memref<1x5x70xf32>)
      attributes {ac.kernel = "halide", lhs_batch = #same, rhs_batch = #same, extra_maps = [affine_map<(d0, d1, d2) -> (d2)>]} {
  ^bb0(%sum: f32, %add: f32):
    %biased = arith.addf %sum, %add : f32
    ac.yield %biased : f32
  }
  return
}

// -----

#same = affine_map<(d0) -> (d0)>

// Distances that are not known might need more than the 32 bits of a call.
// CHECK-NOT: ac.kernels
// CHECK-LABEL: func.func @strided(
// CHECK: func.func private @ac_contract_0(
// CHECK: vector.fma
func.func @strided(%a: memref<1x5x9xf32, strided<[?, ?, 1], offset: ?>>, %b: memref<1x2x9x64xf32>, %r: memref<1x5x70xf32>) {
  ac.contract packed ins(%a, %b : memref<1x5x9xf32, strided<[?, ?, 1], offset: ?>>, memref<1x2x9x64xf32>) extras()
      outs(%r : memref<1x5x70xf32>)
      attributes {ac.kernel = "halide", lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
