// RUN: ac-opt %s --ac-lower | FileCheck %s

// A loop to the limit that ends when no row runs; what has halted is kept. A row is counted in each step that it runs.
// CHECK-LABEL: func.func @halting(
// CHECK: arith.cmpf olt
// CHECK: ac.count "act" 0 %c9{{.*}} of "halting_loop" ["rows", "step 0", "step 1", "step 2"] flops [0, 0, 0, 0]
// CHECK: scf.while
// CHECK: scf.condition
// CHECK: ac.count "act" 1 %{{.*}} at %{{.*}} of "halting_loop"
// CHECK: arith.select %{{.*}} : f32
// CHECK: scf.yield
func.func @halting(%x: tensor<9x1xf32>, %p: tensor<9x1xf32>, %one: tensor<f32>) -> tensor<9x1xf32> {
  %limit = onnx.Constant() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %y = ac.halting_loop limit(%limit : tensor<i64>) init(%x : tensor<9x1xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<9x1xf32>):
    %go = onnx.Less(%a, %one) : (tensor<9x1xf32>, tensor<f32>) -> tensor<9x1xi1>
    ac.yield %go : tensor<9x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<9x1xf32>):
    %0 = onnx.Add(%a, %p) : (tensor<9x1xf32>, tensor<9x1xf32>) -> tensor<9x1xf32>
    ac.yield %0 : tensor<9x1xf32>
  } -> tensor<9x1xf32> loc("act")
  return %y : tensor<9x1xf32>
}

// What the body's masked rows leave alone is not selected again, nor are they counted twice.
// CHECK-LABEL: func.func @self_masked(
// CHECK-NOT: "masked_rows"
// CHECK: scf.while
// CHECK: ac.gather_rows
// CHECK: %[[NEXT:.*]] = ac.scatter_rows
// CHECK: ac.count "ac.halting_loop" 0 %c9{{.*}} of "halting_loop" ["row steps", "running"] flops [0, 32]
// CHECK-NOT: arith.select %{{.*}} : f32
// CHECK: scf.yield
func.func @self_masked(%limit: tensor<i64>, %x: tensor<9x4xf32>, %on: tensor<9x1xi1>, %w: tensor<4x4xf32>) -> tensor<9x4xf32> {
  %y = ac.halting_loop self_masked limit(%limit : tensor<i64>) init(%x : tensor<9x4xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %h: tensor<9x4xf32>):
    ac.yield %on : tensor<9x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %h: tensor<9x4xf32>):
    %0 = ac.masked_rows %on : tensor<9x1xi1> rows(%h : tensor<9x4xf32>) otherwise(%h : tensor<9x4xf32>) {
    ^bb0(%row: tensor<9x4xf32>):
      %1 = onnx.MatMul(%row, %w) : (tensor<9x4xf32>, tensor<4x4xf32>) -> tensor<9x4xf32>
      ac.yield %1 : tensor<9x4xf32>
    } -> tensor<9x4xf32>
    ac.yield %0 : tensor<9x4xf32>
  } -> tensor<9x4xf32>
  return %y : tensor<9x4xf32>
}

// The reference form goes on to the limit.
// CHECK-LABEL: func.func @dense(
// CHECK-NOT: scf.while
// CHECK: scf.for
// CHECK: arith.select
// CHECK: return
func.func @dense(%limit: tensor<i64>, %x: tensor<9x1xf32>, %one: tensor<f32>) -> tensor<9x1xf32> {
  %y = ac.halting_loop dense limit(%limit : tensor<i64>) init(%x : tensor<9x1xf32>) rows [true] running {
  ^bb0(%i: tensor<i64>, %a: tensor<9x1xf32>):
    %go = onnx.Less(%a, %one) : (tensor<9x1xf32>, tensor<f32>) -> tensor<9x1xi1>
    ac.yield %go : tensor<9x1xi1>
  } body {
  ^bb0(%i: tensor<i64>, %a: tensor<9x1xf32>):
    %0 = onnx.Add(%a, %one) : (tensor<9x1xf32>, tensor<f32>) -> tensor<9x1xf32>
    ac.yield %0 : tensor<9x1xf32>
  } -> tensor<9x1xf32>
  return %y : tensor<9x1xf32>
}
