// RUN: ac-opt %s --ac-fuse-epilogues | FileCheck %s

// What the pass leaves alone: each product keeps an epilogue that forwards its sum.

#same = affine_map<(d0) -> (d0)>
#id3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#id4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// CHECK-LABEL: func.func @product_with_two_users(
// CHECK: ac.contract
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT: ac.yield %[[SUM]]
// CHECK: linalg.generic
// CHECK: return
func.func @product_with_two_users(%a: tensor<1x?x64xf32>, %b: tensor<1x64x32xf32>, %i: tensor<1x?x32xf32>) -> (tensor<1x?x32xf32>, tensor<1x?x32xf32>) {
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  %r = linalg.generic {indexing_maps = [#id3, #id3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p : tensor<1x?x32xf32>) outs(%i : tensor<1x?x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.negf %in : f32
    linalg.yield %s : f32
  } -> tensor<1x?x32xf32>
  return %p, %r : tensor<1x?x32xf32>, tensor<1x?x32xf32>
}

// The mask has one dimension of the two that columns were split into: no map of (batch, row, column) reads it.
// CHECK-LABEL: func.func @operand_not_addressable(
// CHECK: ac.contract
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT: ac.yield %[[SUM]]
// CHECK: linalg.generic
func.func @operand_not_addressable(%w: tensor<1x8x27xf32>, %x: tensor<2x27x20xf32>, %i: tensor<2x8x20xf32>, %o: tensor<2x8x4x5xf32>, %mask: tensor<5xf32>) -> tensor<2x8x4x5xf32> {
  %p = ac.contract ins(%w, %x : tensor<1x8x27xf32>, tensor<2x27x20xf32>) extras() outs(%i : tensor<2x8x20xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x20xf32>
  %image = tensor.expand_shape %p [[0], [1], [2, 3]] output_shape [2, 8, 4, 5] : tensor<2x8x20xf32> into tensor<2x8x4x5xf32>
  %r = linalg.generic {indexing_maps = [#id4, affine_map<(d0, d1, d2, d3) -> (d3)>, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%image, %mask : tensor<2x8x4x5xf32>, tensor<5xf32>) outs(%o : tensor<2x8x4x5xf32>) {
  ^bb0(%in: f32, %scale: f32, %out: f32):
    %s = arith.mulf %in, %scale : f32
    linalg.yield %s : f32
  } -> tensor<2x8x4x5xf32>
  return %r : tensor<2x8x4x5xf32>
}

// A comparison has elements of less than a byte, which vectors do not store.
// CHECK-LABEL: func.func @comparison(
// CHECK: ac.contract
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT: ac.yield %[[SUM]]
// CHECK: linalg.generic
// CHECK: arith.cmpf
func.func @comparison(%a: tensor<1x?x64xf32>, %b: tensor<1x64x32xf32>, %i: tensor<1x?x32xf32>, %o: tensor<1x?x32xi1>) -> tensor<1x?x32xi1> {
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  %r = linalg.generic {indexing_maps = [#id3, #id3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p : tensor<1x?x32xf32>) outs(%o : tensor<1x?x32xi1>) {
  ^bb0(%in: f32, %out: i1):
    %zero = arith.constant 0.0 : f32
    %s = arith.cmpf ogt, %in, %zero : f32
    linalg.yield %s : i1
  } -> tensor<1x?x32xi1>
  return %r : tensor<1x?x32xi1>
}

// CHECK-LABEL: func.func @reduction_is_not_elementwise(
// CHECK: ac.contract
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32):
// CHECK-NEXT: ac.yield %[[SUM]]
// CHECK: linalg.generic
// CHECK-SAME: "reduction"
func.func @reduction_is_not_elementwise(%a: tensor<1x?x64xf32>, %b: tensor<1x64x32xf32>, %i: tensor<1x?x32xf32>, %o: tensor<1x?xf32>) -> tensor<1x?xf32> {
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  %r = linalg.generic {indexing_maps = [#id3, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<1x?x32xf32>) outs(%o : tensor<1x?xf32>) {
  ^bb0(%in: f32, %out: f32):
    %s = arith.addf %in, %out : f32
    linalg.yield %s : f32
  } -> tensor<1x?xf32>
  return %r : tensor<1x?xf32>
}
