// RUN: ac-opt %s --ac-turn-products | FileCheck %s

#first = affine_map<(d0) -> (d0)>
#zero = affine_map<(d0) -> (0)>

module attributes {ac.target = {vector_bits = 512 : i64, tile_rows = 6 : i64, tile_vectors = 4 : i64, masks = true}} {

// 49 pixels fill three quarters of a panel, 128 channels two of them.
// CHECK-LABEL: func.func @pixels(
// CHECK: %[[ROWS:.*]] = arith.constant dense_resource<turned> : tensor<1x2x64x64xf32>
// CHECK: ac.contract ins(%[[ROWS]], %arg0 : tensor<1x2x64x64xf32>, tensor<1x64x49xf32>) {{.*}} turned}
func.func @pixels(%x: tensor<1x64x49xf32>, %init: tensor<1x128x49xf32>) -> tensor<1x128x49xf32> {
  %w = arith.constant dense<1.0> : tensor<1x128x64xf32>
  %y = ac.contract ins(%w, %x : tensor<1x128x64xf32>, tensor<1x64x49xf32>) extras() outs(%init : tensor<1x128x49xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x128x49xf32>
  return %y : tensor<1x128x49xf32>
}

// Whole panels of pixels, and many rows that read each copy.
// CHECK-LABEL: func.func @whole_panels(
// CHECK-NOT: turned}
func.func @whole_panels(%x: tensor<1x64x128xf32>, %init: tensor<1x128x128xf32>) -> tensor<1x128x128xf32> {
  %w = arith.constant dense<1.0> : tensor<1x128x64xf32>
  %y = ac.contract ins(%w, %x : tensor<1x128x64xf32>, tensor<1x64x128xf32>) extras() outs(%init : tensor<1x128x128xf32>)
      attributes {copied, extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x128x128xf32>
  return %y : tensor<1x128x128xf32>
}

// Rows that are no constant cannot be packed.
// CHECK-LABEL: func.func @no_constant(
// CHECK-NOT: turned}
func.func @no_constant(%w: tensor<1x128x64xf32>, %x: tensor<1x64x49xf32>, %init: tensor<1x128x49xf32>)
    -> tensor<1x128x49xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x128x64xf32>, tensor<1x64x49xf32>) extras() outs(%init : tensor<1x128x49xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x128x49xf32>
  return %y : tensor<1x128x49xf32>
}

}
