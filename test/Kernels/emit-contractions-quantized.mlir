// RUN: ac-opt %s --ac-emit-contractions --canonicalize --cse --split-input-file | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Sixteen lanes: four bits are looked up in a table of the floats from `least` on. Many rows read an unpacked panel, whose
// memory belongs to the range of tasks; few take the numbers from registers.
module {
// CHECK-LABEL: func.func @four_bits(
// CHECK: ac.parallel
// CHECK: %[[SCRATCH:.*]] = memref.alloc(%{{.*}}) : memref<?x64xf32>
// CHECK: func.call @ac_contract_0({{.*}}, %[[SCRATCH]],
// CHECK: memref.dealloc %[[SCRATCH]]
func.func @four_bits(%a: memref<1x?x64xf32>, %b: memref<1x4x8x64xi32>, %s: memref<1x4x2x64xf16>, %z: memref<1x4x2x64xi8>, %r: memref<1x?x256xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x4x8x64xi32>) scales(%s : memref<1x4x2x64xf16>) zeros(%z : memref<1x4x2x64xi8>)
      extras() outs(%r : memref<1x?x256xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[-8.000000e+00, -7.000000e+00, {{.*}}, 7.000000e+00]> : vector<16xf32>
// CHECK-DAG: %[[FOUR:.*]] = arith.constant dense<4> : vector<16xi32>
// The panel is unpacked: a block at a time, eight steps a word.
// CHECK: %[[MANY:.*]] = arith.cmpi ugt, %{{.*}}, %c6
// CHECK: scf.if %[[MANY]] {
// CHECK: %[[SCALE:.*]] = arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: %[[ZERO:.*]] = arith.sitofp %{{.*}} : vector<16xi8> to vector<16xf32>
// CHECK: %[[WORD:.*]] = vector.load {{.*}} vector<16xi32>
// CHECK: %[[WHOLE:.*]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%[[TABLE]], %[[WORD]])
// CHECK: %[[LESS:.*]] = arith.subf %[[WHOLE]], %[[ZERO]]
// CHECK: %[[NUMBER:.*]] = arith.mulf %[[LESS]], %[[SCALE]]
// CHECK: vector.store %[[NUMBER]]
// CHECK: arith.shrui %[[WORD]], %[[FOUR]]
// CHECK: scf.index_switch
// CHECK: } else {
// CHECK: scf.index_switch
// CHECK: case 6 {
// CHECK: memref.prefetch
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
// CHECK: vector.fma
}

// -----

#same = affine_map<(d0) -> (d0)>

// Elsewhere they are masked and converted.
module attributes {ac.target = {vector_bits = 128 : i64, tile_rows = 2 : i64, tile_vectors = 1 : i64, masks = false, triple = "aarch64-unknown-linux-gnu"}} {
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK-DAG: %[[LOW:.*]] = arith.constant dense<15> : vector<4xi32>
// CHECK-DAG: %[[LEAST:.*]] = arith.constant dense<3> : vector<4xi32>
// CHECK: %[[BITS:.*]] = arith.andi %{{.*}}, %[[LOW]]
// CHECK: %[[WHOLE:.*]] = arith.addi %[[BITS]], %[[LEAST]]
// CHECK: %[[FLOAT:.*]] = arith.sitofp %[[WHOLE]] : vector<4xi32> to vector<4xf32>
// CHECK: vector.fma %[[FLOAT]], %{{.*}}, %{{.*}} : vector<4xf32>
func.func @four_bits(%a: memref<1x?x64xf32>, %b: memref<1x4x8x4xi32>, %s: memref<1x4x2x4xf32>, %o: memref<1x4x2x4xf32>, %r: memref<1x?x16xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x4x8x4xi32>) scales(%s : memref<1x4x2x4xf32>) offsets(%o : memref<1x4x2x4xf32>)
      extras() outs(%r : memref<1x?x16xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = 3 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

// Bytes, in panels or not: a step each.
module {
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} : memref<?x?x?x64xi8{{.*}}, vector<16xi8>
// CHECK: arith.sitofp %[[BYTES]] : vector<16xi8> to vector<16xf32>
// CHECK-LABEL: func.func private @ac_contract_1(
// CHECK: vector.maskedload %{{.*}} : memref<?x?x?xi8{{.*}} into vector<16xi8>
func.func @bytes(%a: memref<1x?x64xf32>, %b: memref<1x4x64x64xi8>, %s: memref<1x4x2x64xf32>, %c: memref<1x64x250xi8>, %t: memref<1x2x250xf32>,
                 %r: memref<1x?x256xf32>, %u: memref<1x?x250xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x4x64x64xi8>) scales(%s : memref<1x4x2x64xf32>)
      extras() outs(%r : memref<1x?x256xf32>) attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  ac.contract ins(%a, %c : memref<1x?x64xf32>, memref<1x64x250xi8>) scales(%t : memref<1x2x250xf32>)
      extras() outs(%u : memref<1x?x250xf32>) attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
}

// -----

#same = affine_map<(d0) -> (d0)>

// Rows of bf16 where the target multiplies tiles of it: a panel becomes groups of two, for each half a memory of its own,
// and what is past the depth is zero. Few rows are multiplied in f32, from registers.
module attributes {ac.target = {tile_dots = [bf16], vector_dots = [bf16]}} {
// CHECK-LABEL: func.func @tiles(
// CHECK: func.call @ac_rows_0(
// CHECK: memref.alloc(%{{.*}}) : memref<?x64xbf16>
// CHECK: func.call @ac_contract_1(
// CHECK-LABEL: func.func private @ac_contract_1(
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK: vector.store %{{.*}} : memref<?x64xbf16>, vector<64xbf16>
// CHECK: %[[MANY:.*]] = arith.cmpi ugt, %{{.*}}, %c6
// CHECK: scf.if %[[MANY]] {
// CHECK: %[[EVEN:.*]] = arith.mulf
// CHECK: arith.shrui
// CHECK: %[[ODD:.*]] = arith.mulf
// CHECK: %[[BOTH:.*]] = llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"(%[[ODD]], %[[EVEN]])
// CHECK: %[[TURNS:.*]] = vector.shuffle %[[BOTH]], %[[BOTH]] [0, 16, 1, 17,
// CHECK: vector.store %[[TURNS]]
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: } else {
// CHECK: vector.fma
func.func @tiles(%a: memref<1x?x64xbf16>, %b: memref<1x4x8x64xi32>, %s: memref<1x4x2x64xf16>, %r: memref<1x?x256xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xbf16>, memref<1x4x8x64xi32>) scales(%s : memref<1x4x2x64xf16>)
      extras() outs(%r : memref<1x?x256xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}
}
