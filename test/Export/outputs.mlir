// RUN: ac-translate --mlir-to-onnx %s | ac-translate --onnx-to-mlir | FileCheck %s

// An output that is an argument, a constant, or given out twice goes through an Identity; names stay.

// CHECK-LABEL: func.func @main
// CHECK-SAME: onnx.dims = ["n"], onnx.name = "x"
// CHECK-SAME: onnx.name = "first"
// CHECK-SAME: onnx.name = "again"
// CHECK-SAME: onnx.name = "same"
// CHECK-SAME: onnx.name = "fixed"
// CHECK-DAG: %[[FIXED:.*]] = onnx.Constant() {value = dense<1> : tensor<1xi64>}
// CHECK-DAG: %[[NEG:.*]] = onnx.Neg(%[[X:.*]]) :
// CHECK-DAG: %[[AGAIN:.*]] = onnx.Identity(%[[NEG]])
// CHECK-DAG: %[[SAME:.*]] = onnx.Identity(%[[X]])
// CHECK-DAG: %[[OUT:.*]] = onnx.Identity(%[[FIXED]])
// CHECK: return %[[NEG]], %[[AGAIN]], %[[SAME]], %[[OUT]]
module attributes {onnx.ir_version = 8 : i64, onnx.opset = {ai.onnx = 17 : i64}} {
  func.func @main(%x: tensor<?xf32> {onnx.dims = ["n"], onnx.name = "x"})
      -> (tensor<?xf32> {onnx.name = "first"}, tensor<?xf32> {onnx.name = "again"},
          tensor<?xf32> {onnx.name = "same"}, tensor<1xi64> {onnx.name = "fixed"}) {
    %c = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %y = onnx.Neg(%x) : (tensor<?xf32>) -> tensor<?xf32>
    return %y, %y, %x, %c : tensor<?xf32>, tensor<?xf32>, tensor<?xf32>, tensor<1xi64>
  }
}
