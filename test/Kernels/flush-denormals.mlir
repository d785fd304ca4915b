// RUN: ac-opt %s --ac-flush-denormals | FileCheck %s

#first = affine_map<(d0) -> (d0)>

// Weights below 2^-126 are zero in the product; the constant keeps them for others.
// CHECK-LABEL: func.func @weights(
// CHECK-DAG: %[[FLUSHED:.*]] = arith.constant dense<{{.*}}0.000000e+00, 1.000000e+00{{.*}}> : tensor<1x1x2xf32>
// CHECK-DAG: %[[KEPT:.*]] = arith.constant dense<{{.*}}9.99{{.*}}e-41, 1.000000e+00{{.*}}> : tensor<1x1x2xf32>
// CHECK: ac.contract ins(%[[FLUSHED]], %{{.*}} :
// CHECK: return %{{.*}}, %[[KEPT]]
func.func @weights(%x: tensor<1x2x3xf32>, %init: tensor<1x1x3xf32>) -> (tensor<1x1x3xf32>, tensor<1x1x2xf32>) {
  %w = arith.constant dense<[[[1.0e-40, 1.0]]]> : tensor<1x1x2xf32>
  %y = ac.contract ins(%w, %x : tensor<1x1x2xf32>, tensor<1x2x3xf32>) extras() outs(%init : tensor<1x1x3xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x1x3xf32>
  return %y, %w : tensor<1x1x3xf32>, tensor<1x1x2xf32>
}

// The smallest normal number is left as it is.
// CHECK-LABEL: func.func @normal(
// CHECK-NOT: 0.000000e+00
// CHECK: return
func.func @normal(%x: tensor<1x2x3xf32>, %init: tensor<1x1x3xf32>) -> tensor<1x1x3xf32> {
  %w = arith.constant dense<[[[0x00800000, -1.0]]]> : tensor<1x1x2xf32>
  %y = ac.contract ins(%w, %x : tensor<1x1x2xf32>, tensor<1x2x3xf32>) extras() outs(%init : tensor<1x1x3xf32>)
      attributes {extra_maps = [], lhs_batch = #first, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x1x3xf32>
  return %y : tensor<1x1x3xf32>
}
