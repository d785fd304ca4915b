// RUN: ac-opt %s --ac-lower | FileCheck %s

// A branch: the rest is computed where it is taken. Both numbers are counted in front of it.
// CHECK-LABEL: func.func @exit(
// CHECK: %[[STOP:.*]] = tensor.extract
// CHECK-DAG: %[[RUNS:.*]] = arith.select %[[STOP]], %c0{{.*}}, %c1
// CHECK-DAG: ac.count "ac.exit" 0 %c1{{.*}} of "exit" ["runs", "rest"] flops [0, 256]
// CHECK: ac.count "ac.exit" 1 %[[RUNS]] of "exit" ["runs", "rest"] flops [0, 256]
// CHECK-NOT: ac.contract
// CHECK: scf.if %[[STOP]]
// CHECK-NOT: ac.contract
// CHECK: else
// CHECK: ac.contract
func.func @exit(%stop: tensor<1x1xi1>, %x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> tensor<8x4xf32> {
  %y = ac.exit %stop : tensor<1x1xi1> early {
    ac.yield %x : tensor<8x4xf32>
  } rest {
    %0 = onnx.MatMul(%x, %w) : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    ac.yield %0 : tensor<8x4xf32>
  } -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// The reference form computes both sides, then chooses; every run costs both.
// CHECK-LABEL: func.func @dense(
// CHECK: ac.count "ac.exit" 1 {{.*}} flops [256, 0]
// CHECK-NOT: scf.if
// CHECK: ac.contract
// CHECK: arith.select %{{.*}} : tensor<8x4xf32>
func.func @dense(%stop: tensor<i1>, %x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> tensor<8x4xf32> {
  %y = ac.exit dense %stop : tensor<i1> early {
    ac.yield %x : tensor<8x4xf32>
  } rest {
    %0 = onnx.MatMul(%x, %w) : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    ac.yield %0 : tensor<8x4xf32>
  } -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// Counters are named after the node; of one name the second gets a number. An inner exit counts for itself, and what is
// not known while compiling is not told.
// CHECK-LABEL: func.func @names(
// CHECK: ac.count "layer" 0 {{.*}} flops [0, 0]
// CHECK: scf.if
// CHECK: ac.count "layer#2" 0 {{.*}} flops [0, -1]
// CHECK: ac.count "layer#3" 0 {{.*}} of "skip" ["runs", "body"] flops [0, -1]
func.func @names(%stop: tensor<i1>, %x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %y = ac.exit %stop : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    %1 = ac.exit %stop : tensor<i1> early {
      ac.yield %x : tensor<?x4xf32>
    } rest {
      %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
      ac.yield %0 : tensor<?x4xf32>
    } -> tensor<?x4xf32> loc("layer")
    ac.yield %1 : tensor<?x4xf32>
  } -> tensor<?x4xf32> loc("layer")
  %z = ac.skip %stop : tensor<i1> otherwise(%y : tensor<?x4xf32>) {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ac.yield %0 : tensor<?x4xf32>
  } -> tensor<?x4xf32> loc("layer")
  return %z : tensor<?x4xf32>
}

// A cache that is read must be complete: there is no exit.
// CHECK-LABEL: func.func @forbid(
// CHECK-NOT: scf.if
// CHECK: ac.contract
// CHECK-NOT: scf.if
// CHECK: return
func.func @forbid(%stop: tensor<i1>, %x: tensor<8x4xf32>, %w: tensor<4x4xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %y, %cache = ac.exit %stop : tensor<i1> kv forbid early {
    ac.yield %x, %x : tensor<8x4xf32>, tensor<8x4xf32>
  } rest {
    %0 = onnx.MatMul(%x, %w) : (tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<8x4xf32>
    ac.yield %x, %0 : tensor<8x4xf32>, tensor<8x4xf32>
  } -> tensor<8x4xf32>, tensor<8x4xf32>
  return %y, %cache : tensor<8x4xf32>, tensor<8x4xf32>
}

// CHECK-LABEL: func.func @skip(
// CHECK: scf.if
// CHECK: ac.contract
// CHECK: else
// CHECK-NOT: ac.contract
// CHECK: return
func.func @skip(%active: tensor<i1>, %x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %y = ac.skip %active : tensor<i1> otherwise(%x : tensor<?x4xf32>) {
    %0 = onnx.MatMul(%x, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ac.yield %0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
