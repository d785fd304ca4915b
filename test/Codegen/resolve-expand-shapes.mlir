// RUN: ac-opt %s --ac-resolve-expand-shapes | FileCheck %s

// One dimension unfolds into two of unknown size: the stride of the outer one is the size of the inner one.
// CHECK-LABEL: func @two_unknown
// CHECK-SAME: %[[ROWS:[a-z0-9]*]]: index, %[[COLUMNS:[a-z0-9]*]]: index
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%[[ROWS]], %[[COLUMNS]]], strides: [%[[COLUMNS]], 1]
func.func @two_unknown(%flat: memref<?xf32>, %rows: index, %columns: index) -> memref<?x?xf32> {
  %result = memref.expand_shape %flat [[0, 1]] output_shape [%rows, %columns] : memref<?xf32> into memref<?x?xf32>
  return %result : memref<?x?xf32>
}

// The strides and the offset of the source stay.
// CHECK-LABEL: func @strided
// CHECK-SAME: %[[COLUMNS:[a-z0-9]*]]: index)
// CHECK: %[[STRIDE:.*]] = arith.muli
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [%{{.*}}], sizes: [%{{.*}}, %[[COLUMNS]]], strides: [%[[STRIDE]], 4]
func.func @strided(%flat: memref<?xf32, strided<[4], offset: ?>>, %rows: index, %columns: index)
    -> memref<?x?xf32, strided<[?, 4], offset: ?>> {
  %result = memref.expand_shape %flat [[0, 1]] output_shape [%rows, %columns]
      : memref<?xf32, strided<[4], offset: ?>> into memref<?x?xf32, strided<[?, 4], offset: ?>>
  return %result : memref<?x?xf32, strided<[?, 4], offset: ?>>
}

// Upstream handles one unknown size.
// CHECK-LABEL: func @one_unknown
// CHECK: memref.expand_shape
func.func @one_unknown(%flat: memref<?xf32>, %rows: index) -> memref<?x4xf32> {
  %result = memref.expand_shape %flat [[0, 1]] output_shape [%rows, 4] : memref<?xf32> into memref<?x4xf32>
  return %result : memref<?x4xf32>
}
