// RUN: ac-opt %s --ac-lower | FileCheck %s
// Each of these goes through to the end.
// RUN: ac-opt %s --ac-lower --ac-kernels --ac-bufferize --ac-codegen -o /dev/null

// A tensor that is known to be empty is not reshaped but made: a dimension of no extent cannot be merged with one of
// unknown size.
// CHECK-LABEL: func.func @reshape_of_nothing(
// CHECK-NOT: collapse_shape
// CHECK: tensor.empty(%{{.*}}) : tensor<0x?xf32>
func.func @reshape_of_nothing(%x: tensor<?x0x3xf32>) -> tensor<0x?xf32> {
  %first = "onnx.Transpose"(%x) {perm = array<i64: 1, 0, 2>} : (tensor<?x0x3xf32>) -> tensor<0x?x3xf32>
  %y = "onnx.Flatten"(%first) {axis = 1 : i64} : (tensor<0x?x3xf32>) -> tensor<0x?xf32>
  return %y : tensor<0x?xf32>
}

// A sum over nothing is zero for each element of the product.
// CHECK-LABEL: func.func @product_over_nothing(
// CHECK: ac.contract
func.func @product_over_nothing(%x: tensor<?x0xf32>, %w: tensor<0x?xf32>) -> tensor<?x?xf32> {
  %p = "onnx.MatMul"(%x, %w) : (tensor<?x0xf32>, tensor<0x?xf32>) -> tensor<?x?xf32>
  return %p : tensor<?x?xf32>
}
