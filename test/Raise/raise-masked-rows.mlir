// RUN: ac-opt %s --ac-raise-masked-rows | FileCheck %s

// CHECK-LABEL: func @learner_under_a_comparison
// CHECK: %[[MASK:.*]] = onnx.Cast
// CHECK: %[[ROWS:.*]] = ac.masked_rows %[[MASK]] : tensor<?x1xf32> rows(%arg0 : tensor<?x8xf32>)
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<?x8xf32>):
// CHECK-NEXT: onnx.MatMul(%[[ROW]], %arg1)
// CHECK-NEXT: onnx.Add
// CHECK-NEXT: onnx.Gelu
// CHECK-NEXT: ac.yield
// CHECK: onnx.Mul(%[[ROWS]], %[[MASK]])
func.func @learner_under_a_comparison(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>, %k: tensor<?x1xi64>,
                                      %n: tensor<i64>) -> tensor<?x4xf32> {
  %on = "onnx.Greater"(%k, %n) : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.Add"(%0, %b) : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Gelu"(%1) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = "onnx.Mul"(%2, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %3 : tensor<?x4xf32>
}

// A mask that is never exactly zero saves nothing.
// CHECK-LABEL: func @soft_mask_is_left_alone
// CHECK-NOT: ac.masked_rows
// CHECK: return
func.func @soft_mask_is_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %g: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %mask = "onnx.Sigmoid"(%g) : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.Mul"(%mask, %0) : (tensor<?x1xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}

// CHECK-LABEL: func @value_with_another_user_is_left_alone
// CHECK-NOT: ac.masked_rows
// CHECK: return
func.func @value_with_another_user_is_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?x1xi1>)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %1 = "onnx.Mul"(%0, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// What mixes rows stays outside: its result is the rows that go in.
// CHECK-LABEL: func @softmax_over_rows_stays_outside
// CHECK: %[[SOFT:.*]] = onnx.Softmax
// CHECK: ac.masked_rows {{.*}} rows(%[[SOFT]] : tensor<?x8xf32>)
func.func @softmax_over_rows_stays_outside(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>, %on: tensor<?x1xi1>)
    -> tensor<?x4xf32> {
  %mask = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %0 = "onnx.Softmax"(%x) {axis = 0 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = "onnx.MatMul"(%0, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %2 = "onnx.Mul"(%1, %mask) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  return %2 : tensor<?x4xf32>
}

// Rows that a Where does not take, whatever it takes instead.
// CHECK-LABEL: func @learner_in_a_where
// CHECK: %[[ROWS:.*]] = ac.masked_rows %arg2 : tensor<?x1xi1> rows(%arg0 : tensor<?x8xf32>) otherwise(%arg0 : tensor<?x8xf32>)
// CHECK-NOT: onnx.Where
// CHECK: return %[[ROWS]]
func.func @learner_in_a_where(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<?x1xi1>) -> tensor<?x8xf32> {
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %1 = "onnx.Where"(%on, %0, %x) : (tensor<?x1xi1>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// The other side; it takes the rows whose flag is not set.
// CHECK-LABEL: func @learner_on_the_other_side
// CHECK: %[[NOT:.*]] = onnx.Not(%arg2)
// CHECK: %[[ROWS:.*]] = ac.masked_rows %[[NOT]] : tensor<?x1xi1> rows(%arg0 : tensor<?x8xf32>) {
// CHECK: return %[[ROWS]]
func.func @learner_on_the_other_side(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<?x1xi1>) -> tensor<?x8xf32> {
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %1 = "onnx.Where"(%on, %zero, %0) : (tensor<?x1xi1>, tensor<f32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func @where_over_elements_is_left_alone
// CHECK-NOT: ac.masked_rows
// CHECK: return
func.func @where_over_elements_is_left_alone(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %on: tensor<?x8xi1>) -> tensor<?x8xf32> {
  %0 = "onnx.MatMul"(%x, %w) : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %1 = "onnx.Where"(%on, %0, %x) : (tensor<?x8xi1>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
