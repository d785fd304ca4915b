// RUN: ac-opt %s --ac-lower --verify-diagnostics --split-input-file

func.func @sparse_mixer(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @+1 {{(com.microsoft.MoE): use_sparse_mixer is set, expected routing by the largest values}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2) {domain = "com.microsoft", op_type = "MoE", k = 1 : i64, use_sparse_mixer = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @too_many(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @+1 {{k is 4, expected 1 to 2}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2) {domain = "com.microsoft", op_type = "MoE", k = 4 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @third_matrix(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @+1 {{has input 6, expected experts of two matrices without a third}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2, %none, %w1) {domain = "com.microsoft", op_type = "MoE", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>, none, tensor<2x6x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @wrong_shape(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x6x4xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-error @+1 {{has input 2 of shape [2, 6, 4], expected [2, 4, 4]}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2) {domain = "com.microsoft", op_type = "MoE", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x6x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
