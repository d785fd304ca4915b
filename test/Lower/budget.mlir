// RUN: ac-opt %s --ac-fold-constants --ac-lower | FileCheck %s

// A budget is a scalar that is known only at run time: nothing that hangs on it is folded, and no buffer holds it.
// CHECK-LABEL: func.func @threshold(
// CHECK-DAG: %[[T:.*]] = ac.read_budget "exit.confidence" = {{9.*}} in [{{0.*}}, {{1.*}}] : f32
// CHECK: arith.cmpf olt, %[[T]], %{{.*}} : f32
// CHECK: scf.if
func.func @threshold(%p: tensor<f32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %t = ac.budget "exit.confidence" = 0.9 in [0.0, 1.0] : tensor<f32>
  %stop = "onnx.Greater"(%p, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y = "onnx.If"(%stop) ({
    "onnx.Yield"(%x) : (tensor<?x4xf32>) -> ()
  }, {
    %0 = "onnx.Exp"(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
    "onnx.Yield"(%0) : (tensor<?x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A number of steps is the bound of a loop.
// CHECK-LABEL: func.func @steps(
// CHECK-DAG: %[[N:.*]] = ac.read_budget "loop/steps" = {{3.*}} in [{{1.*}}, {{8.*}}] : i64
// CHECK: %[[BOUND:.*]] = arith.index_cast %[[N]] : i64 to index
// CHECK: %[[STEPS:.*]] = arith.maxsi %[[BOUND]], %{{.*}} : index
// CHECK: scf.for {{.*}} to %[[STEPS]]
func.func @steps(%x: tensor<4xf32>) -> tensor<4xf32> {
  %n = ac.budget "loop/steps" = 3.0 in [1.0, 8.0] : tensor<i64>
  %none = "onnx.NoValue"() {value} : () -> none
  %y = "onnx.Loop"(%n, %none, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    %0 = "onnx.Exp"(%v) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%go, %0) : (tensor<i1>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, none, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Any shape of one element, and one parameter wherever it is read.
// CHECK-LABEL: func.func @one_parameter(
// CHECK-COUNT-1: ac.read_budget
// CHECK-NOT: ac.read_budget
// CHECK: return %{{.*}}, %{{.*}} : tensor<1x1xf32>, tensor<1xf32>
func.func @one_parameter() -> (tensor<1x1xf32>, tensor<1xf32>) {
  %a = ac.budget "t" = 0.5 in [0.0, 1.0] : tensor<1x1xf32>
  %b = ac.budget "t" = 0.5 in [0.0, 1.0] : tensor<1xf32>
  return %a, %b : tensor<1x1xf32>, tensor<1xf32>
}

// What a budget is added to is computed in every run, however large the constant: folding would freeze the initial value.
// CHECK-LABEL: func.func @not_a_constant(
// CHECK: ac.read_budget "t"
// CHECK: arith.addf
func.func @not_a_constant() -> tensor<100xf32> {
  %t = ac.budget "t" = 0.5 in [0.0, 1.0] : tensor<f32>
  %c = "onnx.Constant"() {value = dense<1.0> : tensor<100xf32>} : () -> tensor<100xf32>
  %y = "onnx.Add"(%c, %t) : (tensor<100xf32>, tensor<f32>) -> tensor<100xf32>
  return %y : tensor<100xf32>
}
