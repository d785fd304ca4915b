// RUN: ac-opt %s --ac-raise-row-sums --split-input-file --verify-diagnostics | FileCheck %s

// Masks that compare one count with 0 and 1, in any order; what else is added is the residual.
// CHECK-LABEL: func @learners
// CHECK: %[[SUM:.*]] = ac.learner_chain %arg2 : tensor<?x1xi64> rows(%arg0 : tensor<?x4xf32>) residual(%arg0 : tensor<?x4xf32>) learner {
// CHECK: onnx.MatMul
// CHECK: } learner {
// CHECK: onnx.Tanh
// CHECK: return %[[SUM]]
func.func @learners(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %k: tensor<?x1xi64>) -> tensor<?x4xf32> {
  %0 = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %1 = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %m0 = "onnx.Greater"(%k, %0) : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
  %m1 = "onnx.Less"(%1, %k) : (tensor<i64>, tensor<?x1xi64>) -> tensor<?x1xi1>
  %f1 = "onnx.Cast"(%m1) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
  %r1 = ac.masked_rows %f1 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    %y = "onnx.Tanh"(%row) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %y : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %t1 = "onnx.Mul"(%r1, %f1) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %r0 = ac.masked_rows %m0 : tensor<?x1xi1> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    %y = "onnx.MatMul"(%row, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ac.yield %y : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %s = "onnx.Add"(%x, %t1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{became ac.learner_chain of 2 learners}}
  %sum = "onnx.Add"(%s, %r0) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %sum : tensor<?x4xf32>
}

// -----

// Columns of one matrix in order are the weights.
// CHECK-LABEL: func @experts
// CHECK: %[[SUM:.*]] = ac.moe_dispatch %arg1 : tensor<?x2xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK: } expert {
// CHECK: %[[ALL:.*]] = onnx.Add(%arg0, %[[SUM]])
// CHECK: return %[[ALL]]
func.func @experts(%x: tensor<?x4xf32>, %g: tensor<?x2xf32>) -> tensor<?x4xf32> {
  %0 = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %1 = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %m0 = "onnx.Gather"(%g, %0) {axis = 1 : i64} : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %m1 = "onnx.Gather"(%g, %1) {axis = 1 : i64} : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x1xf32>
  %r0 = ac.masked_rows %m0 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %r1 = ac.masked_rows %m1 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %t0 = "onnx.Mul"(%m0, %r0) : (tensor<?x1xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %t1 = "onnx.Mul"(%r1, %m1) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %s = "onnx.Add"(%t0, %t1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 2 experts}}
  %sum = "onnx.Add"(%s, %x) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %sum : tensor<?x4xf32>
}

// -----

// The zeros that a sum starts with go away with it, and are no candidate of their own.
// CHECK-LABEL: func @from_zero
// CHECK-NOT: onnx.Add
// CHECK: ac.moe_dispatch
// CHECK-NEXT: ^bb0
// CHECK-NOT: onnx.Add
// CHECK: return
func.func @from_zero(%x: tensor<?x4xf32>, %m0: tensor<?x1xf32>, %m1: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %none = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "onnx.Mul"(%x, %none) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
  %r0 = ac.masked_rows %m0 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %t0 = "onnx.Mul"(%r0, %m0) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %s0 = "onnx.Add"(%zero, %t0) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %r1 = ac.masked_rows %m1 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %t1 = "onnx.Mul"(%r1, %m1) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 2 experts}}
  %s1 = "onnx.Add"(%s0, %t1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %s1 : tensor<?x4xf32>
}

// -----

// A mask that nothing is multiplied by weighs one wherever it is not zero.
// CHECK-LABEL: func @bare_masks
// CHECK: %[[FLAG:.*]] = onnx.Cast(%arg1) {to = 9 : i64}
// CHECK: %[[ONE:.*]] = onnx.Cast(%[[FLAG]]) {to = 1 : i64}
// CHECK: %[[WEIGHTS:.*]] = onnx.Concat(%[[ONE]], %arg2)
// CHECK: ac.moe_dispatch %[[WEIGHTS]]
func.func @bare_masks(%x: tensor<?x4xf32>, %m0: tensor<?x1xf32>, %m1: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %r0 = ac.masked_rows %m0 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %r1 = ac.masked_rows %m1 : tensor<?x1xf32> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %t1 = "onnx.Mul"(%r1, %m1) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  // expected-remark @+1 {{became ac.moe_dispatch of 2 experts}}
  %sum = "onnx.Add"(%r0, %t1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %sum : tensor<?x4xf32>
}

// -----

// One term alone that is not scaled is no sum, nor is one with another user or with other rows than zero.
// CHECK-LABEL: func @left_alone
// CHECK-COUNT-3: ac.masked_rows
// CHECK-NOT: ac.moe_dispatch
func.func @left_alone(%x: tensor<?x4xf32>, %m: tensor<?x1xi1>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %r0 = ac.masked_rows %m : tensor<?x1xi1> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %r1 = ac.masked_rows %m : tensor<?x1xi1> rows(%x : tensor<?x4xf32>) otherwise(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %r2 = ac.masked_rows %m : tensor<?x1xi1> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %s = "onnx.Add"(%r0, %r1) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %t = "onnx.Add"(%s, %r2) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %s, %t, %r2 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}
