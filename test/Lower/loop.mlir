// RUN: ac-opt %s --ac-lower | FileCheck %s

// A trip count and a condition that stays true make a counted loop. The carried tensor is written over in place, rows
// go into a buffer allocated once, and the trip count is the only check.
// CHECK-LABEL: func.func @counted(
// CHECK-NOT: scf.while
// CHECK: tensor.empty({{.*}}) : tensor<?x4xf32>
// CHECK: scf.for {{.*}} iter_args(%[[STATE:[^ ]*]] = {{.*}}, %[[ROWS:.*]] = {{.*}}) -> (tensor<4xf32>, tensor<?x4xf32>)
// CHECK: tensor.insert_slice {{.*}} into %[[ROWS]]
// CHECK: bufferization.materialize_in_destination {{.*}} in %[[STATE]]
// CHECK: scf.yield
func.func @counted(%m: tensor<i64>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %r:2 = "onnx.Loop"(%m, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<4xf32>):
    %n = "onnx.Neg"(%v) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%c, %n, %n) : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>)
  return %r#0, %r#1 : tensor<4xf32>, tensor<?x4xf32>
}

// A condition that the body computes is read before each iteration; a carried scalar travels as one.
// CHECK-LABEL: func.func @until(
// CHECK: scf.while ({{.*}}) : (f32, index, i1) -> (f32, index)
// CHECK: scf.condition
// CHECK: math.exp
// CHECK: arith.cmpf
// CHECK: scf.yield
func.func @until(%limit: tensor<f32>, %x: tensor<f32>) -> tensor<f32> {
  %none = "onnx.NoValue"() : () -> none
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %r = "onnx.Loop"(%none, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<f32>):
    %n = "onnx.Exp"(%v) : (tensor<f32>) -> tensor<f32>
    %go = "onnx.Less"(%n, %limit) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "onnx.Yield"(%go, %n) : (tensor<i1>, tensor<f32>) -> ()
  }) : (none, tensor<i1>, tensor<f32>) -> tensor<f32>
  return %r : tensor<f32>
}

// A dimension that grows travels as an index; the other stays static.
// CHECK-LABEL: func.func @growing(
// CHECK: scf.while ({{.*}}) : (tensor<?x4xf32>, index, index) -> (tensor<?x4xf32>, index, index)
func.func @growing(%m: tensor<i64>, %x: tensor<1x4xf32>) -> tensor<?x4xf32> {
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %r = "onnx.Loop"(%m, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<?x4xf32>):
    %n = "onnx.Concat"(%v, %x) {axis = 0 : i64} : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>
    "onnx.Yield"(%c, %n) : (tensor<i1>, tensor<?x4xf32>) -> ()
  }) : (tensor<i64>, tensor<i1>, tensor<1x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}

// Without a bound, rows go to a buffer that is replaced when it is full.
// CHECK-LABEL: func.func @unbounded_rows(
// CHECK: scf.while
// CHECK: scf.if {{.*}} -> (tensor<?xf32>)
// CHECK: tensor.extract_slice
func.func @unbounded_rows(%limit: tensor<f32>, %x: tensor<f32>) -> tensor<?xf32> {
  %none = "onnx.NoValue"() : () -> none
  %true = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %r:2 = "onnx.Loop"(%none, %true, %x) ({
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<f32>):
    %n = "onnx.Exp"(%v) : (tensor<f32>) -> tensor<f32>
    %go = "onnx.Less"(%n, %limit) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "onnx.Yield"(%go, %n, %n) : (tensor<i1>, tensor<f32>, tensor<f32>) -> ()
  }) : (none, tensor<i1>, tensor<f32>) -> (tensor<f32>, tensor<?xf32>)
  return %r#1 : tensor<?xf32>
}
