// RUN: ac-opt %s --ac-fuse-epilogues | FileCheck %s

#same = affine_map<(d0) -> (d0)>
#id3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#column3 = affine_map<(d0, d1, d2) -> (d2)>
#id4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#channel4 = affine_map<(d0, d1, d2, d3) -> (d1)>

// CHECK-DAG: #[[$COLUMN:.*]] = affine_map<(d0, d1, d2) -> (d2)>
// CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1, d2) -> (d1)>
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$ROW4:.*]] = affine_map<(d0, d1, d2, d3) -> (d1)>
// CHECK-DAG: #[[$ALL4:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d1, d0, d2)>

// CHECK-LABEL: func.func @bias_and_relu(
// CHECK-SAME: %[[BIAS:[a-z0-9]*]]: tensor<32xf32>)
// CHECK: ac.contract ins({{.*}}) extras(%[[BIAS]] : tensor<32xf32>)
// CHECK-SAME: extra_maps = [#[[$COLUMN]]]
// CHECK: ^bb0(%[[SUM:.*]]: f32, %[[ADD:.*]]: f32):
// CHECK: %[[BIASED:.*]] = arith.addf %[[SUM]], %[[ADD]]
// CHECK: %[[RELU:.*]] = arith.maximumf %[[BIASED]]
// CHECK: ac.yield %[[RELU]]
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @bias_and_relu(%a: tensor<1x?x64xf32>, %b: tensor<1x64x32xf32>, %i: tensor<1x?x32xf32>, %bias: tensor<32xf32>) -> tensor<1x?x32xf32> {
  %zero = arith.constant 0.0 : f32
  %p = ac.contract ins(%a, %b : tensor<1x?x64xf32>, tensor<1x64x32xf32>) extras() outs(%i : tensor<1x?x32xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x?x32xf32>
  %r = linalg.generic {indexing_maps = [#id3, #column3, #id3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %bias : tensor<1x?x32xf32>, tensor<32xf32>) outs(%i : tensor<1x?x32xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %s = arith.addf %in, %add : f32
    %t = arith.maximumf %s, %zero : f32
    linalg.yield %t : f32
  } -> tensor<1x?x32xf32>
  return %r : tensor<1x?x32xf32>
}

// The product of a convolution has channels for rows and pixels for columns; its image is seen through a reshape.
// CHECK-LABEL: func.func @bias_on_convolution(
// CHECK: %[[R:.*]] = ac.contract {{.*}} extras(%{{.*}} : tensor<8xf32>)
// CHECK-SAME: extra_maps = [#[[$ROW]]]
// CHECK: tensor.expand_shape %[[R]]
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @bias_on_convolution(%w: tensor<1x8x27xf32>, %x: tensor<2x27x20xf32>, %i: tensor<2x8x20xf32>, %o: tensor<2x8x4x5xf32>, %bias: tensor<8xf32>) -> tensor<2x8x4x5xf32> {
  %p = ac.contract ins(%w, %x : tensor<1x8x27xf32>, tensor<2x27x20xf32>) extras() outs(%i : tensor<2x8x20xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x20xf32>
  %image = tensor.expand_shape %p [[0], [1], [2, 3]] output_shape [2, 8, 4, 5] : tensor<2x8x20xf32> into tensor<2x8x4x5xf32>
  %r = linalg.generic {indexing_maps = [#id4, #channel4, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%image, %bias : tensor<2x8x4x5xf32>, tensor<8xf32>) outs(%o : tensor<2x8x4x5xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %s = arith.addf %in, %add : f32
    linalg.yield %s : f32
  } -> tensor<2x8x4x5xf32>
  return %r : tensor<2x8x4x5xf32>
}

// The residual has the image's shape: it is collapsed to that of the product.
// CHECK-LABEL: func.func @residual_through_reshape(
// CHECK-SAME: %[[RESIDUAL:[a-z0-9]*]]: tensor<2x8x4x5xf32>)
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[RESIDUAL]] {{\[\[}}0], [1], [2, 3]] : tensor<2x8x4x5xf32> into tensor<2x8x20xf32>
// CHECK: ac.contract {{.*}} extras(%[[FLAT]] : tensor<2x8x20xf32>)
// CHECK-SAME: extra_maps = [#[[$ALL]]]
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @residual_through_reshape(%w: tensor<1x8x27xf32>, %x: tensor<2x27x20xf32>, %i: tensor<2x8x20xf32>, %o: tensor<2x8x4x5xf32>, %residual: tensor<2x8x4x5xf32>) -> tensor<2x8x4x5xf32> {
  %p = ac.contract ins(%w, %x : tensor<1x8x27xf32>, tensor<2x27x20xf32>) extras() outs(%i : tensor<2x8x20xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x20xf32>
  %image = tensor.expand_shape %p [[0], [1], [2, 3]] output_shape [2, 8, 4, 5] : tensor<2x8x20xf32> into tensor<2x8x4x5xf32>
  %r = linalg.generic {indexing_maps = [#id4, #id4, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%image, %residual : tensor<2x8x4x5xf32>, tensor<2x8x4x5xf32>) outs(%o : tensor<2x8x4x5xf32>) {
  ^bb0(%in: f32, %add: f32, %out: f32):
    %s = arith.addf %in, %add : f32
    linalg.yield %s : f32
  } -> tensor<2x8x4x5xf32>
  return %r : tensor<2x8x4x5xf32>
}

// The rows of positions of a convolution are its batch, the images a dimension in front.
// CHECK-LABEL: func.func @images(
// CHECK: ac.contract
// CHECK-SAME: extras(%{{.*}}, %{{.*}} : tensor<8xf32>, tensor<2x8x5x20xf32>)
// CHECK-SAME: extra_maps = [#[[$ROW4]], #[[$ALL4]]]
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @images(%a: tensor<1x8x27xf32>, %b: tensor<14x66xf32>, %starts: tensor<27xindex>, %i: tensor<2x8x5x20xf32>,
                  %bias: tensor<8xf32>, %residual: tensor<2x8x5x20xf32>) -> tensor<2x8x5x20xf32> {
  %p = ac.contract ins(%a, %b : tensor<1x8x27xf32>, tensor<14x66xf32>) extras() rhs_starts(%starts : tensor<27xindex>)
      outs(%i : tensor<2x8x5x20xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = #same, extra_maps = [], out_order = array<i64: 3, 1, 0, 2>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<2x8x5x20xf32>
  %r = linalg.generic {indexing_maps = [#id4, #channel4, #id4, #id4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%p, %bias, %residual : tensor<2x8x5x20xf32>, tensor<8xf32>, tensor<2x8x5x20xf32>) outs(%i : tensor<2x8x5x20xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32, %out: f32):
    %0 = arith.addf %x, %y : f32
    %1 = arith.addf %0, %z : f32
    linalg.yield %1 : f32
  } -> tensor<2x8x5x20xf32>
  return %r : tensor<2x8x5x20xf32>
}

// What is stored is of another type than the sum, through a reshape, and what follows is an epilogue too.
// CHECK-LABEL: func.func @other_element_type(
// CHECK: %[[INIT:.*]] = tensor.empty(%{{.*}}) : tensor<1x?x32xi8>
// CHECK: ac.contract ins({{.*}}) extras(%{{.*}}, %{{.*}} : tensor<32xf32>, tensor<32xi8>) outs(%[[INIT]] : tensor<1x?x32xi8>)
// CHECK: ^bb0(%[[SUM:.*]]: i32, %{{.*}}: f32, %[[ADD:.*]]: i8):
// CHECK: arith.sitofp %[[SUM]]
// CHECK: %[[BYTE:.*]] = arith.fptosi
// CHECK: %[[RESULT:.*]] = arith.addi %[[BYTE]], %[[ADD]]
// CHECK: ac.yield %[[RESULT]] : i8
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1], [2]] : tensor<1x?x32xi8> into tensor<?x32xi8>
// CHECK-NOT: linalg.generic
func.func @other_element_type(%a: tensor<1x?x64xi8>, %b: tensor<1x64x32xi8>, %i: tensor<1x?x32xi32>, %o: tensor<?x32xi8>, %scale: tensor<32xf32>, %more: tensor<32xi8>) -> tensor<?x32xi8> {
  %p = ac.contract ins(%a, %b : tensor<1x?x64xi8>, tensor<1x64x32xi8>) extras() outs(%i : tensor<1x?x32xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_unsigned} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x?x32xi32>
  %flat = tensor.collapse_shape %p [[0, 1], [2]] : tensor<1x?x32xi32> into tensor<?x32xi32>
  %q = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%flat, %scale : tensor<?x32xi32>, tensor<32xf32>) outs(%o : tensor<?x32xi8>) {
  ^bb0(%in: i32, %by: f32, %out: i8):
    %float = arith.sitofp %in : i32 to f32
    %scaled = arith.mulf %float, %by : f32
    %byte = arith.fptosi %scaled : f32 to i8
    linalg.yield %byte : i8
  } -> tensor<?x32xi8>
  %r = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
      ins(%q, %more : tensor<?x32xi8>, tensor<32xi8>) outs(%o : tensor<?x32xi8>) {
  ^bb0(%in: i8, %add: i8, %out: i8):
    %sum = arith.addi %in, %add : i8
    linalg.yield %sum : i8
  } -> tensor<?x32xi8>
  return %r : tensor<?x32xi8>
}
