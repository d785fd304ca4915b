// RUN: ac-opt %s --ac-emit-contractions --canonicalize --cse | FileCheck %s

#same = affine_map<(d0) -> (d0)>
#zero = affine_map<(d0) -> (0)>

module attributes {ac.target = {vector_bits = 256 : i64, tile_rows = 3 : i64, tile_vectors = 2 : i64, masks = true}} {

// Each range has memory for a panel. The first rows read columns where they are and leave them there; the others read
// those. Rows that are fewer than a tile come after a copy alone.
// CHECK-LABEL: func.func @copied(
// CHECK: ac.parallel
// CHECK: %[[PANEL:.*]] = memref.alloc() : memref<48x16xf32>
// CHECK: call @[[$COPIES:ac_contract_[0-9]+]](%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}})
// CHECK: memref.dealloc %[[PANEL]]
func.func @copied(%a: memref<1x60x48xf32>, %b: memref<1x48x?xf32>, %r: memref<1x60x?xf32>) {
  ac.contract ins(%a, %b : memref<1x60x48xf32>, memref<1x48x?xf32>) extras() outs(%r : memref<1x60x?xf32>)
      attributes {lhs_batch = #zero, rhs_batch = #same, extra_maps = [], copied} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// A result in panels: those of the columns, whole, whatever the number of columns.
// CHECK-LABEL: func.func @panels(
// CHECK: call @[[$LEAVES:ac_contract_[0-9]+]](
func.func @panels(%a: memref<1x60x48xf32>, %b: memref<1x48x?xf32>, %r: memref<1x?x60x16xf32>) {
  ac.contract ins(%a, %b : memref<1x60x48xf32>, memref<1x48x?xf32>) extras() outs(%r : memref<1x?x60x16xf32>)
      attributes {lhs_batch = #zero, rhs_batch = #same, extra_maps = [], copied, out_panels} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// Rows first: a task is half of the rows of a panel, and the panels of the upper half come first.
// CHECK-LABEL: func.func @rows_first(
// CHECK: ac.parallel
// CHECK: call @[[$ROWS:ac_contract_[0-9]+]](
func.func @rows_first(%a: memref<1x60x48xf32>, %b: memref<1x48x?xf32>, %r: memref<1x60x?xf32>) {
  ac.contract ins(%a, %b : memref<1x60x48xf32>, memref<1x48x?xf32>) extras() outs(%r : memref<1x60x?xf32>)
      attributes {lhs_batch = #zero, rhs_batch = #same, extra_maps = [], rows_first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// CHECK: func.func private @[[$COPIES]](%{{.*}}: memref<?x?x?xf32, {{.*}}>, %[[RHS:[a-z0-9]+]]: memref<?x?x?xf32, {{.*}}>, %[[R:[a-z0-9]+]]: memref<?x?x?xf32, {{.*}}>, %[[COPY:[a-z0-9]+]]: memref<?x16xf32>
// CHECK: %[[COLUMNS:.*]] = vector.maskedload %[[RHS]]
// CHECK-NEXT: vector.store %[[COLUMNS]], %[[COPY]]
// CHECK: vector.fma %{{.*}}, %[[COLUMNS]]
// CHECK: } else {
// CHECK: %[[ALONE:.*]] = vector.maskedload %[[RHS]]
// CHECK-NEXT: vector.store %[[ALONE]], %[[COPY]]
// CHECK-NEXT: }
// CHECK: %[[AGAIN:.*]] = vector.load %[[COPY]]
// CHECK: vector.fma %{{.*}}, %[[AGAIN]]
// CHECK-NOT: vector.load %[[RHS]]
// CHECK: vector.maskedstore %[[R]]

// CHECK: func.func private @[[$LEAVES]](%{{.*}}: memref<?x?x?xf32, {{.*}}>, %{{.*}}: memref<?x?x?xf32, {{.*}}>, %[[R:[a-z0-9]+]]: memref<?x?x?x16xf32, {{.*}}>
// CHECK-NOT: vector.maskedstore
// CHECK: vector.store %{{.*}}, %[[R]]

// CHECK: func.func private @[[$ROWS]](
// CHECK: %[[TILES:.*]] = arith.ceildivui %{{.*}}, %c6
// CHECK: %[[HALF:.*]] = arith.muli %{{.*}}, %c3
// CHECK: %[[CHUNKS:.*]] = arith.ceildivsi %{{.*}}, %[[HALF]]
// CHECK: scf.for %[[TASK:[a-z0-9]+]] =
// CHECK: arith.remui %[[TASK]], %[[GROUPS:.*]] :
// CHECK: %[[REST:.*]] = arith.divui %[[TASK]], %[[GROUPS]] :
// CHECK: arith.remui %[[REST]], %[[CHUNKS]] :

}
