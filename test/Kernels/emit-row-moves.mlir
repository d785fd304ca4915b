// RUN: ac-opt %s --ac-emit-row-moves --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @gather(
// CHECK: %[[COUNT:.*]] = memref.dim %arg1
// CHECK: ac.parallel %[[COUNT]] grain %c2048
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: %[[PLACE:.*]] = memref.load %arg1[%[[ROW]]]
// CHECK: scf.for %[[COLUMN:.*]] =
// CHECK: %[[E:.*]] = memref.load %arg0[%[[PLACE]], %[[COLUMN]]]
// CHECK: memref.store %[[E]], %arg2[%[[ROW]], %[[COLUMN]]]
func.func @gather(%x: memref<9x4xf32>, %places: memref<?xindex>, %to: memref<?x4xf32>) {
  ac.gather_rows %x at %places outs(%to : memref<?x4xf32>) : memref<9x4xf32>, memref<?xindex>
  return
}

// CHECK-LABEL: func.func @scatter(
// CHECK: ac.parallel
// CHECK: %[[PLACE:.*]] = memref.load %arg1[%[[ROW:.*]]]
// CHECK: %[[E:.*]] = memref.load %arg0[%[[ROW]], %[[COLUMN:.*]]]
// CHECK-NEXT: memref.store %[[E]], %arg2[%[[PLACE]], %[[COLUMN]]]
func.func @scatter(%x: memref<?x4xi8>, %places: memref<?xindex>, %to: memref<9x4xi8>) {
  ac.scatter_rows %x at %places outs(%to : memref<9x4xi8>) : memref<?x4xi8>, memref<?xindex>
  return
}

// CHECK-LABEL: func.func @accumulate(
// CHECK: %[[E:.*]] = memref.load %arg0
// CHECK: %[[OLD:.*]] = memref.load %arg2[%[[PLACE:.*]], %[[COLUMN:.*]]]
// CHECK: %[[NEW:.*]] = arith.addf %[[OLD]], %[[E]]
// CHECK: memref.store %[[NEW]], %arg2[%[[PLACE]], %[[COLUMN]]]
// CHECK: arith.addi
func.func @accumulate(%x: memref<?x4xf32>, %places: memref<?xindex>, %to: memref<9x4xf32>, %n: memref<?x4xi64>, %sum: memref<9x4xi64>) {
  ac.scatter_rows %x at %places accumulate outs(%to : memref<9x4xf32>) : memref<?x4xf32>, memref<?xindex>
  ac.scatter_rows %n at %places accumulate outs(%sum : memref<9x4xi64>) : memref<?x4xi64>, memref<?xindex>
  return
}

// CHECK-LABEL: func.func @tensors_stay(
// CHECK: ac.gather_rows
func.func @tensors_stay(%x: tensor<9x4xf32>, %places: tensor<?xindex>, %to: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = ac.gather_rows %x at %places outs(%to : tensor<?x4xf32>) : tensor<9x4xf32>, tensor<?xindex> -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
