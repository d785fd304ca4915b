// RUN: ac-opt %s --ac-raise-halting-loops --split-input-file --verify-diagnostics | FileCheck %s

// Masks: where the sum is not below one, products with the mask are zero and selections give what was there.
// CHECK-LABEL: func @masks
// CHECK: ac.halting_loop self_masked limit(%{{.*}} : tensor<i64>) init(%arg0, %arg1 : tensor<?x4xf32>, tensor<?x1xf32>) rows [true, true]
// CHECK-SAME: running {
// CHECK: %[[GO:.*]] = onnx.Less
// CHECK: ac.yield %[[GO]] : tensor<?x1xi1>
// CHECK: } body {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %[[H:.*]]: tensor<?x4xf32>, %[[A:.*]]: tensor<?x1xf32>):
// CHECK: %[[NEXT:.*]] = ac.masked_rows %{{.*}} rows(%[[H]] : tensor<?x4xf32>) otherwise(%[[H]] : tensor<?x4xf32>) {
// CHECK: ac.yield %[[NEXT]], %{{.*}} : tensor<?x4xf32>, tensor<?x1xf32>
// CHECK-NOT: onnx.Loop
func.func @masks(%x: tensor<?x4xf32>, %a0: tensor<?x1xf32>, %p: tensor<?x1xf32>, %w: tensor<4x4xf32>) -> (tensor<?x4xf32>, tensor<?x1xf32>) {
  %none = "onnx.NoValue"() : () -> none
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %zero = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{became ac.halting_loop}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %a0) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>, %a: tensor<?x1xf32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %h1 = ac.masked_rows %on : tensor<?x1xi1> rows(%h : tensor<?x4xf32>) otherwise(%h : tensor<?x4xf32>) {
    ^bb0(%row: tensor<?x4xf32>):
      %0 = "onnx.MatMul"(%row, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      ac.yield %0 : tensor<?x4xf32>
    } -> tensor<?x4xf32>
    %f = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
    %add = "onnx.Mul"(%p, %f) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Add"(%a, %add) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %on1 = "onnx.Less"(%a1, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %f1 = "onnx.Cast"(%on1) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
    %n = "onnx.ReduceSum"(%f1, %none) {keepdims = 0 : i64} : (tensor<?x1xf32>, none) -> tensor<f32>
    %again = "onnx.Greater"(%n, %zero) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "onnx.Yield"(%again, %h1, %a1) : (tensor<i1>, tensor<?x4xf32>, tensor<?x1xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<?x1xf32>) -> (tensor<?x4xf32>, tensor<?x1xf32>)
  return %y#0, %y#1 : tensor<?x4xf32>, tensor<?x1xf32>
}

// -----

// One dimension less in the mask, as rows are gathered by; no stop condition but the limit; keys for all rows are carried
// along and computed anew where the state changed.
// CHECK-LABEL: func @keys_for_all
// CHECK: %[[KEYS:.*]] = onnx.MatMul(%arg0, %arg3)
// CHECK: ac.halting_loop self_masked limit({{.*}}) init(%arg0, %arg1, %[[KEYS]] : tensor<?x4xf32>, tensor<?xf32>, tensor<?x4xf32>) rows [true, true, true]
// CHECK: body {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %[[H:.*]]: tensor<?x4xf32>, %{{.*}}: tensor<?xf32>, %[[OLD:.*]]: tensor<?x4xf32>):
// CHECK: onnx.Transpose(%[[OLD]])
// CHECK: %[[NEXT:.*]] = ac.masked_rows
// CHECK: %[[NEW:.*]] = ac.masked_rows {{.*}} rows(%[[NEXT]] : tensor<?x4xf32>) otherwise(%[[OLD]] : tensor<?x4xf32>)
// CHECK: ac.yield %[[NEXT]], %{{.*}}, %[[NEW]]
func.func @keys_for_all(%x: tensor<?x4xf32>, %a0: tensor<?xf32>, %p: tensor<?xf32>, %wk: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  // expected-remark @+1 {{became ac.halting_loop}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %a0) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>, %a: tensor<?xf32>):
    %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %last = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %off = "onnx.GreaterOrEqual"(%a, %one) : (tensor<?xf32>, tensor<f32>) -> tensor<?xi1>
    %on = "onnx.Not"(%off) : (tensor<?xi1>) -> tensor<?xi1>
    %column = "onnx.Unsqueeze"(%on, %last) : (tensor<?xi1>, tensor<1xi64>) -> tensor<?x1xi1>
    %keys = "onnx.MatMul"(%h, %wk) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %t = "onnx.Transpose"(%keys) {perm = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
    %h1 = ac.masked_rows %column : tensor<?x1xi1> rows(%h : tensor<?x4xf32>) otherwise(%h : tensor<?x4xf32>) {
    ^bb0(%row: tensor<?x4xf32>):
      %0 = "onnx.MatMul"(%row, %t) : (tensor<?x4xf32>, tensor<4x?xf32>) -> tensor<?x?xf32>
      %1 = "onnx.MatMul"(%0, %h) : (tensor<?x?xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
      ac.yield %1 : tensor<?x4xf32>
    } -> tensor<?x4xf32>
    %sum = "onnx.Add"(%a, %p) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %a1 = "onnx.Where"(%off, %a, %sum) : (tensor<?xi1>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    "onnx.Yield"(%go, %h1, %a1) : (tensor<i1>, tensor<?x4xf32>, tensor<?xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<?xf32>) -> (tensor<?x4xf32>, tensor<?xf32>)
  return %y#0 : tensor<?x4xf32>
}

// -----

// A loop that ends when the mean of the sums has reached one, or no row runs.
// CHECK-LABEL: func @other_condition
// CHECK: ac.halting_loop self_masked limit
// CHECK: running {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %[[A:.*]]: tensor<?x1xf32>):
// CHECK: %[[ON:.*]] = onnx.Less(%[[A]], %{{.*}})
// CHECK: %[[MEAN:.*]] = onnx.ReduceMean(%[[A]], %{{.*}})
// CHECK: %[[AGAIN:.*]] = onnx.Less(%[[MEAN]], %{{.*}})
// CHECK: ac.yield %[[ON]], %[[AGAIN]] : tensor<?x1xi1>, tensor<i1>
func.func @other_condition(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> tensor<?x1xf32> {
  %none = "onnx.NoValue"() : () -> none
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{became ac.halting_loop}}
  %y = "onnx.Loop"(%limit, %true, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %a: tensor<?x1xf32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = "onnx.ReduceMean"(%a1, %none) {keepdims = 0 : i64} : (tensor<?x1xf32>, none) -> tensor<f32>
    %again = "onnx.Less"(%n, %one) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "onnx.Yield"(%again, %a1) : (tensor<i1>, tensor<?x1xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// The state is halved in rows that have halted, too.
// CHECK-LABEL: func @goes_on_changing
// CHECK: onnx.Loop
func.func @goes_on_changing(%x: tensor<?x4xf32>, %a0: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> tensor<?x4xf32> {
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{loop not raised to a halting loop: no comparison of carried values leaves all that it carries as it is for a row that halts}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %a0) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>, %a: tensor<?x1xf32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %h1 = "onnx.Mul"(%h, %half) : (tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    "onnx.Yield"(%go, %h1, %a1) : (tensor<i1>, tensor<?x4xf32>, tensor<?x1xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<?x1xf32>) -> (tensor<?x4xf32>, tensor<?x1xf32>)
  return %y#0 : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: func @stacked_outputs
// CHECK: onnx.Loop
func.func @stacked_outputs(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> tensor<?x?x1xf32> {
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{loop not raised to a halting loop: it stacks a value of each iteration}}
  %y:2 = "onnx.Loop"(%limit, %true, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %a: tensor<?x1xf32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    "onnx.Yield"(%go, %a1, %a1) : (tensor<i1>, tensor<?x1xf32>, tensor<?x1xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<?x?x1xf32>)
  return %y#1 : tensor<?x?x1xf32>
}

// -----

// The loop tests behind its body: it counts one iteration where no row runs at first.
// CHECK-LABEL: func @counted_iterations
// CHECK: ac.halting_loop self_masked at_least_once limit({{.*}}) init(%arg0, %{{.*}} : tensor<?x1xf32>, tensor<f32>) rows [true, false]
func.func @counted_iterations(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<f32>) {
  %none = "onnx.NoValue"() : () -> none
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{became ac.halting_loop}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %one) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %a: tensor<?x1xf32>, %c: tensor<f32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %c1 = "onnx.Add"(%c, %one) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %on1 = "onnx.Less"(%a1, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %f1 = "onnx.Cast"(%on1) {to = 7 : i64} : (tensor<?x1xi1>) -> tensor<?x1xi64>
    %n = "onnx.ReduceMax"(%f1, %none) {keepdims = 0 : i64} : (tensor<?x1xi64>, none) -> tensor<i64>
    %again = "onnx.Cast"(%n) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
    "onnx.Yield"(%again, %a1, %c1) : (tensor<i1>, tensor<?x1xf32>, tensor<f32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x1xf32>, tensor<f32>) -> (tensor<?x1xf32>, tensor<f32>)
  return %y#0, %y#1 : tensor<?x1xf32>, tensor<f32>
}

// -----

// As PyTorch's while_loop is exported: a count of steps below a constant is the limit; rows run below one, but the loop
// goes on for those below a half; what is not positive is not taken over.
// CHECK-LABEL: func @bounded
// CHECK-DAG: %[[MOST:.*]] = onnx.Constant() {value = dense<6> : tensor<i64>}
// CHECK: %[[LIMIT:.*]] = onnx.Min(%{{.*}}, %[[MOST]])
// CHECK: ac.halting_loop self_masked limit(%[[LIMIT]] : tensor<i64>)
// CHECK: running {
// CHECK: ac.yield %{{.*}}, %{{.*}} : tensor<?x1xi1>, tensor<i1>
// CHECK: body {
// CHECK: %[[STATE:.*]] = onnx.Where
// CHECK: %[[NEXT:.*]] = ac.masked_rows %{{.*}} : tensor<?x1xi1> rows(%[[STATE]] :
// CHECK: onnx.MatMul
// CHECK: ac.yield %{{.*}}, %[[STATE]], %{{.*}}, %{{.*}}, %[[NEXT]]
func.func @bounded(%x: tensor<?x4xf32>, %a0: tensor<?x1xf32>, %p: tensor<?x1xf32>, %w: tensor<4x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %none = "onnx.NoValue"() : () -> none
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %zero = "onnx.Constant"() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %step = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %end = "onnx.Constant"() {value = dense<6> : tensor<i64>} : () -> tensor<i64>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %half = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %nought = "onnx.Constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{became ac.halting_loop}}
  %y:4 = "onnx.Loop"(%none, %true, %zero, %x, %a0, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %c: tensor<i64>, %h: tensor<?x4xf32>, %a: tensor<?x1xf32>, %sum: tensor<?x4xf32>):
    %c1 = "onnx.Add"(%c, %step) : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %f = "onnx.Cast"(%on) {to = 1 : i64} : (tensor<?x1xi1>) -> tensor<?x1xf32>
    %add = "onnx.Mul"(%p, %f) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Add"(%a, %add) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %new = "onnx.MatMul"(%h, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %takes = "onnx.Greater"(%f, %nought) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %h1 = "onnx.Where"(%takes, %new, %h) : (tensor<?x1xi1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %term = "onnx.Mul"(%new, %f) : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
    %sum1 = "onnx.Add"(%sum, %term) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %less = "onnx.Less"(%c1, %end) : (tensor<i64>, tensor<i64>) -> tensor<i1>
    %on1 = "onnx.Less"(%a1, %half) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %f1 = "onnx.Cast"(%on1) {to = 7 : i64} : (tensor<?x1xi1>) -> tensor<?x1xi64>
    %n = "onnx.ReduceMax"(%f1, %none) {keepdims = 0 : i64} : (tensor<?x1xi64>, none) -> tensor<i64>
    %any = "onnx.Cast"(%n) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
    %again = "onnx.And"(%less, %any) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    "onnx.Yield"(%again, %c1, %h1, %a1, %sum1) : (tensor<i1>, tensor<i64>, tensor<?x4xf32>, tensor<?x1xf32>, tensor<?x4xf32>) -> ()
  }) : (none, tensor<i1>, tensor<i64>, tensor<?x4xf32>, tensor<?x1xf32>, tensor<?x4xf32>) -> (tensor<i64>, tensor<?x4xf32>, tensor<?x1xf32>, tensor<?x4xf32>)
  return %y#1, %y#3 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// The number of the iteration is not among what is carried.
// CHECK-LABEL: func @ends_by_iteration
// CHECK: onnx.Loop
func.func @ends_by_iteration(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>, %end: tensor<i64>) -> tensor<?x1xf32> {
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{loop not raised to a halting loop: it ends by a condition that depends on more than what it carries}}
  %y = "onnx.Loop"(%limit, %true, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %a: tensor<?x1xf32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %again = "onnx.Less"(%i, %end) : (tensor<i64>, tensor<i64>) -> tensor<i1>
    "onnx.Yield"(%again, %a1) : (tensor<i1>, tensor<?x1xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// To the limit in any case, and what counts the steps is used.
// CHECK-LABEL: func @counted_to_the_limit
// CHECK: onnx.Loop
func.func @counted_to_the_limit(%x: tensor<?x1xf32>, %p: tensor<?x1xf32>) -> (tensor<?x1xf32>, tensor<f32>) {
  %limit = "onnx.Constant"() {value = dense<9> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %one = "onnx.Constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  // expected-remark @+1 {{loop not raised to a halting loop: a value without rows, which changes even if no row runs, is used behind it}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %one) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %a: tensor<?x1xf32>, %c: tensor<f32>):
    %on = "onnx.Less"(%a, %one) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %sum = "onnx.Add"(%a, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %a1 = "onnx.Where"(%on, %sum, %a) : (tensor<?x1xi1>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    %c1 = "onnx.Add"(%c, %one) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    "onnx.Yield"(%go, %a1, %c1) : (tensor<i1>, tensor<?x1xf32>, tensor<f32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x1xf32>, tensor<f32>) -> (tensor<?x1xf32>, tensor<f32>)
  return %y#0, %y#1 : tensor<?x1xf32>, tensor<f32>
}

// -----

// The flag of who runs is carried: a row stops where it does not change. Its change is computed with it, for the rows that
// run.
// CHECK-LABEL: func @fixed_point
// CHECK: ac.halting_loop {{.*}} rows [true, true] running {
// CHECK: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<?x4xf32>, %[[RUNS:.*]]: tensor<?x1xi1>):
// CHECK-NEXT: ac.yield %[[RUNS]]
// CHECK: %[[NEXT:.*]]:2 = ac.masked_rows %{{.*}} : tensor<?x1xi1>
// CHECK: onnx.MatMul
// CHECK: onnx.ReduceMax
// CHECK: -> tensor<?x4xf32>, tensor<?x1xi1>
// CHECK: ac.yield %[[NEXT]]#0, %[[NEXT]]#1
func.func @fixed_point(%x: tensor<?x4xf32>, %runs: tensor<?x1xi1>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %limit = "onnx.Constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{became ac.halting_loop}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %runs) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>, %on: tensor<?x1xi1>):
    %t = "onnx.Constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
    %last = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %new = "onnx.MatMul"(%h, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %d = "onnx.Sub"(%new, %h) : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %a = "onnx.Abs"(%d) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    %change = "onnx.ReduceMax"(%a, %last) {keepdims = 1 : i64} : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %moves = "onnx.Greater"(%change, %t) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    %kept = "onnx.Where"(%on, %new, %h) : (tensor<?x1xi1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %next = "onnx.And"(%on, %moves) : (tensor<?x1xi1>, tensor<?x1xi1>) -> tensor<?x1xi1>
    %n = "onnx.Cast"(%next) {to = 7 : i64} : (tensor<?x1xi1>) -> tensor<?x1xi64>
    %some = "onnx.ReduceMax"(%n, %none) {keepdims = 0 : i64} : (tensor<?x1xi64>, none) -> tensor<i64>
    %again = "onnx.Cast"(%some) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
    "onnx.Yield"(%again, %kept, %next) : (tensor<i1>, tensor<?x4xf32>, tensor<?x1xi1>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<?x1xi1>) -> (tensor<?x4xf32>, tensor<?x1xi1>)
  return %y#0 : tensor<?x4xf32>
}

// -----

// A flag that may be set again stops nobody.
// CHECK-LABEL: func @flag_that_comes_back
// CHECK-NOT: ac.halting_loop
func.func @flag_that_comes_back(%x: tensor<?x4xf32>, %runs: tensor<?x1xi1>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %limit = "onnx.Constant"() {value = dense<8> : tensor<i64>} : () -> tensor<i64>
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  // expected-remark @+1 {{loop not raised to a halting loop: no comparison of carried values}}
  %y:2 = "onnx.Loop"(%limit, %true, %x, %runs) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %h: tensor<?x4xf32>, %on: tensor<?x1xi1>):
    %last = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %t = "onnx.Constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
    %new = "onnx.MatMul"(%h, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %kept = "onnx.Where"(%on, %new, %h) : (tensor<?x1xi1>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %top = "onnx.ReduceMax"(%kept, %last) {keepdims = 1 : i64} : (tensor<?x4xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %next = "onnx.Greater"(%top, %t) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    "onnx.Yield"(%true, %kept, %next) : (tensor<i1>, tensor<?x4xf32>, tensor<?x1xi1>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<?x4xf32>, tensor<?x1xi1>) -> (tensor<?x4xf32>, tensor<?x1xi1>)
  return %y#0 : tensor<?x4xf32>
}
