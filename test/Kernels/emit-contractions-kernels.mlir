// RUN: ac-opt %s --ac-emit-contractions --split-input-file | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Tasks are the same; a task is one call. Rows in a list are read by the kernel.
// CHECK: ac.kernels = ["{\22columns\22:64,\22compute\22:\22matrix_product\22,
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

// -----

#same = affine_map<(d0) -> (d0)>

// Weights of four bits: few rows call a kernel that takes words, scales and zeros; for many the panel is unpacked, and the
// kernel is that of f32.
// CHECK: ac.kernels = ["{\22columns\22:64,{{.*}}\22panel\22:\22u32\22,{{.*}}\22weights\22:{\22bits\22:4,\22least\22:-8,\22scales\22:\22f16\22,\22zeros\22:\22i8\22}}",
// CHECK-SAME: "{\22columns\22:64,\22compute\22:\22matrix_product\22,
// CHECK-SAME: \22lhs_rows\22:false,\22target\22:{
// CHECK: llvm.func @[[$WORDS:ac_halide_[0-9a-f]+]](i32, i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// CHECK: llvm.func @[[$FLOATS:ac_halide_[0-9a-f]+]](i32, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// CHECK-LABEL: func.func @four_bits(
// CHECK: %[[SCRATCH:.*]] = memref.alloc(%{{.*}}) : memref<?x64xf32>
// CHECK: func.func private @ac_contract_0(
// CHECK: scf.if
// CHECK: vector.store
// CHECK: llvm.call @[[$FLOATS]](
// CHECK: } else {
// CHECK-NOT: vector.fma
// CHECK: llvm.call @[[$WORDS]](
func.func @four_bits(%a: memref<1x?x64xf32>, %b: memref<1x4x8x64xi32>, %s: memref<1x4x2x64xf16>, %z: memref<1x4x2x64xi8>, %r: memref<1x?x256xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x4x8x64xi32>) scales(%s : memref<1x4x2x64xf16>) zeros(%z : memref<1x4x2x64xi8>)
      extras() outs(%r : memref<1x?x256xf32>)
      attributes {ac.kernel = "halide", lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// -----

#same = affine_map<(d0) -> (d0)>

// Bytes in groups, in the panels of tile registers: none of these are used then. Epilogues compute with integers too.
module attributes {ac.target = {cpu = "sapphirerapids", vector_dots = [i8], tile_dots = [i8]}} {
// CHECK: ac.kernels = ["{\22columns\22:32,\22compute\22:\22matrix_product\22,
// CHECK-SAME: \22epilogue\22:{\22ops\22:[{\22bits\22:7,\22type\22:\22i32\22},{\22in\22:[1,2],\22op\22:\22mul\22},{\22in\22:[0,3],\22op\22:\22sub\22},{\22in\22:[4],\22op\22:\22to_float\22}],\22yield\22:5},
// CHECK-SAME: \22extras\22:[{\22along\22:[\22row\22],\22type\22:\22i32\22}],\22group\22:4,
// CHECK-SAME: \22lhs\22:\22u8\22,\22lhs_rows\22:false,\22panel\22:\22i8\22,
// CHECK-LABEL: func.func @bytes(
// CHECK-NOT: amx
// CHECK: func.func private @ac_contract_0(
// CHECK-NOT: vpdpbusd
// CHECK: llvm.call @ac_halide_
func.func @bytes(%a: memref<1x?x10xi8>, %b: memref<1x2x16x128xi8>, %sums: memref<?xi32>, %i: memref<1x?x64xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x10xi8>, memref<1x2x16x128xi8>) extras(%sums : memref<?xi32>) outs(%i : memref<1x?x64xf32>)
      attributes {ac.kernel = "halide", lhs_batch = #same, rhs_batch = #same, extra_maps = [affine_map<(d0, d1, d2) -> (d1)>],
                  lhs_unsigned, group = 4 : i64} {
  ^bb0(%sum: i32, %row: i32):
    %seven = arith.constant 7 : i32
    %point = arith.muli %row, %seven : i32
    %shifted = arith.subi %sum, %point : i32
    %float = arith.sitofp %shifted : i32 to f32
    ac.yield %float : f32
  }
  return
}
}
