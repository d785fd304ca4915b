// RUN: ac-opt %s --ac-emit-loops --canonicalize | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#column = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: func.func @small_stays_serial(
// CHECK-NOT: ac.parallel
// CHECK: scf.for
// CHECK: memref.store
func.func @small_stays_serial(%x: memref<16xf32>, %y: memref<16xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%x : memref<16xf32>) outs(%y : memref<16xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.negf %in : f32
    linalg.yield %s : f32
  }
  return
}

// All operands walk both dimensions together: one loop of their product, in ranges of 8192.
// CHECK-LABEL: func.func @merged_dimensions(
// CHECK-DAG: %[[COUNT:.*]] = arith.constant 262144 : index
// CHECK-DAG: %[[GRAIN:.*]] = arith.constant 8192 : index
// CHECK: memref.collapse_shape
// CHECK: ac.parallel %[[COUNT]] grain %[[GRAIN]] {
// CHECK-NEXT: ^bb0(%[[BEGIN:.*]]: index, %[[END:.*]]: index):
// CHECK-NEXT: scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK-NOT: scf.for
// CHECK: return
func.func @merged_dimensions(%x: memref<512x512xf32>, %y: memref<512x512xf32>) {
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<512x512xf32>) outs(%y : memref<512x512xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.negf %in : f32
    linalg.yield %s : f32
  }
  return
}

// A bias along the columns keeps the dimensions apart: rows are shared, columns are the inner loop.
// CHECK-LABEL: func.func @rows_are_shared_columns_are_vectors(
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 512 : index
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 256 : index
// CHECK-DAG: %[[GRAIN:.*]] = arith.constant 32 : index
// CHECK: ac.parallel %[[ROWS]] grain %[[GRAIN]]
// CHECK: scf.for {{.*}} iter_args(%[[I:[a-z0-9]*]] =
// CHECK: scf.for %[[J:.*]] = %{{.*}} to %[[COLUMNS]]
// CHECK: memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK: memref.load %{{.*}}[%[[J]]]
// CHECK: memref.store %{{.*}}[%[[I]], %[[J]]]
func.func @rows_are_shared_columns_are_vectors(%x: memref<512x256xf32>, %b: memref<256xf32>, %y: memref<512x256xf32>) {
  linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %b : memref<512x256xf32>, memref<256xf32>) outs(%y : memref<512x256xf32>) {
  ^bb0(%in: f32, %bias: f32, %out: f32):
    %s = arith.addf %in, %bias : f32
    linalg.yield %s : f32
  }
  return
}

// What depends on the row alone is loaded before the loop over its columns.
// CHECK-LABEL: func.func @invariant_loads_leave_the_loop(
// CHECK: scf.for {{.*}} iter_args(%[[I:[a-z0-9]*]] =
// CHECK: %[[SCALE:.*]] = memref.load %{{.*}}[%[[I]]]
// CHECK-NEXT: scf.for %[[J:.*]] =
// CHECK-NEXT: %[[X:.*]] = memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK-NEXT: arith.mulf %[[X]], %[[SCALE]]
func.func @invariant_loads_leave_the_loop(%x: memref<512x256xf32>, %scale: memref<512xf32>, %y: memref<512x256xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %scale : memref<512x256xf32>, memref<512xf32>) outs(%y : memref<512x256xf32>) {
  ^bb0(%in: f32, %f: f32, %out: f32):
    %s = arith.mulf %in, %f : f32
    linalg.yield %s : f32
  }
  return
}

// A long sum along contiguous memory stays in a register, and is never split between threads.
// CHECK-LABEL: func.func @long_sum_in_a_register(
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 64 : index
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 1000 : index
// CHECK: ac.parallel %[[ROWS]] grain
// CHECK: scf.for {{.*}} iter_args(%[[I:[a-z0-9]*]] =
// CHECK: %[[START:.*]] = memref.load %{{.*}}[%[[I]]]
// CHECK: %[[SUM:.*]] = scf.for %{{.*}} = %{{.*}} to %[[COLUMNS]] {{.*}} iter_args(%{{.*}} = %[[START]])
// CHECK: memref.store %[[SUM]], %{{.*}}[%[[I]]]
func.func @long_sum_in_a_register(%x: memref<64x1000xf32>, %y: memref<64xf32>) {
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x1000xf32>) outs(%y : memref<64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  return
}

// A sum over rows is kept in memory: the inner loop runs along the columns.
// CHECK-LABEL: func.func @sum_over_rows_in_memory(
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 64 : index
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 1000 : index
// CHECK: ac.parallel %[[COLUMNS]] grain
// CHECK-NEXT: ^bb0(%[[BEGIN:.*]]: index, %[[END:.*]]: index):
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %[[ROWS]]
// CHECK: scf.for %[[J:.*]] = %[[BEGIN]] to %[[END]]
// CHECK: memref.load %{{.*}}[%[[K]], %[[J]]]
// CHECK: memref.store %{{.*}}[%[[J]]]
func.func @sum_over_rows_in_memory(%x: memref<64x1000xf32>, %y: memref<1000xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : memref<64x1000xf32>) outs(%y : memref<1000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  return
}

// No loop is entered when a dimension turns out to be zero.
// CHECK-LABEL: func.func @zero_rows(
// CHECK: %[[EMPTY:.*]] = arith.cmpi eq, %[[COLUMNS:.*]], %c0
// CHECK: %[[COUNT:.*]] = arith.select %[[EMPTY]], %c0
// CHECK: ac.parallel %[[COUNT]] grain
func.func @zero_rows(%x: memref<?x?xf32>, %scale: memref<?xf32>, %y: memref<?x?xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %scale : memref<?x?xf32>, memref<?xf32>) outs(%y : memref<?x?xf32>) {
  ^bb0(%in: f32, %f: f32, %out: f32):
    %s = arith.mulf %in, %f : f32
    linalg.yield %s : f32
  }
  return
}

// CHECK-LABEL: func.func @statically_empty_is_nothing(
// CHECK-NEXT: return
func.func @statically_empty_is_nothing(%x: memref<0x4xf32>, %y: memref<0x4xf32>) {
  memref.copy %x, %y : memref<0x4xf32> to memref<0x4xf32>
  return
}

// Nor is it merged with a dimension of unknown size.
// CHECK-LABEL: func.func @statically_empty_beside_unknown_is_nothing(
// CHECK-NEXT: return
func.func @statically_empty_beside_unknown_is_nothing(%x: memref<?x0xf32>, %y: memref<?x0xf32>) {
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x0xf32>) outs(%y : memref<?x0xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.negf %in : f32
    linalg.yield %s : f32
  }
  return
}

// CHECK-LABEL: func.func @copy_is_a_loop(
// CHECK: ac.parallel
// CHECK: %[[V:.*]] = memref.load
// CHECK-NEXT: memref.store %[[V]]
// CHECK-NOT: memref.copy
// CHECK: return
func.func @copy_is_a_loop(%x: memref<64x?xf32, strided<[?, 1]>>, %y: memref<64x?xf32>) {
  memref.copy %x, %y : memref<64x?xf32, strided<[?, 1]>> to memref<64x?xf32>
  return
}

// CHECK-LABEL: func.func @tensors_stay(
// CHECK: linalg.generic
func.func @tensors_stay(%x: tensor<16xf32>, %y: tensor<16xf32>) -> tensor<16xf32> {
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%x : tensor<16xf32>) outs(%y : tensor<16xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.negf %in : f32
    linalg.yield %s : f32
  } -> tensor<16xf32>
  return %r : tensor<16xf32>
}

// A bounds check along a row splits the loop, where elements have not 32 bits (see emit-loops-windows.mlir): within,
// nothing is checked, and rows without padding above or below have a loop of their own, whose last vector is masked. What
// lies before and behind is one loop.
// CHECK-LABEL: func.func @bounds_checks_split_the_loop(
// CHECK-SAME: %[[X:.*]]: memref<64x128xf64>,
// CHECK: scf.if
// CHECK: scf.for %[[J:.*]] = %c1 to %c128
// CHECK-NOT: arith.select
// CHECK: memref.load %[[X]]
// CHECK-NOT: arith.select
// CHECK: memref.store
// CHECK: } {loop_annotation = #
// CHECK: } else {
// CHECK: scf.for %{{.*}} = %c1 to %c128
// CHECK: arith.select
// CHECK: memref.store
// CHECK: memref.store %{{.*}}, %{{.*}}[%{{.*}}, %c0]
func.func @bounds_checks_split_the_loop(%x: memref<64x128xf64>, %y: memref<64x128xf64>) {
  %zero = arith.constant 0.0 : f64
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %c128 = arith.constant 128 : index
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%y : memref<64x128xf64>) {
  ^bb0(%out: f64):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %above = affine.apply affine_map<(d0) -> (d0 - 1)>(%i)
    %left = affine.apply affine_map<(d0) -> (d0 - 1)>(%j)
    %in_rows = arith.cmpi ult, %above, %c64 : index
    %in_columns = arith.cmpi ult, %left, %c128 : index
    %row = arith.select %in_rows, %above, %c0 : index
    %column = arith.select %in_columns, %left, %c0 : index
    %inside = arith.andi %in_rows, %in_columns : i1
    %read = memref.load %x[%row, %column] : memref<64x128xf64>
    %value = arith.select %inside, %read, %zero : f64
    linalg.yield %value : f64
  }
  return
}

// Where the contiguous dimensions differ, square tiles are turned over in registers: both sides move by vectors.
// CHECK-LABEL: func.func @transpose_in_tiles(
// CHECK-SAME: %[[X:.*]]: memref<100x50xf32>, %[[Y:.*]]: memref<50x100xf32>)
// CHECK: ac.parallel %c28
// CHECK: scf.if
// CHECK-COUNT-16: vector.load %[[X]]
// CHECK-COUNT-64: vector.shuffle
// CHECK-COUNT-16: vector.store %{{.*}}, %[[Y]]
// CHECK: } else {
// CHECK: memref.load %[[X]]
// CHECK-NEXT: memref.store %{{.*}}, %[[Y]]
func.func @transpose_in_tiles(%x: memref<100x50xf32>, %y: memref<50x100xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<100x50xf32>) outs(%y : memref<50x100xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  }
  return
}

// Sums over many rows are shared by columns, in ranges of whole cache lines.
// CHECK-LABEL: func.func @columns_of_many_rows(
// CHECK-DAG: %[[GRAIN:.*]] = arith.constant 128 : index
// CHECK: ac.parallel %{{.*}} grain %[[GRAIN]]
func.func @columns_of_many_rows(%x: memref<8000x768xf32>, %y: memref<768xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : memref<8000x768xf32>) outs(%y : memref<768xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  return
}
