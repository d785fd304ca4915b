// RUN: ac-opt %s --ac-fuse-dequantization | FileCheck %s

// A zero point that is the same everywhere is taken off; weights become [columns, depth].
// CHECK-LABEL: func.func @for_each_column(
// CHECK-DAG: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}-1, 1], [0, 2]]> : tensor<2x2xi8>}
// CHECK-DAG: %[[S:.*]] = onnx.Constant() {value = dense<{{\[\[}}5.000000e-01], [2.500000e-01]]> : tensor<2x1xf32>}
// CHECK: ac.dequantized_product %{{.*}}, %[[W]] scales(%[[S]] : tensor<2x1xf32>) block 2 : tensor<?x2xf32>, tensor<2x2xi8> -> tensor<?x2xf32>
// CHECK-NOT: onnx.MatMul
func.func @for_each_column(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %q = "onnx.Constant"() {value = dense<[[127, 128], [129, 130]]> : tensor<2x2xui8>} : () -> tensor<2x2xui8>
  %s = "onnx.Constant"() {value = dense<[0.5, 0.25]> : tensor<2xf32>} : () -> tensor<2xf32>
  %z = "onnx.Constant"() {value = dense<128> : tensor<2xui8>} : () -> tensor<2xui8>
  %w = "onnx.DequantizeLinear"(%q, %s, %z) {axis = 1 : i64} : (tensor<2x2xui8>, tensor<2xf32>, tensor<2xui8>) -> tensor<2x2xf32>
  %y = "onnx.MatMul"(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @blocks_and_zero_points(
// CHECK-DAG: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}0, 15, 3, 4]]> : tensor<1x4xi8>}
// CHECK-DAG: %[[S:.*]] = onnx.Constant() {value = dense<{{\[\[}}5.000000e-01, 2.500000e-01]]> : tensor<1x2xf32>}
// CHECK-DAG: %[[Z:.*]] = onnx.Constant() {value = dense<{{\[\[}}7, 8]]> : tensor<1x2xi8>}
// CHECK: ac.dequantized_product %{{.*}}, %[[W]] scales(%[[S]] : tensor<1x2xf32>) zeros(%[[Z]] : tensor<1x2xi8>) block 2
func.func @blocks_and_zero_points(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %q = "onnx.Constant"() {value = dense<[[0, 15, 3, 4]]> : tensor<1x4xui4>} : () -> tensor<1x4xui4>
  %s = "onnx.Constant"() {value = dense<[[0.5, 0.25]]> : tensor<1x2xf32>} : () -> tensor<1x2xf32>
  %z = "onnx.Constant"() {value = dense<[[7, 8]]> : tensor<1x2xui4>} : () -> tensor<1x2xui4>
  %w = "onnx.DequantizeLinear"(%q, %s, %z) {axis = 1 : i64, block_size = 2 : i64} : (tensor<1x4xui4>, tensor<1x2xf32>, tensor<1x2xui4>) -> tensor<1x4xf32>
  %t = "onnx.Transpose"(%w) {perm = array<i64: 1, 0>} : (tensor<1x4xf32>) -> tensor<4x1xf32>
  %y = "onnx.MatMul"(%x, %t) : (tensor<?x4xf32>, tensor<4x1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// Every second column from the first on.
// CHECK-LABEL: func.func @slice_of_columns(
// CHECK-DAG: onnx.Constant() {value = dense<{{\[\[}}1, 2], [5, 6]]> : tensor<2x2xi8>}
// CHECK-DAG: onnx.Constant() {value = dense<{{\[\[}}1.000000e+00], [3.000000e+00]]> : tensor<2x1xf32>}
// CHECK: ac.dequantized_product
func.func @slice_of_columns(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %q = "onnx.Constant"() {value = dense<[[1, 2], [3, 4], [5, 6], [7, 8]]> : tensor<4x2xi8>} : () -> tensor<4x2xi8>
  %s = "onnx.Constant"() {value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %none = "onnx.NoValue"() : () -> none
  %w = "onnx.DequantizeLinear"(%q, %s, %none) {axis = 0 : i64} : (tensor<4x2xi8>, tensor<4xf32>, none) -> tensor<4x2xf32>
  %b = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %e = "onnx.Constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %step = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %p = "onnx.Slice"(%w, %b, %e, %b, %step) : (tensor<4x2xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x2xf32>
  %t = "onnx.Transpose"(%p) {perm = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = "onnx.MatMul"(%x, %t) : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// The lower half of a byte comes first; eight is taken off.
// CHECK-LABEL: func.func @n_bits(
// CHECK-DAG: %[[W:.*]] = onnx.Constant() {value = dense<{{\[\[}}-7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, -8]]> : tensor<1x16xi8>}
// CHECK-DAG: %[[B:.*]] = onnx.Constant() {value = dense<1.000000e+00> : tensor<1xf32>}
// CHECK: %[[P:.*]] = ac.dequantized_product %{{.*}}, %[[W]] scales(%{{.*}} : tensor<1x1xf32>) block 16
// CHECK: onnx.Add(%[[P]], %[[B]])
func.func @n_bits(%x: tensor<?x16xf32>) -> tensor<?x1xf32> {
  %w = "onnx.Constant"() {value = dense<[[[33, 67, 101, 135, 169, 203, 237, 15]]]> : tensor<1x1x8xui8>} : () -> tensor<1x1x8xui8>
  %s = "onnx.Constant"() {value = dense<[[0.5]]> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %bias = "onnx.Constant"() {value = dense<1.0> : tensor<1xf32>} : () -> tensor<1xf32>
  %none = "onnx.NoValue"() : () -> none
  %y = "onnx.Custom"(%x, %w, %s, %none, %none, %bias) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 4 : i64, block_size = 16 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>, none, none, tensor<1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// Who allows rows of int8 allows bf16; f16 has more digits.
// CHECK-LABEL: func.func @accuracy_level(
// CHECK: ac.dequantized_product %{{.*}} block 16 {ac.precision = "bf16"} :
// CHECK: ac.dequantized_product %{{.*}} block 16 :
func.func @accuracy_level(%x: tensor<?x16xf32>) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %w = "onnx.Constant"() {value = dense<[[[33, 67, 101, 135, 169, 203, 237, 15]]]> : tensor<1x1x8xui8>} : () -> tensor<1x1x8xui8>
  %s = "onnx.Constant"() {value = dense<[[0.5]]> : tensor<1x1xf32>} : () -> tensor<1x1xf32>
  %y = "onnx.Custom"(%x, %w, %s) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 4 : i64, block_size = 16 : i64, accuracy_level = 4 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>) -> tensor<?x1xf32>
  %z = "onnx.Custom"(%x, %w, %s) {domain = "com.microsoft", op_type = "MatMulNBits", N = 1 : i64, K = 16 : i64, bits = 4 : i64, block_size = 16 : i64, accuracy_level = 2 : i64}
      : (tensor<?x16xf32>, tensor<1x1x8xui8>, tensor<1x1xf32>) -> tensor<?x1xf32>
  return %y, %z : tensor<?x1xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @rows_of_a_table(
// CHECK: %[[Q:.*]] = onnx.Gather(%{{.*}}, %arg0) {{.*}} -> tensor<?x4xi8>
// CHECK: %[[S:.*]] = onnx.Gather(%{{.*}}, %arg0) {{.*}} -> tensor<?x2xf32>
// CHECK: onnx.DequantizeLinear(%[[Q]], %[[S]], %{{.*}}) {{.*}}axis = 1 : i64{{.*}} -> tensor<?x4xf32>
func.func @rows_of_a_table(%places: tensor<?xi64>) -> tensor<?x4xf32> {
  %q = "onnx.Constant"() {value = dense<[[1, 2, 3, 4], [5, 6, 7, 8]]> : tensor<2x4xi8>} : () -> tensor<2x4xi8>
  %s = "onnx.Constant"() {value = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  %none = "onnx.NoValue"() : () -> none
  %w = "onnx.DequantizeLinear"(%q, %s, %none) {axis = 1 : i64, block_size = 2 : i64} : (tensor<2x4xi8>, tensor<2x2xf32>, none) -> tensor<2x4xf32>
  %y = "onnx.Gather"(%w, %places) {axis = 0 : i64} : (tensor<2x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Blocks across the depth of the product, scales that are computed, and halves of the depth.
// CHECK-LABEL: func.func @others_stay(
// CHECK-NOT: ac.dequantized_product
// CHECK-COUNT-3: onnx.MatMul
func.func @others_stay(%x: tensor<?x4xf32>, %x2: tensor<?x2xf32>, %s: tensor<1x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %q = "onnx.Constant"() {value = dense<1> : tensor<4x4xi8>} : () -> tensor<4x4xi8>
  %c = "onnx.Constant"() {value = dense<2.0> : tensor<4x2xf32>} : () -> tensor<4x2xf32>
  %one = "onnx.Constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %none = "onnx.NoValue"() : () -> none
  %w = "onnx.DequantizeLinear"(%q, %c, %none) {axis = 1 : i64, block_size = 2 : i64} : (tensor<4x4xi8>, tensor<4x2xf32>, none) -> tensor<4x4xf32>
  %across = "onnx.MatMul"(%x, %w) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %v = "onnx.DequantizeLinear"(%q, %s, %none) {axis = 0 : i64, block_size = 4 : i64} : (tensor<4x4xi8>, tensor<1x4xf32>, none) -> tensor<4x4xf32>
  %computed = "onnx.MatMul"(%x, %v) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %u = "onnx.DequantizeLinear"(%q, %one, %none) : (tensor<4x4xi8>, tensor<f32>, none) -> tensor<4x4xf32>
  %b = "onnx.Constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %e = "onnx.Constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %step = "onnx.Constant"() {value = dense<1> : tensor<1xi64>} : () -> tensor<1xi64>
  %p = "onnx.Slice"(%u, %b, %e, %b, %step) : (tensor<4x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<2x4xf32>
  %half = "onnx.MatMul"(%x2, %p) : (tensor<?x2xf32>, tensor<2x4xf32>) -> tensor<?x4xf32>
  return %across, %computed, %half : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}
