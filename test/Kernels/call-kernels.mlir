// RUN: ac-opt %s --ac-call-kernels --canonicalize --split-input-file | FileCheck %s

// A range of planes is one call: numbers, then buffers on the stack, the result last. Names are hashes of descriptions.
// CHECK: module attributes {ac.kernels = ["{\22compute\22:\22depthwise_convolution\22,
// CHECK-SAME: \22dilations\22:[1,1],
// CHECK-SAME: \22epilogue\22:{\22ops\22:[{\22in\22:[0,1],\22op\22:\22add\22}],\22yield\22:2},
// CHECK-SAME: \22extras\22:[{\22along\22:[\22channel\22]}],
// CHECK-SAME: \22kernel\22:[3,3],\22low\22:[1,1],\22strides\22:[1,1],
// CHECK-SAME: \22version\22:1
// CHECK: llvm.func @[[$ENTRY:ac_halide_[0-9a-f]+]](i32, i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> i32
// CHECK-LABEL: func.func @fixed(
// CHECK-NOT: cf.assert
// CHECK-DAG: %[[CHANNELS:.*]] = arith.constant 8 : index
// CHECK-DAG: %[[WIDTH:.*]] = arith.constant 10 : i32
// CHECK-DAG: %[[PLANES:.*]] = arith.constant 16 : index
// CHECK: ac.parallel %[[PLANES]]
// CHECK: ^bb0(%[[BEGIN:.*]]: index, %{{.*}}: index):
// CHECK-COUNT-8: llvm.alloca
// CHECK: %[[CHANNEL:.*]] = arith.remui %[[BEGIN]], %[[CHANNELS]]
// CHECK: %[[FIRST:.*]] = arith.index_cast %[[CHANNEL]] : index to i32
// CHECK: llvm.call @[[$ENTRY]](%[[FIRST]], %[[WIDTH]],
// CHECK-NOT: ac.depthwise
func.func @fixed(%x: memref<2x8x10x10xf32>, %w: memref<8x9xf32>, %bias: memref<8xf32>, %y: memref<2x8x10x10xf32>) {
  ac.depthwise ins(%x, %w : memref<2x8x10x10xf32>, memref<8x9xf32>) extras(%bias : memref<8xf32>)
      outs(%y : memref<2x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = [affine_map<(d0, d1, d2, d3) -> (d1)>]} {
  ^bb0(%sum: f32, %add: f32):
    %biased = arith.addf %sum, %add : f32
    ac.yield %biased : f32
  }
  return
}

// -----

// Numbers of a call have 32 bits: sizes that are not known are checked. A part of a buffer is copied.
// CHECK-LABEL: func.func @dynamic(
// CHECK: memref.alloc
// CHECK: memref.copy
// CHECK-COUNT-3: cf.assert %{{.*}}, "node 'stem' (Conv): has an image that is too large for a kernel of Halide"
// CHECK: ac.parallel
// CHECK: llvm.call @ac_halide_
// CHECK: memref.dealloc
func.func @dynamic(%x: memref<?x8x?x10xf32, strided<[?, ?, 20, 2], offset: ?>>, %w: memref<8x9xf32>, %y: memref<?x8x?x10xf32>) {
  ac.depthwise ins(%x, %w : memref<?x8x?x10xf32, strided<[?, ?, 20, 2], offset: ?>>, memref<8x9xf32>) extras()
      outs(%y : memref<?x8x?x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } loc("stem")
  return
}

// -----

// Tensors are not there yet.
// CHECK-LABEL: func.func @tensors(
// CHECK: ac.depthwise
func.func @tensors(%x: tensor<2x8x10x10xf32>, %w: tensor<8x9xf32>, %y: tensor<2x8x10x10xf32>) -> tensor<2x8x10x10xf32> {
  %r = ac.depthwise ins(%x, %w : tensor<2x8x10x10xf32>, tensor<8x9xf32>) extras() outs(%y : tensor<2x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x10x10xf32>
  return %r : tensor<2x8x10x10xf32>
}
