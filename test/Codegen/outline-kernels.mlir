// RUN: ac-opt %s --ac-outline-kernels --canonicalize | FileCheck %s

// Two loops that differ in what they capture alone are one task function; a third is another.
// CHECK-LABEL: func.func @ac_model_run(
// CHECK-SAME: %[[CALL:.*]]: !llvm.ptr,
// CHECK-SAME: %[[COUNT:[a-z0-9]*]]: index, %[[GRAIN:[a-z0-9]*]]: index
// CHECK-DAG: %[[NEG:.*]] = constant @ac_kernel_0
// CHECK-DAG: %[[EXP:.*]] = constant @ac_kernel_1
// CHECK-NOT: constant @ac_kernel_2
// Loops run one after another, so what they capture goes to one place on the stack. parallel_for is service 16.
// CHECK: %[[CLOSURE:.*]] = llvm.alloca %{{.*}} x i8 {alignment = 16 : i64}
// CHECK-NOT: llvm.alloca
// CHECK: llvm.getelementptr %[[CLOSURE]][0, 1]
// CHECK-NEXT: llvm.store
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %{{.*}}[16]
// CHECK: %[[PARALLEL_FOR:.*]] = llvm.load %[[SLOT]]
// CHECK: llvm.call %[[PARALLEL_FOR]](%[[CALL]], %{{.*}}, %[[CLOSURE]],
// CHECK: llvm.call %{{.*}}(%[[CALL]], %{{.*}}, %[[CLOSURE]],
// CHECK: llvm.call %{{.*}}(%[[CALL]], %{{.*}}, %[[CLOSURE]],
// CHECK-NOT: ac.parallel
// CHECK: return
func.func @ac_model_run(%call: !llvm.ptr, %x: memref<?xf32>, %y: memref<?xf32>, %n: index, %g: index) {
  %one = arith.constant 1 : index
  ac.parallel %n grain %g {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      %v = memref.load %x[%i] : memref<?xf32>
      %w = arith.negf %v : f32
      memref.store %w, %y[%i] : memref<?xf32>
    }
    ac.yield
  }
  ac.parallel %n grain %g {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      %v = memref.load %y[%i] : memref<?xf32>
      %w = arith.negf %v : f32
      memref.store %w, %x[%i] : memref<?xf32>
    }
    ac.yield
  }
  ac.parallel %n grain %g {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      %v = memref.load %y[%i] : memref<?xf32>
      %w = math.exp %v : f32
      memref.store %w, %x[%i] : memref<?xf32>
    }
    ac.yield
  }
  return
}

// The task: what was captured is read from the closure, constants are made anew.
// CHECK-LABEL: func.func private @ac_kernel_0(
// CHECK-SAME: %[[CLOSURE:.*]]: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// CHECK: arith.constant 1 : index
// CHECK: %[[FIELD:.*]] = llvm.getelementptr %[[CLOSURE]][0, 1]
// CHECK: llvm.load %[[FIELD]]
// CHECK: scf.for
// CHECK: arith.negf
// CHECK-LABEL: func.func private @ac_kernel_1(
// CHECK: math.exp
// CHECK-NOT: func.func private @ac_kernel_2
