// RUN: ac-opt %s --split-input-file --verify-diagnostics

func.func @attention_c1(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf64>, %v: tensor<1x2x9x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c1) has a key of type 'tensor<1x2x9x8xf64>', expected rank 4 and the floating-point elements of the query}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf64>, tensor<1x2x9x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c2(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c2) has for the query the order 0, 0, 2, 3, expected some of 0 to 3, with 2 and 3}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>)
      attributes {query_order = array<i64: 0, 0, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c3(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x8x9xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c3)}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x8x9xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 3, 2>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c4(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x7x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c4) has 9 keys in the key and 7 in the value}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x7x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c4_heads(%q: tensor<1x4x6x8xf32>, %k: tensor<1x3x9x8xf32>, %v: tensor<1x3x9x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c4) has 4 query heads for 3 key heads, expected a multiple}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x3x9x8xf32>, tensor<1x3x9x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c5(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>, %m: tensor<9xi64>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c5) has a mask of type 'tensor<9xi64>'}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>) mask(%m : tensor<9xi64>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c5_fill(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c5) has a fill but no mask of booleans}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64, fill = 0.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c6(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>, %o: tensor<1xi64>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c6)}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>) offsets(%o : tensor<1xi64>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c7(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c7)}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64, after = -1 : i64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}

// -----

func.func @attention_c8(%q: memref<6x8xf32>, %k: memref<9x8xf32>) {
  // expected-error @below {{(attention_c8) has 0 results and no outs, expected outs alone on buffers}}
  ac.attention ins(%q, %k, %k : memref<6x8xf32>, memref<9x8xf32>, memref<9x8xf32>)
      attributes {query_order = array<i64: 2, 3>, key_order = array<i64: 2, 3>, value_order = array<i64: 2, 3>,
                  out_order = array<i64: 2, 3>, scale = 1.0 : f64}
  return
}

// -----

func.func @attention_c9(%q: tensor<1x4x6x8xf32>, %k: tensor<1x2x9x8xf32>, %v: tensor<1x2x9x8xf32>, %s: tensor<2xf32>) -> tensor<1x4x6x8xf32> {
  // expected-error @below {{(attention_c9) has sinks of type 'tensor<2xf32>', expected one of the query's elements for each query head}}
  %r = ac.attention ins(%q, %k, %v : tensor<1x4x6x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>) sinks(%s : tensor<2xf32>)
      attributes {query_order = array<i64: 0, 1, 2, 3>, key_order = array<i64: 0, 1, 2, 3>, value_order = array<i64: 0, 1, 2, 3>,
                  out_order = array<i64: 0, 1, 2, 3>, scale = 1.0 : f64} -> tensor<1x4x6x8xf32>
  return %r : tensor<1x4x6x8xf32>
}
