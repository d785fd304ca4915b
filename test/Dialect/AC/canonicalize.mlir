// RUN: ac-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @rows_all(
// CHECK-NOT: ac.masked_rows
// CHECK: %[[Y:.*]] = onnx.Exp(%arg0)
// CHECK: return %[[Y]]
func.func @rows_all(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %mask = onnx.Constant() {value = dense<[[1.0], [0x7FC00000]]> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %y = ac.masked_rows %mask : tensor<2x1xf32> rows(%x : tensor<2x4xf32>) {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @rows_none(
// CHECK: %[[ZERO:.*]] = onnx.Constant() {value = dense<0.000000e+00> : tensor<2x4xf32>}
// CHECK: return %[[ZERO]]
func.func @rows_none(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %mask = onnx.Constant() {value = dense<false> : tensor<2x1xi1>} : () -> tensor<2x1xi1>
  %y = ac.masked_rows %mask : tensor<2x1xi1> rows(%x : tensor<2x4xf32>) {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @rows_otherwise(
// CHECK: return %arg1
func.func @rows_otherwise(%x: tensor<2x4xf32>, %y: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %mask = onnx.Constant() {value = dense<-0.0> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %0 = ac.masked_rows %mask : tensor<2x1xf32> rows(%x : tensor<2x4xf32>) otherwise(%y : tensor<2x4xf32>) {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// Some rows; rows whose number is not known to be that of the mask; the reference form.
// CHECK-LABEL: func.func @rows_left_alone(
// CHECK-COUNT-3: ac.masked_rows
func.func @rows_left_alone(%x: tensor<2x4xf32>, %u: tensor<?x4xf32>) -> (tensor<2x4xf32>, tensor<?x4xf32>, tensor<2x4xf32>) {
  %some = onnx.Constant() {value = dense<[[1.0], [0.0]]> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %all = onnx.Constant() {value = dense<1.0> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %0 = ac.masked_rows %some : tensor<2x1xf32> rows(%x : tensor<2x4xf32>) {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  %1 = ac.masked_rows %all : tensor<2x1xf32> rows(%u : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %2 = ac.masked_rows dense %all : tensor<2x1xf32> rows(%x : tensor<2x4xf32>) {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %0, %1, %2 : tensor<2x4xf32>, tensor<?x4xf32>, tensor<2x4xf32>
}

// All of them, and more than there are.
// CHECK-LABEL: func.func @learners_all(
// CHECK-NOT: ac.learner_chain
// CHECK: %[[A:.*]] = onnx.Exp(%arg0)
// CHECK: %[[S:.*]] = onnx.Add(%arg0, %[[A]])
// CHECK: %[[B:.*]] = onnx.Neg(%arg0)
// CHECK: %[[T:.*]] = onnx.Add(%[[S]], %[[B]])
// CHECK: return %[[T]]
func.func @learners_all(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %k = onnx.Constant() {value = dense<[[2], [9]]> : tensor<2x1xi64>} : () -> tensor<2x1xi64>
  %y = ac.learner_chain %k : tensor<2x1xi64> rows(%x : tensor<2x4xf32>) residual(%x : tensor<2x4xf32>) learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Neg(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// The first for all rows, without a residual; negative counts are those of `min`.
// CHECK-LABEL: func.func @learners_first(
// CHECK: %[[A:.*]] = onnx.Exp(%arg0)
// CHECK-NOT: onnx.Neg
// CHECK: return %[[A]]
func.func @learners_first(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %k = onnx.Constant() {value = dense<-3> : tensor<2x1xi64>} : () -> tensor<2x1xi64>
  %y = ac.learner_chain %k : tensor<2x1xi64> rows(%x : tensor<2x4xf32>) min 1 learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Neg(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// None: the residual, or zeros.
// CHECK-LABEL: func.func @learners_none(
// CHECK: %[[ZERO:.*]] = onnx.Constant() {value = dense<0.000000e+00> : tensor<2x4xf32>}
// CHECK: return %arg0, %[[ZERO]]
func.func @learners_none(%x: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %k = onnx.Constant() {value = dense<0> : tensor<2x1xi32>} : () -> tensor<2x1xi32>
  %0 = ac.learner_chain %k : tensor<2x1xi32> rows(%x : tensor<2x4xf32>) residual(%x : tensor<2x4xf32>) learner {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  %1 = ac.learner_chain %k : tensor<2x1xi32> rows(%x : tensor<2x4xf32>) learner {
  ^bb0(%row: tensor<2x4xf32>):
    ac.yield %row : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %0, %1 : tensor<2x4xf32>, tensor<2x4xf32>
}

// Rows differ, but none reaches the last learner.
// CHECK-LABEL: func.func @learners_unreached(
// CHECK: ac.learner_chain
// CHECK: onnx.Exp
// CHECK-NOT: onnx.Neg
// CHECK: return
func.func @learners_unreached(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %k = onnx.Constant() {value = dense<[[0], [1]]> : tensor<2x1xi64>} : () -> tensor<2x1xi64>
  %y = ac.learner_chain %k : tensor<2x1xi64> rows(%x : tensor<2x4xf32>) learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } learner {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Neg(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// One expert that all rows take as it is.
// CHECK-LABEL: func.func @one_expert(
// CHECK-NOT: ac.moe_dispatch
// CHECK: %[[A:.*]] = onnx.Exp(%arg0)
// CHECK: return %[[A]]
func.func @one_expert(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = onnx.Constant() {value = dense<1.0> : tensor<2x1xf32>} : () -> tensor<2x1xf32>
  %y = ac.moe_dispatch %w : tensor<2x1xf32> rows(%x : tensor<2x4xf32>) expert {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// An expert that no row takes; NaN is a weight.
// CHECK-LABEL: func.func @unused_expert(
// CHECK: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}5.000000e-01, 0x7FC00000], [0.000000e+00, 2.000000e+00]]> : tensor<2x2xf32>}
// CHECK: ac.moe_dispatch %[[W]] : tensor<2x2xf32>
// CHECK: onnx.Exp
// CHECK-NOT: onnx.Neg
// CHECK: onnx.Abs
func.func @unused_expert(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = onnx.Constant() {value = dense<[[0.5, 0.0, 0x7FC00000], [0.0, -0.0, 2.0]]> : tensor<2x3xf32>} : () -> tensor<2x3xf32>
  %y = ac.moe_dispatch %w : tensor<2x3xf32> rows(%x : tensor<2x4xf32>) expert {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Exp(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } expert {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Neg(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } expert {
  ^bb0(%row: tensor<2x4xf32>):
    %0 = onnx.Abs(%row) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %0 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @exit(
// CHECK-NOT: ac.exit
// CHECK: %[[REST:.*]] = onnx.Exp(%arg0)
// CHECK: return %arg0, %[[REST]]
func.func @exit(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %yes = onnx.Constant() {value = dense<true> : tensor<1x1xi1>} : () -> tensor<1x1xi1>
  %no = onnx.Constant() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %0 = ac.exit %yes : tensor<1x1xi1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %1 = ac.exit %no : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    %2 = onnx.Exp(%0) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// A cache that is read must be complete, whatever the decision; one that nobody reads may stay behind.
// CHECK-LABEL: func.func @exit_forbidden(
// CHECK: %[[REST:.*]] = onnx.Exp(%arg1)
// CHECK: %[[Y:.*]]:2 = ac.exit %arg0 : tensor<i1> kv forbid
// CHECK: return %[[REST]], %[[Y]]#0
func.func @exit_forbidden(%stop: tensor<i1>, %x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0:2 = ac.exit %stop : tensor<i1> kv forbid early {
    ac.yield %x, %x : tensor<?x4xf32>, tensor<?x4xf32>
  } rest {
    %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %x, %2 : tensor<?x4xf32>, tensor<?x4xf32>
  } -> tensor<?x4xf32>, tensor<?x4xf32>
  %1:2 = ac.exit %stop : tensor<i1> kv forbid early {
    ac.yield %x, %x : tensor<?x4xf32>, tensor<?x4xf32>
  } rest {
    %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %x, %2 : tensor<?x4xf32>, tensor<?x4xf32>
  } -> tensor<?x4xf32>, tensor<?x4xf32>
  return %0#1, %1#0 : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func.func @exit_dense(
// CHECK: ac.exit dense
func.func @exit_dense(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %no = onnx.Constant() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %0 = ac.exit dense %no : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    ac.yield %x : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @skip(
// CHECK-NOT: ac.skip
// CHECK: %[[Y:.*]] = onnx.Exp(%arg0)
// CHECK: return %[[Y]], %arg0
func.func @skip(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %yes = onnx.Constant() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %no = onnx.Constant() {value = dense<false> : tensor<i1>} : () -> tensor<i1>
  %0 = ac.skip %yes : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
    %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  %1 = ac.skip %no : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
    %2 = onnx.Exp(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %2 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// No iteration; one for all rows; one for rows that are only known at run time.
// CHECK-LABEL: func.func @halting_loop(
// CHECK: %[[ONCE:.*]] = onnx.Exp(%arg0)
// CHECK: %[[LEFT:.*]] = ac.halting_loop
// CHECK-NOT: ac.halting_loop
// CHECK: return %arg0, %[[ONCE]], %[[LEFT]]
func.func @halting_loop(%x: tensor<2x4xf32>, %mask: tensor<2x1xi1>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %none = onnx.Constant() {value = dense<-1> : tensor<i64>} : () -> tensor<i64>
  %one = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = ac.halting_loop limit(%none : tensor<i64>) init(%x : tensor<2x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    ac.yield %mask : tensor<2x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    %3 = onnx.Exp(%a) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %3 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  %1 = ac.halting_loop limit(%one : tensor<1xi64>) init(%x : tensor<2x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    %all = onnx.Constant() {value = dense<true> : tensor<2x1xi1>} : () -> tensor<2x1xi1>
    ac.yield %all : tensor<2x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    %3 = onnx.Exp(%a) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %3 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  %2 = ac.halting_loop limit(%one : tensor<1xi64>) init(%x : tensor<2x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    ac.yield %mask : tensor<2x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<2x4xf32>):
    %3 = onnx.Neg(%a) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    ac.yield %3 : tensor<2x4xf32>
  } -> tensor<2x4xf32>
  return %0, %1, %2 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
