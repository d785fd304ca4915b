// RUN: ac-opt %s --ac-lower | FileCheck %s

// An expert is chosen if fewer than k come before it; k comes from the outside and is at most the number of experts.
// CHECK-LABEL: func.func @top_k(
// CHECK: %[[K:.*]] = ac.read_budget "moe.k"
// CHECK: arith.maxsi %[[K]]
// CHECK: arith.minsi
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.cmpi ult
// CHECK-NOT: scf.for
// CHECK: return
func.func @top_k(%s: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %k = ac.budget "moe.k" = 2.0 in [1.0, 8.0] : tensor<i64>
  %0 = ac.route top_k of %s limit %k weights normalized : tensor<?x8xf32>, tensor<i64> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @last_wins(
// CHECK: arith.cmpi ugt
func.func @last_wins(%s: tensor<?x8xf32>, %p: tensor<f32>) -> tensor<?x8xf32> {
  %0 = ac.route top_p of %s limit %p weights softmax last_wins : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// The score from which on an expert takes rows, bit by bit: 32 of them.
// CHECK-LABEL: func.func @expert_choice(
// CHECK: arith.bitcast {{.*}} : f32 to i32
// CHECK: scf.for %{{.*}} = %c0 to %c32
// CHECK: iterator_types = ["{{parallel|reduction}}", "{{parallel|reduction}}"]
func.func @expert_choice(%s: tensor<?x8xf32>, %k: tensor<i64>) -> tensor<?x8xf32> {
  %0 = ac.route expert_choice of %s limit %k weights one : tensor<?x8xf32>, tensor<i64> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// Without ranks, one pass; the capacity is counted row by row.
// CHECK-LABEL: func.func @capacity(
// CHECK-NOT: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: scf.for
// CHECK: scf.for
// CHECK: return
func.func @capacity(%s: tensor<2x?x8xf32>) -> tensor<2x?x8xf32> {
  %0 = ac.route relu of %s weights scores capacity 4 : tensor<2x?x8xf32> -> tensor<2x?x8xf32>
  return %0 : tensor<2x?x8xf32>
}
