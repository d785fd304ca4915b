// RUN: ac-opt %s --ac-raise-moe-operator --verify-diagnostics --split-input-file

func.func @sparse_mixer(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{mixture of experts not raised: use_sparse_mixer is set, expected routing by the largest values}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2) {domain = "com.microsoft", op_type = "MoE", k = 1 : i64, use_sparse_mixer = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @too_many(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{mixture of experts not raised: k is 3, expected 1 to 2}}
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2) {domain = "com.microsoft", op_type = "MoE", k = 3 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @floats_of_few_bits(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x2xui8>, %s1: tensor<2x6xf32>,
                              %w2: tensor<2x4x3xui8>, %s2: tensor<2x4xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{mixture of experts not raised: quant_type is 'fp4', expected int}}
  %y = "onnx.Custom"(%x, %r, %w1, %s1, %none, %w2, %s2) {domain = "com.microsoft", op_type = "QMoE", k = 1 : i64, quant_type = "fp4"}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x2xui8>, tensor<2x6xf32>, none, tensor<2x4x3xui8>, tensor<2x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @two_bits(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x8x1xui8>, %s1: tensor<2x8xf32>,
                    %w2: tensor<2x4x2xui8>, %s2: tensor<2x4xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{mixture of experts not raised: weights have 2 bits, expected 4 or 8}}
  %y = "onnx.Custom"(%x, %r, %w1, %s1, %none, %w2, %s2) {domain = "com.microsoft", op_type = "QMoE", k = 1 : i64, expert_weight_bits = 2 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x8x1xui8>, tensor<2x8xf32>, none, tensor<2x4x2xui8>, tensor<2x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @scales_of_another_shape(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x2xui8>, %s1: tensor<2x4xf32>,
                                   %w2: tensor<2x4x3xui8>, %s2: tensor<2x4xf32>) -> tensor<?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  // expected-remark @+1 {{mixture of experts not raised: fc1 has scales of another shape than the matrices ask for}}
  %y = "onnx.Custom"(%x, %r, %w1, %s1, %none, %w2, %s2) {domain = "com.microsoft", op_type = "QMoE", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x2xui8>, tensor<2x4xf32>, none, tensor<2x4x3xui8>, tensor<2x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
