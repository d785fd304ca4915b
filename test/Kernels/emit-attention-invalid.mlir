// RUN: ac-opt %s --ac-emit-attention --verify-diagnostics

func.func @f64(%a: memref<9x8xf64>, %r: memref<9x8xf64>) {
  // expected-error @below {{has elements other than f32, for which there is no kernel}}
  ac.attention ins(%a, %a, %a : memref<9x8xf64>, memref<9x8xf64>, memref<9x8xf64>) outs(%r : memref<9x8xf64>)
      attributes {query_order = array<i64: 2, 3>, key_order = array<i64: 2, 3>, value_order = array<i64: 2, 3>,
                  out_order = array<i64: 2, 3>, scale = 1.0 : f64}
  return
}
