// RUN: ac-opt %s --ac-lower | FileCheck %s

// A weight that is not zero takes part, NaN included; what the expert makes is scaled by it and added.
// CHECK-LABEL: func.func @dispatch(
// CHECK: ac.count "moe" 0 {{.*}} of "moe_dispatch" ["rows", "expert 0", "expert 1"] flops [0, 32, 0]
// CHECK: %[[LIST:.*]]:2 = scf.for
// CHECK: arith.cmpf une
// CHECK: ac.count "moe" 1 %[[LIST]]#0
// CHECK: %[[ROWS:.*]] = ac.gather_rows %arg1
// CHECK: ac.contract
// CHECK: arith.mulf
// CHECK: %[[FIRST:.*]] = ac.scatter_rows {{.*}} accumulate
// CHECK: scf.for
// CHECK: ac.count "moe" 2
// CHECK: ac.gather_rows %arg1
// CHECK-NOT: ac.contract
// CHECK: arith.mulf
// CHECK: ac.scatter_rows {{.*}} accumulate outs(%[[FIRST]]
func.func @dispatch(%g: tensor<9x2xf32>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.moe_dispatch %g : tensor<9x2xf32> rows(%x : tensor<9x4xf32>) expert {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } expert {
  ^bb0(%row: tensor<9x4xf32>):
    ac.yield %row : tensor<9x4xf32>
  } -> tensor<9x4xf32> loc("moe")
  return %y : tensor<9x4xf32>
}

// CHECK-LABEL: func.func @dense(
// CHECK-NOT: ac.gather_rows
// CHECK: arith.mulf
// CHECK: arith.select
// CHECK: return
func.func @dense(%g: tensor<9x1xf32>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.moe_dispatch dense %g : tensor<9x1xf32> rows(%x : tensor<9x4xf32>) expert {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}
