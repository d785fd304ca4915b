// RUN: ac-opt %s --ac-optimize --dump-pass-pipeline 2>&1 | FileCheck %s --strict-whitespace --match-full-lines
// Written by build_tools/update_pipeline_tests.py.

// CHECK:builtin.module(
// CHECK-NEXT:  ac-recognise-dequantization,
// CHECK-NEXT:  ac-fuse-quantization,
// CHECK-NEXT:  ac-fold-constants{keep-quantized=true max-growth=8},
// CHECK-NEXT:  ac-fuse-dequantization,
// CHECK-NEXT:  ac-fold-constants{keep-quantized=false max-growth=8},
// CHECK-NEXT:  ac-fold-decisions,
// CHECK-NEXT:  ac-recognise-attention{dense=false},
// CHECK-NEXT:  symbol-dce
// CHECK-NEXT:)
module {}
