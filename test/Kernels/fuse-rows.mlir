// RUN: ac-opt %s --ac-fuse-rows | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#row_of = affine_map<(d0, d1) -> (d0, 0)>

// A sum and what divides by it: one loop over rows, in which both work on a view of the row. What stands between the two
// (the reshape) does not touch memory.
// CHECK-LABEL: func.func @sum_and_divide(
// CHECK-SAME: %[[X:[a-z0-9]*]]: memref<64x1000xf32>)
// CHECK: ac.parallel %c64
// CHECK: scf.for {{.*}} iter_args(%[[ROW:[a-z0-9]*]] =
// CHECK-DAG: %[[XROW:.*]] = memref.subview %[[X]][%[[ROW]], 0] [1, 1000] [1, 1] : memref<64x1000xf32> to memref<1000xf32, strided<[1], offset: ?>>
// CHECK: linalg.generic {{.*}} iterator_types = ["reduction"]}
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]}
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @sum_and_divide(%x: memref<64x1000xf32>) -> memref<64x1000xf32> {
  %sum = memref.alloc() : memref<64xf32>
  %y = memref.alloc() : memref<64x1000xf32>
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x1000xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  %column = memref.expand_shape %sum [[0, 1]] output_shape [64, 1] : memref<64xf32> into memref<64x1xf32>
  linalg.generic {indexing_maps = [#id, #row_of, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %column : memref<64x1000xf32>, memref<64x1xf32>) outs(%y : memref<64x1000xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %s = arith.divf %in, %by : f32
    linalg.yield %s : f32
  }
  return %y : memref<64x1000xf32>
}

// The second operation reads the sums of other rows: they must all be there before it begins.
// CHECK-LABEL: func.func @other_rows(
// CHECK-NOT: ac.parallel
// CHECK: return
func.func @other_rows(%x: memref<64x64xf32>) -> memref<64x64xf32> {
  %sum = memref.alloc() : memref<64xf32>
  %y = memref.alloc() : memref<64x64xf32>
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x64xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [#id, affine_map<(d0, d1) -> (d1)>, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<64x64xf32>, memref<64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %s = arith.divf %in, %by : f32
    linalg.yield %s : f32
  }
  return %y : memref<64x64xf32>
}

// Two rows are better split along their columns.
// CHECK-LABEL: func.func @few_rows(
// CHECK-NOT: ac.parallel
// CHECK: return
func.func @few_rows(%x: memref<2x5000xf32>) -> memref<2x5000xf32> {
  %sum = memref.alloc() : memref<2xf32>
  %y = memref.alloc() : memref<2x5000xf32>
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<2x5000xf32>) outs(%sum : memref<2xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<2x5000xf32>, memref<2xf32>) outs(%y : memref<2x5000xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %s = arith.divf %in, %by : f32
    linalg.yield %s : f32
  }
  return %y : memref<2x5000xf32>
}

// What another operation between them writes may be what the second one reads.
// CHECK-LABEL: func.func @something_between(
// CHECK-NOT: ac.parallel
// CHECK: return
func.func @something_between(%x: memref<64x1000xf32>, %z: memref<64xf32>) -> memref<64x1000xf32> {
  %sum = memref.alloc() : memref<64xf32>
  %y = memref.alloc() : memref<64x1000xf32>
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x1000xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  }
  memref.copy %sum, %z : memref<64xf32> to memref<64xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<64x1000xf32>, memref<64xf32>) outs(%y : memref<64x1000xf32>) {
  ^bb0(%in: f32, %by: f32, %out: f32):
    %s = arith.divf %in, %by : f32
    linalg.yield %s : f32
  }
  return %y : memref<64x1000xf32>
}
