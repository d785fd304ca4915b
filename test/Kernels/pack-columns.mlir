// RUN: ac-opt %s --ac-pack-columns --canonicalize | FileCheck %s

#first = affine_map<(d0) -> (d0)>
#zero = affine_map<(d0) -> (0)>

// CHECK-DAG: #[[$PANELS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2 * 64 + d3)>

// Few columns are packed at once: 4 whole panels, and one of 44 columns that are checked for.
// CHECK-LABEL: func.func @at_once(
// CHECK-NOT: scf.for
// CHECK: linalg.generic {indexing_maps = [#[[$PANELS]],
// CHECK: tensor.insert_slice {{.*}} : tensor<1x4x128x64xf32> into tensor<1x5x128x64xf32>
// CHECK: arith.cmpi ult, %{{.*}}, %c44
// CHECK: ac.contract packed ins(%{{.*}}, %{{.*}} : tensor<1x96x128xf32>, tensor<1x5x128x64xf32>)
func.func @at_once(%w: tensor<1x96x128xf32>, %x: tensor<1x128x300xf32>, %init: tensor<1x96x300xf32>) -> tensor<1x96x300xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x96x128xf32>, tensor<1x128x300xf32>) extras() outs(%init : tensor<1x96x300xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x300xf32>
  return %y : tensor<1x96x300xf32>
}

// Many, or a number that is not known: half a megabyte at a time. What the epilogue adds along the columns is cut with
// them, what it adds along the rows is not.
// CHECK-LABEL: func.func @in_groups(
// CHECK-SAME: %[[BIAS:[a-z0-9]*]]: tensor<96xf32>, %[[SKIP:[a-z0-9]*]]: tensor<1x96x?xf32>, %{{[a-z0-9]*}}: tensor<1x96x?xf32>
// CHECK: scf.for {{.*}} step %c256
// CHECK: linalg.generic {indexing_maps = [#[[$PANELS]],
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[SKIP]]
// CHECK: ac.contract packed {{.*}} extras(%[[BIAS]], %[[PART]] :
// CHECK: tensor.insert_slice
func.func @in_groups(%w: tensor<1x96x512xf32>, %x: tensor<1x512x?xf32>, %bias: tensor<96xf32>, %skip: tensor<1x96x?xf32>,
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

// Columns that another product computes: it joins the loop and writes the panels, a matrix each.
// CHECK-LABEL: func.func @two_layers(
// CHECK-NOT: ac.contract
// CHECK: scf.for {{.*}} step %c448
// CHECK: %[[HIDDEN:.*]] = ac.contract packed ins(%{{.*}}, %{{.*}} : tensor<1x192x96xf32>, tensor<?x1x96x64xf32>)
// CHECK-SAME: extras(%{{.*}} : tensor<192xf32>) outs(%{{.*}} : tensor<?x192x64xf32>)
// CHECK: %[[PACKED:.*]] = tensor.expand_shape %[[HIDDEN]] {{.*}} into tensor<1x?x192x64xf32>
// CHECK: ac.contract packed ins(%{{.*}}, %[[PACKED]] : tensor<1x96x192xf32>, tensor<1x?x192x64xf32>)
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

// Not if the first adds something to each pixel, which is not cut into panels.
// CHECK-LABEL: func.func @two_layers_with_a_residual(
// CHECK: scf.for
// CHECK: ac.contract packed
// CHECK: scf.for
// CHECK: ac.contract packed
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
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @few_rows(%w: tensor<1x24x128xf32>, %x: tensor<1x128x300xf32>, %init: tensor<1x24x300xf32>) -> tensor<1x24x300xf32> {
  %y = ac.contract ins(%w, %x : tensor<1x24x128xf32>, tensor<1x128x300xf32>) extras() outs(%init : tensor<1x24x300xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = #first} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x24x300xf32>
  return %y : tensor<1x24x300xf32>
}
