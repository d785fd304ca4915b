// RUN: ac-opt %s --ac-lower | FileCheck %s

// A sequence of known length leaves nothing but the tensors in it.
// CHECK-LABEL: func.func @split_and_stack(
// CHECK-NOT: unrealized_conversion_cast
// CHECK: tensor.extract_slice {{.*}}[4, 0] [2, 4] [1, 1]
// CHECK-NOT: unrealized_conversion_cast
// CHECK: return
func.func @split_and_stack(%x: tensor<6x4xf32>) -> tensor<4x4xf32> {
  %two = "onnx.Constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
  %last = "onnx.Constant"() {value = dense<-1> : tensor<i64>} : () -> tensor<i64>
  %s = "onnx.SplitToSequence"(%x, %two) {axis = 0 : i64} : (tensor<6x4xf32>, tensor<i64>) -> !onnx.seq<tensor<2x4xf32>>
  %a = "onnx.SequenceAt"(%s, %last) : (!onnx.seq<tensor<2x4xf32>>, tensor<i64>) -> tensor<2x4xf32>
  %t = "onnx.SequenceConstruct"(%a, %a) : (tensor<2x4xf32>, tensor<2x4xf32>) -> !onnx.seq<tensor<2x4xf32>>
  %r = "onnx.ConcatFromSequence"(%t) {axis = 0 : i64} : (!onnx.seq<tensor<2x4xf32>>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}
