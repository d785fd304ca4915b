// RUN: ac-opt %s --ac-raise --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines
// Written by build_tools/update_pipeline_tests.py.

// CHECK:builtin.module(
// CHECK-NEXT:  ac-raise-unrolled-loops,
// CHECK-NEXT:  ac-raise-exits{dense=false},
// CHECK-NEXT:  ac-raise-skips{dense=false},
// CHECK-NEXT:  ac-raise-moe-operator,
// CHECK-NEXT:  ac-raise-gathered-weights{dense=false},
// CHECK-NEXT:  ac-raise-batched-experts{dense=false},
// CHECK-NEXT:  ac-raise-expert-slots{dense=false},
// CHECK-NEXT:  ac-raise-grouped-rows{dense=false},
// CHECK-NEXT:  ac-raise-stacked-rows,
// CHECK-NEXT:  ac-raise-gathered-rows{dense=false},
// CHECK-NEXT:  ac-raise-masked-rows{dense=false},
// CHECK-NEXT:  ac-raise-row-sums,
// CHECK-NEXT:  ac-raise-halting-loops,
// CHECK-NEXT:  ac-expose-budgets
// CHECK-NEXT:)
module {}
