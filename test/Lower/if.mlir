// RUN: ac-opt %s --ac-lower | FileCheck %s

// A condition that is known leaves one branch, and no branching.
// CHECK-LABEL: func.func @constant_condition(
// CHECK-NOT: scf.if
// CHECK-NOT: math.exp
// CHECK: arith.negf
// CHECK-NOT: math.exp
// CHECK: return
func.func @constant_condition(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = "onnx.Constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %r = "onnx.If"(%c) ({
    %a = "onnx.Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%a) : (tensor<4xf32>) -> ()
  }, {
    %b = "onnx.Exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%b) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// The work of a branch stands inside it.
// CHECK-LABEL: func.func @branches(
// CHECK-NOT: linalg
// CHECK: scf.if {{.*}} -> (tensor<4xf32>)
// CHECK: arith.negf
// CHECK: else
// CHECK: math.exp
func.func @branches(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %r = "onnx.If"(%c) ({
    %a = "onnx.Neg"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%a) : (tensor<4xf32>) -> ()
  }, {
    %b = "onnx.Exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    "onnx.Yield"(%b) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// A dimension that differs comes out as an index next to the tensor, and later shapes are made from it.
// CHECK-LABEL: func.func @dimensions_differ(
// CHECK-SAME: %[[C:.*]]: tensor<i1>
// CHECK: %[[R:.*]]:2 = scf.if {{.*}} -> (index, tensor<?x4xf32>)
// CHECK-NOT: tensor.dim
// CHECK: tensor.empty(%[[R]]#0) : tensor<?x4xf32>
func.func @dimensions_differ(%c: tensor<i1>, %x: tensor<2x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %r = "onnx.If"(%c) ({
    "onnx.Yield"(%x) : (tensor<2x4xf32>) -> ()
  }, {
    %a = "onnx.NonZero"(%y) : (tensor<?x4xf32>) -> tensor<2x?xi64>
    %b = "onnx.Transpose"(%a) {perm = array<i64: 1, 0>} : (tensor<2x?xi64>) -> tensor<?x2xi64>
    %d = "onnx.Cast"(%b) {to = 1 : i64} : (tensor<?x2xi64>) -> tensor<?x2xf32>
    %e = "onnx.Concat"(%d, %d) {axis = 1 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
    "onnx.Yield"(%e) : (tensor<?x4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<?x4xf32>
  %n = "onnx.Neg"(%r) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %n : tensor<?x4xf32>
}

// A result with one element leaves as a scalar.
// CHECK-LABEL: func.func @scalar_result(
// CHECK: arith.select {{.*}} : i64
func.func @scalar_result(%c: tensor<i1>) -> tensor<i64> {
  %r = "onnx.If"(%c) ({
    %a = "onnx.Constant"() {value = dense<1> : tensor<i64>} : () -> tensor<i64>
    "onnx.Yield"(%a) : (tensor<i64>) -> ()
  }, {
    %b = "onnx.Constant"() {value = dense<2> : tensor<i64>} : () -> tensor<i64>
    "onnx.Yield"(%b) : (tensor<i64>) -> ()
  }) : (tensor<i1>) -> tensor<i64>
  return %r : tensor<i64>
}

// Branches of different ranks: where the rest takes only one of them, the run checks that it is that one.
// CHECK-LABEL: func.func @squeeze_guard(
// CHECK: %[[ONE:.*]] = arith.cmpi eq
// CHECK: cf.assert %[[ONE]], "{{.*}}(If): output 0 is tensor<4xf32> from then_branch but tensor<4x?xf32>
// CHECK-NOT: scf.if
// CHECK: linalg.generic
func.func @squeeze_guard(%x: tensor<4x?xf32>, %w: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %axis = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %shape = "onnx.Shape"(%x) : (tensor<4x?xf32>) -> tensor<2xi64>
  %size = "onnx.Gather"(%shape, %axis) : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
  %is_one = "onnx.Equal"(%size, %axis) : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi1>
  %r = "onnx.If"(%is_one) ({
    %s = "onnx.Squeeze"(%x, %axis) : (tensor<4x?xf32>, tensor<1xi64>) -> tensor<4xf32>
    "onnx.Yield"(%s) : (tensor<4xf32>) -> ()
  }, {
    "onnx.Yield"(%x) : (tensor<4x?xf32>) -> ()
  }) : (tensor<1xi1>) -> tensor<*xf32>
  %t = "onnx.Transpose"(%r) {perm = array<i64: 0>} : (tensor<*xf32>) -> tensor<*xf32>
  %a = "onnx.Add"(%w, %t) : (tensor<1x2x4xf32>, tensor<*xf32>) -> tensor<1x2x4xf32>
  return %a : tensor<1x2x4xf32>
}
