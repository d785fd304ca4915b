// RUN: ac-opt %s --ac-plan-arena --split-input-file | FileCheck %s

// The third buffer lives after the first: it takes its place.
// CHECK-LABEL: func @lifetimes_that_do_not_meet_share_memory
// CHECK: %[[ARENA:.*]] = memref.alloc() : memref<512xi8>
// CHECK-DAG: memref.view %[[ARENA]][%[[ZERO:.*]]][] : memref<512xi8> to memref<64xf32>
// CHECK-DAG: memref.view %[[ARENA]][%{{.*}}][] : memref<512xi8> to memref<32x2xf32>
// CHECK-COUNT-1: memref.dealloc %[[ARENA]]
// CHECK-NOT: memref.dealloc
func.func @lifetimes_that_do_not_meet_share_memory(%x: f32) {
  %a = memref.alloc() : memref<64xf32>
  linalg.fill ins(%x : f32) outs(%a : memref<64xf32>)
  %b = memref.alloc() : memref<32x2xf32>
  linalg.fill ins(%x : f32) outs(%b : memref<32x2xf32>)
  memref.dealloc %a : memref<64xf32>
  %c = memref.alloc() : memref<64xf32>
  linalg.fill ins(%x : f32) outs(%c : memref<64xf32>)
  memref.dealloc %b : memref<32x2xf32>
  memref.dealloc %c : memref<64xf32>
  return
}

// -----

// CHECK-LABEL: func @dynamic_sizes_and_results_are_left_alone
// CHECK-NOT: memref.view
// CHECK: return
func.func @dynamic_sizes_and_results_are_left_alone(%x: f32, %n: index) -> memref<8xf32> {
  %a = memref.alloc(%n) : memref<?xf32>
  linalg.fill ins(%x : f32) outs(%a : memref<?xf32>)
  memref.dealloc %a : memref<?xf32>
  %r = memref.alloc() : memref<8xf32>
  linalg.fill ins(%x : f32) outs(%r : memref<8xf32>)
  return %r : memref<8xf32>
}
