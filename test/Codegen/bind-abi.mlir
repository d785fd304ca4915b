// RUN: ac-opt %s --ac-bind-abi --canonicalize --split-input-file | FileCheck %s

// The buffer that becomes the result is the host's from the start: `output` is asked for it, and there is no copy.
// Offsets into the host's table: output 24. A run's inputs stand at 16 of the call, dimensions at 8 of an input.
// CHECK-LABEL: module @result_is_the_hosts attributes {ac.inputs = [{onnx.name = "x"}], ac.outputs = [{onnx.name = "y"}]
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr) -> i32 {
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[CALL]][16]
// CHECK: %[[INPUTS:.*]] = llvm.load %[[AT]]
// CHECK: %[[DATA:.*]] = llvm.load %[[INPUTS]]
// CHECK: builtin.unrealized_conversion_cast {{.*}} to memref<?x4xf32>
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %{{.*}}[24]
// CHECK: %[[OUTPUT:.*]] = llvm.load %[[SLOT]]
// CHECK: %[[MEMORY:.*]] = llvm.call %[[OUTPUT]](%[[CALL]],
// CHECK: llvm.insertvalue %[[MEMORY]]
// CHECK: %[[Y:.*]] = builtin.unrealized_conversion_cast
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: linalg.exp {{.*}} outs(%[[Y]] :
// CHECK-NEXT: return %{{.*}} : i32
module @result_is_the_hosts {
func.func @main(%x: memref<?x4xf32> {onnx.name = "x"}) -> (memref<?x4xf32> {onnx.name = "y"}) {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x4xf32>
  %y = memref.alloc(%n) : memref<?x4xf32>
  linalg.exp ins(%x : memref<?x4xf32>) outs(%y : memref<?x4xf32>)
  return %y : memref<?x4xf32>
}
}

// -----

// An input that is an output as well is copied to the host's buffer.
// CHECK-LABEL: module @input_as_output_is_copied
// CHECK: func.func @ac_model_run(
// CHECK: %[[X:.*]] = builtin.unrealized_conversion_cast
// CHECK: llvm.call
// CHECK: %[[Y:.*]] = builtin.unrealized_conversion_cast
// CHECK: memref.copy %[[X]], %[[Y]]
module @input_as_output_is_copied {
func.func @main(%x: memref<4xf32>) -> memref<4xf32> {
  return %x : memref<4xf32>
}
}

// -----

// One buffer for two outputs: the first takes it over, the second is a copy.
// CHECK-LABEL: module @buffer_for_two_outputs
// CHECK: func.func @ac_model_run(
// CHECK: %[[FIRST:.*]] = builtin.unrealized_conversion_cast
// CHECK: linalg.fill {{.*}} outs(%[[FIRST]] :
// CHECK: %[[SECOND:.*]] = builtin.unrealized_conversion_cast
// CHECK: memref.copy %[[FIRST]], %[[SECOND]]
// CHECK-NOT: memref.copy
module @buffer_for_two_outputs {
func.func @main() -> (memref<4xf32>, memref<4xf32>) {
  %one = arith.constant 1.0 : f32
  %y = memref.alloc() : memref<4xf32>
  linalg.fill ins(%one : f32) outs(%y : memref<4xf32>)
  return %y, %y : memref<4xf32>, memref<4xf32>
}
}

// -----

// Intermediate buffers come from the run's arena: host services alloc 0 and free 8, in bytes.
// CHECK-LABEL: module @memory_of_the_arena
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr)
// CHECK-DAG: %[[BYTES:.*]] = arith.constant 16 : i64
// CHECK-DAG: %[[HOST:.*]] = llvm.load %[[CALL]] :
// CHECK: %[[ALLOC:.*]] = llvm.load %[[HOST]]
// CHECK: llvm.call %[[ALLOC]](%[[CALL]], %[[BYTES]]) : !llvm.ptr, (!llvm.ptr, i64) -> !llvm.ptr
// CHECK-NOT: memref.alloc
// CHECK: linalg.exp
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %{{.*}}[8]
// CHECK: %[[FREE:.*]] = llvm.load %[[SLOT]]
// CHECK: llvm.call %[[FREE]](%[[CALL]],
// CHECK-NOT: memref.dealloc
module @memory_of_the_arena {
func.func @main(%x: memref<4xf32>, %z: memref<4xf32>) {
  %y = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%y : memref<4xf32>)
  linalg.exp ins(%y : memref<4xf32>) outs(%z : memref<4xf32>)
  memref.dealloc %y : memref<4xf32>
  return
}
}

// -----

// Constants are views of the weights, each at a multiple of 64 bytes; the values stay on the module for the writer.
// CHECK-LABEL: module @constants_are_views attributes
// CHECK-SAME: ac.weight_bytes = 128 : i64, ac.weight_offsets = [0, 64]
// CHECK-SAME: ac.weights = [dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>, dense<[4, 5]> : tensor<2xi64>]
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr)
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[CALL]][8]
// CHECK: %[[WEIGHTS:.*]] = llvm.load %[[AT]]
// CHECK: llvm.getelementptr %[[WEIGHTS]][64]
// CHECK-NOT: memref.global
module @constants_are_views {
memref.global "private" constant @w : memref<3xf32> = dense<[1.0, 2.0, 3.0]>
memref.global "private" constant @v : memref<2xi64> = dense<[4, 5]>
func.func @main(%y: memref<f32>, %z: memref<i64>) {
  %c0 = arith.constant 0 : index
  %w = memref.get_global @w : memref<3xf32>
  %v = memref.get_global @v : memref<2xi64>
  %a = memref.load %w[%c0] : memref<3xf32>
  memref.store %a, %y[] : memref<f32>
  %b = memref.load %v[%c0] : memref<2xi64>
  memref.store %b, %z[] : memref<i64>
  return
}
}

// -----

// A broken assertion hands its message to the host, which does not come back.
// CHECK-LABEL: module @assertions_end_the_run
// CHECK: llvm.mlir.global private constant @ac_text_
// CHECK-SAME: "node 'a' (Gather): an index is out of range\00"
// CHECK: func.func @ac_model_run(%[[CALL:.*]]: !llvm.ptr)
// CHECK: %[[TEXT:.*]] = llvm.mlir.addressof @ac_text_
// CHECK: %[[BROKEN:.*]] = arith.xori
// CHECK: scf.if %[[BROKEN]] {
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %{{.*}}[32]
// CHECK: %[[FAIL:.*]] = llvm.load %[[SLOT]]
// CHECK: llvm.call %[[FAIL]](%[[CALL]], %[[TEXT]])
// CHECK-NOT: cf.assert
module @assertions_end_the_run {
func.func @main(%x: memref<i1>) {
  %p = memref.load %x[] : memref<i1>
  cf.assert %p, "node 'a' (Gather): an index is out of range"
  return
}
}

// -----

// CHECK-LABEL: func.func @other_functions_stay(
// CHECK: memref.alloc
func.func @other_functions_stay() -> memref<4xf32> {
  %y = memref.alloc() : memref<4xf32>
  return %y : memref<4xf32>
}

// -----

// An output that begins as a copy of an input is not copied where both are in one place.
// CHECK-LABEL: module @updated_in_place
// CHECK: %[[FROM:.*]] = memref.extract_aligned_pointer_as_index %[[X:.*]] : memref<?x4xf32>
// CHECK: %[[TO:.*]] = memref.extract_aligned_pointer_as_index
// CHECK: %[[APART:.*]] = arith.cmpi ne, %[[FROM]], %[[TO]]
// CHECK: scf.if %[[APART]] {
// CHECK-NEXT: memref.copy %[[X]],
// CHECK-NEXT: }
// CHECK: linalg.fill
module @updated_in_place {
func.func @main(%x: memref<?x4xf32> {onnx.name = "x"}, %n: memref<1xindex>) -> (memref<?x4xf32> {onnx.name = "y"}) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %own = memref.dim %x, %c0 : memref<?x4xf32>
  %room = memref.load %n[%c0] : memref<1xindex>
  %y = memref.alloc(%room) : memref<?x4xf32>
  %begin = memref.subview %y[0, 0] [%own, 4] [1, 1] : memref<?x4xf32> to memref<?x4xf32, strided<[4, 1]>>
  memref.copy %x, %begin : memref<?x4xf32> to memref<?x4xf32, strided<[4, 1]>>
  %first = memref.subview %y[0, 0] [1, 4] [1, 1] : memref<?x4xf32> to memref<1x4xf32, strided<[4, 1]>>
  linalg.fill ins(%zero : f32) outs(%first : memref<1x4xf32, strided<[4, 1]>>)
  return %y : memref<?x4xf32>
}
}
