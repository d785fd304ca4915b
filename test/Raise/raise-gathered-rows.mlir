// RUN: ac-opt %s --ac-raise-gathered-rows --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func @added
// CHECK: %[[MASK:.*]] = onnx.Reshape(%arg2, {{.*}} -> tensor<?x1xi1>
// CHECK: %[[ROWS:.*]] = ac.masked_rows %[[MASK]] : tensor<?x1xi1> rows(%arg0 : tensor<?x8xf32>) {
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<?x8xf32>):
// CHECK-NEXT: onnx.MatMul(%[[ROW]], %arg1)
// CHECK: %[[SUM:.*]] = onnx.Add(%arg3, %[[ROWS]])
// CHECK-NEXT: return %[[SUM]]
func.func @added(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?xi1>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %zero = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.NonZero"(%on) : (tensor<?xi1>) -> tensor<1x?xi64>
  %1 = "onnx.Squeeze"(%0, %zero) : (tensor<1x?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %2 = "onnx.Gather"(%x, %1) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %4 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  // expected-remark @+1 {{became ac.masked_rows with 1 matrix products}}
  %5 = "onnx.ScatterND"(%y, %4, %3) {reduction = "add"} : (tensor<?x4xf32>, tensor<?x1xi64>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %5 : tensor<?x4xf32>
}

// -----

// Indices of ScatterElements, expanded along the row; what other rows are stays.
// CHECK-LABEL: func @put_back
// CHECK: %[[ROWS:.*]] = ac.masked_rows %{{.*}} : tensor<?x1xi1> rows(%arg0 : tensor<?x8xf32>) otherwise(%arg0 : tensor<?x8xf32>) {
// CHECK: return %[[ROWS]]
func.func @put_back(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<?xi1>, %shape: tensor<2xi64>) -> tensor<?x8xf32> {
  %0 = "onnx.NonZero"(%on) : (tensor<?xi1>) -> tensor<1x?xi64>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  %2 = "onnx.GatherND"(%x, %1) : (tensor<?x8xf32>, tensor<?x1xi64>) -> tensor<?x8xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %4 = "onnx.Expand"(%1, %shape) : (tensor<?x1xi64>, tensor<2xi64>) -> tensor<?x8xi64>
  // expected-remark @+1 {{became ac.masked_rows with 1 matrix products}}
  %5 = "onnx.ScatterElements"(%x, %4, %3) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?x8xi64>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// -----

// Choices in slots: a row's weights are those of the slots that chose it; a weight that nothing chose is not multiplied.
// CHECK-LABEL: func @slots
// CHECK: %[[WEIGHTS:.*]] = onnx.Transpose(%arg3)
// CHECK: %[[OWN:.*]] = onnx.Where(%arg2, %[[WEIGHTS]], %{{.*}})
// CHECK: %[[SUM:.*]] = onnx.ReduceSum(%[[OWN]]
// CHECK: %[[COLUMN:.*]] = onnx.Reshape(%[[SUM]]
// CHECK: %[[ROWS:.*]] = ac.masked_rows %[[COLUMN]] : tensor<?x1xf32>
// CHECK: onnx.Mul(%[[ROWS]], %[[COLUMN]])
func.func @slots(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<2x?xi1>, %weights: tensor<?x2xf32>) -> tensor<?x8xf32> {
  %zero = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %one = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %last = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %none = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %base = "onnx.Mul"(%x, %none) : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %0 = "onnx.NonZero"(%on) : (tensor<2x?xi1>) -> tensor<2x?xi64>
  %slot = "onnx.Gather"(%0, %zero) {axis = 0 : i64} : (tensor<2x?xi64>, tensor<i64>) -> tensor<?xi64>
  %row = "onnx.Gather"(%0, %one) {axis = 0 : i64} : (tensor<2x?xi64>, tensor<i64>) -> tensor<?xi64>
  %rows = "onnx.Unsqueeze"(%row, %last) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %slots = "onnx.Unsqueeze"(%slot, %last) : (tensor<?xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %pair = "onnx.Concat"(%rows, %slots) {axis = -1 : i64} : (tensor<?x1xi64>, tensor<?x1xi64>) -> tensor<?x2xi64>
  %1 = "onnx.GatherND"(%weights, %pair) : (tensor<?x2xf32>, tensor<?x2xi64>) -> tensor<?xf32>
  %2 = "onnx.Unsqueeze"(%1, %last) : (tensor<?xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %3 = "onnx.Gather"(%x, %row) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  %4 = "onnx.MatMul"(%3, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %5 = "onnx.Mul"(%4, %2) : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  // expected-remark @+1 {{became ac.masked_rows with 1 matrix products}}
  %6 = "onnx.ScatterND"(%base, %rows, %5) {reduction = "add"} : (tensor<?x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %6 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func @slots_without_add_are_left_alone
// CHECK-NOT: ac.masked_rows
func.func @slots_without_add_are_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<2x?xi1>) -> tensor<?x8xf32> {
  %one = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "onnx.NonZero"(%on) : (tensor<2x?xi1>) -> tensor<2x?xi64>
  %1 = "onnx.Gather"(%0, %one) {axis = 0 : i64} : (tensor<2x?xi64>, tensor<1xi64>) -> tensor<1x?xi64>
  %2 = "onnx.Transpose"(%1) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  %3 = "onnx.GatherND"(%x, %2) : (tensor<?x8xf32>, tensor<?x1xi64>) -> tensor<?x8xf32>
  %4 = "onnx.MatMul"(%3, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  // expected-remark @+1 {{picked rows not raised: what is in place of a chosen row depends on the slot}}
  %5 = "onnx.ScatterND"(%x, %2, %4) : (tensor<?x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func @mixed_rows_are_left_alone
// CHECK-NOT: ac.masked_rows
func.func @mixed_rows_are_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<?xi1>) -> tensor<?x8xf32> {
  %0 = "onnx.NonZero"(%on) : (tensor<?xi1>) -> tensor<1x?xi64>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  %2 = "onnx.GatherND"(%x, %1) : (tensor<?x8xf32>, tensor<?x1xi64>) -> tensor<?x8xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %4 = "onnx.Softmax"(%3) {axis = 0 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-remark @+1 {{picked rows not raised: node '?' (Softmax) normalises along rows}}
  %5 = "onnx.ScatterND"(%x, %1, %4) : (tensor<?x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func @part_of_a_row_is_left_alone
// CHECK-NOT: ac.masked_rows
func.func @part_of_a_row_is_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?xi1>, %shape: tensor<2xi64>) -> tensor<?x8xf32> {
  %0 = "onnx.NonZero"(%on) : (tensor<?xi1>) -> tensor<1x?xi64>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  %2 = "onnx.GatherND"(%x, %1) : (tensor<?x8xf32>, tensor<?x1xi64>) -> tensor<?x8xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %4 = "onnx.Expand"(%1, %shape) : (tensor<?x1xi64>, tensor<2xi64>) -> tensor<?x4xi64>
  // expected-remark @+1 {{picked rows not raised: a part of each row is written}}
  %5 = "onnx.ScatterElements"(%x, %4, %3) {axis = 0 : i64} : (tensor<?x8xf32>, tensor<?x4xi64>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func @fewer_choices_than_rows_are_left_alone
// CHECK-NOT: ac.masked_rows
func.func @fewer_choices_than_rows_are_left_alone(%x: tensor<5x8xf32>, %w: tensor<8x8xf32>, %on: tensor<3xi1>) -> tensor<5x8xf32> {
  %0 = "onnx.NonZero"(%on) : (tensor<3xi1>) -> tensor<1x?xi64>
  %1 = "onnx.Transpose"(%0) {perm = array<i64: 1, 0>} : (tensor<1x?xi64>) -> tensor<?x1xi64>
  %2 = "onnx.GatherND"(%x, %1) : (tensor<5x8xf32>, tensor<?x1xi64>) -> tensor<?x8xf32>
  %3 = "onnx.MatMul"(%2, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  // expected-remark @+1 {{picked rows not raised: choices are made for another number of rows}}
  %4 = "onnx.ScatterND"(%x, %1, %3) : (tensor<5x8xf32>, tensor<?x1xi64>, tensor<?x8xf32>) -> tensor<5x8xf32>
  return %4 : tensor<5x8xf32>
}
