// RUN: ac-opt %s --ac-lower | FileCheck %s

// CHECK-LABEL: func.func @zero_elsewhere(
// CHECK: %[[LIST:.*]]:2 = scf.for
// CHECK: arith.cmpf une
// CHECK-DAG: %[[ROWS:.*]] = ac.gather_rows %arg1
// CHECK-DAG: ac.count "rows" 1 %[[LIST]]#0 of "masked_rows" ["rows", "active"] flops [0, 32]
// CHECK: ac.contract
// CHECK: ac.scatter_rows %{{.*}} outs(%cst
// CHECK: return
func.func @zero_elsewhere(%m: tensor<9x1xf32>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.masked_rows %m : tensor<9x1xf32> rows(%x : tensor<9x4xf32>) {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32> loc("rows")
  return %y : tensor<9x4xf32>
}

// CHECK-LABEL: func.func @otherwise(
// CHECK: ac.contract
// CHECK-NOT: linalg.fill
// CHECK: ac.scatter_rows %{{.*}} outs(%arg1
// CHECK: return
func.func @otherwise(%m: tensor<9x1xi1>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.masked_rows %m : tensor<9x1xi1> rows(%x : tensor<9x4xf32>) otherwise(%x : tensor<9x4xf32>) {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}

// Rows of three dimensions are those of a matrix.
// CHECK-LABEL: func.func @three_dimensions(
// CHECK: ac.gather_rows {{.*}} : tensor<15x4xf32>, tensor<?xindex>
// CHECK: ac.contract ins({{.*}} : tensor<1x?x4xf32>
// CHECK: ac.scatter_rows {{.*}} outs(%{{.*}} : tensor<15x4xf32>)
// CHECK: tensor.expand_shape {{.*}} into tensor<3x5x4xf32>
func.func @three_dimensions(%m: tensor<3x5x1xi1>, %x: tensor<3x5x4xf32>, %w: tensor<4x4xf32>) -> tensor<3x5x4xf32> {
  %y = ac.masked_rows %m : tensor<3x5x1xi1> rows(%x : tensor<3x5x4xf32>) {
  ^bb0(%row: tensor<3x5x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<3x5x4xf32>, tensor<4x4xf32>) -> tensor<3x5x4xf32>
    ac.yield %0 : tensor<3x5x4xf32>
  } -> tensor<3x5x4xf32>
  return %y : tensor<3x5x4xf32>
}

// The reference form: every row is computed, and counted.
// CHECK-LABEL: func.func @dense(
// CHECK-NOT: ac.gather_rows
// CHECK: arith.select
// CHECK: return
func.func @dense(%m: tensor<9x1xi1>, %x: tensor<9x4xf32>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.masked_rows dense %m : tensor<9x1xi1> rows(%x : tensor<9x4xf32>) otherwise(%x : tensor<9x4xf32>) {
  ^bb0(%row: tensor<9x4xf32>):
    %0 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}
