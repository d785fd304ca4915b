// RUN: ac-opt %s --ac-raise-moe-operator | FileCheck %s

// CHECK-LABEL: func @two_matrices
// CHECK: %[[WEIGHTS:.*]] = ac.route top_k of %{{.*}} limit %{{.*}} weights softmax last_wins : tensor<?x2xf32>, tensor<i64> -> tensor<?x2xf32>
// CHECK: ac.moe_dispatch %[[WEIGHTS]] : tensor<?x2xf32> rows(%arg0 : tensor<?x4xf32>) expert {
// CHECK: onnx.Gather(%arg2, {{.*}}) {axis = 0 : i64} : (tensor<2x6x4xf32>, tensor<i64>) -> tensor<6x4xf32>
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x4xf32>, tensor<4x6xf32>) -> tensor<?x6xf32>
// CHECK: onnx.Add({{.*}}) : (tensor<?x6xf32>, tensor<6xf32>) -> tensor<?x6xf32>
// CHECK: onnx.Relu
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x6xf32>, tensor<6x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: ac.yield
// CHECK: } expert {
// CHECK-NOT: onnx.Custom
// CHECK: return
func.func @two_matrices(%x: tensor<?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %b1: tensor<2x6xf32>,
                        %w2: tensor<2x4x6xf32>) -> tensor<?x4xf32> {
  %y = "onnx.Custom"(%x, %r, %w1, %b1, %w2) {domain = "com.microsoft", op_type = "MoE", activation_type = "relu", k = 1 : i64}
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, tensor<2x6xf32>, tensor<2x4x6xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A third matrix gates; rows of two dimensions have a router of one.
// CHECK-LABEL: func @gated
// CHECK: onnx.Reshape(%arg1, {{.*}}) {allowzero = 1 : i64} : (tensor<?x2xf32>, tensor<3xi64>) -> tensor<?x?x2xf32>
// CHECK: ac.route {{.*}} weights normalized
// CHECK: %[[GATE:.*]] = onnx.MatMul
// CHECK: %[[LINEAR:.*]] = onnx.MatMul
// CHECK: onnx.Sigmoid(%[[GATE]])
// CHECK: onnx.Mul({{.*}}, %[[LINEAR]])
func.func @gated(%x: tensor<?x?x4xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x6x4xf32>, %w2: tensor<2x4x6xf32>) -> tensor<?x?x4xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Custom"(%x, %r, %w1, %none, %w2, %none, %w1) {domain = "com.microsoft", op_type = "MoE", k = 1 : i64, activation_type = "silu", normalize_routing_weights = 1 : i64}
      : (tensor<?x?x4xf32>, tensor<?x2xf32>, tensor<2x6x4xf32>, none, tensor<2x4x6xf32>, none, tensor<2x6x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// Two numbers in a byte, a scale for each block of 16 columns.
// CHECK-LABEL: func @four_bits
// CHECK: ac.moe_dispatch
// CHECK: onnx.BitwiseAnd
// CHECK: onnx.BitShift
// CHECK: onnx.DequantizeLinear({{.*}}) {axis = 1 : i64, block_size = 16 : i64} : (tensor<16x32xui8>, tensor<16x2xf32>, tensor<16x2xui8>) -> tensor<16x32xf32>
// CHECK: onnx.MatMul({{.*}}) : (tensor<?x32xf32>, tensor<32x16xf32>) -> tensor<?x16xf32>
func.func @four_bits(%x: tensor<?x32xf32>, %r: tensor<?x2xf32>, %w1: tensor<2x16x16xui8>, %s1: tensor<2x16x2xf32>,
                     %w2: tensor<2x32x8xui8>, %s2: tensor<2x32x1xf32>) -> tensor<?x32xf32> {
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Custom"(%x, %r, %w1, %s1, %none, %w2, %s2) {domain = "com.microsoft", op_type = "QMoE", k = 1 : i64, expert_weight_bits = 4 : i64, block_size = 16 : i64}
      : (tensor<?x32xf32>, tensor<?x2xf32>, tensor<2x16x16xui8>, tensor<2x16x2xf32>, none, tensor<2x32x8xui8>, tensor<2x32x1xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
