// RUN: ac-opt %s --ac-outline-kernels --canonicalize | FileCheck %s

// A loop made from ONNX nodes carries their names: in the name of its function, and in a mark (service 48) for profiles.
// CHECK: llvm.mlir.global private constant @ac_text_{{.*}}("Conv_0 + Relu_1\00")
// CHECK-LABEL: func.func @ac_model_run(
// CHECK: %[[TEXT:.*]] = llvm.mlir.addressof @ac_text_
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %{{.*}}[48]
// CHECK: %[[MARK:.*]] = llvm.load %[[SLOT]]
// CHECK: llvm.call %[[MARK]](%{{.*}}, %[[TEXT]])
// CHECK: llvm.getelementptr %{{.*}}[16]
// CHECK: func.func private @ac_kernel_0_Conv_0(
func.func @ac_model_run(%call: !llvm.ptr, %x: memref<?xf32>, %n: index) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1 : index
  ac.parallel %n grain %n {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      memref.store %zero, %x[%i] : memref<?xf32>
    }
    ac.yield
  } loc(fused["Conv_0", "Relu_1"])
  return
}
