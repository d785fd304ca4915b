// RUN: ac-opt %s --ac-bind-abi --split-input-file --verify-diagnostics

// expected-error @below {{has an argument of type 'i1', expected buffers of identity layout}}
func.func @main(%x: memref<?x4xf32>, %ok: i1) {
  return
}

// -----

// expected-error @below {{has an argument of type 'memref<4xf32, strided<[2]>>', expected buffers of identity layout}}
func.func @main(%x: memref<4xf32, strided<[2]>>) {
  return
}
