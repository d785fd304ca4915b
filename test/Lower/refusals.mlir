// RUN: not ac-opt %s --ac-lower-onnx 2>&1 | FileCheck %s

// All nodes that cannot be lowered are reported in one go; a node that only lacks the result of one of them is not.
// CHECK-DAG: error: {{.*}}node 'first' (com.example.Puzzle): the operator is not supported
// CHECK-DAG: error: {{.*}}node 'second' (Gelu): approximate is 'wildly', expected 'none' or 'tanh'
// CHECK-DAG: error: {{.*}}node 'third' (BitShift): direction is 'UP', expected 'LEFT' or 'RIGHT'
// CHECK-NOT: depends
func.func @several(%x: tensor<4xf32>, %i: tensor<4xui8>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xui8>) {
  %a = "onnx.Custom"(%x) {domain = "com.example", op_type = "Puzzle"} : (tensor<4xf32>) -> tensor<4xf32> loc("first")
  %b = "onnx.Neg"(%a) : (tensor<4xf32>) -> tensor<4xf32> loc("depends on the first")
  %c = "onnx.Gelu"(%x) {approximate = "wildly"} : (tensor<4xf32>) -> tensor<4xf32> loc("second")
  %d = "onnx.BitShift"(%i, %i) {direction = "UP"} : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8> loc("third")
  return %b, %c, %d : tensor<4xf32>, tensor<4xf32>, tensor<4xui8>
}
