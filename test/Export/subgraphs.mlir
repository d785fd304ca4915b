// RUN: ac-translate --mlir-to-onnx %s | ac-translate --onnx-to-mlir | FileCheck %s

// A branch that hands out a captured value, or a constant of its own, is still a graph.

// CHECK: onnx.If(%{{.*}}) () {
// CHECK:   %[[C:.*]] = onnx.Constant() {value = dense<2.000000e+00> : tensor<3xf32>}
// CHECK:   onnx.Identity(%[[C]])
// CHECK: }, () {
// CHECK:   onnx.Identity(%{{.*}})
// CHECK: } : (tensor<i1>) -> tensor<3xf32>
module attributes {onnx.ir_version = 8 : i64, onnx.opset = {ai.onnx = 17 : i64}} {
  func.func @main(%b: tensor<i1>, %x: tensor<3xf32>) -> tensor<3xf32> {
    %y = onnx.If(%b) () {
      %c = onnx.Constant() {value = dense<2.0> : tensor<3xf32>} : () -> tensor<3xf32>
      onnx.Yield(%c) : (tensor<3xf32>) -> ()
    }, () {
      onnx.Yield(%x) : (tensor<3xf32>) -> ()
    } : (tensor<i1>) -> tensor<3xf32>
    return %y : tensor<3xf32>
  }
}
