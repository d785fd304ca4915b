// RUN: ac-opt %s --ac-lower | FileCheck %s

// Reverse directions are index arithmetic; inputs are read where they are, along any axis.
// CHECK-LABEL: func.func @scan(
// CHECK-SAME: %[[X:[^ :]*]]: tensor<4x?xf32>
// CHECK-DAG: %[[STEPS:.*]] = tensor.dim %[[X]]
// CHECK-DAG: %[[LAST:.*]] = arith.subi %[[STEPS]], %{{.*}}
// CHECK-NOT: linalg
// CHECK: scf.for %[[I:.*]] = {{.*}} to %[[STEPS]]
// CHECK: %[[AT:.*]] = arith.subi %[[LAST]], %[[I]]
// CHECK: tensor.extract_slice %[[X]][0, %[[AT]]] [4, 1] [1, 1] : tensor<4x?xf32> to tensor<4xf32>
// CHECK: tensor.insert_slice {{.*}}[%[[I]], 0] [1, 4] [1, 1] : tensor<4xf32> into tensor<?x4xf32>
func.func @scan(%state: tensor<4xf32>, %x: tensor<4x?xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
  %r:2 = "onnx.Scan"(%state, %x) ({
  ^bb0(%s: tensor<4xf32>, %v: tensor<4xf32>):
    %n = "onnx.Add"(%s, %v) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%n, %n) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }) {num_scan_inputs = 1 : i64, scan_input_axes = array<i64: 1>, scan_input_directions = array<i64: 1>}
    : (tensor<4xf32>, tensor<4x?xf32>) -> (tensor<4xf32>, tensor<?x4xf32>)
  return %r#0, %r#1 : tensor<4xf32>, tensor<?x4xf32>
}
