// RUN: ac-opt %s --ac-pack-columns --canonicalize | FileCheck %s

#first = affine_map<(d0) -> (d0)>
#zero = affine_map<(d0) -> (0)>

// The kernel copies its columns panel by panel, however many there are, and whatever the epilogue reads with them.
// CHECK-LABEL: func.func @many_rows(
// CHECK-NOT: scf.for
// CHECK: ac.contract ins({{.*}} attributes {copied,
func.func @many_rows(%w: tensor<1x96x128xf32>, %x: tensor<1x128x300xf32>, %init: tensor<1x96x300xf32>) -> tensor<1x96x300xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x96x128xf32>, tensor<1x128x300xf32>) extras() outs(%init : tensor<1x96x300xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x300xf32>
  return %y : tensor<1x96x300xf32>
}

// CHECK-LABEL: func.func @unknown_columns(
// CHECK-NOT: scf.for
// CHECK: ac.contract ins({{.*}} attributes {copied,
func.func @unknown_columns(%w: tensor<1x96x512xf32>, %x: tensor<1x512x?xf32>, %bias: tensor<96xf32>, %skip: tensor<1x96x?xf32>,
                     %init: tensor<1x96x?xf32>) -> tensor<1x96x?xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x96x512xf32>, tensor<1x512x?xf32>)
      extras(%bias, %skip : tensor<96xf32>, tensor<1x96x?xf32>) outs(%init : tensor<1x96x?xf32>)
      attributes {extra_maps = [affine_map<(d0, d1, d2) -> (d1)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>],
                  lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32, %b: f32, %s: f32):
    %biased = arith.addf %sum, %b : f32
    %r = arith.addf %biased, %s : f32
    ac.yield %r : f32
  } -> tensor<1x96x?xf32>
  return %y : tensor<1x96x?xf32>
}

// Columns that another product computes: half a megabyte of them at a time stays between the two, in panels.
// CHECK-LABEL: func.func @two_layers(
// CHECK-NOT: ac.contract
// CHECK: scf.for {{.*}} step %c768
// CHECK: %[[HIDDEN:.*]] = ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x192x96xf32>, tensor<1x96x?xf32>)
// CHECK-SAME: extras(%{{.*}} : tensor<192xf32>) outs(%{{.*}} : tensor<1x?x192x64xf32>) attributes {copied,
// CHECK-SAME: out_panels
// CHECK: ac.contract packed ins(%{{.*}}, %[[HIDDEN]] : tensor<1x96x192xf32>, tensor<1x?x192x64xf32>)
// CHECK: tensor.insert_slice
// CHECK-NOT: ac.contract
func.func @two_layers(%w: tensor<1x192x96xf32>, %v: tensor<1x96x192xf32>, %x: tensor<1x96x?x?xf32>, %bias: tensor<192xf32>,
                      %hidden: tensor<1x192x?xf32>, %init: tensor<1x96x?xf32>, %h: index, %u: index) -> tensor<1x96x?xf32> {
  %columns = tensor.collapse_shape %x [[0], [1], [2, 3]] : tensor<1x96x?x?xf32> into tensor<1x96x?xf32>
  %y = ac.contract ins(%w, %columns : tensor<1x192x96xf32>, tensor<1x96x?xf32>) extras(%bias : tensor<192xf32>)
      outs(%hidden : tensor<1x192x?xf32>)
      attributes {extra_maps = [affine_map<(d0, d1, d2) -> (d1)>], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32, %b: f32):
    %r = arith.addf %sum, %b : f32
    ac.yield %r : f32
  } -> tensor<1x192x?xf32>
  %image = tensor.expand_shape %y [[0], [1], [2, 3]] output_shape [1, 192, %h, %u] : tensor<1x192x?xf32> into tensor<1x192x?x?xf32>
  %again = tensor.collapse_shape %image [[0], [1], [2, 3]] : tensor<1x192x?x?xf32> into tensor<1x192x?xf32>
  %z = ac.contract ins(%v, %again : tensor<1x96x192xf32>, tensor<1x192x?xf32>) extras() outs(%init : tensor<1x96x?xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x?xf32>
  return %z : tensor<1x96x?xf32>
}

// What the first adds to each pixel is cut along the columns with them.
// CHECK-LABEL: func.func @two_layers_with_a_residual(
// CHECK: scf.for
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : {{.*}}) extras(%{{.*}} : tensor<1x96x?xf32>) {{.*}} attributes {copied,
// CHECK: ac.contract packed
// CHECK-NOT: scf.for
func.func @two_layers_with_a_residual(%w: tensor<1x96x96xf32>, %v: tensor<1x96x96xf32>, %x: tensor<1x96x?xf32>,
                                      %hidden: tensor<1x96x?xf32>, %init: tensor<1x96x?xf32>) -> tensor<1x96x?xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x96x96xf32>, tensor<1x96x?xf32>) extras(%x : tensor<1x96x?xf32>)
      outs(%hidden : tensor<1x96x?xf32>)
      attributes {extra_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32, %b: f32):
    %r = arith.addf %sum, %b : f32
    ac.yield %r : f32
  } -> tensor<1x96x?xf32>
  %z = ac.contract ins(%v, %y : tensor<1x96x96xf32>, tensor<1x96x?xf32>) extras() outs(%init : tensor<1x96x?xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x?xf32>
  return %z : tensor<1x96x?xf32>
}

// Few rows read a panel too seldom to pay for the copy.
// CHECK-LABEL: func.func @few_rows(
// CHECK-NOT: copied
// CHECK: return
func.func @few_rows(%w: tensor<1x24x128xf32>, %x: tensor<1x128x300xf32>, %init: tensor<1x24x300xf32>) -> tensor<1x24x300xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x24x128xf32>, tensor<1x128x300xf32>) extras() outs(%init : tensor<1x24x300xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x24x300xf32>
  return %y : tensor<1x24x300xf32>
}

// A batch of images whose size is not known stays a batch.
// CHECK-LABEL: func.func @two_layers_of_a_batch(
// CHECK: scf.for
// CHECK: ac.contract ins({{.*}} outs(%{{.*}} : tensor<?x?x96x64xf32>) attributes {copied,
// CHECK: ac.contract packed ins(%{{.*}}, %{{.*}} : tensor<1x96x96xf32>, tensor<?x?x96x64xf32>)
func.func @two_layers_of_a_batch(%w: tensor<1x96x96xf32>, %v: tensor<1x96x96xf32>, %x: tensor<?x96x?xf32>,
                                 %hidden: tensor<?x96x?xf32>, %init: tensor<?x96x?xf32>) -> tensor<?x96x?xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x96x96xf32>, tensor<?x96x?xf32>) extras() outs(%hidden : tensor<?x96x?xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<?x96x?xf32>
  %z = ac.contract ins(%v, %y : tensor<1x96x96xf32>, tensor<?x96x?xf32>) extras() outs(%init : tensor<?x96x?xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<?x96x?xf32>
  return %z : tensor<?x96x?xf32>
}
