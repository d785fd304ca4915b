// RUN: ac-opt %s --ac-fuse-row-moves --canonicalize --cse | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// CHECK-LABEL: func.func @read_and_written_in_place(
// CHECK-NOT: ac.gather_rows
// CHECK: %[[X:.*]] = tensor.expand_shape %arg0
// CHECK: %[[INTO:.*]] = tensor.expand_shape %arg2
// CHECK: ac.contract ins(%[[X]], %arg1 : {{.*}}) extras() lhs_rows(%arg3 : tensor<?xindex>) out_rows(%arg3 : tensor<?xindex>) accumulate
// CHECK-SAME: outs(%[[INTO]] : tensor<1x9x8xf32>)
// CHECK-NOT: ac.scatter_rows
// CHECK: return
func.func @read_and_written_in_place(%x: tensor<9x4xf32>, %w: tensor<1x4x8xf32>, %into: tensor<9x8xf32>, %places: tensor<?xindex>,
                                     %count: index) -> tensor<9x8xf32> {
  %0 = tensor.empty(%count) : tensor<?x4xf32>
  %1 = ac.gather_rows %x at %places outs(%0 : tensor<?x4xf32>) : tensor<9x4xf32>, tensor<?xindex> -> tensor<?x4xf32>
  %2 = tensor.expand_shape %1 [[0, 1], [2]] output_shape [1, %count, 4] : tensor<?x4xf32> into tensor<1x?x4xf32>
  %3 = tensor.empty(%count) : tensor<1x?x8xf32>
  %4 = ac.contract ins(%2, %w : tensor<1x?x4xf32>, tensor<1x4x8xf32>) extras() outs(%3 : tensor<1x?x8xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x8xf32>
  %5 = tensor.collapse_shape %4 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
  %6 = ac.scatter_rows %5 at %places accumulate outs(%into : tensor<9x8xf32>) : tensor<?x8xf32>, tensor<?xindex> -> tensor<9x8xf32>
  return %6 : tensor<9x8xf32>
}

// What else uses the gathered rows keeps them; a product with another user is not written elsewhere.
// CHECK-LABEL: func.func @other_users(
// CHECK: %[[ROWS:.*]] = ac.gather_rows
// CHECK: %[[OWN:.*]] = ac.contract {{.*}} lhs_rows(%arg3 : tensor<?xindex>) outs(
// CHECK: %[[PRODUCT:.*]] = tensor.collapse_shape %[[OWN]]
// CHECK: %[[ALL:.*]] = ac.scatter_rows %[[PRODUCT]] at %arg3 outs(%arg2
// CHECK: return %[[ALL]], %[[PRODUCT]], %[[ROWS]]
func.func @other_users(%x: tensor<9x4xf32>, %w: tensor<1x4x8xf32>, %into: tensor<9x8xf32>, %places: tensor<?xindex>,
                       %count: index) -> (tensor<9x8xf32>, tensor<?x8xf32>, tensor<?x4xf32>) {
  %0 = tensor.empty(%count) : tensor<?x4xf32>
  %1 = ac.gather_rows %x at %places outs(%0 : tensor<?x4xf32>) : tensor<9x4xf32>, tensor<?xindex> -> tensor<?x4xf32>
  %2 = tensor.expand_shape %1 [[0, 1], [2]] output_shape [1, %count, 4] : tensor<?x4xf32> into tensor<1x?x4xf32>
  %3 = tensor.empty(%count) : tensor<1x?x8xf32>
  %4 = ac.contract ins(%2, %w : tensor<1x?x4xf32>, tensor<1x4x8xf32>) extras() outs(%3 : tensor<1x?x8xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x8xf32>
  %5 = tensor.collapse_shape %4 [[0, 1], [2]] : tensor<1x?x8xf32> into tensor<?x8xf32>
  %6 = ac.scatter_rows %5 at %places outs(%into : tensor<9x8xf32>) : tensor<?x8xf32>, tensor<?xindex> -> tensor<9x8xf32>
  return %6, %5, %1 : tensor<9x8xf32>, tensor<?x8xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @no_product(
// CHECK: ac.gather_rows
// CHECK: ac.scatter_rows
func.func @no_product(%x: tensor<9x4xf32>, %places: tensor<?xindex>, %count: index) -> tensor<9x4xf32> {
  %0 = tensor.empty(%count) : tensor<?x4xf32>
  %1 = ac.gather_rows %x at %places outs(%0 : tensor<?x4xf32>) : tensor<9x4xf32>, tensor<?xindex> -> tensor<?x4xf32>
  %2 = ac.scatter_rows %1 at %places accumulate outs(%x : tensor<9x4xf32>) : tensor<?x4xf32>, tensor<?xindex> -> tensor<9x4xf32>
  return %2 : tensor<9x4xf32>
}
