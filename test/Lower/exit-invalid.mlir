// RUN: ac-opt %s --ac-lower --split-input-file --verify-diagnostics

// What a region holds is refused as anywhere.
func.func @inside(%stop: tensor<i1>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = ac.exit %stop : tensor<i1> early {
    ac.yield %x : tensor<?x4xf32>
  } rest {
    // expected-error @+1 {{node '?' (RandomNormalLike): random numbers are not supported: a compiled model answers the same each time}}
    %0 = onnx.RandomNormalLike(%x) {mean = 0.0 : f32, scale = 1.0 : f32} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ac.yield %0 : tensor<?x4xf32>
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
