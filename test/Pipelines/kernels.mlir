// RUN: ac-opt %s --ac-kernels --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines
// Written by build_tools/update_pipeline_tests.py.

// CHECK:builtin.module(
// CHECK-NEXT:  ac-fold-transposes,
// CHECK-NEXT:  ac-narrow-products,
// CHECK-NEXT:  ac-select-kernels,
// CHECK-NEXT:  loop-invariant-code-motion,
// CHECK-NEXT:  linalg-generalize-named-ops,
// CHECK-NEXT:  ac-fuse-elementwise,
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  cse,
// CHECK-NEXT:  ac-fuse-epilogues,
// CHECK-NEXT:  ac-fuse-row-moves,
// CHECK-NEXT:  ac-flush-denormals,
// CHECK-NEXT:  ac-prepack-weights,
// CHECK-NEXT:  ac-tile-windows,
// CHECK-NEXT:  ac-pack-columns,
// CHECK-NEXT:  ac-turn-products,
// CHECK-NEXT:  ac-tile-lines,
// CHECK-NEXT:  ac-select-kernels,
// CHECK-NEXT:  canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true},
// CHECK-NEXT:  cse
// CHECK-NEXT:)
module {}
