// RUN: ac-opt %s --ac-bufferize | FileCheck %s

// Nothing on tensors is left, and buffers at the boundary are contiguous.
// CHECK-NOT: tensor<

// Inputs belong to the caller: what is changed is a copy.
// CHECK-LABEL: func.func @inputs_are_not_written(
// CHECK-SAME: %[[X:.*]]: memref<4xf32>
// CHECK: %[[COPY:.*]] = memref.alloc
// CHECK: memref.copy %[[X]], %[[COPY]]
// CHECK: memref.store %{{.*}}, %[[COPY]]
func.func @inputs_are_not_written(%x: tensor<4xf32> {bufferization.writable = false}) -> tensor<4xf32> {
  %one = arith.constant 1.0 : f32
  %c0 = arith.constant 0 : index
  %r = tensor.insert %one into %x[%c0] : tensor<4xf32>
  return %r : tensor<4xf32>
}

// A product writes its destination without reading it.
// CHECK-LABEL: func.func @product_writes_its_result(
// CHECK: %[[R:.*]] = memref.alloc
// CHECK-NEXT: ac.contract ins({{.*}}) extras() outs(%[[R]] :
// CHECK-NOT: memref.copy
// CHECK: return %[[R]]
func.func @product_writes_its_result(%a: tensor<1x?x64xf32> {bufferization.writable = false}, %b: tensor<1x64x32xf32>, %n: index) -> tensor<1x?x32xf32> {
  %i = tensor.empty(%n) : tensor<1x?x32xf32>
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  return %p : tensor<1x?x32xf32>
}

// The parts of a concatenation are computed where they will stand.
// CHECK-LABEL: func.func @concatenation_in_place(
// CHECK: %[[R:.*]] = memref.alloc
// CHECK-NEXT: %[[PART:.*]] = memref.subview %[[R]][0] [4] [1]
// CHECK-NEXT: linalg.exp {{.*}} outs(%[[PART]] :
// CHECK-NOT: memref.alloc
// CHECK: return %[[R]]
func.func @concatenation_in_place(%x: tensor<4xf32> {bufferization.writable = false}) -> tensor<8xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %y = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %o = tensor.empty() : tensor<8xf32>
  %a = tensor.insert_slice %y into %o[0] [4] [1] : tensor<4xf32> into tensor<8xf32>
  %b = tensor.insert_slice %x into %a[4] [4] [1] : tensor<4xf32> into tensor<8xf32>
  return %b : tensor<8xf32>
}

// What is used no more goes back to the arena; what is returned does not.
// CHECK-LABEL: func.func @intermediate_is_freed(
// CHECK: %[[Y:.*]] = memref.alloc
// CHECK: linalg.exp {{.*}} outs(%[[Y]] :
// CHECK: %[[Z:.*]] = memref.alloc
// CHECK: linalg.transpose
// CHECK: memref.dealloc %[[Y]]
// CHECK-NOT: memref.dealloc
// CHECK: return %[[Z]]
func.func @intermediate_is_freed(%x: tensor<4x8xf32> {bufferization.writable = false}) -> tensor<8x4xf32> {
  %e = tensor.empty() : tensor<4x8xf32>
  %y = linalg.exp ins(%x : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %f = tensor.empty() : tensor<8x4xf32>
  %z = linalg.transpose ins(%y : tensor<4x8xf32>) outs(%f : tensor<8x4xf32>) permutation = [1, 0]
  return %z : tensor<8x4xf32>
}

// A branch that forwards an input and one that makes a buffer: whether there is something to free is known by a flag.
// CHECK-LABEL: func.func @branch_may_own_its_result(
// CHECK-SAME: %[[C:.*]]: i1
// CHECK: %[[R:.*]] = scf.if %[[C]]
// CHECK: %[[BASE:[a-z_0-9]*]], {{.*}} = memref.extract_strided_metadata %[[R]]
// CHECK-NEXT: scf.if %[[C]] {
// CHECK-NEXT: memref.dealloc %[[BASE]]
func.func @branch_may_own_its_result(%c: i1, %x: tensor<4xf32> {bufferization.writable = false}) -> tensor<4xf32> {
  %r = scf.if %c -> tensor<4xf32> {
    %e = tensor.empty() : tensor<4xf32>
    %y = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
    scf.yield %y : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  %f = tensor.empty() : tensor<4xf32>
  %z = linalg.exp ins(%r : tensor<4xf32>) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// A loop frees the buffer that it came with when it goes on with another.
// CHECK-LABEL: func.func @loop_frees_what_it_replaces(
// CHECK: scf.for {{.*}} iter_args(%[[V:[a-z0-9]*]] = %{{.*}}, %[[OWNED:[a-z0-9]*]] = %{{.*}})
// CHECK: %[[NEXT:.*]] = memref.alloc
// CHECK: linalg.exp ins(%[[V]] : memref<4xf32>) outs(%[[NEXT]] :
// CHECK: scf.if %[[OWNED]] {
// CHECK-NEXT: memref.dealloc
// CHECK: scf.yield %[[NEXT]], %true
func.func @loop_frees_what_it_replaces(%n: index, %x: tensor<4xf32> {bufferization.writable = false}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%v = %x) -> tensor<4xf32> {
    %e = tensor.empty() : tensor<4xf32>
    %y = linalg.exp ins(%v : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
    scf.yield %y : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// A part of a buffer is not a result: its rows do not follow each other.
// CHECK-LABEL: func.func @result_is_contiguous(
// CHECK: %[[PART:.*]] = memref.subview
// CHECK: %[[RESULT:.*]] = memref.alloc
// CHECK: memref.copy %[[PART]], %[[RESULT]]
// CHECK: return %[[RESULT]]
func.func @result_is_contiguous(%x: tensor<?x?xf32> {bufferization.writable = false}, %n: index) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x?xf32>
  %part = tensor.extract_slice %x[0, 0] [%rows, %n] [1, 1] : tensor<?x?xf32> to tensor<?x?xf32>
  return %part : tensor<?x?xf32>
}

// Either buffer may be the one that is read: both are given back behind that.
// CHECK-LABEL: func.func @a_selected_buffer_lives_on(
// CHECK-NOT: memref.dealloc
// CHECK: %[[S:.*]] = arith.select %arg0
// CHECK-NOT: memref.dealloc
// CHECK: memref.load %[[S]]
// CHECK-COUNT-2: memref.dealloc
func.func @a_selected_buffer_lives_on(%flag: i1, %n: index, %v: f32, %w: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %0 = tensor.empty(%n) : tensor<?xf32>
  %a = linalg.fill ins(%v : f32) outs(%0 : tensor<?xf32>) -> tensor<?xf32>
  %1 = tensor.empty(%n) : tensor<?xf32>
  %b = linalg.fill ins(%w : f32) outs(%1 : tensor<?xf32>) -> tensor<?xf32>
  %s = arith.select %flag, %a, %b : tensor<?xf32>
  %x = tensor.extract %s[%c0] : tensor<?xf32>
  return %x : f32
}
