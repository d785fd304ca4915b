// RUN: ac-opt %s --ac-select-kernels --split-input-file | FileCheck %s

#same = affine_map<(d0) -> (d0)>

// CHECK-LABEL: func.func @product(
// CHECK: ac.contract packed
// CHECK-SAME: ac.kernel = "halide"
module attributes {ac.generator = "halide"} {
  func.func @product(%a: tensor<1x5x9xf32>, %b: tensor<1x2x9x64xf32>, %init: tensor<1x5x70xf32>) -> tensor<1x5x70xf32> {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x9xf32>, tensor<1x2x9x64xf32>) extras() outs(%init : tensor<1x5x70xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x5x70xf32>
    return %r : tensor<1x5x70xf32>
  }

  // Weights that are computed at run time, and elements of other types.
  // CHECK-LABEL: func.func @others(
  // CHECK-NOT: ac.kernel
  // CHECK: return
  func.func @others(%a: tensor<1x5x9xf32>, %b: tensor<1x9x70xf32>, %init: tensor<1x5x70xf32>, %c: tensor<1x5x9xf64>,
                    %d: tensor<1x3x9x32xf64>, %init64: tensor<1x5x70xf64>) -> (tensor<1x5x70xf32>, tensor<1x5x70xf64>) {
    %r = ac.contract ins(%a, %b : tensor<1x5x9xf32>, tensor<1x9x70xf32>) extras() outs(%init : tensor<1x5x70xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x5x70xf32>
    %s = ac.contract packed ins(%c, %d : tensor<1x5x9xf64>, tensor<1x3x9x32xf64>) extras() outs(%init64 : tensor<1x5x70xf64>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f64):
      ac.yield %sum : f64
    } -> tensor<1x5x70xf64>
    return %r, %s : tensor<1x5x70xf32>, tensor<1x5x70xf64>
  }

  // An epilogue that a description cannot say.
  // CHECK-LABEL: func.func @epilogue(
  // CHECK-NOT: ac.kernel
  // CHECK: return
  func.func @epilogue(%a: tensor<1x5x9xf32>, %b: tensor<1x2x9x64xf32>, %init: tensor<1x5x70xf32>) -> tensor<1x5x70xf32> {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x9xf32>, tensor<1x2x9x64xf32>) extras() outs(%init : tensor<1x5x70xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f32):
      %log = math.log %sum : f32
      ac.yield %log : f32
    } -> tensor<1x5x70xf32>
    return %r : tensor<1x5x70xf32>
  }
}

// -----

#same = affine_map<(d0) -> (d0)>

// Only what was found to be faster.
// CHECK-LABEL: func.func @chosen(
// CHECK-COUNT-1: ac.kernel = "halide"
// CHECK-NOT: ac.kernel
module attributes {ac.generator = {"product 1x5x9x70" = "halide", "product 1x6x9x70" = "mlir"}} {
  func.func @chosen(%a: tensor<1x5x9xf32>, %b: tensor<1x2x9x64xf32>, %init: tensor<1x5x70xf32>, %c: tensor<1x6x9xf32>,
                    %init2: tensor<1x6x70xf32>) -> (tensor<1x5x70xf32>, tensor<1x6x70xf32>) {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x9xf32>, tensor<1x2x9x64xf32>) extras() outs(%init : tensor<1x5x70xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x5x70xf32>
    %s = ac.contract packed ins(%c, %b : tensor<1x6x9xf32>, tensor<1x2x9x64xf32>) extras() outs(%init2 : tensor<1x6x70xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x6x70xf32>
    return %r, %s : tensor<1x5x70xf32>, tensor<1x6x70xf32>
  }
}
