// RUN: ac-opt %s --ac-lower --split-input-file --verify-diagnostics

func.func @kernel_of_unknown_size(%x: tensor<1x4x8x8xf32>, %w: tensor<8x4x?x?xf32>) -> tensor<1x8x?x?xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(Conv): has weights whose kernel size is not known while compiling}}
  %y = "onnx.Conv"(%x, %w, %none) : (tensor<1x4x8x8xf32>, tensor<8x4x?x?xf32>, none) -> tensor<1x8x?x?xf32>
  return %y : tensor<1x8x?x?xf32>
}

// -----

func.func @channels(%x: tensor<1x4x8x8xf32>, %w: tensor<8x3x1x1xf32>) -> tensor<1x8x8x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(Conv): the channels of the input and those that the weights read are 4 and 3, expected them to be equal}}
  %y = "onnx.Conv"(%x, %w, %none) : (tensor<1x4x8x8xf32>, tensor<8x3x1x1xf32>, none) -> tensor<1x8x8x8xf32>
  return %y : tensor<1x8x8x8xf32>
}

// -----

func.func @strides(%x: tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32> {
  // expected-error @below {{(AveragePool): has 1 strides, expected one for each of 2 spatial dimensions}}
  %y = "onnx.AveragePool"(%x) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2>}
    : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}

// -----

func.func @equation(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  // expected-error @below {{(Einsum): has an equation `ij->k` whose result has a label twice or one that no input has}}
  %y = "onnx.Einsum"(%x) {equation = "ij->k"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @mode(%x: tensor<1x1x4x4xf32>, %s: tensor<4xf32>) -> tensor<1x1x8x8xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @below {{(Resize): has the mode `best`, expected nearest, linear or cubic}}
  %y = "onnx.Resize"(%x, %none, %s, %none) {mode = "best"} : (tensor<1x1x4x4xf32>, none, tensor<4xf32>, none) -> tensor<1x1x8x8xf32>
  return %y : tensor<1x1x8x8xf32>
}
