// RUN: not ac-opt %s --ac-bind-abi --split-input-file 2>&1 | FileCheck %s

// Errors name the nodes in their texts, since ac-compile shows those alone.

func.func @main(%x: memref<f32>) {
  %a = ac.read_budget "t" = 0.9 in [0.0, 1.0] : f32 loc("exit3")
  // CHECK: error: {{.*}}: node 'exit5': budget 't' has the initial value 0.8, but 0.9 at node 'exit3'; what has one name must be one budget: rename one of them
  // CHECK: note: loc("exit3"): the other is here
  %b = ac.read_budget "t" = 0.8 in [0.0, 1.0] : f32 loc("exit5")
  return
}

// -----

func.func @main(%x: memref<f32>) {
  %a = ac.read_budget "t" = 1.0 in [0.0, 1.0] : f32 loc("exit3")
  // CHECK: error: {{.*}}: node 'exit5': budget 't' has the range [-2, 1], but [0, 1] at node 'exit3'
  %b = ac.read_budget "t" = 1.0 in [-2.0, 1.0] : f32 loc("exit5")
  return
}

// -----

func.func @main(%x: memref<f32>) {
  %a = ac.read_budget "t" = 1.0 in [0.0, 1.0] : f32 loc("exit3")
  // CHECK: error: {{.*}}: node 'loop': budget 't' has the type i64, but f32 at node 'exit3'
  %b = ac.read_budget "t" = 1.0 in [0.0, 1.0] : i64 loc("loop")
  return
}

// -----

func.func @main() {
  // CHECK: error: {{.*}}: node 'loop': budget 'n' of type i64 has the initial value 1.5 and the range [0, 8], expected whole numbers of at most 2^53
  %a = ac.read_budget "n" = 1.5 in [0.0, 8.0] : i64 loc("loop")
  return
}

// -----

func.func @main() {
  // CHECK: error: {{.*}}: node 'loop': budget 'n' has the initial value 9 and the range [0, 8], expected a value in the range
  %a = ac.read_budget "n" = 9.0 in [0.0, 8.0] : i64 loc("loop")
  return
}

// -----

func.func @main() {
  %c1 = arith.constant 1 : index
  ac.count "s" 0 %c1 of "exit" ["runs", "taken"] flops [0, 64] loc("a")
  // CHECK: error: {{.*}}: node 'b': site 's' has the kind 'skip', but 'exit' at node 'a'; what has one name must be one site
  ac.count "s" 0 %c1 of "skip" ["runs", "taken"] flops [0, 64] loc("b")
  // CHECK: error: {{.*}}: node 'c': site 's' has the counters ['runs'], but ['runs', 'taken'] at node 'a'
  ac.count "s" 0 %c1 of "exit" ["runs"] flops [0] loc("c")
  // CHECK: error: {{.*}}: node 'd': site 's' has the costs [0, 65], but [0, 64] at node 'a'
  ac.count "s" 0 %c1 of "exit" ["runs", "taken"] flops [0, 65] loc("d")
  return
}

// -----

func.func @main() {
  return
}

func.func private @other(%n: index) {
  // CHECK: error: {{.*}}: node 'a': 'ac.count' stands outside of the entry point
  ac.count "s" 0 %n of "exit" ["runs"] flops [0] loc("a")
  return
}
