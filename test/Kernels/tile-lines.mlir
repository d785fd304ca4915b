// RUN: ac-opt %s --ac-tile-lines --canonicalize --cse | FileCheck %s

#zero = affine_map<(d0) -> (0)>
#twice = affine_map<(d0) -> (d0 * 2)>
#id = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>

// Three lines for a row of positions, two from a row to the next, which have 12336 bytes: 63 rows have their lines made at a
// time, and one line more.
// CHECK-DAG: #[[$LINES:.*]] = affine_map<(d0) -> (d0 * 2 + 1)>
// CHECK-DAG: #[[$FIRST:.*]] = affine_map<(d0)[s0] -> (d0 * 2 + s0)>
// CHECK-LABEL: func.func @in_strips(
// CHECK-SAME: %[[X:[a-z0-9]*]]: tensor<1x3x512x512xf32>, %[[W:[a-z0-9]*]]: tensor<1x32x27xf32>, %[[STARTS:[a-z0-9]*]]: tensor<27xindex>,
// CHECK-SAME: %[[SKIP:[a-z0-9]*]]: tensor<1x32x256x256xf32>
// CHECK: scf.for %[[ROW:.*]] = %c0 to %c256 step %c63
// CHECK: %[[COUNT:.*]] = arith.minui
// CHECK: %[[LINES:.*]] = affine.apply #[[$LINES]]
// CHECK: tensor.empty(%[[LINES]]) : tensor<1x?x3x2x257xf32>
// CHECK: %[[MADE:.*]] = linalg.generic
// CHECK: %[[LINE:.*]] = linalg.index 1
// CHECK: affine.apply #[[$FIRST]](%[[ROW]])[%[[LINE]]]
// CHECK: tensor.extract %[[X]]
// CHECK: tensor.collapse_shape %[[MADE]]
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[SKIP]][0, 0, %[[ROW]], 0] [1, 32, %[[COUNT]], 256]
// CHECK: ac.contract ins(%[[W]], %{{.*}} : tensor<1x32x27xf32>, tensor<?x1542xf32>) extras(%[[PART]] : tensor<1x32x?x256xf32>) rhs_starts(%[[STARTS]] : tensor<27xindex>)
// CHECK: tensor.insert_slice
func.func @in_strips(%x: tensor<1x3x512x512xf32>, %w: tensor<1x32x27xf32>, %starts: tensor<27xindex>,
                     %skip: tensor<1x32x256x256xf32>) -> tensor<1x32x256x256xf32> {
  %empty = tensor.empty() : tensor<1x513x3x2x257xf32>
  %lines = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      outs(%empty : tensor<1x513x3x2x257xf32>) {
  ^bb0(%out: f32):
    %c0 = arith.constant 0 : index
    %c512 = arith.constant 512 : index
    %zero = arith.constant 0.0 : f32
    %h = linalg.index 1 : index
    %c = linalg.index 2 : index
    %p = linalg.index 3 : index
    %j = linalg.index 4 : index
    %column = affine.apply affine_map<(d0, d1) -> (d0 * 2 + d1)>(%j, %p)
    %in_rows = arith.cmpi ult, %h, %c512 : index
    %in_columns = arith.cmpi ult, %column, %c512 : index
    %row = arith.select %in_rows, %h, %c0 : index
    %place = arith.select %in_columns, %column, %c0 : index
    %inside = arith.andi %in_rows, %in_columns : i1
    %read = tensor.extract %x[%c0, %c, %row, %place] : tensor<1x3x512x512xf32>
    %value = arith.select %inside, %read, %zero : f32
    linalg.yield %value : f32
  } -> tensor<1x513x3x2x257xf32>
  %flat = tensor.collapse_shape %lines [[0, 1], [2, 3, 4]] : tensor<1x513x3x2x257xf32> into tensor<513x1542xf32>
  %init = tensor.empty() : tensor<1x32x256x256xf32>
  %y = ac.contract ins(%w, %flat : tensor<1x32x27xf32>, tensor<513x1542xf32>) extras(%skip : tensor<1x32x256x256xf32>)
      rhs_starts(%starts : tensor<27xindex>) outs(%init : tensor<1x32x256x256xf32>)
      attributes {lhs_batch = #zero, rhs_batch = #twice, out_order = array<i64: 3, 1, 0, 2>,
                  extra_maps = [affine_map<(d0, d1, d2, d3) -> (d3, d1, d0, d2)>]} {
  ^bb0(%sum: f32, %s: f32):
    %r = arith.addf %sum, %s : f32
    ac.yield %r : f32
  } -> tensor<1x32x256x256xf32>
  return %y : tensor<1x32x256x256xf32>
}

// Lines that fit the cache are made at once, and lines that something else reads too.
// CHECK-LABEL: func.func @few_lines(
// CHECK-NOT: scf.for
// CHECK: return
func.func @few_lines(%x: tensor<1x3x34x34xf32>, %w: tensor<1x32x27xf32>, %starts: tensor<27xindex>) -> tensor<1x32x32x32xf32> {
  %empty = tensor.empty() : tensor<1x34x3x1x34xf32>
  %lines = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      outs(%empty : tensor<1x34x3x1x34xf32>) {
  ^bb0(%out: f32):
    %c0 = arith.constant 0 : index
    %h = linalg.index 1 : index
    %c = linalg.index 2 : index
    %j = linalg.index 4 : index
    %read = tensor.extract %x[%c0, %c, %h, %j] : tensor<1x3x34x34xf32>
    linalg.yield %read : f32
  } -> tensor<1x34x3x1x34xf32>
  %flat = tensor.collapse_shape %lines [[0, 1], [2, 3, 4]] : tensor<1x34x3x1x34xf32> into tensor<34x102xf32>
  %init = tensor.empty() : tensor<1x32x32x32xf32>
  %y = ac.contract ins(%w, %flat : tensor<1x32x27xf32>, tensor<34x102xf32>) extras() rhs_starts(%starts : tensor<27xindex>)
      outs(%init : tensor<1x32x32x32xf32>)
      attributes {lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>, out_order = array<i64: 3, 1, 0, 2>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x32x32x32xf32>
  return %y : tensor<1x32x32x32xf32>
}

// CHECK-LABEL: func.func @read_twice(
// CHECK-NOT: scf.for
// CHECK: return
func.func @read_twice(%x: tensor<1x3x?x?xf32>, %w: tensor<1x32x27xf32>, %starts: tensor<27xindex>, %n: index, %m: index)
    -> (tensor<1x32x?x?xf32>, tensor<?x?xf32>) {
  %empty = tensor.empty(%n, %m) : tensor<1x?x3x1x?xf32>
  %lines = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      outs(%empty : tensor<1x?x3x1x?xf32>) {
  ^bb0(%out: f32):
    %c0 = arith.constant 0 : index
    %h = linalg.index 1 : index
    %c = linalg.index 2 : index
    %j = linalg.index 4 : index
    %read = tensor.extract %x[%c0, %c, %h, %j] : tensor<1x3x?x?xf32>
    linalg.yield %read : f32
  } -> tensor<1x?x3x1x?xf32>
  %flat = tensor.collapse_shape %lines [[0, 1], [2, 3, 4]] : tensor<1x?x3x1x?xf32> into tensor<?x?xf32>
  %init = tensor.empty(%n, %m) : tensor<1x32x?x?xf32>
  %y = ac.contract ins(%w, %flat : tensor<1x32x27xf32>, tensor<?x?xf32>) extras() rhs_starts(%starts : tensor<27xindex>)
      outs(%init : tensor<1x32x?x?xf32>)
      attributes {lhs_batch = #zero, rhs_batch = affine_map<(d0) -> (d0)>, out_order = array<i64: 3, 1, 0, 2>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x32x?x?xf32>
  return %y, %flat : tensor<1x32x?x?xf32>, tensor<?x?xf32>
}
