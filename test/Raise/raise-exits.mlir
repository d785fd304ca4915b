// RUN: ac-opt %s --ac-raise-exits 2>/dev/null | FileCheck %s
// RUN: ac-opt %s --ac-raise-exits=dense=true 2>/dev/null | FileCheck %s --check-prefix=DENSE

// All rows must be sure. The threshold becomes a budget, and what the comparison alone used goes away.
// CHECK-LABEL: func.func @confidence(
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK-NOT: onnx.ReduceMax
// CHECK: %[[T:.*]] = ac.budget "exit.cond_1.confidence" = 5.500000e-01 in [0.000000e+00, 1.000000e+00] : tensor<f32>
// CHECK: %[[STOP:.*]] = ac.decide confidence of %[[P]] strict against %[[T]] per batch : tensor<?x5xf32>, tensor<f32> -> tensor<1x1xi1>
// CHECK-NOT: onnx.Greater
// CHECK: %[[Y:.*]]:2 = ac.exit %[[STOP]] : tensor<1x1xi1> early {
// CHECK: ac.yield %{{.*}}, %{{.*}} : tensor<?x5xf32>, tensor<1xi64>
// CHECK: } rest {
// CHECK: onnx.MatMul
// CHECK: ac.yield
// CHECK: return %[[Y]]#0
// DENSE-LABEL: func.func @confidence(
// DENSE: ac.exit dense
func.func @confidence(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %t = onnx.Constant() {value = dense<0.55> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %best = onnx.ReduceMax(%p, %last) {keepdims = 0 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> tensor<?xf32>
  %least = onnx.ReduceMin(%best, %none) {keepdims = 0 : i64} : (tensor<?xf32>, none) -> tensor<f32>
  %sure = onnx.Greater(%least, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y:2 = onnx.If(%sure) () {
    %0 = onnx.Constant() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
    %1 = onnx.Identity(%x) : (tensor<?x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%1, %0) : (tensor<?x5xf32>, tensor<1xi64>) -> ()
  },  () {
    %0 = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
    %1 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%1, %0) : (tensor<?x5xf32>, tensor<1xi64>) -> ()
  } : (tensor<i1>) -> (tensor<?x5xf32>, tensor<1xi64>) loc("cond_1")
  return %y#0 : tensor<?x5xf32>
}

// One row, operands swapped, the answer in the else branch, equality included: unsure is not sure, and NaN is unsure.
// CHECK-LABEL: func.func @swapped(
// CHECK: %[[SURE:.*]] = ac.decide confidence of %{{.*}} against %{{.*}} per row : tensor<1x5xf32>, tensor<f32> -> tensor<1x1xi1>
// CHECK-NOT: onnx.Not
// CHECK: ac.exit %[[SURE]] : tensor<1x1xi1> early {
// CHECK-NOT: onnx.MatMul
// CHECK: } rest {
func.func @swapped(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>) -> tensor<1x5xf32> {
  %none = onnx.NoValue() : () -> none
  %t = onnx.Constant() {value = dense<0.55> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<1x5xf32>) -> tensor<1x5xf32>
  %best = onnx.ReduceMax(%p, %none) {keepdims = 1 : i64} : (tensor<1x5xf32>, none) -> tensor<1x1xf32>
  %sure = onnx.LessOrEqual(%t, %best) : (tensor<f32>, tensor<1x1xf32>) -> tensor<1x1xi1>
  %unsure = onnx.Not(%sure) : (tensor<1x1xi1>) -> tensor<1x1xi1>
  %flag = onnx.Reshape(%unsure, %none) : (tensor<1x1xi1>, none) -> tensor<i1>
  %y = onnx.If(%flag) () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  },  () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// Unsure rows go on: then NaN stops, as the model has it.
// CHECK-LABEL: func.func @unsure(
// CHECK: %[[S:.*]] = onnx.Neg
// CHECK: %[[T:.*]] = onnx.Neg
// CHECK: %[[UNSURE:.*]] = ac.decide value of %[[S]] strict against %[[T]] per row
// CHECK: %[[STOP:.*]] = onnx.Not(%[[UNSURE]])
// CHECK: ac.exit %[[STOP]]
func.func @unsure(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>) -> tensor<1x5xf32> {
  %none = onnx.NoValue() : () -> none
  %t = onnx.Constant() {value = dense<0.55> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<1x5xf32>) -> tensor<1x5xf32>
  %best = onnx.ReduceMax(%p, %none) {keepdims = 0 : i64} : (tensor<1x5xf32>, none) -> tensor<f32>
  %flag = onnx.Less(%best, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%flag) () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
  },  () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// `(confidence > t).all()`.
// CHECK-LABEL: func.func @all(
// CHECK: %[[STOP:.*]] = ac.decide confidence of %{{.*}} strict against %{{.*}} per batch : tensor<?x5xf32>, tensor<f32> -> tensor<1x1xi1>
// CHECK-NOT: onnx.ReduceM
// CHECK: ac.exit %[[STOP]]
func.func @all(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %t = onnx.Constant() {value = dense<0.55> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %best = onnx.ReduceMax(%p, %last) {keepdims = 0 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> tensor<?xf32>
  %rows = onnx.Greater(%best, %t) : (tensor<?xf32>, tensor<f32>) -> tensor<?xi1>
  %ints = onnx.Cast(%rows) {to = 7 : i64} : (tensor<?xi1>) -> tensor<?xi64>
  %least = onnx.ReduceMin(%ints, %none) {keepdims = 0 : i64} : (tensor<?xi64>, none) -> tensor<i64>
  %sure = onnx.Cast(%least) {to = 9 : i64} : (tensor<i64>) -> tensor<i1>
  %y = onnx.If(%sure) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%0) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// CHECK-LABEL: func.func @margin(
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: ac.budget "exit.{{.*}}.margin" = {{.*}} in [0.0{{.*}}, 1.0{{.*}}] : tensor<f32>
// CHECK: ac.decide margin of %[[P]] strict against %{{.*}} per batch
// CHECK-NOT: onnx.TopK
func.func @margin(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
  %1 = onnx.Constant() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
  %t = onnx.Constant() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %best, %which = onnx.TopK(%p, %two) {axis = -1 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
  %first = onnx.Gather(%best, %0) {axis = 1 : i64} : (tensor<?x2xf32>, tensor<i64>) -> tensor<?xf32>
  %second = onnx.Gather(%best, %1) {axis = 1 : i64} : (tensor<?x2xf32>, tensor<i64>) -> tensor<?xf32>
  %margin = onnx.Sub(%first, %second) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %least = onnx.ReduceMin(%margin, %none) {keepdims = 0 : i64} : (tensor<?xf32>, none) -> tensor<f32>
  %sure = onnx.Greater(%least, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%sure) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%2) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// The model says what 0 log 0 is.
// CHECK-LABEL: func.func @entropy(
// CHECK: %[[P:.*]] = onnx.Softmax
// CHECK: ac.budget "exit.{{.*}}.entropy" = {{.*}} in [0.0{{.*}}, 1.609{{.*}}] : tensor<f32>
// CHECK: ac.decide entropy of %[[P]] strict against %{{.*}} per batch
func.func @entropy(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %zero = onnx.Constant() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %t = onnx.Constant() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %log = onnx.Log(%p) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %terms = onnx.Mul(%p, %log) : (tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %is = onnx.Equal(%p, %zero) : (tensor<?x5xf32>, tensor<f32>) -> tensor<?x5xi1>
  %safe = onnx.Where(%is, %zero, %terms) : (tensor<?x5xi1>, tensor<f32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %sum = onnx.ReduceSum(%safe, %last) {keepdims = 0 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> tensor<?xf32>
  %entropy = onnx.Neg(%sum) : (tensor<?xf32>) -> tensor<?xf32>
  %most = onnx.ReduceMax(%entropy, %none) {keepdims = 0 : i64} : (tensor<?xf32>, none) -> tensor<f32>
  %sure = onnx.Less(%most, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%sure) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%2) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// It does not: a probability of zero gives NaN and goes on. The entropy is compared as the model computes it.
// CHECK-LABEL: func.func @entropy_unguarded(
// CHECK: %[[SUM:.*]] = onnx.ReduceSum
// CHECK: %[[ENTROPY:.*]] = onnx.Neg(%[[SUM]])
// CHECK: %[[B:.*]] = ac.budget "exit.{{.*}}.entropy"
// CHECK: %[[ROWS:.*]] = onnx.Unsqueeze(%[[ENTROPY]]
// CHECK: %[[S:.*]] = onnx.Neg(%[[ROWS]])
// CHECK: %[[T:.*]] = onnx.Neg(%[[B]])
// CHECK: ac.decide value of %[[S]] against %[[T]] per batch : tensor<?x1xf32>
func.func @entropy_unguarded(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %t = onnx.Constant() {value = dense<0.25> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %log = onnx.Log(%p) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %terms = onnx.Mul(%p, %log) : (tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %sum = onnx.ReduceSum(%terms, %last) {keepdims = 0 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> tensor<?xf32>
  %entropy = onnx.Neg(%sum) : (tensor<?xf32>) -> tensor<?xf32>
  %most = onnx.ReduceMax(%entropy, %none) {keepdims = 0 : i64} : (tensor<?xf32>, none) -> tensor<f32>
  %sure = onnx.LessOrEqual(%most, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%sure) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%2) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// A number from outside, a threshold from outside: no budget. The other branch may give rows of a known number.
// CHECK-LABEL: func.func @value(
// CHECK-NOT: ac.budget
// CHECK: %[[S:.*]] = onnx.Unsqueeze(%arg2
// CHECK: %[[STOP:.*]] = ac.decide value of %[[S]] strict against %arg3 per row : tensor<1xf32>, tensor<f32> -> tensor<1xi1>
// CHECK: ac.exit %[[STOP]]
// CHECK: %[[A:.*]] = onnx.Identity(%{{.*}}) : (tensor<2x5xf32>) -> tensor<?x5xf32>
// CHECK: ac.yield %[[A]]
func.func @value(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %s: tensor<f32>, %t: tensor<f32>, %a: tensor<2x5xf32>) -> tensor<?x5xf32> {
  %sure = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%sure) () {
    onnx.Yield(%a) : (tensor<2x5xf32>) -> ()
  },  () {
    %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%2) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// Two exits, one inside of the other; budgets of one name get numbers, and a threshold out of range widens it.
// CHECK-LABEL: func.func @nested(
// CHECK: ac.budget "exit.layer_a.confidence" = 5.0{{.*}} in [0.0{{.*}}, 1.0{{.*}}]
// CHECK: ac.exit
// CHECK: ac.budget "exit.layer_a.confidence.2" = 1.5{{.*}} in [0.0{{.*}}, 1.5{{.*}}]
// CHECK: ac.exit
func.func @nested(%x: tensor<1x5xf32>, %w: tensor<5x5xf32>) -> tensor<1x5xf32> {
  %none = onnx.NoValue() : () -> none
  %t = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %u = onnx.Constant() {value = dense<1.5> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Sigmoid(%x) : (tensor<1x5xf32>) -> tensor<1x5xf32>
  %best = onnx.ReduceMax(%p, %none) {keepdims = 0 : i64} : (tensor<1x5xf32>, none) -> tensor<f32>
  %flag = onnx.Greater(%best, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = onnx.If(%flag) () {
    onnx.Yield(%x) : (tensor<1x5xf32>) -> ()
  },  () {
    %1 = onnx.MatMul(%x, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    %more = onnx.Greater(%best, %u) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %2 = onnx.If(%more) () {
      onnx.Yield(%1) : (tensor<1x5xf32>) -> ()
    },  () {
      %3 = onnx.MatMul(%1, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
      onnx.Yield(%3) : (tensor<1x5xf32>) -> ()
    } : (tensor<i1>) -> tensor<1x5xf32> loc("layer a")
    onnx.Yield(%2) : (tensor<1x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<1x5xf32> loc("layer a")
  return %y : tensor<1x5xf32>
}

// Samples that go on are picked by the model itself; the threshold is a budget.
// CHECK-LABEL: func.func @picked(
// CHECK: %[[T:.*]] = ac.budget "exit.{{.*}}.confidence"
// CHECK: onnx.LessOrEqual(%{{.*}}, %[[T]])
// CHECK: onnx.NonZero
func.func @picked(%x: tensor<?x5xf32>) -> tensor<1x?xi64> {
  %last = onnx.Constant() {value = dense<-1> : tensor<1xi64>} : () -> tensor<1xi64>
  %t = onnx.Constant() {value = dense<0.55> : tensor<f32>} : () -> tensor<f32>
  %p = onnx.Softmax(%x) {axis = -1 : i64} : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %best = onnx.ReduceMax(%p, %last) {keepdims = 0 : i64} : (tensor<?x5xf32>, tensor<1xi64>) -> tensor<?xf32>
  %on = onnx.LessOrEqual(%best, %t) : (tensor<?xf32>, tensor<f32>) -> tensor<?xi1>
  %at = onnx.NonZero(%on) : (tensor<?xi1>) -> tensor<1x?xi64>
  return %at : tensor<1x?xi64>
}

// Heads that agree are counted; a count that is small is one that is not large. Sizes are no counts.
// CHECK-LABEL: func.func @patience(
// CHECK: %[[B:.*]] = ac.budget "exit.{{.*}}.count" = 2.000000e+00 in [0.000000e+00, {{.*}}] : tensor<1xi64>
// CHECK: %[[STOP:.*]] = ac.decide value of %{{.*}} against %[[B]] per row : tensor<1xi64>, tensor<1xi64> -> tensor<1xi1>
// CHECK: ac.exit %[[STOP]]
func.func @patience(%a: tensor<1x5xf32>, %b: tensor<1x5xf32>, %w: tensor<5x5xf32>) -> tensor<1x5xf32> {
  %zero = onnx.Constant() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %before = onnx.ArgMax(%a) {axis = 1 : i64, keepdims = 0 : i64} : (tensor<1x5xf32>) -> tensor<1xi64>
  %best = onnx.ArgMax(%b) {axis = 1 : i64, keepdims = 0 : i64} : (tensor<1x5xf32>) -> tensor<1xi64>
  %agree = onnx.Equal(%best, %before) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi1>
  %count = onnx.Where(%agree, %two, %zero) : (tensor<1xi1>, tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  %few = onnx.Less(%count, %two) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi1>
  %y = onnx.If(%few) () {
    %2 = onnx.MatMul(%b, %w) : (tensor<1x5xf32>, tensor<5x5xf32>) -> tensor<1x5xf32>
    onnx.Yield(%2) : (tensor<1x5xf32>) -> ()
  },  () {
    onnx.Yield(%b) : (tensor<1x5xf32>) -> ()
  } : (tensor<1xi1>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}

// CHECK-LABEL: func.func @size(
// CHECK-NOT: ac.
// CHECK: onnx.If
// CHECK: return
func.func @size(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>) -> tensor<?x5xf32> {
  %two = onnx.Constant() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %size = onnx.Shape(%x) {end = 1 : i64, start = 0 : i64} : (tensor<?x5xf32>) -> tensor<1xi64>
  %few = onnx.Less(%size, %two) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi1>
  %y = onnx.If(%few) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %2 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%2) : (tensor<?x5xf32>) -> ()
  } : (tensor<1xi1>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}
