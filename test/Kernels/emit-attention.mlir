// RUN: ac-opt %s --ac-emit-attention --canonicalize --cse | FileCheck %s

// Two shapes share a kernel. Keys are packed first; nothing has the size of the scores.
// CHECK-LABEL: func.func @many_rows(
// CHECK: memref.alloc() : memref<1x2x5x4096xf32>
// CHECK: ac.parallel
// CHECK: ac.parallel
// CHECK: func.call @[[ROWS:ac_attention_[0-9]+]](
// CHECK: func.call @[[ROWS]](
func.func @many_rows(%a: memref<1x4x100x64xf32>, %b: memref<1x2x300x64xf32>, %r: memref<1x4x100x64xf32>,
                     %c: memref<2x3x50x64xf32>, %s: memref<2x3x50x64xf32>) {
  ac.attention ins(%a, %b, %b : memref<1x4x100x64xf32>, memref<1x2x300x64xf32>, memref<1x2x300x64xf32>)
      outs(%r : memref<1x4x100x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64, after = 0 : i64}
  ac.attention ins(%c, %c, %c : memref<2x3x50x64xf32>, memref<2x3x50x64xf32>, memref<2x3x50x64xf32>)
      outs(%s : memref<2x3x50x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64, after = 0 : i64}
  return
}

// One row: blocks of keys are shared between threads, then their parts are added up.
// CHECK-LABEL: func.func @one_row(
// CHECK: ac.parallel
// CHECK: func.call @[[PARTS:ac_attention_[0-9]+]](
// CHECK: ac.parallel
// CHECK-NOT: func.call
// CHECK: return
func.func @one_row(%a: memref<1x4x1x64xf32>, %b: memref<1x4x?x64xf32>, %r: memref<1x4x1x64xf32>) {
  ac.attention ins(%a, %b, %b : memref<1x4x1x64xf32>, memref<1x4x?x64xf32>, memref<1x4x?x64xf32>)
      outs(%r : memref<1x4x1x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64}
  return
}

// When the number of rows is not known, it is asked for. Values with rows apart are brought together.
// CHECK-LABEL: func.func @unknown_rows(
// CHECK: scf.if
// CHECK: func.call @{{ac_attention_[0-9]+}}(
// CHECK: else
// CHECK: linalg.transpose
// CHECK: func.call @{{ac_attention_[0-9]+}}(
func.func @unknown_rows(%a: memref<1x4x?x64xf32>, %b: memref<1x4x?x64xf32>, %v: memref<1x?x4x64xf32>,
                        %r: memref<1x4x?x64xf32>) {
  ac.attention ins(%a, %b, %v : memref<1x4x?x64xf32>, memref<1x4x?x64xf32>, memref<1x?x4x64xf32>)
      outs(%r : memref<1x4x?x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 2, 1, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64}
  return
}

// A mask that heads share is looked at once: [batch, rows, 3] say what it leaves of the keys.
// CHECK-LABEL: func.func @shared_mask(
// CHECK: %[[RANGES:.*]] = memref.alloc() : memref<1x100x3xindex>
// CHECK: ac.parallel
// CHECK: vector.reduction <minsi>
// CHECK: func.call @{{ac_attention_[0-9]+}}({{.*}}memref<?x?x?xindex, strided<[?, ?, 1], offset: ?>>
// CHECK: memref.dealloc %[[RANGES]]
// CHECK-LABEL: func.func @mask_of_heads(
// CHECK-NOT: xindex>
// CHECK: return
func.func @shared_mask(%a: memref<1x4x100x64xf32>, %m: memref<1x1x100x100xf32>, %r: memref<1x4x100x64xf32>) {
  ac.attention ins(%a, %a, %a : memref<1x4x100x64xf32>, memref<1x4x100x64xf32>, memref<1x4x100x64xf32>)
      mask(%m : memref<1x1x100x100xf32>) outs(%r : memref<1x4x100x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>,
                  key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64}
  return
}
func.func @mask_of_heads(%a: memref<1x4x100x64xf32>, %m: memref<1x4x100x100xf32>, %r: memref<1x4x100x64xf32>) {
  ac.attention ins(%a, %a, %a : memref<1x4x100x64xf32>, memref<1x4x100x64xf32>, memref<1x4x100x64xf32>)
      mask(%m : memref<1x4x100x100xf32>) outs(%r : memref<1x4x100x64xf32>) attributes {query_order = array<i64: 0, 1, 2, 3>,
                  key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64}
  return
}

// CHECK-LABEL: func.func @on_tensors(
// CHECK: ac.attention
func.func @on_tensors(%a: tensor<1x4x9x64xf32>) -> tensor<1x4x9x64xf32> {
  %r = ac.attention ins(%a, %a, %a : tensor<1x4x9x64xf32>, tensor<1x4x9x64xf32>, tensor<1x4x9x64xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.125 : f64} -> tensor<1x4x9x64xf32>
  return %r : tensor<1x4x9x64xf32>
}
