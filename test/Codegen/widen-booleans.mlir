// RUN: ac-opt %s --ac-widen-booleans | FileCheck %s

// CHECK-LABEL: llvm.func @copy_negated
// CHECK: llvm.getelementptr %{{.*}} : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: %[[BYTE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i8
// CHECK: %[[SET:.*]] = llvm.icmp "ne" %[[BYTE]]
// CHECK: %[[NEGATED:.*]] = llvm.xor %[[SET]], %{{.*}} : i1
// CHECK: %[[WIDE:.*]] = llvm.zext %[[NEGATED]] : i1 to i8
// CHECK: llvm.store %[[WIDE]], %{{.*}} : i8, !llvm.ptr
llvm.func @copy_negated(%from: !llvm.ptr, %to: !llvm.ptr, %i: i64) {
  %true = llvm.mlir.constant(true) : i1
  %where = llvm.getelementptr %from[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i1
  %x = llvm.load %where : !llvm.ptr -> i1
  %y = llvm.xor %x, %true : i1
  llvm.store %y, %to : i1, !llvm.ptr
  llvm.return
}
