// RUN: ac-opt %s --ac-emit-contractions --canonicalize --cse > %t
// RUN: FileCheck %s --input-file=%t
// RUN: FileCheck %s --input-file=%t --check-prefix=NEXT

#same = affine_map<(d0) -> (d0)>
#row = affine_map<(d0, d1, d2) -> (d1)>
#column = affine_map<(d0, d1, d2) -> (d2)>

module attributes {ac.target = {vector_bits = 256 : i64, tile_rows = 3 : i64, tile_vectors = 2 : i64, masks = true}} {

// Two shapes, one kernel: sizes are known at run time.
// CHECK-LABEL: func.func @shapes_share_a_kernel(
// CHECK: ac.parallel
// CHECK: func.call @[[KERNEL:ac_contract_[0-9]+]](
// CHECK: ac.parallel
// CHECK: func.call @[[KERNEL]](
// CHECK: return
//
// The last tiles of the first product fetch the weights of the second: its kernel gets their address.
// NEXT-LABEL: func.func @shapes_share_a_kernel(
// NEXT-SAME: %[[D:[a-z0-9]+]]: memref<2x2x7x16xf32>
// NEXT: %[[ADDRESS:.*]] = memref.extract_aligned_pointer_as_index %[[D]]
// NEXT: func.call @ac_contract_0(%{{.*}}, %[[ADDRESS]], %{{[a-z0-9]+}}, %{{[a-z0-9]+}})
func.func @shapes_share_a_kernel(%a: memref<1x?x64xf32>, %b: memref<1x4x64x16xf32>, %r: memref<1x?x64xf32>,
                                 %c: memref<2x5x7xf32>, %d: memref<2x2x7x16xf32>, %s: memref<2x5x32xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x4x64x16xf32>) extras() outs(%r : memref<1x?x64xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  ac.contract packed ins(%c, %d : memref<2x5x7xf32>, memref<2x2x7x16xf32>) extras() outs(%s : memref<2x5x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// CHECK-LABEL: func.func @other_epilogue_other_kernel(
// CHECK: func.call @[[KERNEL:ac_contract_[0-9]+]](
// CHECK-NOT: func.call @[[KERNEL]](
// CHECK: func.call @ac_contract_
func.func @other_epilogue_other_kernel(%a: memref<1x?x64xf32>, %b: memref<1x64x?xf32>, %r: memref<1x?x?xf32>, %bias: memref<?xf32>) {
  ac.contract ins(%a, %b : memref<1x?x64xf32>, memref<1x64x?xf32>) extras() outs(%r : memref<1x?x?xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  ac.contract ins(%a, %b : memref<1x?x64xf32>, memref<1x64x?xf32>) extras(%bias : memref<?xf32>) outs(%r : memref<1x?x?xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [#column]} {
  ^bb0(%sum: f32, %add: f32):
    %biased = arith.addf %sum, %add : f32
    ac.yield %biased : f32
  }
  return
}

// The rhs is loaded by vectors along its columns; if they are apart, it is copied.
// CHECK-LABEL: func.func @strided_columns_are_copied(
// CHECK: %[[COPY:.*]] = memref.alloc
// CHECK: memref.copy %{{.*}}, %[[COPY]]
// CHECK: func.call @ac_contract_
// CHECK: memref.dealloc %[[COPY]]
func.func @strided_columns_are_copied(%a: memref<1x?x64xf32>, %b: memref<1x64x32xf32, strided<[4096, 1, 64]>>, %r: memref<1x?x32xf32>) {
  ac.contract ins(%a, %b : memref<1x?x64xf32>, memref<1x64x32xf32, strided<[4096, 1, 64]>>) extras() outs(%r : memref<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// Columns that are left over fill one vector of the panel's two.
// CHECK-LABEL: func.func @few_columns_need_few_vectors(
// CHECK: func.call @ac_contract_4(
func.func @few_columns_need_few_vectors(%a: memref<1x?x64xf32>, %b: memref<1x1x64x16xf32>, %r: memref<1x?x5xf32>) {
  ac.contract packed ins(%a, %b : memref<1x?x64xf32>, memref<1x1x64x16xf32>) extras() outs(%r : memref<1x?x5xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// Rows are read and written where they are; the extra has one for each row of the product.
// CHECK-LABEL: func.func @rows_that_stand_apart(
// CHECK: func.call @ac_contract_5(
func.func @rows_that_stand_apart(%a: memref<1x?x64xf32>, %b: memref<1x64x16xf32>, %r: memref<1x?x16xf32>, %w: memref<?xf32>,
                                 %places: memref<?xindex>) {
  ac.contract ins(%a, %b : memref<1x?x64xf32>, memref<1x64x16xf32>) extras(%w : memref<?xf32>)
      lhs_rows(%places : memref<?xindex>) out_rows(%places : memref<?xindex>) accumulate outs(%r : memref<1x?x16xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [#row]} {
  ^bb0(%sum: f32, %weight: f32):
    %scaled = arith.mulf %weight, %sum : f32
    ac.yield %scaled : f32
  }
  return
}

// Columns begin where their step says; the batch is counted within the image.
// CHECK-LABEL: func.func @overlapping_columns(
// CHECK: func.call @ac_contract_6(
func.func @overlapping_columns(%a: memref<1x8x27xf32>, %b: memref<14x66xf32>, %starts: memref<27xindex>, %r: memref<2x8x5x20xf32>) {
  ac.contract ins(%a, %b : memref<1x8x27xf32>, memref<14x66xf32>) extras() rhs_starts(%starts : memref<27xindex>)
      outs(%r : memref<2x8x5x20xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = #same, extra_maps = [], out_order = array<i64: 3, 1, 0, 2>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// CHECK-LABEL: func.func @tensors_stay(
// CHECK: ac.contract
func.func @tensors_stay(%a: tensor<1x?x64xf32>, %b: tensor<1x64x32xf32>, %i: tensor<1x?x32xf32>) -> tensor<1x?x32xf32> {
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  return %p : tensor<1x?x32xf32>
}

// The kernel: full tiles of three rows by two vectors, four steps at a time and then one by one, and a tile of exactly the
// rows that are left.
// CHECK-LABEL: func.func private @ac_contract_0(
// CHECK: scf.for %{{.*}} step %c3
// CHECK: scf.for %{{.*}} step %c4
// CHECK-COUNT-24: vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT: vector.fma
// CHECK: scf.for %{{.*}} step %c1
// CHECK-COUNT-6: vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT: vector.fma
// CHECK: scf.for %{{.*}} step %c3
// CHECK: scf.index_switch
// CHECK-NEXT: case 1 {
// CHECK: case 2 {
// CHECK: default {
// CHECK: return

// The epilogue runs on vectors, before they are stored.
// CHECK-LABEL: func.func private @ac_contract_2(
// CHECK: %[[ADD:.*]] = vector.maskedload {{.*}} : memref<?xf32
// CHECK: %[[V:.*]] = arith.addf %{{.*}}, %[[ADD]] : vector<8xf32>
// CHECK: vector.maskedstore {{.*}}, %[[V]]

// Columns that fill one vector of two: three products a step. With many rows, tiles fetch the next panel together, fewer
// lines each the more they are; with few, each what it will read itself. In front of them, twice the rows go in the
// registers of the other vector, a step at a time.
// CHECK-LABEL: func.func private @ac_contract_4(
// CHECK: scf.for %{{.*}} step %c6
// CHECK-NOT: step %c4
// CHECK: scf.for %{{.*}} step %c1
// CHECK-COUNT-6: vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT: vector.fma
// CHECK: arith.cmpi uge, %{{.*}}, %c8
// CHECK: scf.for %{{.*}} step %c3
// CHECK: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK-COUNT-12: vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT: vector.fma
// CHECK: scf.for %{{.*}} step %c1
// CHECK-COUNT-3: vector.fma {{.*}} : vector<8xf32>
// CHECK: arith.cmpi uge, %{{.*}}, %c4
// CHECK: scf.for %{{.*}} step %c3
// CHECK-COUNT-2: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: arith.cmpi uge, %{{.*}}, %c2
// CHECK-COUNT-4: llvm.intr.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: memref.prefetch
// CHECK-NOT: llvm.intr.prefetch
// CHECK: scf.index_switch

// What is scaled and added is rounded once in each tile, whatever LLVM makes of their ends.
// CHECK-LABEL: func.func private @ac_contract_5(
// CHECK: %[[PLACE:.*]] = memref.load %[[PLACES:.*]][%{{.*}}] : memref<?xindex
// CHECK: memref.load %{{.*}}[%{{.*}}, %[[PLACE]], %{{.*}}] : memref<?x?x?xf32
// CHECK: %[[OLD:.*]] = vector.load %arg2[%{{.*}}, %[[OUT:[0-9]+]],
// CHECK-NEXT: %[[NEW:.*]] = vector.fma %{{.*}}, %{{.*}}, %[[OLD]] : vector<8xf32>
// CHECK: vector.store %[[NEW]], %{{.*}}[%{{.*}}, %[[OUT]],
// CHECK-NOT: arith.addf

// CHECK-LABEL: func.func private @ac_contract_6(
// CHECK: %[[ROWS:.*]] = memref.dim %arg2, %c2
// CHECK: %[[IMAGE:.*]] = arith.divui %{{.*}}, %[[ROWS]]
// CHECK: %[[ROW:.*]] = arith.remui %{{.*}}, %[[ROWS]]
// CHECK: %[[LINES:.*]] = arith.divui
// CHECK: %[[FIRST:.*]] = arith.muli %[[IMAGE]], %[[LINES]]
// CHECK: %[[LINE:.*]] = arith.addi %[[ROW]], %[[FIRST]]
// CHECK: %[[START:.*]] = memref.load %{{.*}} : memref<?xindex
// CHECK: %[[COLUMN:.*]] = arith.addi %[[START]]
// CHECK: vector.load %{{.*}}[%[[LINE]], %[[COLUMN]]]
}
