// RUN: ac-opt %s --split-input-file --ac-narrow-products | FileCheck %s

#first = affine_map<(d0) -> (d0)>
#shared = affine_map<(d0) -> (0)>

// Two products of the same rows: one rounding, in front of the gather; ties go to the even number.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: %[[X:.*]]: tensor<?x2xf32>, %[[PLACES:.*]]: tensor<?xindex>
// CHECK: %[[SMALL:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x2xf32>) outs(%{{.*}} : tensor<?x2xbf16>)
// CHECK: arith.truncf
// CHECK: arith.constant dense<{{.*}}1.000000e+00{{.*}}1.015630e+00{{.*}}> : tensor<1x2x2xbf16>
// CHECK-NOT: arith.truncf
// CHECK: ac.gather_rows %[[SMALL]] at %[[PLACES]] outs(%{{.*}}) : tensor<?x2xbf16>
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x2xbf16>, tensor<1x2x2xbf16>)
// CHECK-SAME: outs(%{{.*}} : tensor<1x?x2xf32>)
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x2xbf16>, tensor<1x2x2xbf16>)
module attributes {ac.precision = "bf16"} {
func.func @rows(%x: tensor<?x2xf32>, %places: tensor<?xindex>, %rows: tensor<?x2xf32>, %init: tensor<1x?x2xf32>)
    -> (tensor<1x?x2xf32>, tensor<1x?x2xf32>) {
  %w = arith.constant dense<[[[1.00390625, 1.01171875], [1.0, 2.0]]]> : tensor<1x2x2xf32>
  %v = arith.constant dense<[[[3.0, 1.0], [1.0, 2.0]]]> : tensor<1x2x2xf32>
  %g = ac.gather_rows %x at %places outs(%rows : tensor<?x2xf32>) : tensor<?x2xf32>, tensor<?xindex> -> tensor<?x2xf32>
  %c0 = arith.constant 0 : index
  %m = tensor.dim %places, %c0 : tensor<?xindex>
  %b = tensor.expand_shape %g [[0, 1], [2]] output_shape [1, %m, 2] : tensor<?x2xf32> into tensor<1x?x2xf32>
  %y = ac.contract ins(%b, %w : tensor<1x?x2xf32>, tensor<1x2x2xf32>) extras() outs(%init : tensor<1x?x2xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #shared} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x2xf32>
  %z = ac.contract ins(%b, %v : tensor<1x?x2xf32>, tensor<1x2x2xf32>) extras() outs(%init : tensor<1x?x2xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #shared} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x2xf32>
  return %y, %z : tensor<1x?x2xf32>, tensor<1x?x2xf32>
}
}

// -----

#first = affine_map<(d0) -> (d0)>

// A matrix that is computed stays what it is, and so does a product of f64.
// CHECK-LABEL: func.func @others(
// CHECK-NOT: bf16
// CHECK: return
module attributes {ac.precision = "bf16"} {
func.func @others(%x: tensor<1x2x2xf32>, %init: tensor<1x2x2xf32>, %d: tensor<1x2x2xf64>, %out: tensor<1x2x2xf64>)
    -> (tensor<1x2x2xf32>, tensor<1x2x2xf64>) {
  %y = ac.contract ins(%x, %x : tensor<1x2x2xf32>, tensor<1x2x2xf32>) extras() outs(%init : tensor<1x2x2xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x2xf32>
  %w = arith.constant dense<[[[1.0, 1.0], [1.0, 2.0]]]> : tensor<1x2x2xf64>
  %z = ac.contract ins(%d, %w : tensor<1x2x2xf64>, tensor<1x2x2xf64>) extras() outs(%out : tensor<1x2x2xf64>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first} {
  ^bb0(%sum: f64):
    ac.yield %sum : f64
  } -> tensor<1x2x2xf64>
  return %y, %z : tensor<1x2x2xf32>, tensor<1x2x2xf64>
}
}

// -----

#first = affine_map<(d0) -> (d0)>

// Nobody asked.
// CHECK-LABEL: func.func @exact(
// CHECK-NOT: bf16
// CHECK: return
func.func @exact(%x: tensor<1x2x2xf32>, %init: tensor<1x2x2xf32>) -> tensor<1x2x2xf32> {
  %w = arith.constant dense<[[[1.0, 1.0], [1.0, 2.0]]]> : tensor<1x2x2xf32>
  %y = ac.contract ins(%x, %w : tensor<1x2x2xf32>, tensor<1x2x2xf32>) extras() outs(%init : tensor<1x2x2xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x2xf32>
  return %y : tensor<1x2x2xf32>
}

// -----

#first = affine_map<(d0) -> (d0)>

// One product is allowed to. Its small integers stay, tiles of bf16 are made of them later.
// CHECK-LABEL: func.func @small_weights(
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xbf16>, tensor<1x64x64xi8>)
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xf32>, tensor<1x64x64xi8>)
module attributes {ac.target = {tile_dots = [bf16], vector_dots = [bf16]}} {
func.func @small_weights(%x: tensor<1x?x64xf32>, %init: tensor<1x?x64xf32>) -> (tensor<1x?x64xf32>, tensor<1x?x64xf32>) {
  %w = arith.constant dense<1> : tensor<1x64x64xi8>
  %s = arith.constant dense<1.0> : tensor<1x2x64xf32>
  %y = ac.contract ins(%x, %w : tensor<1x?x64xf32>, tensor<1x64x64xi8>) scales(%s : tensor<1x2x64xf32>) extras()
      outs(%init : tensor<1x?x64xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first, block_size = 32 : i64, ac.precision = "bf16"} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x64xf32>
  %z = ac.contract ins(%x, %w : tensor<1x?x64xf32>, tensor<1x64x64xi8>) scales(%s : tensor<1x2x64xf32>) extras()
      outs(%init : tensor<1x?x64xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first, block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x64xf32>
  return %y, %z : tensor<1x?x64xf32>, tensor<1x?x64xf32>
}
}

// -----

#first = affine_map<(d0) -> (d0)>

// Without tiles the numbers would be made floats again.
// CHECK-LABEL: func.func @no_tiles(
// CHECK-NOT: bf16>
// CHECK: return
module attributes {ac.precision = "bf16", ac.target = {tile_dots = [], vector_dots = [bf16]}} {
func.func @no_tiles(%x: tensor<1x?x64xf32>, %init: tensor<1x?x64xf32>) -> tensor<1x?x64xf32> {
  %w = arith.constant dense<1> : tensor<1x64x64xi8>
  %s = arith.constant dense<1.0> : tensor<1x2x64xf32>
  %y = ac.contract ins(%x, %w : tensor<1x?x64xf32>, tensor<1x64x64xi8>) scales(%s : tensor<1x2x64xf32>) extras()
      outs(%init : tensor<1x?x64xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first, block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x64xf32>
  return %y : tensor<1x?x64xf32>
}
}
