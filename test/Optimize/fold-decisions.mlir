// RUN: ac-opt %s --ac-fold-decisions | FileCheck %s
// RUN: ac-opt %source/test/Dialect/AC/canonicalize.mlir --ac-fold-decisions | FileCheck %source/test/Dialect/AC/canonicalize.mlir

// What is inside of a branch that becomes ordinary is looked at in turn; what is no decision is left alone, used or not.
// CHECK-LABEL: func.func @nested(
// CHECK: onnx.Neg(%arg0)
// CHECK-NOT: ac.
// CHECK: %[[Y:.*]] = onnx.Exp(%arg0)
// CHECK-NEXT: return %[[Y]]
func.func @nested(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %yes = onnx.Constant() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %no = onnx.Constant() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %unused = onnx.Neg(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = ac.exit %no : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    %1 = ac.skip %yes : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
      %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
      ac.yield %2 : tensor<?x4xf32>
    } -> tensor<?x4xf32>
    ac.yield %1 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
