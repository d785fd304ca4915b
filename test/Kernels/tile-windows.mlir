// RUN: ac-opt %s --ac-tile-windows --canonicalize --cse | FileCheck %s

#zero = affine_map<(d0) -> (0)>
#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// Windows of two rows, one row of the image above the next: 4 rows of 96 kB are computed at a time. The first strip has
// the row in front of it, which the last windows of the strip in front of that would need. Strips take turns in memory for
// two; a row in front of the first of them is behind the second. The last row of the image has nothing below.
// CHECK-LABEL: func.func @in_strips(
// CHECK-SAME: %[[W:[a-z0-9]*]]: tensor<1x96x16xf32>, %[[X:[a-z0-9]*]]: tensor<1x16x65536xf32>, %[[SKIP:[a-z0-9]*]]: tensor<1x96x256x256xf32>
// CHECK: %[[STRIPS:.*]] = tensor.empty() : tensor<1x96x2048xf32>
// CHECK: ac.contract ins(%[[W]], %{{.*}} : tensor<1x96x16xf32>, tensor<1x16x256xf32>) {{.*}} rows_first
// CHECK: tensor.insert_slice %{{.*}} into %[[STRIPS]][0, 0, 768]
// CHECK: scf.for %[[ROW:.*]] = %c0 to %c256 step %c4 iter_args(%{{.*}} = %{{.*}}, %[[BEFORE:.*]] = %{{.*}})
// CHECK: %[[COUNT:.*]] = arith.minui
// CHECK: %[[FIRST:.*]] = arith.addi %[[ROW]], %c1
// CHECK: %[[FROM:.*]] = arith.minui %[[FIRST]], %c256
// CHECK: %[[PLACE:.*]] = arith.remui %{{.*}}, %c8
// CHECK: %[[ROWS:.*]] = arith.subi %{{.*}}, %[[FROM]]
// CHECK: %[[BEGIN:.*]] = arith.muli %[[FROM]], %c256
// CHECK: %[[COLUMNS:.*]] = arith.muli %[[ROWS]], %c256
// CHECK: tensor.extract_slice %[[BEFORE]][0, 0, %{{.*}}] [1, 96, %[[COLUMNS]]]
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[X]][0, 0, %[[BEGIN]]] [1, 16, %[[COLUMNS]]]
// CHECK: ac.contract ins(%[[W]], %[[PART]] : {{.*}} rows_first
// CHECK: %[[NOW:.*]] = tensor.insert_slice %{{.*}} into %[[BEFORE]]
// CHECK: %[[IMAGE:.*]] = tensor.expand_shape %[[NOW]] {{.*}} output_shape [1, 96, 8, 256]
// CHECK: %[[SKIPPED:.*]] = tensor.extract_slice %[[SKIP]][0, 0, %[[ROW]], 0] [1, 96, %[[COUNT]], 256]
// CHECK: linalg.generic {{.*}} ins(%[[SKIPPED]] :
// CHECK: affine.apply {{.*}}%[[ROW]]
// CHECK: tensor.extract %[[IMAGE]]
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %c256
// CHECK: %[[DISTANCE:.*]] = arith.subi %{{.*}}, %[[FIRST]]
// CHECK: %[[AT:.*]] = arith.addi %[[DISTANCE]], %[[PLACE]]
// CHECK: %[[IS_BEFORE:.*]] = arith.cmpi slt, %[[AT]], %c0
// CHECK: %[[BEHIND:.*]] = arith.addi %[[AT]], %c8
// CHECK: %[[MOVED:.*]] = arith.select %[[IS_BEFORE]], %[[BEHIND]], %[[AT]]
// CHECK: %[[CLAMPED:.*]] = arith.select %[[INSIDE]], %[[MOVED]], %c0
// CHECK: tensor.extract %[[IMAGE]][%{{.*}}, %{{.*}}, %[[CLAMPED]], %{{.*}}]
// CHECK: tensor.insert_slice
// CHECK: scf.yield %{{.*}}, %[[NOW]]
// CHECK-NOT: ac.contract
func.func @in_strips(%w: tensor<1x96x16xf32>, %x: tensor<1x16x65536xf32>, %skip: tensor<1x96x256x256xf32>) -> tensor<1x96x256x256xf32> {
  %c0 = arith.constant 0 : index
  %c256 = arith.constant 256 : index
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x96x65536xf32>
  %product = ac.contract ins(%w, %x : tensor<1x96x16xf32>, tensor<1x16x65536xf32>) extras() outs(%empty : tensor<1x96x65536xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x65536xf32>
  %image = tensor.expand_shape %product [[0], [1], [2, 3]] output_shape [1, 96, 256, 256] : tensor<1x96x65536xf32> into tensor<1x96x256x256xf32>
  %init = tensor.empty() : tensor<1x96x256x256xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%skip : tensor<1x96x256x256xf32>) outs(%init : tensor<1x96x256x256xf32>) {
  ^bb0(%s: f32, %out: f32):
    %n = linalg.index 0 : index
    %c = linalg.index 1 : index
    %h = linalg.index 2 : index
    %j = linalg.index 3 : index
    %here = tensor.extract %image[%n, %c, %h, %j] : tensor<1x96x256x256xf32>
    %below = affine.apply affine_map<(d0) -> (d0 + 1)>(%h)
    %in_rows = arith.cmpi ult, %below, %c256 : index
    %row = arith.select %in_rows, %below, %c0 : index
    %read = tensor.extract %image[%n, %c, %row, %j] : tensor<1x96x256x256xf32>
    %next = arith.select %in_rows, %read, %zero : f32
    %pair = arith.addf %here, %next : f32
    %all = arith.addf %pair, %s : f32
    linalg.yield %all : f32
  } -> tensor<1x96x256x256xf32>
  return %y : tensor<1x96x256x256xf32>
}

// An element that is used where its row was moved inside may be of any row.
// CHECK-LABEL: func.func @first_row_again(
// CHECK-NOT: scf.for
// CHECK: return
func.func @first_row_again(%w: tensor<1x96x16xf32>, %x: tensor<1x16x65536xf32>) -> tensor<1x96x256x256xf32> {
  %c0 = arith.constant 0 : index
  %c256 = arith.constant 256 : index
  %empty = tensor.empty() : tensor<1x96x65536xf32>
  %product = ac.contract ins(%w, %x : tensor<1x96x16xf32>, tensor<1x16x65536xf32>) extras() outs(%empty : tensor<1x96x65536xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x65536xf32>
  %image = tensor.expand_shape %product [[0], [1], [2, 3]] output_shape [1, 96, 256, 256] : tensor<1x96x65536xf32> into tensor<1x96x256x256xf32>
  %init = tensor.empty() : tensor<1x96x256x256xf32>
  %y = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%init : tensor<1x96x256x256xf32>) {
  ^bb0(%out: f32):
    %n = linalg.index 0 : index
    %c = linalg.index 1 : index
    %h = linalg.index 2 : index
    %j = linalg.index 3 : index
    %below = affine.apply affine_map<(d0) -> (d0 + 1)>(%h)
    %in_rows = arith.cmpi ult, %below, %c256 : index
    %row = arith.select %in_rows, %below, %c0 : index
    %read = tensor.extract %image[%n, %c, %row, %j] : tensor<1x96x256x256xf32>
    linalg.yield %read : f32
  } -> tensor<1x96x256x256xf32>
  return %y : tensor<1x96x256x256xf32>
}

// A deep product takes longer than the memory, and an image that fits the cache need not leave it.
// CHECK-LABEL: func.func @deep(
// CHECK-NOT: scf.for
// CHECK: return
func.func @deep(%w: tensor<1x96x256xf32>, %x: tensor<1x256x?xf32>, %empty: tensor<1x96x?xf32>, %n: index, %m: index,
                %init: tensor<1x96x?x?xf32>) -> tensor<1x96x?x?xf32> {
  %product = ac.contract ins(%w, %x : tensor<1x96x256xf32>, tensor<1x256x?xf32>) extras() outs(%empty : tensor<1x96x?xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x?xf32>
  %image = tensor.expand_shape %product [[0], [1], [2, 3]] output_shape [1, 96, %n, %m] : tensor<1x96x?xf32> into tensor<1x96x?x?xf32>
  %y = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%init : tensor<1x96x?x?xf32>) {
  ^bb0(%out: f32):
    %b = linalg.index 0 : index
    %c = linalg.index 1 : index
    %h = linalg.index 2 : index
    %j = linalg.index 3 : index
    %below = affine.apply affine_map<(d0) -> (d0 + 1)>(%h)
    %read = tensor.extract %image[%b, %c, %below, %j] : tensor<1x96x?x?xf32>
    linalg.yield %read : f32
  } -> tensor<1x96x?x?xf32>
  return %y : tensor<1x96x?x?xf32>
}

// Threads share its channels all the same.
// CHECK-LABEL: func.func @small(
// CHECK-NOT: scf.for
// CHECK: ac.contract {{.*}} rows_first
// CHECK: return
func.func @small(%w: tensor<1x96x16xf32>, %x: tensor<1x16x1024xf32>) -> tensor<1x96x31x32xf32> {
  %empty = tensor.empty() : tensor<1x96x1024xf32>
  %product = ac.contract ins(%w, %x : tensor<1x96x16xf32>, tensor<1x16x1024xf32>) extras() outs(%empty : tensor<1x96x1024xf32>)
      attributes {extra_maps = [], lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x96x1024xf32>
  %image = tensor.expand_shape %product [[0], [1], [2, 3]] output_shape [1, 96, 32, 32] : tensor<1x96x1024xf32> into tensor<1x96x32x32xf32>
  %init = tensor.empty() : tensor<1x96x31x32xf32>
  %y = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      outs(%init : tensor<1x96x31x32xf32>) {
  ^bb0(%out: f32):
    %b = linalg.index 0 : index
    %c = linalg.index 1 : index
    %h = linalg.index 2 : index
    %j = linalg.index 3 : index
    %below = affine.apply affine_map<(d0) -> (d0 + 1)>(%h)
    %read = tensor.extract %image[%b, %c, %below, %j] : tensor<1x96x32x32xf32>
    linalg.yield %read : f32
  } -> tensor<1x96x31x32xf32>
  return %y : tensor<1x96x31x32xf32>
}
