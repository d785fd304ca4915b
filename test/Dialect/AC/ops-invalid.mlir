// RUN: ac-opt %s --split-input-file --verify-diagnostics

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf64>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c1) has operands 'tensor<1x2x3xf32>', 'tensor<1x3x4xf64>' and 'tensor<1x2x4xf32>' and a sum of 'f32', expected shaped values of one floating-point element type, of f16 or bf16 for a sum of f32, or of i8 for one of i32, and a result of floats or integers of at most 32 bits}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf64>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1_integers(%a: tensor<1x2x3xi32>, %b: tensor<1x3x4xi32>, %init: tensor<1x2x4xi32>) -> tensor<1x2x4xi32> {
  // expected-error @below {{(contract_c1)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xi32>, tensor<1x3x4xi32>) extras() outs(%init : tensor<1x2x4xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x2x4xi32>
  return %r : tensor<1x2x4xi32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1_half_of_double(%a: tensor<1x2x3xbf16>, %b: tensor<1x3x4xbf16>, %init: tensor<1x2x4xf64>) -> tensor<1x2x4xf64> {
  // expected-error @below {{(contract_c1)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xbf16>, tensor<1x3x4xbf16>) extras() outs(%init : tensor<1x2x4xf64>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f64):
    ac.yield %sum : f64
  } -> tensor<1x2x4xf64>
  return %r : tensor<1x2x4xf64>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1_bytes_in_float(%a: tensor<1x2x3xi8>, %b: tensor<1x3x4xi8>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c1)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xi8>, tensor<1x3x4xi8>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1_one_byte_operand(%a: tensor<1x2x3xi8>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c1)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xi8>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c1_result(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xi1>) -> tensor<1x2x4xi1> {
  // expected-error @below {{(contract_c1)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xi1>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    %no = arith.constant false
    ac.yield %no : i1
  } -> tensor<1x2x4xi1>
  return %r : tensor<1x2x4xi1>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c4_yields_another(%a: tensor<1x2x3xi8>, %b: tensor<1x3x4xi8>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c4) has an epilogue that does not yield one 'f32'}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xi8>, tensor<1x3x4xi8>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: i32):
    // expected-note @below {{it ends here}}
    ac.yield %sum : i32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c11_unsigned(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c11) has an unsigned operand with a sum of 'f32' and a result of 'f32'}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], rhs_unsigned} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c11_accumulate(%a: tensor<1x2x3xi8>, %b: tensor<1x3x4xi8>, %init: tensor<1x2x4xi32>) -> tensor<1x2x4xi32> {
  // expected-error @below {{(contract_c11) has accumulate with a sum of 'i32' and a result of 'i32'}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xi8>, tensor<1x3x4xi8>) extras() accumulate outs(%init : tensor<1x2x4xi32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x2x4xi32>
  return %r : tensor<1x2x4xi32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c2(%a: tensor<2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c2) has operands of rank 2, 3 and 3, expected 3, 3 and 3}}
  %r = ac.contract ins(%a, %b : tensor<2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c2_packed(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c2) has operands of rank 3, 3 and 3, expected 3, 4 and 3}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c3_number(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %bias: tensor<4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c3) has 0 maps for 1 extras}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras(%bias : tensor<4xf32>) outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32, %add: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c3_rank(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %bias: tensor<4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c3) reads an extra of type 'tensor<4xf32>' by affine_map<(d0, d1, d2) -> (d1, d2)>, expected a map of 3 dimensions to its rank}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras(%bias : tensor<4xf32>) outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [affine_map<(d0, d1, d2) -> (d1, d2)>]} {
  ^bb0(%sum: f32, %add: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c4_arguments(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c4) has an epilogue of 2 arguments, expected 1: the sum and one element of each extra}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32, %add: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c4_extra(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %mask: tensor<4xi1>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c4) has an epilogue whose argument 1 is 'f32', expected 'i1'}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras(%mask : tensor<4xi1>) outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [affine_map<(d0, d1, d2) -> (d2)>]} {
  ^bb0(%sum: f32, %add: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c4_yield(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c4) has an epilogue that does not yield one 'f32'}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    // expected-note @below {{it ends here}}
    ac.yield
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c4_no_terminator(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{empty block: expect at least a terminator}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c5(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c5) finds a batch entry by affine_map<(d0, d1) -> (d0)>, expected a map of one dimension to one}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = affine_map<(d0, d1) -> (d0)>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c6_places(%a: tensor<1x9x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>, %places: tensor<2xi64>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c6) has rows of type 'tensor<2xi64>', expected one dimension of type index}}
  %r = ac.contract ins(%a, %b : tensor<1x9x3xf32>, tensor<1x3x4xf32>) extras() lhs_rows(%places : tensor<2xi64>) outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c6_number(%a: tensor<1x9x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c6) has 9 rows on the left and 2 in the result}}
  %r = ac.contract ins(%a, %b : tensor<1x9x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c7(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c7) has an order that is not a permutation of matrix dimensions with columns of rhs and result last}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], lhs_order = array<i64: 0, 1, 1>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

#same = affine_map<(d0) -> (d0)>
func.func @contract_c7_columns(%a: tensor<1x2x3xf32>, %b: tensor<1x4x3xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c7)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x4x3xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = #same, rhs_batch = #same, extra_maps = [], rhs_order = array<i64: 0, 2, 1>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

func.func @contract_c8_without_scales(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xf32>, %s: tensor<1x1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c8) has block_size, zeros, offsets or least without scales}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xf32>)  extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c8_shape(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xi8>, %s: tensor<1x2x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c8) has scales, zeros and offsets that do not fit 'tensor<1x1x64x64xi8>' in blocks of 32}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xi8>) scales(%s : tensor<1x2x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c8_number(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xi8>, %s: tensor<1x1x3x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c8)}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xi8>) scales(%s : tensor<1x1x3x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c8_type(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xi8>, %s: tensor<1x1x2x64xf64>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c8)}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xi8>) scales(%s : tensor<1x1x2x64xf64>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c8_block(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xi8>, %s: tensor<1x1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c8)}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xi8>) scales(%s : tensor<1x1x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 0 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c9_elements(%a: tensor<1x2x64xf32>, %b: tensor<1x1x64x64xi16>, %s: tensor<1x1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c9) has scales for a rhs of type 'tensor<1x1x64x64xi16>', expected i8 elements, or i32 and `least`, and no order}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x64x64xi16>) scales(%s : tensor<1x1x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c9_least(%a: tensor<1x2x64xf32>, %b: tensor<1x1x8x64xi32>, %s: tensor<1x1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c9)}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x8x64xi32>) scales(%s : tensor<1x1x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c9_words(%a: tensor<1x2x64xf32>, %b: tensor<1x1x8x64xi32>, %s: tensor<1x1x6x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c9) has words of four-bit elements in blocks of 12 from 0 on}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x8x64xi32>) scales(%s : tensor<1x1x6x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 12 : i64, least = 0 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c9_range(%a: tensor<1x2x64xf32>, %b: tensor<1x1x8x64xi32>, %s: tensor<1x1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c9)}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x64xf32>, tensor<1x1x8x64xi32>) scales(%s : tensor<1x1x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64, least = 128 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @contract_c9_not_packed(%a: tensor<1x2x64xf32>, %b: tensor<1x8x64xi32>, %s: tensor<1x2x64xf32>, %init: tensor<1x2x64xf32>) -> tensor<1x2x64xf32> {
  // expected-error @below {{(contract_c9)}}
  %r = ac.contract ins(%a, %b : tensor<1x2x64xf32>, tensor<1x8x64xi32>) scales(%s : tensor<1x2x64xf32>) extras() outs(%init : tensor<1x2x64xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], block_size = 32 : i64, least = 0 : i64} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x64xf32>
  return %r : tensor<1x2x64xf32>
}

// -----

func.func @dequantized_product_c1(%x: tensor<?x100xf32>, %w: tensor<64x128xi8>, %s: tensor<64x4xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{(dequantized_product_c1) takes 'tensor<?x100xf32>' by 'tensor<64x128xi8>' to 'tensor<?x64xf32>'}}
  %y = ac.dequantized_product %x, %w scales(%s : tensor<64x4xf32>) block 32 : tensor<?x100xf32>, tensor<64x128xi8> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @dequantized_product_c2(%x: tensor<?x128xf32>, %w: tensor<64x128xi8>, %s: tensor<64x3xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{(dequantized_product_c2) has scales, zeros or offsets that do not fit 'tensor<64x128xi8>' in blocks of 32}}
  %y = ac.dequantized_product %x, %w scales(%s : tensor<64x3xf32>) block 32 : tensor<?x128xf32>, tensor<64x128xi8> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @gather_rows_c1(%x: tensor<9x4xf32>, %places: tensor<?xindex>, %init: tensor<?x5xf32>) -> tensor<?x5xf32> {
  // expected-error @below {{(gather_rows_c1)}}
  %r = ac.gather_rows %x at %places outs(%init : tensor<?x5xf32>) : tensor<9x4xf32>, tensor<?xindex> -> tensor<?x5xf32>
  return %r : tensor<?x5xf32>
}

// -----

func.func @scatter_rows_c1(%x: tensor<?x4xf32>, %places: tensor<?xi64>, %init: tensor<9x4xf32>) -> tensor<9x4xf32> {
  // expected-error @below {{(scatter_rows_c1)}}
  %r = ac.scatter_rows %x at %places outs(%init : tensor<9x4xf32>) : tensor<?x4xf32>, tensor<?xi64> -> tensor<9x4xf32>
  return %r : tensor<9x4xf32>
}

// -----

func.func @parallel_c1(%n: index) {
  // expected-error @below {{(parallel_c1) has a body of 0 arguments, expected two indices, the bounds of a range, and an `ac.yield` of nothing}}
  ac.parallel %n grain %n {
    ac.yield
  }
  return
}

// -----

func.func @masked_rows_c1(%mask: tensor<?x2xf32>, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{(masked_rows_c1) has a mask of type 'tensor<?x2xf32>', expected a last dimension of one and the rank of the rows and results}}
  %y = ac.masked_rows %mask : tensor<?x2xf32> rows(%x : tensor<?x64xf32>) {
  ^bb0(%row: tensor<?x64xf32>):
    ac.yield %row : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @masked_rows_c2(%mask: tensor<?x1xf32>, %x: tensor<?x64xf32>) -> tensor<?x32xf32> {
  // expected-error @below {{(masked_rows_c2) has a body from 'tensor<?x64xf32>' to 'tensor<?x64xf32>', expected from 'tensor<?x64xf32>' to 'tensor<?x32xf32>'}}
  %y = ac.masked_rows %mask : tensor<?x1xf32> rows(%x : tensor<?x64xf32>) {
  ^bb0(%row: tensor<?x64xf32>):
    ac.yield %row : tensor<?x64xf32>
  } -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

func.func @masked_rows_c3(%mask: tensor<?x1xf32>, %x: tensor<?x64xf32>, %y: tensor<?x64xf16>) -> tensor<?x64xf32> {
  // expected-error @below {{(masked_rows_c3) has rows of types 'tensor<?x64xf16>' otherwise, expected 'tensor<?x64xf32>'}}
  %r = ac.masked_rows %mask : tensor<?x1xf32> rows(%x : tensor<?x64xf32>) otherwise(%y : tensor<?x64xf16>) {
  ^bb0(%row: tensor<?x64xf32>):
    ac.yield %row : tensor<?x64xf32>
  } -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// -----

func.func @yield_alone() {
  // expected-error @below {{expects parent op to be one of}}
  ac.yield
}

// -----

func.func @contract_c10(%a: tensor<1x2x3xf32>, %b: tensor<5x7xf32>, %starts: tensor<4xindex>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c10) has starts of type 'tensor<4xindex>' for a depth of 3, expected one dimension of that size}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<5x7xf32>) extras() rhs_starts(%starts : tensor<4xindex>)
      outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

func.func @contract_c12(%a: tensor<1x2x3xi8>, %b: tensor<1x1x2x4xi8>, %init: tensor<1x2x2xi32>) -> tensor<1x2x2xi32> {
  // expected-error @below {{(contract_c12) has groups of 2 elements of 'i8' on the right and 'i8' on the left, expected groups of 32 bits}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x3xi8>, tensor<1x1x2x4xi8>) extras() outs(%init : tensor<1x2x2xi32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [],
                  group = 2 : i64} {
  ^bb0(%sum: i32):
    ac.yield %sum : i32
  } -> tensor<1x2x2xi32>
  return %r : tensor<1x2x2xi32>
}

// -----

func.func @contract_c13_copied(%a: tensor<1x2x3xf32>, %b: tensor<1x1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c13) copies its columns or leaves panels, with a rhs that is packed or has scales}}
  %r = ac.contract packed ins(%a, %b : tensor<1x2x3xf32>, tensor<1x1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], copied} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

func.func @contract_c13_panels(%a: tensor<1x2x3xf32>, %b: tensor<1x3x8xf32>, %init: tensor<1x2x2x4xf32>) -> tensor<1x2x2x4xf32> {
  // expected-error @below {{(contract_c13) leaves panels with starts, or with a result that has an order, rows or an accumulation}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x8xf32>) extras() accumulate outs(%init : tensor<1x2x2x4xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], out_panels} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x2x4xf32>
  return %r : tensor<1x2x2x4xf32>
}

// -----

func.func @contract_c14(%a: tensor<1x1x3x4xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // expected-error @below {{(contract_c14) is turned, with a lhs of 'f32', expected f32, no order, lists of rows or panels, and a plain rhs}}
  %r = ac.contract ins(%a, %b : tensor<1x1x3x4xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x4xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (d0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [], copied, turned} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// -----

func.func @contract_c2_images(%a: tensor<1x2x3xf32>, %b: tensor<1x3x4xf32>, %init: tensor<1x2x1x4xf32>) -> tensor<1x2x1x4xf32> {
  // expected-error @below {{(contract_c2) has operands of rank 3, 3 and 4, expected 3, 3 and 3}}
  %r = ac.contract ins(%a, %b : tensor<1x2x3xf32>, tensor<1x3x4xf32>) extras() outs(%init : tensor<1x2x1x4xf32>)
      attributes {lhs_batch = affine_map<(d0) -> (0)>, rhs_batch = affine_map<(d0) -> (d0)>, extra_maps = [],
                  out_order = array<i64: 3, 1, 0, 2>} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x2x1x4xf32>
  return %r : tensor<1x2x1x4xf32>
}

// -----

func.func @depthwise_c1(%x: tensor<1x8x10x10xf32>, %w: tensor<8x10xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c1) has operands}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x10xf32>) extras() outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c2(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c2) has a window with an entry that is not one of two positive numbers}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras() outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 0>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c2_low(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c2) has a window}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras() outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 0, -1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c3(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %b: tensor<8xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c3) has 0 maps for 1 extras}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras(%b : tensor<8xf32>) outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32, %a: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c3_rank(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %b: tensor<8xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c3) reads an extra of type 'tensor<8xf32>'}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras(%b : tensor<8xf32>) outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = [affine_map<(d0, d1, d2, d3) -> (d1, d2)>]} {
  ^bb0(%sum: f32, %a: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c4(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c4) has an epilogue of 2 arguments, expected 1}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras() outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32, %a: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}

// -----

func.func @depthwise_c5(%x: tensor<1x8x10x10xf32>, %w: tensor<8x9xf32>, %same: tensor<1x8x9x10xf32>, %init: tensor<1x8x10x10xf32>) -> tensor<1x8x10x10xf32> {
  // expected-error @below {{(depthwise_c5) has 0 extras and 'tensor<1x8x9x10xf32>' instead of 'tensor<1x8x10x10xf32>', expected none and a tensor of the same type}}
  %r = ac.depthwise ins(%x, %w : tensor<1x8x10x10xf32>, tensor<8x9xf32>) extras() instead(%same : tensor<1x8x9x10xf32>)
      outs(%init : tensor<1x8x10x10xf32>)
      attributes {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
                  low = array<i64: 1, 1>, extra_maps = []} {
  ^bb0(%sum: f32):
    ac.yield %sum : f32
  } -> tensor<1x8x10x10xf32>
  return %r : tensor<1x8x10x10xf32>
}
