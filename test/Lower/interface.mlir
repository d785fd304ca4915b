// RUN: ac-opt %s --ac-lower --split-input-file | FileCheck %s
// RUN: ac-opt %s --ac-lower-onnx --split-input-file | FileCheck %s --check-prefix=NOTHING-LEFT

// NOTHING-LEFT-NOT: {{onnx[.][A-Z]}}

// Elements lose their sign; arguments and results keep names and dimensions, and get the type as the user knows it.
// CHECK-LABEL: func.func @unsigned(
// CHECK-SAME: tensor<4xi8> {ac.type = "u8", bufferization.writable = false, onnx.name = "x"}
// CHECK-SAME: -> (tensor<4xi8> {ac.type = "u8", onnx.name = "y"}, tensor<4xf32> {ac.type = "f32"})
// CHECK: arith.divui
// CHECK: arith.uitofp
func.func @unsigned(%x: tensor<4xui8> {onnx.name = "x"}) -> (tensor<4xui8> {onnx.name = "y"}, tensor<4xf32>) {
  %p = "onnx.Div"(%x, %x) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  %q = "onnx.Cast"(%p) {to = 1 : i64} : (tensor<4xui8>) -> tensor<4xf32>
  return %p, %q : tensor<4xui8>, tensor<4xf32>
}

// -----

// Dimensions of one symbol are one value: nothing is left to check, and no element is looked up.
// CHECK-LABEL: func.func @shared_symbol(
// CHECK: tensor.dim
// CHECK-NOT: tensor.dim
// CHECK-NOT: cf.assert
// CHECK: arith.addf
// CHECK-NOT: tensor.extract
func.func @shared_symbol(%x: tensor<?x4xf32> {onnx.dims = ["N", 4]}, %y: tensor<?x4xf32> {onnx.dims = ["N", 4]}) -> tensor<?x4xf32> {
  %p = "onnx.Add"(%x, %y) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %p : tensor<?x4xf32>
}

// -----

// Where nothing relates them, either may be one, and whatever else does not fit ends the run.
// CHECK-LABEL: func.func @unrelated_dimensions(
// CHECK: cf.assert %{{.*}}, "{{.*}}broadcast
// CHECK: arith.mulf
func.func @unrelated_dimensions(%x: tensor<?x4xf32>, %z: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %q = "onnx.Mul"(%x, %z) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %q : tensor<?x4xf32>
}

// -----

// A result of unknown rank is described by what it was lowered to.
// CHECK-LABEL: func.func @unknown_rank(
// CHECK-SAME: -> (tensor<?x4xf32> {ac.type = "f32", onnx.dims = ["?", 4], onnx.name = "y"})
func.func @unknown_rank(%x: tensor<?x4xf32>) -> (tensor<*xf32> {onnx.name = "y"}) {
  %q = "onnx.Neg"(%x) : (tensor<?x4xf32>) -> tensor<*xf32>
  return %q : tensor<*xf32>
}
