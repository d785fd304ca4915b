// RUN: ac-opt %s --ac-prepack-weights --canonicalize | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Panels of two vectors of one lane, so that the constant can be read: three columns make two panels, zero padded.
module attributes {ac.target = {vector_bits = 32 : i64, tile_vectors = 2 : i64}} {

// CHECK-LABEL: func.func @constant_lies_in_panels(
// CHECK: %[[PACKED:.*]] = arith.constant dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00], [4.000000e+00, 5.000000e+00]],
// CHECK-SAME: {{\[\[}}3.000000e+00, 0.000000e+00], [6.000000e+00, 0.000000e+00]]]]> : tensor<1x2x2x2xf32>
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] :
func.func @constant_lies_in_panels(%a: tensor<1x?x2xf32>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %b = arith.constant dense<[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]> : tensor<1x2x3xf32>
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x3xf32>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}

// CHECK-LABEL: func.func @argument_stays(
// CHECK: ac.contract ins(
func.func @argument_stays(%a: tensor<1x?x2xf32>, %b: tensor<1x2x3xf32>, %i: tensor<1x?x3xf32>) -> tensor<1x?x3xf32> {
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x3xf32>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  return %p : tensor<1x?x3xf32>
}

// One packed copy for two products; the matrix stays beside it for whoever else reads it.
// CHECK-LABEL: func.func @equal_weights_are_packed_once(
// CHECK-DAG: %[[PLAIN:.*]] = arith.constant dense<{{.*}}> : tensor<1x2x3xf32>
// CHECK-DAG: %[[PACKED:.*]] = arith.constant dense<{{.*}}> : tensor<1x2x2x2xf32>
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] :
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] :
// CHECK: return %{{.*}}, %[[PLAIN]]
func.func @equal_weights_are_packed_once(%a: tensor<1x?x2xf32>, %i: tensor<1x?x3xf32>) -> (tensor<1x?x3xf32>, tensor<1x?x3xf32>, tensor<1x2x3xf32>) {
  %b = arith.constant dense<[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]> : tensor<1x2x3xf32>
  %p = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x3xf32>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x3xf32>
  %q = ac.contract ins(%a, %b : tensor<1x?x2xf32>, tensor<1x2x3xf32>) extras() outs(%i : tensor<1x?x3xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    %n = arith.negf %sum : f32
    ac.yield %n : f32
  } -> tensor<1x?x3xf32>
  return %p, %q, %b : tensor<1x?x3xf32>, tensor<1x?x3xf32>, tensor<1x2x3xf32>
}
}
