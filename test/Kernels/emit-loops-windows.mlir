// RUN: ac-opt %s --ac-emit-loops --canonicalize --cse | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>

// What is outside along a row is masked off, in vectors that may have it; rows that are outside have vectors of their own.
// CHECK-LABEL: func.func @padded(
// CHECK-SAME: %[[X:.*]]: memref<64x128xf32>, %[[Y:.*]]: memref<64x128xf32>)
// CHECK-DAG: %[[LANES:.*]] = arith.constant dense<[0, 1, 2, {{.*}}, 15]> : vector<16xi32>
// CHECK-DAG: %[[SIZE:.*]] = arith.constant dense<128> : vector<16xi32>
// CHECK: %[[IN_ROWS:.*]] = arith.cmpi ult
// CHECK: scf.if %[[IN_ROWS]] {
// CHECK: scf.for %[[J:.*]] = %c0 to %c128 step %c16
// CHECK: scf.if
// CHECK-NEXT: %[[LEFT:.*]] = affine.apply {{.*}}(%[[J]])
// CHECK-NEXT: %[[ALL:.*]] = vector.load %[[X]][%{{.*}}, %[[LEFT]]]
// CHECK-NEXT: vector.store %[[ALL]], %[[Y]]
// CHECK-NEXT: } else {
// CHECK: arith.addi %{{.*}}, %[[LANES]]
// CHECK: %[[MASK:.*]] = arith.cmpi ult, %{{.*}}, %[[SIZE]] : vector<16xi32>
// CHECK: vector.maskedload %[[X]][%{{.*}}, %{{.*}}], %[[MASK]]
// CHECK: } else {
// CHECK: scf.for
// CHECK-NEXT: vector.store %cst{{.*}}, %[[Y]]
func.func @padded(%x: memref<64x128xf32>, %y: memref<64x128xf32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%y : memref<64x128xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %above = affine.apply affine_map<(d0) -> (d0 - 1)>(%i)
    %left = affine.apply affine_map<(d0) -> (d0 - 1)>(%j)
    %in_rows = arith.cmpi ult, %above, %c64 : index
    %in_columns = arith.cmpi ult, %left, %c128 : index
    %row = arith.select %in_rows, %above, %c0 : index
    %column = arith.select %in_columns, %left, %c0 : index
    %inside = arith.andi %in_rows, %in_columns : i1
    %read = memref.load %x[%row, %column] : memref<64x128xf32>
    %value = arith.select %inside, %read, %zero : f32
    linalg.yield %value : f32
  }
  return
}

// Every second element: two runs, of which the second ends with the last element that is needed. What is left of a row is
// masked, in the result's lanes.
// CHECK-LABEL: func.func @every_second(
// CHECK-SAME: %[[X:.*]]: memref<64x?xf32>, %[[SCALE:.*]]: memref<64xf32>, %[[Y:.*]]: memref<64x?xf32>)
// CHECK: %[[ONE:.*]] = memref.load %[[SCALE]]
// CHECK-NEXT: vector.broadcast %[[ONE]]
// CHECK: scf.for
// CHECK: %[[LOWER:.*]] = vector.load %[[X]]
// CHECK: %[[UPPER:.*]] = vector.load %[[X]]
// CHECK: vector.shuffle %[[LOWER]], %[[UPPER]] [0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31]
// CHECK: arith.mulf
// CHECK: vector.store
// CHECK: scf.if
// CHECK: vector.maskedload %[[X]]
// CHECK: vector.maskedload %[[X]]
// CHECK: vector.maskedstore %[[Y]]
func.func @every_second(%x: memref<64x?xf32>, %scale: memref<64xf32>, %y: memref<64x?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%scale : memref<64xf32>) outs(%y : memref<64x?xf32>) {
  ^bb0(%s: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %second = affine.apply affine_map<(d0) -> (d0 * 2 + 1)>(%j)
    %read = memref.load %x[%i, %second] : memref<64x?xf32>
    %value = arith.mulf %read, %s : f32
    linalg.yield %value : f32
  }
  return
}

// Larger steps, and places that decide what an element is worth, are left to loops over elements.
// CHECK-LABEL: func.func @every_third(
// CHECK-NOT: vector.
// CHECK: return
func.func @every_third(%x: memref<64x384xf32>, %y: memref<64x128xf32>) {
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%y : memref<64x128xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %third = affine.apply affine_map<(d0) -> (d0 * 3)>(%j)
    %read = memref.load %x[%i, %third] : memref<64x384xf32>
    linalg.yield %read : f32
  }
  return
}

// CHECK-LABEL: func.func @clamped_but_used(
// CHECK-NOT: vector.
// CHECK: return
func.func @clamped_but_used(%x: memref<64x128xf32>, %y: memref<64x128xf32>) {
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
    linalg.yield %read : f32
  }
  return
}
