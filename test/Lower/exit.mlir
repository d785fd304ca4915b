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

// Counters are named after the node; of one name the second gets a number. An inner exit counts for itself. Of a
// batch whose size is not known, samples are counted; with two unknown sizes the cost is not told.
// CHECK-LABEL: func.func @names(
// CHECK: ac.count "layer" 0 {{.*}} flops [0, 0]
// CHECK: scf.if
// CHECK: ac.count "layer#2" 0 %{{.*}} of "exit" ["samples", "rest"] flops [0, 32]
// CHECK: ac.count "layer#3" 0 %{{.*}} of "skip" ["samples", "body"] flops [0, 32]
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

// Heads split off by a Reshape make several rows of a sample; another unknown size tells nothing.
// CHECK-LABEL: func.func @samples(
// CHECK: ac.count "reshaped" 0 %{{.*}} of "skip" ["samples", "body"] flops [0, 96]
// CHECK: ac.count "sequences" 0 %{{.*}} of "skip" ["runs", "body"] flops [0, -1]
func.func @samples(%on: tensor<i1>, %x: tensor<?x12xf32>, %s: tensor<?x?x4xf32>, %w: tensor<4x4xf32>)
    -> (tensor<?x12xf32>, tensor<?x?x4xf32>) {
  %apart = onnx.Constant() {value = dense<[-1, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  %whole = onnx.Constant() {value = dense<[-1, 12]> : tensor<2xi64>} : () -> tensor<2xi64>
  %y = ac.skip %on : tensor<i1> otherwise(%x : tensor<?x12xf32>) {
    %0 = onnx.Reshape(%x, %apart) : (tensor<?x12xf32>, tensor<2xi64>) -> tensor<?x4xf32>
    %1 = onnx.MatMul(%0, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %2 = onnx.Reshape(%1, %whole) : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x12xf32>
    ac.yield %2 : tensor<?x12xf32>
  } -> tensor<?x12xf32> loc("reshaped")
  %z = ac.skip %on : tensor<i1> otherwise(%s : tensor<?x?x4xf32>) {
    %0 = onnx.MatMul(%s, %w) : (tensor<?x?x4xf32>, tensor<4x4xf32>) -> tensor<?x?x4xf32>
    ac.yield %0 : tensor<?x?x4xf32>
  } -> tensor<?x?x4xf32> loc("sequences")
  return %y, %z : tensor<?x12xf32>, tensor<?x?x4xf32>
}
