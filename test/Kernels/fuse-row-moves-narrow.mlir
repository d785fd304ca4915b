// RUN: ac-opt %s --ac-fuse-row-moves --canonicalize --cse | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// Rows of bytes are read where they are. Whole sums are added by the scatter: products add floats alone.
// CHECK-LABEL: func.func @whole_sums(
// CHECK-NOT: ac.gather_rows
// CHECK: ac.contract ins({{.*}} : tensor<1x9x4xi8>, tensor<1x4x8xi8>) extras() lhs_rows(%arg3 : tensor<?xindex>)
// CHECK-NOT: out_rows
// CHECK: ac.scatter_rows {{.*}} accumulate
func.func @whole_sums(%x: tensor<9x4xi8>, %w: tensor<1x4x8xi8>, %into: tensor<9x8xi32>, %places: tensor<?xindex>,
                      %count: index) -> tensor<9x8xi32> {
  %0 = tensor.empty(%count) : tensor<?x4xi8>
  %1 = ac.gather_rows %x at %places outs(%0 : tensor<?x4xi8>) : tensor<9x4xi8>, tensor<?xindex> -> tensor<?x4xi8>
  %2 = tensor.expand_shape %1 [[0, 1], [2]] output_shape [1, %count, 4] : tensor<?x4xi8> into tensor<1x?x4xi8>
  %3 = tensor.empty(%count) : tensor<1x?x8xi32>
  %4 = ac.contract ins(%2, %w : tensor<1x?x4xi8>, tensor<1x4x8xi8>) extras() outs(%3 : tensor<1x?x8xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x?x8xi32>
  %5 = tensor.collapse_shape %4 [[0, 1], [2]] : tensor<1x?x8xi32> into tensor<?x8xi32>
  %6 = ac.scatter_rows %5 at %places accumulate outs(%into : tensor<9x8xi32>) : tensor<?x8xi32>, tensor<?xindex> -> tensor<9x8xi32>
  return %6 : tensor<9x8xi32>
}
