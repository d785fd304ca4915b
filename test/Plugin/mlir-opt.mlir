// RUN: mlir-opt --load-dialect-plugin=%build/lib/AccordionPlugin.so --load-pass-plugin=%build/lib/AccordionPlugin.so %s \
// RUN:   --pass-pipeline='builtin.module(ac-lower,ac-kernels)' | FileCheck %s
// REQUIRES: plugin

// Stock mlir-opt reads our dialects, and runs our stages among its own passes.
// CHECK-LABEL: func.func @product(
// CHECK: ac.contract packed
// CHECK-NOT: onnx.
// CHECK: return
func.func @product(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = "onnx.Constant"() {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %p = onnx.MatMul(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %p : tensor<?x2xf32>
}
