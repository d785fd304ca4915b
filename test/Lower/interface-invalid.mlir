// RUN: ac-opt %s --ac-lower-onnx --split-input-file --verify-diagnostics

// expected-error @below {{input 'x' has type 'tensor<*xf32>', expected a tensor of known rank with f16, bf16, f32, f64, bool or 8 to 64-bit integer elements}}
func.func @no_rank(%x: tensor<*xf32> {onnx.name = "x"}) -> tensor<*xf32> {
  %y = "onnx.Neg"(%x) : (tensor<*xf32>) -> tensor<*xf32>
  return %y : tensor<*xf32>
}

// -----

// expected-error @below {{input '?' has type 'tensor<4xcomplex<f32>>'}}
func.func @complex(%x: tensor<4xcomplex<f32>>) -> tensor<4xcomplex<f32>> {
  return %x : tensor<4xcomplex<f32>>
}
