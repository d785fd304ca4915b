// RUN: ac-opt %s --ac-lower | FileCheck %s

// A shape that is taken apart and put together again leaves neither tensors nor checks behind.
// CHECK-LABEL: func.func @reshape_to_own_rows
// CHECK-NOT: from_elements
// CHECK-NOT: cf.assert
// CHECK: tensor.expand_shape
// CHECK-NOT: cf.assert
// CHECK: return
func.func @reshape_to_own_rows(%x: tensor<?x?x12xf32>) -> tensor<?x?x3x4xf32> {
  %zero = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %tail = "onnx.Constant"() {value = dense<[3, -1]> : tensor<2xi64>} : () -> tensor<2xi64>
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = "onnx.Shape"(%x) : (tensor<?x?x12xf32>) -> tensor<3xi64>
  %lead = "onnx.Slice"(%shape, %zero, %two, %zero, %one)
    : (tensor<3xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %wanted = "onnx.Concat"(%lead, %tail) {axis = 0 : i64} : (tensor<2xi64>, tensor<2xi64>) -> tensor<4xi64>
  %r = "onnx.Reshape"(%x, %wanted) : (tensor<?x?x12xf32>, tensor<4xi64>) -> tensor<?x?x3x4xf32>
  return %r : tensor<?x?x3x4xf32>
}

// -1 is found by cancelling, not by dividing.
// CHECK-LABEL: func.func @merge_rows
// CHECK-NOT: div
// CHECK: tensor.collapse_shape
// CHECK-NOT: cf.assert
// CHECK: return
func.func @merge_rows(%x: tensor<?x?x12xf32>) -> tensor<?x12xf32> {
  %c0 = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %c1 = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %rest = "onnx.Constant"() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = "onnx.Shape"(%x) : (tensor<?x?x12xf32>) -> tensor<3xi64>
  %n = "onnx.Gather"(%shape, %c0) : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
  %m = "onnx.Gather"(%shape, %c1) : (tensor<3xi64>, tensor<1xi64>) -> tensor<1xi64>
  %rows = "onnx.Mul"(%n, %m) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  %wanted = "onnx.Concat"(%rows, %rest) {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %r = "onnx.Reshape"(%x, %wanted) : (tensor<?x?x12xf32>, tensor<2xi64>) -> tensor<?x12xf32>
  return %r : tensor<?x12xf32>
}

// Positions up to a dimension are as many as that dimension.
// CHECK-LABEL: func.func @range_of_dimension
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>
// CHECK-NOT: arith.maxsi
// CHECK: return
func.func @range_of_dimension(%x: tensor<?xf32>) -> tensor<?xi64> {
  %c0 = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %c1 = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %n = "onnx.Size"(%x) : (tensor<?xf32>) -> tensor<i64>
  %r = "onnx.Range"(%c0, %n, %c1) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return %r : tensor<?xi64>
}

// A shape vector that only the run knows may hold 0 and -1.
// CHECK-LABEL: func.func @run_time_shape
// CHECK-DAG: cf.assert {{.*}}the shape has more than one -1
// CHECK-DAG: cf.assert {{.*}}dimension 1 of the shape is less than -1
// CHECK: return
func.func @run_time_shape(%x: tensor<?x4xf32>, %shape: tensor<2xi64>) -> tensor<?x?xf32> {
  %r = "onnx.Reshape"(%x, %shape) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return %r : tensor<?x?xf32>
}
