// RUN: ac-opt %s | ac-opt | FileCheck %s
// RUN: ac-opt %s --mlir-print-op-generic | ac-opt | FileCheck %s

// CHECK-LABEL: func.func @budgets
func.func @budgets() -> (tensor<f32>, tensor<i64>) {
  // CHECK: ac.budget "exit.3.confidence" = {{.*}} in [{{.*}}, {{.*}}] : tensor<f32>
  %0 = ac.budget "exit.3.confidence" = 0.9 in [0.0, 1.0] : tensor<f32>
  // CHECK: ac.budget "moe/k" = {{.*}} : tensor<i64>
  %1 = ac.budget "moe/k" = 2.0 in [1.0, 8.0] : tensor<i64>
  return %0, %1 : tensor<f32>, tensor<i64>
}

// CHECK-LABEL: func.func @decide
func.func @decide(%p: tensor<?x10xf32>, %h: tensor<2x?x1xf32>, %x: tensor<2x?x8xf32>, %t: tensor<f32>)
    -> (tensor<1x1xi1>, tensor<?x1xi1>, tensor<?x1xi1>, tensor<2x?x1xi1>, tensor<2x1x1xi1>) {
  // CHECK: ac.decide confidence of %{{.*}} against %{{.*}} per batch : tensor<?x10xf32>, tensor<f32> -> tensor<1x1xi1>
  %0 = ac.decide confidence of %p against %t per batch : tensor<?x10xf32>, tensor<f32> -> tensor<1x1xi1>
  // CHECK: ac.decide margin of %{{.*}} strict against %{{.*}} per row
  %1 = ac.decide margin of %p strict against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi1>
  // CHECK: ac.decide entropy of
  %2 = ac.decide entropy of %p against %t per row : tensor<?x10xf32>, tensor<f32> -> tensor<?x1xi1>
  // CHECK: ac.decide value of
  %3 = ac.decide value of %h against %t per row : tensor<2x?x1xf32>, tensor<f32> -> tensor<2x?x1xi1>
  // CHECK: ac.decide change of %{{.*}} from %{{.*}} against %{{.*}} per sample : tensor<2x?x8xf32> from tensor<2x?x8xf32>, tensor<f32> -> tensor<2x1x1xi1>
  %4 = ac.decide change of %x from %x against %t per sample : tensor<2x?x8xf32> from tensor<2x?x8xf32>, tensor<f32> -> tensor<2x1x1xi1>
  return %0, %1, %2, %3, %4 : tensor<1x1xi1>, tensor<?x1xi1>, tensor<?x1xi1>, tensor<2x?x1xi1>, tensor<2x1x1xi1>
}

// CHECK-LABEL: func.func @route
func.func @route(%s: tensor<?x8xf32>, %k: tensor<i64>, %p: tensor<f32>, %bias: tensor<8xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: ac.route top_k of %{{.*}} limit %{{.*}} bias %{{.*}} weights normalized capacity 64 last_wins : tensor<?x8xf32>, tensor<i64> bias tensor<8xf32> -> tensor<?x8xf32>
  %0 = ac.route top_k of %s limit %k bias %bias weights normalized capacity 64 last_wins : tensor<?x8xf32>, tensor<i64> bias tensor<8xf32> -> tensor<?x8xf32>
  // CHECK: ac.route top_p of %{{.*}} limit %{{.*}} weights softmax : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %1 = ac.route top_p of %s limit %p weights softmax : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  // CHECK: ac.route relu of %{{.*}} weights scores : tensor<?x8xf32> -> tensor<?x8xf32>
  %2 = ac.route relu of %s weights scores : tensor<?x8xf32> -> tensor<?x8xf32>
  return %0, %1, %2 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: func.func @learner_chain
func.func @learner_chain(%k: tensor<?x1xi64>, %x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %v: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // CHECK: ac.learner_chain %{{.*}} : tensor<?x1xi64> rows(%{{.*}} : tensor<?x64xf32>) residual(%{{.*}} : tensor<?x64xf32>) min 1 learner {
  // CHECK: } learner {
  %y = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x64xf32>) residual(%x : tensor<?x64xf32>) min 1 learner {
  ^bb0(%row: tensor<?x64xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    ac.yield %0 : tensor<?x64xf32>
  } learner {
  ^bb0(%row: tensor<?x64xf32>):
    %0 = onnx.MatMul(%row, %v) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    ac.yield %0 : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @moe_dispatch
func.func @moe_dispatch(%w: tensor<?x2xf32>, %x: tensor<?x64xf32>, %m: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // CHECK: ac.moe_dispatch dense %{{.*}} : tensor<?x2xf32> rows(%{{.*}} : tensor<?x64xf32>) expert {
  // CHECK: } expert {
  %y = ac.moe_dispatch dense %w : tensor<?x2xf32> rows(%x : tensor<?x64xf32>) expert {
  ^bb0(%row: tensor<?x64xf32>):
    %0 = onnx.MatMul(%row, %m) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    ac.yield %0 : tensor<?x64xf32>
  } expert {
  ^bb0(%row: tensor<?x64xf32>):
    ac.yield %row : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @exit
func.func @exit(%stop: tensor<1x1xi1>, %answer: tensor<?x10xf32>, %h: tensor<?x64xf32>, %w: tensor<64x10xf32>) -> tensor<?x10xf32> {
  // CHECK: ac.exit %{{.*}} : tensor<1x1xi1> kv propagate early {
  // CHECK: } rest {
  %y = ac.exit %stop : tensor<1x1xi1> kv propagate early {
    ac.yield %answer : tensor<?x10xf32>
  } rest {
    %0 = onnx.MatMul(%h, %w) : (tensor<?x64xf32>, tensor<64x10xf32>) -> tensor<?x10xf32>
    ac.yield %0 : tensor<?x10xf32>
  } -> tensor<?x10xf32>
  return %y : tensor<?x10xf32>
}

// CHECK-LABEL: func.func @skip
func.func @skip(%active: tensor<i1>, %x: tensor<?x64xf32>, %w: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // CHECK: ac.skip %{{.*}} : tensor<i1> otherwise(%{{.*}} : tensor<?x64xf32>) {
  %y = ac.skip %active : tensor<i1> otherwise(%x : tensor<?x64xf32>) {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    ac.yield %0 : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @halting_loop
func.func @halting_loop(%limit: tensor<i64>, %x: tensor<?x64xf32>, %halt: tensor<?x1xf32>, %t: tensor<f32>, %w: tensor<64x64xf32>,
                        %v: tensor<64x1xf32>) -> tensor<?x64xf32> {
  // CHECK: ac.halting_loop limit(%{{.*}} : tensor<i64>) init(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x1xf32>) rows [true, true] running {
  // CHECK: } body {
  %state:2 = ac.halting_loop limit(%limit : tensor<i64>) init(%x, %halt : tensor<?x64xf32>, tensor<?x1xf32>) rows [true, true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<?x64xf32>, %h: tensor<?x1xf32>):
    %go = onnx.Less(%h, %t) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xi1>
    ac.yield %go : tensor<?x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<?x64xf32>, %h: tensor<?x1xf32>):
    %next = onnx.MatMul(%a, %w) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %score = onnx.MatMul(%a, %v) : (tensor<?x64xf32>, tensor<64x1xf32>) -> tensor<?x1xf32>
    %p = onnx.Sigmoid(%score) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %sum = onnx.Add(%h, %p) : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
    ac.yield %next, %sum : tensor<?x64xf32>, tensor<?x1xf32>
  } -> tensor<?x64xf32>, tensor<?x1xf32>
  return %state#0 : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @lowered
func.func @lowered(%n: index) -> f32 {
  // CHECK: ac.read_budget "exit.3.confidence"
  %0 = ac.read_budget "exit.3.confidence" = 0.9 in [0.0, 1.0] : f32
  // CHECK: ac.count "mlp.3" 1 %{{.*}} of "learner_chain" ["rows", "learner 0"] flops [0, 4096]
  ac.count "mlp.3" 1 %n of "learner_chain" ["rows", "learner 0"] flops [0, 4096]
  // CHECK: ac.count "moe.1" 1 %{{.*}} at %{{.*}} of "moe_dispatch" ["rows", "expert 0", "expert 1"] flops [0, -1, -1]
  ac.count "moe.1" 1 %n at %n of "moe_dispatch" ["rows", "expert 0", "expert 1"] flops [0, -1, -1]
  return %0 : f32
}
