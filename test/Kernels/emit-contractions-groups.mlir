// RUN: ac-opt %s --split-input-file --ac-emit-contractions --verify-diagnostics | FileCheck %s

#same = affine_map<(d0) -> (d0)>

module attributes {ac.target = {vector_bits = 512 : i64, tile_rows = 6 : i64, tile_vectors = 4 : i64, masks = true, vector_dots = [i8, bf16], tile_dots = []}} {
// Unsigned bytes come first: these of the lhs.
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK-NOT: arith.xori
// CHECK: %[[FOUR:.*]] = vector.load %arg0[{{.*}}] : {{.*}}, vector<4xi8>
// CHECK: %[[WORD:.*]] = vector.bitcast %[[FOUR]] : vector<4xi8> to vector<1xi32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(
func.func @unsigned_by_signed(%a: memref<1x?x10xi8>, %b: memref<1x1x3x256xi8>, %i: memref<1x?x64xi32>) {
  ac.contract packed ins(%a, %b : memref<1x?x10xi8>, memref<1x1x3x256xi8>) extras() outs(%i : memref<1x?x64xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_unsigned, group = 4 : i64} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}

// Of equal signs, the lhs is turned into the other one.
// CHECK-LABEL: func.func private @ac_contract_1(
// CHECK: arith.xori
func.func @signed_by_signed(%a: memref<1x?x10xi8>, %b: memref<1x1x3x256xi8>, %i: memref<1x?x64xi32>) {
  ac.contract packed ins(%a, %b : memref<1x?x10xi8>, memref<1x1x3x256xi8>) extras() outs(%i : memref<1x?x64xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], group = 4 : i64} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}

// CHECK-LABEL: func.func private @ac_contract_2(
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(
func.func @bf16(%a: memref<1x?x10xbf16>, %b: memref<1x1x5x128xbf16>, %i: memref<1x?x64xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x10xbf16>, memref<1x1x5x128xbf16>) extras() outs(%i : memref<1x?x64xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], group = 2 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

module attributes {ac.target = {vector_dots = [i8], tile_dots = [i8]}} {
// Rows are arranged in tiles first, those that stand apart are gathered.
// CHECK-LABEL: func.func @tiles(
// CHECK: memref.alloc({{.*}}) : memref<?x?x?x2048xi8>
// CHECK: ac.parallel
// CHECK: func.call @ac_rows_0(
// CHECK: ac.parallel
// CHECK: func.call @ac_contract_1(
// CHECK: memref.dealloc
// CHECK-LABEL: func.func private @ac_rows_0(
// CHECK: vector.maskedload
// The registers are configured once for a range.
// CHECK-LABEL: func.func private @ac_contract_1(
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-NOT: ldtilecfg
// CHECK: scf.for
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbssd"
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"
func.func @tiles(%a: memref<1x?x10xi8>, %b: memref<1x1x16x128xi8>, %rows: memref<?xindex>, %i: memref<1x?x32xi32>) {
  ac.contract packed ins(%a, %b : memref<1x?x10xi8>, memref<1x1x16x128xi8>) extras() lhs_rows(%rows : memref<?xindex>) outs(%i : memref<1x?x32xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], group = 4 : i64} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

module attributes {ac.target = {cpu = "x86-64-v4"}} {
func.func @refuses_what_the_target_lacks(%a: memref<1x?x10xi8>, %b: memref<1x1x3x256xi8>, %i: memref<1x?x64xi32>) {
  // expected-error@+1 {{is packed in groups of 'i8', which target 'x86-64-v4' has no instructions for}}
  ac.contract packed ins(%a, %b : memref<1x?x10xi8>, memref<1x1x3x256xi8>) extras() outs(%i : memref<1x?x64xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], group = 4 : i64} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  }
  return
}
}
