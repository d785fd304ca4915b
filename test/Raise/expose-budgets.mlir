// RUN: ac-opt %s --ac-expose-budgets --split-input-file --verify-diagnostics | FileCheck %s

// The most learners of a row: of all chains and of each. What is chosen by an ArgMax of logits has a bias towards more.
// CHECK-LABEL: func @learners
// CHECK: %[[BIAS:.*]] = ac.budget "learner_chain.bias" = 0.000000e+00 in [-1.000000e+03, 1.000000e+03] : tensor<f32>
// CHECK: %[[RAMP:.*]] = onnx.Constant() {value = dense<[0.000000e+00, 1.000000e+00]> : tensor<2xf32>}
// CHECK: %[[SHIFT:.*]] = onnx.Mul(%[[RAMP]], %[[BIAS]])
// CHECK: %[[LOGITS:.*]] = onnx.Add(%arg1, %[[SHIFT]])
// CHECK: %[[K:.*]] = onnx.ArgMax(%[[LOGITS]])
// CHECK: %[[ALL:.*]] = ac.budget "learner_chain.cap" = 2.000000e+00 in [0.000000e+00, 2.000000e+00] : tensor<i64>
// CHECK: %[[OWN:.*]] = ac.budget "learner_chain.mlp.cap" = 1.000000e+00 in [0.000000e+00, 1.000000e+00] : tensor<i64>
// CHECK: %[[MIN:.*]] = onnx.Min(%[[K]], %[[ALL]])
// CHECK: %[[LEAST:.*]] = onnx.Min(%[[MIN]], %[[OWN]])
// CHECK: ac.learner_chain %[[LEAST]] :
// CHECK: ac.budget "learner_chain.cap" = 2
// CHECK: ac.budget "learner_chain.{{.*}}.cap" = 2
// CHECK: ac.learner_chain
func.func @learners(%x: tensor<?x4xf32>, %logits: tensor<?x2xf32>, %j: tensor<?x1xi32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %k = onnx.ArgMax(%logits) {axis = -1 : i64, keepdims = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xi64>
  %y = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32> loc("mlp")
  %z = ac.learner_chain %j : tensor<?x1xi32> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } learner {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// The most experts of a row: while the budget says all, the model's weights as they are.
// CHECK-LABEL: func @experts
// CHECK: %[[K:.*]] = ac.budget "moe_dispatch.{{.*}}.k" = 2.000000e+00 in [0.000000e+00, 2.000000e+00] : tensor<i64>
// CHECK: %[[ALL:.*]] = onnx.GreaterOrEqual(%[[K]],
// CHECK: %[[WEIGHTS:.*]] = onnx.If(%[[ALL]])
// CHECK-NEXT: onnx.Yield(%arg1)
// CHECK: ac.route top_k of %arg1 limit %[[K]]
// CHECK: ac.moe_dispatch %[[WEIGHTS]]
func.func @experts(%x: tensor<?x4xf32>, %g: tensor<?x2xf32>) -> tensor<?x4xf32> {
  %y = ac.moe_dispatch %g : tensor<?x2xf32> rows(%x : tensor<?x4xf32>) expert {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } expert {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// The most steps, and the threshold wherever it is compared.
// CHECK-LABEL: func @loop
// CHECK: %[[CAP:.*]] = ac.budget "halting_loop.act.limit" = 9.000000e+00 in [0.000000e+00, 9.000000e+00] : tensor<i64>
// CHECK: %[[LIMIT:.*]] = onnx.Min(%{{.*}}, %[[CAP]])
// CHECK: %[[T:.*]] = ac.budget "halting_loop.act.threshold" = 1.000000e+00 in [0.000000e+00, 1.000000e+00] : tensor<f32>
// CHECK: ac.halting_loop limit(%[[LIMIT]]
// CHECK: onnx.Less(%{{.*}}, %[[T]])
// CHECK: body
// CHECK: onnx.Less(%{{.*}}, %[[T]])
func.func @loop(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %limit = onnx.Constant() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %y = ac.halting_loop limit(%limit : tensor<i64>) init(%x : tensor<?x1xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x1xf32>):
    %go = onnx.Less(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    ac.yield %go : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x1xf32>):
    %on = onnx.Less(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %b = onnx.Where(%on, %p, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    ac.yield %b : tensor<?x1xf32>
  } -> tensor<?x1xf32> loc("act")
  return %y : tensor<?x1xf32>
}

// -----

// CHECK-LABEL: func @mask
// CHECK: %[[T:.*]] = ac.budget "masked_rows.{{.*}}" = 5.000000e-01
// CHECK: onnx.Greater(%arg1, %[[T]])
func.func @mask(%x: tensor<?x4xf32>, %score: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %half = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %on = onnx.Greater(%score, %half) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
  %y = ac.masked_rows %on : tensor<?x1xi1> rows(%x : tensor<?x4xf32>) {
  ^bb0(%row: tensor<?x4xf32>):
    ac.yield %row : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// No number that decides: one expert, a limit that is an input, a threshold that other things are computed from.
// CHECK-LABEL: func @nothing_to_set
// CHECK-NOT: ac.budget
func.func @nothing_to_set(%x: tensor<?x1xf32>, %g: tensor<?x1xf32>, %limit: tensor<i64>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %one = onnx.Constant() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %y = ac.halting_loop limit(%limit : tensor<i64>) init(%x : tensor<?x1xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x1xf32>):
    %go = onnx.Less(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    ac.yield %go : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x1xf32>):
    %b = onnx.Add(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    ac.yield %b : tensor<?x1xf32>
  } -> tensor<?x1xf32>
  %z = ac.moe_dispatch %g : tensor<?x1xf32> rows(%x : tensor<?x1xf32>) expert {
  ^bb0(%row: tensor<?x1xf32>):
    ac.yield %row : tensor<?x1xf32>
  } -> tensor<?x1xf32>
  return %y, %z : tensor<?x1xf32>, tensor<?x1xf32>
}

// -----

// A loop that ends for all rows at once goes on by how much the state changes; that flags sum up to something is no
// threshold.
// CHECK-LABEL: func @change
// CHECK: onnx.Loop
// CHECK: %[[T:.*]] = ac.budget "loop.until.value" = 1.250000e-01
// CHECK: onnx.Greater(%{{.*}}, %[[T]])
// CHECK: onnx.Greater(%{{.*}}, %{{.*}}) : (tensor<f32>, tensor<f32>) -> tensor<i1>
// CHECK-NOT: ac.budget
func.func @change(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %limit = onnx.Constant() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = onnx.Constant() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %t = onnx.Constant() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %zero = onnx.Constant() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %none = onnx.NoValue() : () -> none
  %y = "onnx.Loop"(%limit, %true, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>):
    %new = onnx.MatMul(%h, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %d = onnx.Sub(%new, %h) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %change = onnx.ReduceL2(%d, %none) {keepdims = 0 : i64} : (tensor<?x4xf32>, none) -> tensor<f32>
    %moves = onnx.Greater(%change, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %some = onnx.Greater(%change, %zero) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %on = onnx.And(%moves, %some) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    "onnx.Yield"(%on, %new) : (tensor<i1>, tensor<?x4xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>) -> tensor<?x4xf32> loc("until")
  return %y : tensor<?x4xf32>
}
