// RUN: ac-opt %s --ac-lower | FileCheck %s

// Of each learner the rows whose count is above its number are listed, go through it, and are added where they belong.
// CHECK-LABEL: func.func @chain(
// CHECK-DAG: ac.count "mlp" 0 %{{.*}} of "learner_chain" ["rows", "learner 0", "learner 1"] flops [0, 32, 32]
// CHECK: %[[LIST:.*]]:2 = scf.for
// CHECK: arith.cmpi sgt, %{{.*}}, %c0
// CHECK: ac.count "mlp" 1 %[[LIST]]#0
// CHECK: ac.gather_rows %arg1
// CHECK: ac.contract
// CHECK: %[[FIRST:.*]] = ac.scatter_rows {{.*}} accumulate outs(%arg1
// CHECK: scf.for
// CHECK: arith.cmpi sgt, %{{.*}}, %c1
// CHECK: ac.count "mlp" 2
// CHECK: ac.scatter_rows {{.*}} accumulate outs(%[[FIRST]]
func.func @chain(%k: tensor<?x1xi64> {onnx.name = "k", onnx.dims = ["n", 1]}, %x: tensor<?x4xf32> {onnx.name = "x", onnx.dims = ["n", 4]},
                 %w: tensor<4x4xf32>, %v: tensor<4x2xf32>, %u: tensor<2x4xf32>) -> tensor<?x4xf32> {
  %y = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) residual(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ac.yield %0 : tensor<?x4xf32>
  } learner {
  ^bb0(%row: tensor<?x4xf32>):
    %0 = onnx.MatMul(%row, %v) : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
    %1 = onnx.MatMul(%0, %u) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
    ac.yield %1 : tensor<?x4xf32>
  } -> tensor<?x4xf32> loc("mlp")
  return %y : tensor<?x4xf32>
}

// A learner that every row goes through needs no list.
// CHECK-LABEL: func.func @least(
// CHECK-NOT: scf.for
// CHECK: ac.contract ins({{.*}} : tensor<1x9x4xf32>
// CHECK: scf.for
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>
// CHECK: ac.scatter_rows
// CHECK: return
func.func @least(%k: tensor<9x1xi32>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.learner_chain %k : tensor<9x1xi32> rows(%x : tensor<9x4xf32>) min 1 learner {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } learner {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}

// The reference form, also where the number of rows is not known to be that of the counts: all are computed, then selected.
// CHECK-LABEL: func.func @dense(
// CHECK-NOT: ac.gather_rows
// CHECK: ac.contract ins({{.*}} : tensor<1x9x4xf32>
// CHECK: arith.select
// CHECK: return
func.func @dense(%k: tensor<9x1xi64>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.learner_chain dense %k : tensor<9x1xi64> rows(%x : tensor<9x4xf32>) learner {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}

// CHECK-LABEL: func.func @unknown_rows(
// CHECK-NOT: ac.gather_rows
// CHECK: arith.select
// CHECK: return
func.func @unknown_rows(%k: tensor<?x1xi64>, %x: tensor<?x4xf32>, %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  %y = ac.learner_chain %k : tensor<?x1xi64> rows(%x : tensor<?x4xf32>) learner {
  ^bb0(%row: tensor<?x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ac.yield %0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
