// RUN: not ac-translate --mlir-to-onnx %s -o %t 2>&1 | FileCheck %s
// RUN: not ls %t

// Every op without a place in a model is named, and no file appears.

module {
  func.func private @helper(tensor<2xf32>) -> tensor<2xf32>
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    // CHECK: [[@LINE+1]]:10: error: `func.call` is no ONNX operator
    %a = call @helper(%x) : (tensor<2xf32>) -> tensor<2xf32>
    // CHECK: [[@LINE+1]]:10: error: attribute `axis` of `onnx.Relu` is 1 : i8, which has no ONNX form
    %b = onnx.Relu(%a) {axis = 1 : i8} : (tensor<2xf32>) -> tensor<2xf32>
    // CHECK: [[@LINE+1]]:10: error: `ac.budget` is no ONNX operator; write the model as it is before the raise stage
    %t = ac.budget "t" = 0.5 in [0.0, 1.0] : tensor<f32>
    return %b : tensor<2xf32>
  }
}
