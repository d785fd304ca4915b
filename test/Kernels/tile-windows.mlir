// RUN: ac-opt %s --ac-tile-windows --canonicalize --cse | FileCheck %s

#zero = affine_map<(d0) -> (0)>
#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// Windows of two rows, one row of the image above the next: 8 rows of 96 kB are computed at a time, for 7 rows of windows.
// The last row of the image has nothing below.
// CHECK-LABEL: func.func @in_strips(
// CHECK-SAME: %[[W:[a-z0-9]*]]: tensor<1x96x16xf32>, %[[X:[a-z0-9]*]]: tensor<1x16x65536xf32>, %[[SKIP:[a-z0-9]*]]: tensor<1x96x256x256xf32>
// CHECK: scf.for %[[ROW:.*]] = %c0 to %c256 step %c7
// CHECK: %[[COUNT:.*]] = arith.minui
// CHECK: %[[FROM:.*]] = arith.maxsi {{.*}}, %c0
// CHECK: %[[ROWS:.*]] = arith.subi %{{.*}}, %[[FROM]]
// CHECK: %[[BEGIN:.*]] = arith.muli %[[FROM]], %c256
// CHECK: %[[COLUMNS:.*]] = arith.muli %[[ROWS]], %c256
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[X]][0, 0, %[[BEGIN]]] [1, 16, %[[COLUMNS]]]
// CHECK: %[[PRODUCT:.*]] = ac.contract ins(%[[W]], %[[PART]] :
// CHECK: %[[IMAGE:.*]] = tensor.expand_shape %[[PRODUCT]] {{.*}} output_shape [1, 96, %[[ROWS]], 256]
// CHECK: %[[SKIPPED:.*]] = tensor.extract_slice %[[SKIP]][0, 0, %[[ROW]], 0] [1, 96, %[[COUNT]], 256]
// CHECK: linalg.generic {{.*}} ins(%[[SKIPPED]] :
// CHECK: affine.apply {{.*}}%[[ROW]]
// CHECK: tensor.extract %[[IMAGE]]
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %{{.*}}, %c256
// CHECK: %[[MOVED:.*]] = arith.subi %{{.*}}, %[[FROM]]
// CHECK: %[[PLACE:.*]] = arith.select %[[INSIDE]], %[[MOVED]], %c0
// CHECK: tensor.extract %[[IMAGE]][%{{.*}}, %{{.*}}, %[[PLACE]], %{{.*}}]
// CHECK: tensor.insert_slice
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

// A deep product is not computed twice, and an image that fits the cache need not leave it.
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

// CHECK-LABEL: func.func @small(
// CHECK-NOT: scf.for
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
