// RUN: ac-opt %s --ac-call-kernels --verify-diagnostics

func.func @unknown(%x: memref<2x8x10x10xf32>, %w: memref<8x9xf32>, %y: memref<2x8x10x10xf32>) {
  // expected-error @below {{has an epilogue that no kernel can compute}}
  ac.depthwise ins(%x, %w : memref<2x8x10x10xf32>, memref<8x9xf32>) extras() outs(%y : memref<2x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    %log = math.log %sum : f32
    ac.yield %log : f32
  }
  return
}
