// RUN: ac-opt %s --ac-bufferize --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines
// Written by build_tools/update_pipeline_tests.py.

// CHECK:builtin.module(
// CHECK-NEXT:  eliminate-empty-tensors,
// CHECK-NEXT:  one-shot-bufferize{allow-return-allocs-from-loops=true allow-unknown-ops=false analysis-fuzzer-seed=0 analysis-heuristic=bottom-up buffer-alignment=64 bufferize-function-boundaries=true check-parallel-regions=true copy-before-write=false  dump-alias-sets=false function-boundary-type-conversion=identity-layout-map must-infer-memory-space=false  print-conflicts=false test-analysis-only=false unknown-type-conversion=fully-dynamic-layout-map use-encoding-for-memory-space=false},
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    ac-copy-strided-results
// CHECK-NEXT:  ),
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  cse,
// CHECK-NEXT:  expand-realloc{emit-deallocs=false},
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  ownership-based-buffer-deallocation{private-function-dynamic-ownership=false},
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  buffer-deallocation-simplification,
// CHECK-NEXT:  bufferization-lower-deallocations,
// CHECK-NEXT:  cse,
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  convert-bufferization-to-memref,
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  cse,
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    ac-fuse-rows
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    optimize-allocation-liveness
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    ac-plan-arena
// CHECK-NEXT:  )
// CHECK-NEXT:)
module {}
