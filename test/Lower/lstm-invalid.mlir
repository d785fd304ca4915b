// RUN: ac-opt %s --ac-lower --verify-diagnostics

func.func @weights(%x: tensor<4x2x3xf32>, %w: tensor<1x20x7xf32>, %r: tensor<1x20x5xf32>) -> tensor<1x2x5xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(LSTM): W has 7 entries along a dimension, expected 3}}
  %y:3 = "onnx.LSTM"(%x, %w, %r, %none, %none, %none, %none, %none) {hidden_size = 5 : i64}
    : (tensor<4x2x3xf32>, tensor<1x20x7xf32>, tensor<1x20x5xf32>, none, none, none, none, none)
    -> (none, tensor<1x2x5xf32>, none)
  return %y#1 : tensor<1x2x5xf32>
}

func.func @activation(%x: tensor<4x2x3xf32>, %w: tensor<1x5x3xf32>, %r: tensor<1x5x5xf32>) -> tensor<1x2x5xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(RNN): unknown activation 'Swish'}}
  %y:2 = "onnx.RNN"(%x, %w, %r, %none, %none, %none) {hidden_size = 5 : i64, activations = ["Swish"]}
    : (tensor<4x2x3xf32>, tensor<1x5x3xf32>, tensor<1x5x5xf32>, none, none, none) -> (none, tensor<1x2x5xf32>)
  return %y#1 : tensor<1x2x5xf32>
}
