// RUN: ac-opt %s --ac-bind-abi --canonicalize --split-input-file | FileCheck %s

// Each budget is read once, at the entry, and numbered by name in the order of the program.
// CHECK-LABEL: module @read_once attributes
// CHECK-SAME: ac.budgets = [{initial = 9.000000e-01 : f64, least = 0.000000e+00 : f64, most = 1.000000e+00 : f64, name = "t", type = f32},
// CHECK-SAME: {initial = 2.000000e+00 : f64, least = 1.000000e+00 : f64, most = 8.000000e+00 : f64, name = "k", type = i64}]
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr) -> i32 {
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[CALL]][24]
// CHECK: %[[TABLE:.*]] = llvm.load %[[AT]]
// CHECK: %[[T64:.*]] = llvm.load %[[TABLE]] : !llvm.ptr -> f64
// CHECK: %[[T:.*]] = arith.truncf %[[T64]] : f64 to f32
// CHECK: %[[SECOND:.*]] = llvm.getelementptr %[[TABLE]][8]
// CHECK: %[[K64:.*]] = llvm.load %[[SECOND]] : !llvm.ptr -> f64
// CHECK: %[[K:.*]] = arith.fptosi %[[K64]] : f64 to i64
// CHECK: scf.if
// CHECK-NEXT: memref.store %[[T]]
// CHECK-NEXT: memref.store %[[K]]
// CHECK: memref.store %[[T]]
// CHECK-NOT: ac.read_budget
module @read_once {
func.func @main(%c: memref<i1>, %x: memref<f32>, %y: memref<i64>, %z: memref<f32>) {
  %p = memref.load %c[] : memref<i1>
  scf.if %p {
    %t = ac.read_budget "t" = 0.9 in [0.0, 1.0] : f32
    %k = ac.read_budget "k" = 2.0 in [1.0, 8.0] : i64
    memref.store %t, %x[] : memref<f32>
    memref.store %k, %y[] : memref<i64>
  }
  %t = ac.read_budget "t" = 0.9 in [0.0, 1.0] : f32
  memref.store %t, %z[] : memref<f32>
  return
}
}

// -----

// Counters are added to where they stand, in loops and branches: the second site begins behind the two of the first.
// CHECK-LABEL: module @counts attributes
// CHECK-SAME: ac.counters = [{counters = ["steps", "taken"], flops = array<i64: 0, 64>, kind = "halting_loop", name = "loop"},
// CHECK-SAME: {counters = ["rows", "a", "b"], flops = array<i64: 0, -1, 7>, kind = "moe_dispatch", name = "moe"}]
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr) -> i32 {
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[CALL]][32]
// CHECK: %[[TABLE:.*]] = llvm.load %[[AT]]
// CHECK: scf.for
// CHECK: %[[OLD:.*]] = llvm.load %[[TABLE]] : !llvm.ptr -> i64
// CHECK: %[[NEW:.*]] = arith.addi %[[OLD]], %{{.*}} : i64
// CHECK: llvm.store %[[NEW]], %[[TABLE]]
// CHECK: scf.if
// CHECK: %[[TAKEN:.*]] = llvm.getelementptr %[[TABLE]][1] : (!llvm.ptr) -> !llvm.ptr, i64
// CHECK: llvm.load %[[TAKEN]]
// CHECK: llvm.store %{{.*}}, %[[TAKEN]]
// CHECK: %[[LOW:.*]] = arith.minsi %{{.*}}, %{{.*}} : index
// CHECK: %[[IN:.*]] = arith.maxsi %[[LOW]], %{{.*}} : index
// CHECK: %[[OFFSET:.*]] = arith.index_cast %[[IN]] : index to i64
// CHECK: %[[INDEX:.*]] = arith.addi %[[OFFSET]], %{{.*}} : i64
// CHECK: %[[EXPERT:.*]] = llvm.getelementptr %[[TABLE]][%[[INDEX]]]
// CHECK: llvm.store %{{.*}}, %[[EXPERT]]
// CHECK-NOT: ac.count
module @counts {
func.func @main(%c: memref<i1>, %n: memref<index>, %e: memref<index>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = memref.load %n[] : memref<index>
  scf.for %i = %c0 to %rows step %c1 {
    ac.count "loop" 0 %c1 of "halting_loop" ["steps", "taken"] flops [0, 64]
    %p = memref.load %c[] : memref<i1>
    scf.if %p {
      ac.count "loop" 1 %rows of "halting_loop" ["steps", "taken"] flops [0, 64]
    }
  }
  %expert = memref.load %e[] : memref<index>
  ac.count "moe" 1 %rows at %expert of "moe_dispatch" ["rows", "a", "b"] flops [0, -1, 7]
  return
}
}

// -----

// A module without any says nothing of them.
// CHECK-LABEL: module @neither attributes {ac.inputs = [], ac.outputs = []
// CHECK-NOT: llvm.getelementptr
module @neither {
func.func @main() {
  return
}
}
