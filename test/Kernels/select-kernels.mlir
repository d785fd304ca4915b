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

// -----

#same = affine_map<(d0) -> (d0)>

// Small weights and bytes; not weights with offsets, and not bytes by rows whose depth is not dense.
module attributes {ac.generator = "halide", ac.target = {cpu = "icelake-server", vector_dots = [i8], tile_dots = []}} {
  // CHECK-LABEL: func.func @weights(
  // CHECK-COUNT-1: ac.kernel = "halide"
  // CHECK-NOT: ac.kernel
  // CHECK-LABEL: func.func @bytes(
  // CHECK-COUNT-1: ac.kernel = "halide"
  // CHECK-NOT: ac.kernel
  func.func @weights(%a: tensor<1x5x64xf32>, %b: tensor<1x1x8x64xi32>, %s: tensor<1x1x2x64xf16>, %o: tensor<1x1x2x64xf16>,
                     %init: tensor<1x5x64xf32>) -> (tensor<1x5x64xf32>, tensor<1x5x64xf32>) {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x64xf32>, tensor<1x1x8x64xi32>) scales(%s : tensor<1x1x2x64xf16>) extras()
        outs(%init : tensor<1x5x64xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x5x64xf32>
    %q = ac.contract packed ins(%a, %b : tensor<1x5x64xf32>, tensor<1x1x8x64xi32>) scales(%s : tensor<1x1x2x64xf16>)
        offsets(%o : tensor<1x1x2x64xf16>) extras() outs(%init : tensor<1x5x64xf32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], block_size = 32 : i64, least = -8 : i64} {
    ^bb0(%sum: f32):
      ac.yield %sum : f32
    } -> tensor<1x5x64xf32>
    return %r, %q : tensor<1x5x64xf32>, tensor<1x5x64xf32>
  }

  func.func @bytes(%a: tensor<1x5x10xi8>, %t: tensor<1x10x5xi8>, %b: tensor<1x1x3x256xi8>, %init: tensor<1x5x64xi32>)
      -> (tensor<1x5x64xi32>, tensor<1x5x64xi32>) {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x10xi8>, tensor<1x1x3x256xi8>) extras() outs(%init : tensor<1x5x64xi32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_unsigned, group = 4 : i64} {
    ^bb0(%sum: i32):
      ac.yield %sum : i32
    } -> tensor<1x5x64xi32>
    %q = ac.contract packed ins(%t, %b : tensor<1x10x5xi8>, tensor<1x1x3x256xi8>) extras() outs(%init : tensor<1x5x64xi32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_order = array<i64: 0, 2, 1>, lhs_unsigned,
                    group = 4 : i64} {
    ^bb0(%sum: i32):
      ac.yield %sum : i32
    } -> tensor<1x5x64xi32>
    return %r, %q : tensor<1x5x64xi32>, tensor<1x5x64xi32>
  }
}

// -----

#same = affine_map<(d0) -> (d0)>

// Halide takes more than AVX512-VNNI for granted.
module attributes {ac.generator = "halide", ac.target = {cpu = "cascadelake", vector_dots = [i8], tile_dots = []}} {
  // CHECK-LABEL: func.func @too_old(
  // CHECK-NOT: ac.kernel
  func.func @too_old(%a: tensor<1x5x10xi8>, %b: tensor<1x1x3x256xi8>, %init: tensor<1x5x64xi32>) -> tensor<1x5x64xi32> {
    %r = ac.contract packed ins(%a, %b : tensor<1x5x10xi8>, tensor<1x1x3x256xi8>) extras() outs(%init : tensor<1x5x64xi32>)
        attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_unsigned, group = 4 : i64} {
    ^bb0(%sum: i32):
      ac.yield %sum : i32
    } -> tensor<1x5x64xi32>
    return %r : tensor<1x5x64xi32>
  }
}
