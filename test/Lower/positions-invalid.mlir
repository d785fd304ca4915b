// RUN: ac-opt %s --ac-lower --split-input-file --verify-diagnostics

func.func @index_out_of_range(%x: tensor<4xf32>) -> tensor<2xf32> {
  %i = "onnx.Constant"() {value = dense<[1, 4]> : tensor<2xi64>} : () -> tensor<2xi64>
  // expected-error @below {{index 4 is out of range for a dimension of size 4}}
  %r = "onnx.Gather"(%x, %i) {axis = 0 : i64} : (tensor<4xf32>, tensor<2xi64>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}

// -----

func.func @elements_lost(%x: tensor<2x3xf32>) -> tensor<4xf32> {
  %shape = "onnx.Constant"() {value = dense<4> : tensor<1xi64>} : () -> tensor<1xi64>
  // expected-error @below {{the input has 6 elements, the shape asked for 4}}
  %r = "onnx.Reshape"(%x, %shape) : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @rank_unknown(%x: tensor<?xf32>, %shape: tensor<?xi64>) -> tensor<*xf32> {
  // expected-error @below {{the length of the vector in input 1 is not known while compiling}}
  %r = "onnx.Expand"(%x, %shape) : (tensor<?xf32>, tensor<?xi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

func.func @too_many_selected(%x: tensor<3xf32>) -> (tensor<5xf32>, tensor<5xi64>) {
  %k = "onnx.Constant"() {value = dense<5> : tensor<1xi64>} : () -> tensor<1xi64>
  // expected-error @below {{k is 5 for a dimension of size 3}}
  %v, %i = "onnx.TopK"(%x, %k) {axis = -1 : i64, largest = 1 : i64, sorted = 1 : i64}
    : (tensor<3xf32>, tensor<1xi64>) -> (tensor<5xf32>, tensor<5xi64>)
  return %v, %i : tensor<5xf32>, tensor<5xi64>
}
