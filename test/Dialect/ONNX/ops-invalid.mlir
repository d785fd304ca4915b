// RUN: ac-opt %s --split-input-file --verify-diagnostics

func.func @operands(%a: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{'onnx.Add' op expected 2 operands, but found 1}}
  %y = onnx.Add(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @attribute(%a: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{'onnx.Softmax' op attribute 'axis' failed to satisfy constraint}}
  %y = onnx.Softmax(%a) {axis = "last"} : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @constant() -> tensor<2xf32> {
  // expected-error@+1 {{has a result of type 'tensor<2xf32>' but a value of type 'tensor<3xf32>'}}
  %y = onnx.Constant() {value = dense<0.0> : tensor<3xf32>} : () -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @constant() -> tensor<2xf32> {
  // expected-error@+1 {{'onnx.Constant' op has no `value`}}
  %y = onnx.Constant() : () -> tensor<2xf32>
  return %y : tensor<2xf32>
}
