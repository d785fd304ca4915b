// RUN: ac-opt %s | ac-opt | FileCheck %s
// RUN: ac-opt %s --mlir-print-op-generic | ac-opt | FileCheck %s

#same = affine_map<(d0) -> (d0)>
#shared = affine_map<(d0) -> (0)>
#grouped = affine_map<(d0) -> (d0 floordiv 3)>
#column = affine_map<(d0, d1, d2) -> (d2)>

// A product alone: its epilogue forwards the sum.
// CHECK-LABEL: func.func @product(
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<2x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%{{[^ ]*}} : tensor<2x?x32xf32>)
// CHECK-SAME: attributes {extra_maps = [], lhs_batch = #{{.*}}, rhs_batch = #{{.*}}} {
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT:   ac.yield %[[SUM]] : f32
// CHECK-NEXT: } -> tensor<2x?x32xf32>
func.func @product(%a: tensor<2x?x64xf32>, %b: tensor<1x64x32xf32>, %init: tensor<2x?x32xf32>) -> tensor<2x?x32xf32> {
  %r = ac.contract ins(%a, %b : tensor<2x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%init : tensor<2x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #shared, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x?x32xf32>
  return %r : tensor<2x?x32xf32>
}

// Bias and ReLU on the sum; the weights lie in panels of 64 columns.
// CHECK-LABEL: func.func @bias_relu(
// CHECK: ac.contract packed ins(
// CHECK-SAME: extras(%{{.*}} : tensor<100xf32>)
// CHECK: ^bb0(%{{.*}}: f32, %{{.*}}: f32):
func.func @bias_relu(%a: tensor<1x?x64xf32>, %b: tensor<1x2x64x64xf32>, %bias: tensor<100xf32>,
                     %init: tensor<1x?x100xf32>) -> tensor<1x?x100xf32> {
  %zero = arith.constant 0.0 : f32
  %r = ac.contract packed ins(%a, %b : tensor<1x?x64xf32>, tensor<1x2x64x64xf32>) extras(%bias : tensor<100xf32>)
      outs(%init : tensor<1x?x100xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [#column]} {
  ^bb0(%sum: f32, %add: f32):
    %biased = arith.addf %sum, %add : f32
    %relu = arith.maximumf %biased, %zero : f32
    ac.yield %relu : f32
  } -> tensor<1x?x100xf32>
  return %r : tensor<1x?x100xf32>
}

// On buffers it has no result: three heads of the lhs share one matrix of the rhs.
// CHECK-LABEL: func.func @buffers(
// CHECK: ac.contract ins(
// CHECK-NOT: ->
// CHECK: return
func.func @buffers(%a: memref<12x?x64xf32>, %b: memref<4x64x?xf32>, %init: memref<12x?x?xf32>) {
  ac.contract ins(%a, %b : memref<12x?x64xf32>, memref<4x64x?xf32>) extras() outs(%init : memref<12x?x?xf32>)
      attributes {lhs_batch = #same, rhs_batch = #grouped, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  }
  return
}

// Bytes are summed in i32, and what is stored is what the epilogue makes of the sum.
// CHECK-LABEL: func.func @bytes(
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xi8>, tensor<1x64x32xi8>)
// CHECK-SAME: lhs_unsigned
// CHECK: ^bb0(%{{.*}}: i32, %{{.*}}: f32):
// CHECK: ac.yield %{{.*}} : f32
func.func @bytes(%a: tensor<1x?x64xi8>, %b: tensor<1x64x32xi8>, %scale: tensor<32xf32>, %init: tensor<1x?x32xf32>) -> tensor<1x?x32xf32> {
  %r = ac.contract ins(%a, %b : tensor<1x?x64xi8>, tensor<1x64x32xi8>) extras(%scale : tensor<32xf32>)
      outs(%init : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [#column], lhs_unsigned} {
  ^bb0(%sum: i32, %by: f32):
    %float = arith.sitofp %sum : i32 to f32
    %scaled = arith.mulf %float, %by : f32
    ac.yield %scaled : f32
  } -> tensor<1x?x32xf32>
  return %r : tensor<1x?x32xf32>
}

// CHECK-LABEL: func.func @small_floats(
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xbf16>, tensor<1x64x32xbf16>)
// CHECK: ^bb0(%{{.*}}: f32):
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xbf16>, tensor<1x64x32xf32>)
func.func @small_floats(%a: tensor<1x?x64xbf16>, %b: tensor<1x64x32xbf16>, %c: tensor<1x64x32xf32>, %init: tensor<1x?x32xbf16>, %wide: tensor<1x?x32xf32>) -> (tensor<1x?x32xbf16>, tensor<1x?x32xf32>) {
  %r = ac.contract ins(%a, %b : tensor<1x?x64xbf16>, tensor<1x64x32xbf16>) extras() outs(%init : tensor<1x?x32xbf16>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    %rounded = arith.truncf %sum : f32 to bf16
    ac.yield %rounded : bf16
  } -> tensor<1x?x32xbf16>
  %s = ac.contract ins(%a, %c : tensor<1x?x64xbf16>, tensor<1x64x32xf32>) extras() outs(%wide : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  return %r, %s : tensor<1x?x32xbf16>, tensor<1x?x32xf32>
}

// CHECK-LABEL: func.func @parallel(
// CHECK: ac.parallel %{{.*}} grain %{{.*}} {
// CHECK-NEXT: ^bb0(%[[BEGIN:.*]]: index, %[[END:.*]]: index):
// CHECK-NEXT:   scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
func.func @parallel(%count: index, %grain: index, %x: memref<?xf32>) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1 : index
  ac.parallel %count grain %grain {
  ^bb0(%begin: index, %end: index):
    scf.for %i = %begin to %end step %one {
      memref.store %zero, %x[%i] : memref<?xf32>
    }
    ac.yield
  }
  return
}

// Rows of a batch under a mask; the matrix is captured, the rows are arguments.
// CHECK-LABEL: func.func @masked_rows(
// CHECK: ac.masked_rows %{{.*}} : tensor<?x1xf32> rows(%{{.*}} : tensor<?x64xf32>) {
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<?x64xf32>):
// CHECK-NEXT:   onnx.MatMul(%[[ROW]],
// CHECK-NEXT:   ac.yield
// CHECK-NEXT: } -> tensor<?x32xf32>
// CHECK: ac.masked_rows dense
func.func @masked_rows(%mask: tensor<?x1xf32>, %x: tensor<?x64xf32>, %w: tensor<64x32xf32>) -> tensor<?x32xf32> {
  %y = ac.masked_rows %mask : tensor<?x1xf32> rows(%x : tensor<?x64xf32>) {
  ^bb0(%row: tensor<?x64xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<?x64xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
    ac.yield %0 : tensor<?x32xf32>
  } -> tensor<?x32xf32>
  %z = ac.masked_rows dense %mask : tensor<?x1xf32> rows(%y : tensor<?x32xf32>) {
  ^bb0(%row: tensor<?x32xf32>):
    ac.yield %row : tensor<?x32xf32>
  } -> tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @contract_quantized(
// CHECK: ac.contract packed ins(%{{.*}}, %{{.*}} : tensor<1x?x100xf32>, tensor<1x2x13x64xi32>) scales(%{{[^ ]*}} : tensor<1x2x4x64xf16>)
// CHECK-SAME: zeros(%{{[^ ]*}} : tensor<1x2x4x64xi8>) offsets(%{{[^ ]*}} : tensor<1x2x4x64xf16>) extras() outs(
func.func @contract_quantized(%a: tensor<1x?x100xf32>, %b: tensor<1x2x13x64xi32>, %s: tensor<1x2x4x64xf16>, %z: tensor<1x2x4x64xi8>, %init: tensor<1x?x100xf32>) -> tensor<1x?x100xf32> {
  %r = ac.contract packed ins(%a, %b : tensor<1x?x100xf32>, tensor<1x2x13x64xi32>) scales(%s : tensor<1x2x4x64xf16>)
      zeros(%z : tensor<1x2x4x64xi8>) offsets(%s : tensor<1x2x4x64xf16>) extras() outs(%init : tensor<1x?x100xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x100xf32>
  return %r : tensor<1x?x100xf32>
}

// CHECK-LABEL: func.func @dequantized_product(
// CHECK: ac.dequantized_product %{{.*}}, %{{.*}} scales(%{{[^ ]*}} : tensor<64x4xf32>) block 32 : tensor<?x128xf32>, tensor<64x128xi8> -> tensor<?x64xf32>
func.func @dequantized_product(%x: tensor<?x128xf32>, %w: tensor<64x128xi8>, %s: tensor<64x4xf32>) -> tensor<?x64xf32> {
  %y = ac.dequantized_product %x, %w scales(%s : tensor<64x4xf32>) block 32 : tensor<?x128xf32>, tensor<64x128xi8> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Overlapping matrices: the columns of a convolution, whose lines are rows of the image.
// CHECK-LABEL: func.func @starts(
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x8x27xf32>, tensor<14x66xf32>) extras()
// CHECK-SAME: rhs_starts(%{{.*}} : tensor<27xindex>) outs(%{{.*}} : tensor<2x8x5x20xf32>)
func.func @starts(%a: tensor<1x8x27xf32>, %b: tensor<14x66xf32>, %starts: tensor<27xindex>,
                  %init: tensor<2x8x5x20xf32>) -> tensor<2x8x5x20xf32> {
  %r = ac.contract ins(%a, %b : tensor<1x8x27xf32>, tensor<14x66xf32>) extras() rhs_starts(%starts : tensor<27xindex>)
      outs(%init : tensor<2x8x5x20xf32>)
      attributes {lhs_batch = #shared, rhs_batch = #same, extra_maps = [], out_order = array<i64: 3, 1, 0, 2>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x5x20xf32>
  return %r : tensor<2x8x5x20xf32>
}

// Windows of each channel with bias; the maps of extras have four dimensions.
// CHECK-LABEL: func.func @depthwise(
// CHECK: ac.depthwise ins(%{{.*}}, %{{.*}} : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras(%{{.*}} : tensor<8xf32>)
// CHECK-SAME: outs(%{{.*}} : tensor<1x8x10x10xf32>)
func.func @depthwise(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %bias: tensor<8xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras(%bias : tensor<8xf32>) outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = [affine_map<(d0, d1, d2, d3) -> (d1)>]} {
  ^bb0(%sum: f32, %add: f32):
    %biased = arith.addf %sum, %add : f32
    ac.yield %biased : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// The same result by other operations.
// CHECK-LABEL: func.func @depthwise_instead(
// CHECK: ac.depthwise ins({{.*}}) extras() instead(%{{.*}} : tensor<1x8x10x10xf32>) outs(
func.func @depthwise_instead(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %same: tensor<1x8x10x10xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras() instead(%same : tensor<1x8x10x10xf32>)
      outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// CHECK-LABEL: func.func @attention(
// CHECK: ac.attention ins({{.*}}) mask({{.*}}) offsets({{.*}}) sinks({{.*}}) attributes {after = 0 : i64
// CHECK: ac.attention dense ins(
func.func @attention(%q: tensor<1x?x4x8xf32>, %k: tensor<1x2x8x?xf32>, %v: tensor<1x2x?x8xf32>, %m: tensor<?x?xi1>,
                     %past: tensor<1xindex>, %sinks: tensor<4xf32>) -> (tensor<1x?x4x8xf32>, tensor<1x4x?x8xf32>) {
  %0 = ac.attention ins(%q, %k, %v : tensor<1x?x4x8xf32>, tensor<1x2x8x?xf32>, tensor<1x2x?x8xf32>)
      mask(%m : tensor<?x?xi1>) offsets(%past : tensor<1xindex>) sinks(%sinks : tensor<4xf32>)
      attributes {query_order = array<i64: 0, 2, 1, 3>, key_order = array<i64: 0, 1, 3, 2>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 2, 1, 3>, scale = 0.5 : f64,
                  after = 0 : i64, fill = -1.0e9 : f64} -> tensor<1x?x4x8xf32>
  %1 = ac.attention dense ins(%0, %k, %v : tensor<1x?x4x8xf32>, tensor<1x2x8x?xf32>, tensor<1x2x?x8xf32>)
      attributes {query_order = array<i64: 0, 2, 1, 3>, key_order = array<i64: 0, 1, 3, 2>,
                  value_order = array<i64: 0, 1, 2, 3>, out_order = array<i64: 0, 1, 2, 3>, scale = 0.5 : f64}
      -> tensor<1x4x?x8xf32>
  return %0, %1 : tensor<1x?x4x8xf32>, tensor<1x4x?x8xf32>
}
