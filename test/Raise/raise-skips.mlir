// RUN: ac-opt %s --ac-raise-skips 2>/dev/null | FileCheck %s
// RUN: ac-opt %s --ac-raise-skips=dense=true 2>/dev/null | FileCheck %s --check-prefix=DENSE

// What is there already is given by one branch, a constant among it.
// CHECK-LABEL: func.func @if(
// CHECK: %[[T:.*]] = ac.budget "skip.block.value" = 5.0{{.*}} in [0.0{{.*}}, 1.0{{.*}}] : tensor<f32>
// CHECK: %[[S:.*]] = onnx.Unsqueeze
// CHECK: %[[ON:.*]] = ac.decide value of %[[S]] strict against %[[T]] per row
// CHECK: %[[C:.*]] = onnx.Constant() {value = dense<0>
// CHECK: %[[Y:.*]]:2 = ac.skip %[[ON]] : tensor<1xi1> otherwise(%arg0, %[[C]] : tensor<?x5xf32>, tensor<i64>) {
// CHECK: onnx.MatMul
// CHECK: ac.yield
// CHECK: onnx.Relu(%[[Y]]#0)
// DENSE: ac.skip dense
func.func @if(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %gate: tensor<f32>) -> (tensor<?x5xf32>, tensor<i64>) {
  %t = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %s = onnx.Sigmoid(%gate) : (tensor<f32>) -> tensor<f32>
  %on = onnx.Greater(%s, %t) : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %y:2 = onnx.If(%on) () {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    %1 = onnx.Constant() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    onnx.Yield(%0, %1) : (tensor<?x5xf32>, tensor<i64>) -> ()
  },  () {
    %0 = onnx.Identity(%x) : (tensor<?x5xf32>) -> tensor<?x5xf32>
    %1 = onnx.Constant() {value = dense<0> : tensor<i64>} : () -> tensor<i64>
    onnx.Yield(%0, %1) : (tensor<?x5xf32>, tensor<i64>) -> ()
  } : (tensor<i1>) -> (tensor<?x5xf32>, tensor<i64>) loc("block")
  %r = onnx.Relu(%y#0) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  return %r, %y#1 : tensor<?x5xf32>, tensor<i64>
}

// Any flag will do; here it says when to pass by.
// CHECK-LABEL: func.func @flag(
// CHECK: %[[ON:.*]] = onnx.Not(%arg2)
// CHECK: ac.skip %[[ON]] : tensor<i1> otherwise(%arg0
func.func @flag(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %off: tensor<i1>) -> tensor<?x5xf32> {
  %y = onnx.If(%off) () {
    onnx.Yield(%x) : (tensor<?x5xf32>) -> ()
  },  () {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
    onnx.Yield(%0) : (tensor<?x5xf32>) -> ()
  } : (tensor<i1>) -> tensor<?x5xf32>
  %r = onnx.Relu(%y) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// The end of an iteration is not the end of the computation.
// CHECK-LABEL: func.func @iteration(
// CHECK: onnx.Loop
// CHECK: ac.skip
func.func @iteration(%x: tensor<?x5xf32>, %w: tensor<5x5xf32>, %n: tensor<i64>, %off: tensor<i1>) -> tensor<?x5xf32> {
  %none = onnx.NoValue() : () -> none
  %y = "onnx.Loop"(%n, %none, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?x5xf32>):
    %z = onnx.If(%off) () {
      onnx.Yield(%v) : (tensor<?x5xf32>) -> ()
    },  () {
      %0 = onnx.MatMul(%v, %w) : (tensor<?x5xf32>, tensor<5x5xf32>) -> tensor<?x5xf32>
      onnx.Yield(%0) : (tensor<?x5xf32>) -> ()
    } : (tensor<i1>) -> tensor<?x5xf32>
    onnx.Yield(%go, %z) : (tensor<i1>, tensor<?x5xf32>) -> ()
  }) : (tensor<i64>, none, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// Both sides were computed; now what only the one needs is not.
// CHECK-LABEL: func.func @where(
// CHECK: %[[SHARED:.*]] = onnx.Relu(%arg0)
// CHECK: %[[Y:.*]] = ac.skip %arg3 : tensor<i1> otherwise(%[[SHARED]] : tensor<?x5xf32>) {
// CHECK: onnx.MatMul(%[[SHARED]], %arg1)
// CHECK: onnx.Gelu
// CHECK: onnx.MatMul
// CHECK: %[[SUM:.*]] = onnx.Add(%[[SHARED]]
// CHECK: ac.yield %[[SUM]]
// CHECK: return %[[Y]]
func.func @where(%x: tensor<?x5xf32>, %w: tensor<5x9xf32>, %v: tensor<9x5xf32>, %on: tensor<i1>) -> tensor<?x5xf32> {
  %0 = onnx.Relu(%x) : (tensor<?x5xf32>) -> tensor<?x5xf32>
  %1 = onnx.MatMul(%0, %w) : (tensor<?x5xf32>, tensor<5x9xf32>) -> tensor<?x9xf32>
  %2 = onnx.Gelu(%1) : (tensor<?x9xf32>) -> tensor<?x9xf32>
  %3 = onnx.MatMul(%2, %v) : (tensor<?x9xf32>, tensor<9x5xf32>) -> tensor<?x5xf32>
  %4 = onnx.Add(%0, %3) : (tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  %5 = onnx.Where(%on, %4, %0) : (tensor<i1>, tensor<?x5xf32>, tensor<?x5xf32>) -> tensor<?x5xf32>
  return %5 : tensor<?x5xf32>
}

// The other side, and any value of a known shape.
// CHECK-LABEL: func.func @where_not(
// CHECK: %[[ON:.*]] = onnx.Not(%arg3)
// CHECK: ac.skip %[[ON]] : tensor<1x1xi1> otherwise(%arg2 : tensor<4x5xf32>) {
func.func @where_not(%x: tensor<4x5xf32>, %w: tensor<5x5xf32>, %z: tensor<4x5xf32>, %off: tensor<1x1xi1>) -> tensor<4x5xf32> {
  %0 = onnx.MatMul(%x, %w) : (tensor<4x5xf32>, tensor<5x5xf32>) -> tensor<4x5xf32>
  %1 = onnx.Where(%off, %z, %0) : (tensor<1x1xi1>, tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>
  return %1 : tensor<4x5xf32>
}
