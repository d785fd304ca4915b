// RUN: ac-opt %s --ac-fuse-dequantization --split-input-file --verify-diagnostics

func.func @two_bits(%x: tensor<?x16xf32>, %w: tensor<1x1x8xui8>, %s: tensor<1x1xf32>) -> tensor<?x1xf32> {
  // expected-remark @below {{(MatMulNBits) is not lowered: it has N 1, K 16, block_size 16 and bits 2, expected positive ones and 4 or 8 bits}}
  %y = "onnx.Custom"(%x, %w, %s) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 2 : i64, block_size = 16 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @computed_weights(%x: tensor<?x16xf32>, %w: tensor<1x1x8xui8>, %s: tensor<1x1xf32>) -> tensor<?x1xf32> {
  // expected-remark @below {{(MatMulNBits) is not lowered: its weights are no constant bytes with constant floats as scales}}
  %y = "onnx.Custom"(%x, %w, %s) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 4 : i64, block_size = 16 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @too_few_scales(%x: tensor<?x32xf32>) -> tensor<?x1xf32> {
  %w = "onnx.Constant"() {value = dense<1> : tensor<1x2x8xui8>} : () -> tensor<1x2x8xui8>
  %s = "onnx.Constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  // expected-remark @below {{(MatMulNBits) is not lowered: its weights, scales or zero points are not as many as N, K and block_size ask for}}
  %y = "onnx.Custom"(%x, %w, %s) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 32 : i64, bits = 4 : i64, block_size = 16 : i64}
      : (tensor<?x32xf32>, tensor<1x2x8xui8>, tensor<1x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @group_index(%x: tensor<?x16xf32>, %g: tensor<16xi32>) -> tensor<?x1xf32> {
  %w = "onnx.Constant"() {value = dense<1> : tensor<1x1x8xui8>} : () -> tensor<1x1x8xui8>
  %s = "onnx.Constant"() {value = dense<1.0> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @below {{(MatMulNBits) is not lowered: it has a group index (input 4)}}
  %y = "onnx.Custom"(%x, %w, %s, %none, %g) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 4 : i64, block_size = 16 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>, none, tensor<16xi32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
