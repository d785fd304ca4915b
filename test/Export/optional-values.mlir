// RUN: ac-translate --mlir-to-onnx %s | ac-translate --onnx-to-mlir | FileCheck %s

// Absent operands and results leave gaps, at the end nothing.

// CHECK: %[[NONE:.*]] = onnx.NoValue()
// CHECK: onnx.Clip(%{{.*}}, %[[NONE]], %{{.*}})
// CHECK: onnx.MaxPool({{.*}}) {kernel_shape = array<i64: 1>} : (tensor<1x1x2xf32>) -> (tensor<1x1x2xf32>, none)
// CHECK: %{{.*}}, %[[HIDDEN:.*]] = onnx.RNN(
// CHECK-SAME: -> (none, tensor<1x1x2xf32>)
module attributes {onnx.ir_version = 8 : i64, onnx.opset = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<1x1x2xf32>, %high: tensor<f32>, %w: tensor<1x2x2xf32>)
      -> (tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>) {
    %none = onnx.NoValue() : () -> none
    %y = onnx.Clip(%x, %none, %high) : (tensor<1x1x2xf32>, none, tensor<f32>) -> tensor<1x1x2xf32>
    %p:2 = onnx.MaxPool(%x) {kernel_shape = array<i64: 1>} : (tensor<1x1x2xf32>) -> (tensor<1x1x2xf32>, none)
    %r:2 = onnx.RNN(%x, %w, %w, %none, %none, %none) {hidden_size = 2 : i64}
        : (tensor<1x1x2xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>, none, none, none) -> (none, tensor<1x1x2xf32>)
    return %y, %p#0, %r#1 : tensor<1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  }
}
