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

// A vector of booleans in memory is one of bytes, not of packed bits.
// CHECK-LABEL: llvm.func @vectors
// CHECK: %[[BYTES:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<8xi8>
// CHECK: %[[SET:.*]] = llvm.icmp "ne" %[[BYTES]], %{{.*}} : vector<8xi8>
// CHECK: %[[WIDE:.*]] = llvm.zext %[[SET]] : vector<8xi1> to vector<8xi8>
// CHECK: llvm.store %[[WIDE]], %{{.*}} : vector<8xi8>, !llvm.ptr
llvm.func @vectors(%from: !llvm.ptr, %to: !llvm.ptr) {
  %x = llvm.load %from : !llvm.ptr -> vector<8xi1>
  llvm.store %x, %to : vector<8xi1>, !llvm.ptr
  llvm.return
}

// CHECK-LABEL: llvm.func @masked_vectors
// CHECK: llvm.intr.masked.load {{.*}} : (!llvm.ptr, vector<8xi1>, vector<8xi8>) -> vector<8xi8>
// CHECK: llvm.icmp "ne"
// CHECK: llvm.intr.masked.store {{.*}} : vector<8xi8>, vector<8xi1> into !llvm.ptr
llvm.func @masked_vectors(%from: !llvm.ptr, %to: !llvm.ptr, %mask: vector<8xi1>) {
  %none = llvm.mlir.constant(dense<false> : vector<8xi1>) : vector<8xi1>
  %x = llvm.intr.masked.load %from, %mask, %none {alignment = 1 : i32} : (!llvm.ptr, vector<8xi1>, vector<8xi1>) -> vector<8xi1>
  llvm.intr.masked.store %x, %to, %mask {alignment = 1 : i32} : vector<8xi1>, vector<8xi1> into !llvm.ptr
  llvm.return
}

// CHECK-LABEL: llvm.func @others_stay
// CHECK: llvm.load %{{.*}} : !llvm.ptr -> vector<8xi32>
// CHECK-NOT: llvm.icmp
llvm.func @others_stay(%from: !llvm.ptr) -> vector<8xi32> {
  %x = llvm.load %from : !llvm.ptr -> vector<8xi32>
  llvm.return %x : vector<8xi32>
}
