// RUN: ac-opt %s --ac-codegen --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines
// Written by build_tools/update_pipeline_tests.py.

// CHECK:builtin.module(
// CHECK-NEXT:  ac-emit-contractions,
// CHECK-NEXT:  ac-call-kernels,
// CHECK-NEXT:  ac-emit-attention,
// CHECK-NEXT:  ac-bind-abi,
// CHECK-NEXT:  ac-emit-row-moves,
// CHECK-NEXT:  ac-emit-loops,
// CHECK-NEXT:  ac-resolve-expand-shapes,
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    expand-strided-metadata
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    lower-affine
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true}
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    cse
// CHECK-NEXT:  ),
// CHECK-NEXT:  ac-outline-kernels{entry=ac_model_run},
// CHECK-NEXT:  ac-approximate-math,
// CHECK-NEXT:  ac-narrow-floats,
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true}
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    cse
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    convert-vector-to-scf{full-unroll=false lower-scalable=false lower-tensors=false target-rank=1}
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    convert-scf-to-cf{allow-pattern-rollback=true}
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    convert-vector-to-llvm{enable-amx=false enable-arm-bf16=false enable-arm-i8mm=false enable-arm-neon=false enable-arm-sve=false enable-x86vector=false force-32bit-vector-indices=true reassociate-fp-reductions=false use-vector-alignment=false vector-contract-lowering=dot vector-transpose-lowering=eltwise}
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    expand-strided-metadata
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    lower-affine
// CHECK-NEXT:  ),
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    convert-math-to-llvm{approximate-log1p=false}
// CHECK-NEXT:  ),
// CHECK-NEXT:  convert-math-to-libm,
// CHECK-NEXT:  func.func(
// CHECK-NEXT:    convert-arith-to-llvm{index-bitwidth=0}
// CHECK-NEXT:  ),
// CHECK-NEXT:  finalize-memref-to-llvm{index-bitwidth=0 use-aligned-alloc=false use-generic-functions=false},
// CHECK-NEXT:  convert-cf-to-llvm{index-bitwidth=0},
// CHECK-NEXT:  convert-func-to-llvm{index-bitwidth=0 use-bare-ptr-memref-call-conv=false},
// CHECK-NEXT:  reconcile-unrealized-casts,
// CHECK-NEXT:  ac-widen-booleans,
// CHECK-NEXT:  llvm.func(
// CHECK-NEXT:    canonicalize{  max-iterations=10 max-num-rewrites=-1 region-simplify=normal test-convergence=false top-down=true}
// CHECK-NEXT:  ),
// CHECK-NEXT:  llvm.func(
// CHECK-NEXT:    cse
// CHECK-NEXT:  )
// CHECK-NEXT:)
module {}
