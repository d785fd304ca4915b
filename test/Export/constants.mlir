// RUN: ac-translate --mlir-to-onnx %s | ac-translate --onnx-to-mlir | FileCheck %s

// Values survive, packed or not.

// CHECK-DAG: value = dense<[-8, 7, -1]> : tensor<3xi4>
// CHECK-DAG: value = dense<[3, 0, 1, 2, 3]> : tensor<5xui2>
// CHECK-DAG: value = dense<[true, false, true]> : tensor<3xi1>
// CHECK-DAG: value = dense<["a\00b", ""]> : tensor<2x!onnx.string>
// CHECK-DAG: value = dense<2.500000e+00> : tensor<100xf16>
// CHECK-DAG: value = dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf8E5M2>
// CHECK-DAG: value = dense<> : tensor<0x3xf32>
module attributes {onnx.ir_version = 13 : i64, onnx.opset = {ai.onnx = 25 : i64}} {
  func.func @main() -> (tensor<3xi4>, tensor<5xui2>, tensor<3xi1>, tensor<2x!onnx.string>, tensor<100xf16>, tensor<2xf8E5M2>, tensor<0x3xf32>) {
    %0 = onnx.Constant() {value = dense<[-8, 7, -1]> : tensor<3xi4>} : () -> tensor<3xi4>
    %1 = onnx.Constant() {value = dense<[3, 0, 1, 2, 3]> : tensor<5xui2>} : () -> tensor<5xui2>
    %2 = onnx.Constant() {value = dense<[true, false, true]> : tensor<3xi1>} : () -> tensor<3xi1>
    %3 = onnx.Constant() {value = dense<["a\00b", ""]> : tensor<2x!onnx.string>} : () -> tensor<2x!onnx.string>
    %4 = onnx.Constant() {value = dense<2.5> : tensor<100xf16>} : () -> tensor<100xf16>
    %5 = onnx.Constant() {value = dense<[1.0, -2.0]> : tensor<2xf8E5M2>} : () -> tensor<2xf8E5M2>
    %6 = onnx.Constant() {value = dense<> : tensor<0x3xf32>} : () -> tensor<0x3xf32>
    return %0, %1, %2, %3, %4, %5, %6 : tensor<3xi4>, tensor<5xui2>, tensor<3xi1>, tensor<2x!onnx.string>, tensor<100xf16>, tensor<2xf8E5M2>, tensor<0x3xf32>
  }
}
