// RUN: ac-opt %s --ac-lower --split-input-file | FileCheck %s

// Positive steps make a view, whatever is known of the sizes.
// CHECK-LABEL: func.func @every_second_column
// CHECK: %[[ROWS:.*]] = tensor.dim
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [%[[ROWS]], 4] [1, 2]
// CHECK-NOT: linalg
// CHECK: return
func.func @every_second_column(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %start = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %end = "onnx.Constant"() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %axis = "onnx.Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %step = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %r = "onnx.Slice"(%x, %start, %end, %axis, %step)
    : (tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// -----

// One position is a slice too, and the place where an index out of range can be reported.
// CHECK-LABEL: func.func @one_row
// CHECK: cf.assert {{.*}}the index is out of range
// CHECK: tensor.extract_slice
// CHECK-NOT: linalg
// CHECK: return
func.func @one_row(%x: tensor<?x8xf32>, %i: tensor<i64>) -> tensor<8xf32> {
  %r = "onnx.Gather"(%x, %i) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<i64>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}

// -----

// Many positions are clamped where they are used.
// CHECK-LABEL: func.func @many_rows
// CHECK: linalg.generic
// CHECK: tensor.extract %{{.*}} : tensor<?xi64>
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: tensor.extract %{{.*}} : tensor<9x8xf32>
// CHECK: linalg.yield
func.func @many_rows(%x: tensor<9x8xf32>, %i: tensor<?xi64>) -> tensor<?x8xf32> {
  %r = "onnx.Gather"(%x, %i) {axis = 0 : i64} : (tensor<9x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----

// What is found is as long as the data says, and one pass finds it.
// CHECK-LABEL: func.func @non_zero
// CHECK: %[[FOUND:.*]]:2 = scf.for
// CHECK-NOT: scf.for
// CHECK-NOT: scf.if
// CHECK: tensor.extract_slice %[[FOUND]]#0[0] [%[[FOUND]]#1] [1]
func.func @non_zero(%x: tensor<?xi1>) -> tensor<1x?xi64> {
  %r = "onnx.NonZero"(%x) : (tensor<?xi1>) -> tensor<1x?xi64>
  return %r : tensor<1x?xi64>
}

// -----

// Rows are written whole, into the tensor that the loop carries.
// CHECK-LABEL: func.func @scatter_rows
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<9x8xf32>
// CHECK: scf.for {{.*}} iter_args(%[[WHOLE:.*]] = %[[X]])
// CHECK: %[[ROW:.*]] = tensor.extract_slice
// CHECK: %[[NEXT:.*]] = tensor.insert_slice %[[ROW]] into %[[WHOLE]]
// CHECK: scf.yield %[[NEXT]]
func.func @scatter_rows(%x: tensor<9x8xf32>, %i: tensor<?x1xi64>, %u: tensor<?x8xf32>) -> tensor<9x8xf32> {
  %r = "onnx.ScatterND"(%x, %i, %u) {reduction = "none"}
    : (tensor<9x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<9x8xf32>
  return %r : tensor<9x8xf32>
}
