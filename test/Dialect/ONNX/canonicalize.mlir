// RUN: ac-opt %s --canonicalize --cse | FileCheck %s

// What nobody uses goes away, but for random operators; equal work is done once, in subgraphs too.

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[C:.*]]: tensor<i1>, %[[X:.*]]: tensor<2xf32>
// CHECK-NEXT: %[[ONE:.*]] = onnx.Constant() {value = dense<1.000000e+00> : tensor<2xf32>}
// CHECK-NEXT: onnx.RandomUniform()
// CHECK-NEXT: %[[ABS:.*]] = onnx.Abs(%[[X]])
// CHECK-NEXT: onnx.If(%[[C]]) () {
// CHECK-NEXT:   onnx.Add(%[[ABS]], %[[ONE]])
// CHECK-NEXT:   onnx.Yield
// CHECK-NEXT: }, () {
// CHECK-NEXT:   onnx.Yield(%[[ABS]])
func.func @main(%c: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> {
  %unused = onnx.Neg(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %random = onnx.RandomUniform() {shape = array<i64: 2>} : () -> tensor<2xf32>
  %abs = onnx.Abs(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %y = onnx.If(%c) () {
    %one = onnx.Constant() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<2xf32>
    %again = onnx.Abs(%x) : (tensor<2xf32>) -> tensor<2xf32>
    %s = onnx.Add(%again, %one) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    onnx.Yield(%s) : (tensor<2xf32>) -> ()
  }, () {
    onnx.Yield(%abs) : (tensor<2xf32>) -> ()
  } : (tensor<i1>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
