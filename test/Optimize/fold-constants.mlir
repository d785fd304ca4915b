// RUN: ac-opt %s --ac-fold-constants | FileCheck %s

// What depends on constants alone is computed, through chains: 0.5 * (5 - 1) = 2.
// CHECK-LABEL: func.func @dequantised_weight(
// CHECK-NOT: onnx.DequantizeLinear
// CHECK-NOT: onnx.Transpose
// CHECK: %[[W:.*]] = onnx.Constant
// CHECK-SAME: tensor<16x8xf32>
// CHECK: onnx.MatMul(%{{.*}}, %[[W]])
func.func @dequantised_weight(%x: tensor<?x16xf32>) -> tensor<?x8xf32> {
  %q = "onnx.Constant"() {value = dense<5> : tensor<8x16xsi8>} : () -> tensor<8x16xsi8>
  %scale = "onnx.Constant"() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %zero = "onnx.Constant"() {value = dense<1> : tensor<si8>} : () -> tensor<si8>
  %w = "onnx.DequantizeLinear"(%q, %scale, %zero) : (tensor<8x16xsi8>, tensor<f32>, tensor<si8>) -> tensor<8x16xf32>
  %t = "onnx.Transpose"(%w) {perm = array<i64: 1, 0>} : (tensor<8x16xf32>) -> tensor<16x8xf32>
  %y = "onnx.MatMul"(%x, %t) : (tensor<?x16xf32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Up to 64 elements the lowering folds: a compilation would take longer.
// CHECK-LABEL: func.func @small_is_left_to_the_lowering(
// CHECK: onnx.Neg
func.func @small_is_left_to_the_lowering() -> tensor<4xf32> {
  %c = "onnx.Constant"() {value = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : () -> tensor<4xf32>
  %r = "onnx.Neg"(%c) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// A megabyte from four hundred bytes is cheaper to compute than to store.
// CHECK-LABEL: func.func @growth_is_not_stored(
// CHECK: onnx.Expand
func.func @growth_is_not_stored() -> tensor<2621x100xf32> {
  %c = "onnx.Constant"() {value = dense<1.0> : tensor<100xf32>} : () -> tensor<100xf32>
  %s = "onnx.Constant"() {value = dense<[2621, 100]> : tensor<2xi64>} : () -> tensor<2xi64>
  %r = "onnx.Expand"(%c, %s) : (tensor<100xf32>, tensor<2xi64>) -> tensor<2621x100xf32>
  return %r : tensor<2621x100xf32>
}

// CHECK-LABEL: func.func @random_numbers_stay(
// CHECK: onnx.RandomNormalLike
func.func @random_numbers_stay() -> tensor<100xf32> {
  %c = "onnx.Constant"() {value = dense<1.0> : tensor<100xf32>} : () -> tensor<100xf32>
  %r = "onnx.RandomNormalLike"(%c) : (tensor<100xf32>) -> tensor<100xf32>
  return %r : tensor<100xf32>
}

// A constant of a branch is constant anywhere.
// CHECK-LABEL: func.func @inside_a_branch(
// CHECK: onnx.If
// CHECK-NOT: onnx.Neg
// CHECK: onnx.Constant
// CHECK: onnx.Yield
func.func @inside_a_branch(%p: tensor<i1>, %x: tensor<100xf32>) -> tensor<100xf32> {
  %c = "onnx.Constant"() {value = dense<1.0> : tensor<100xf32>} : () -> tensor<100xf32>
  %r = "onnx.If"(%p) ({
    %n = "onnx.Neg"(%c) : (tensor<100xf32>) -> tensor<100xf32>
    "onnx.Yield"(%n) : (tensor<100xf32>) -> ()
  }, {
    "onnx.Yield"(%x) : (tensor<100xf32>) -> ()
  }) : (tensor<i1>) -> tensor<100xf32>
  return %r : tensor<100xf32>
}

// What cannot be lowered is left for the lower stage to report.
// CHECK-LABEL: func.func @unknown_operator_stays(
// CHECK: onnx.Custom
func.func @unknown_operator_stays() -> tensor<100xf32> {
  %c = "onnx.Constant"() {value = dense<1.0> : tensor<100xf32>} : () -> tensor<100xf32>
  %r = "onnx.Custom"(%c) {domain = "com.example", op_type = "Puzzle"} : (tensor<100xf32>) -> tensor<100xf32>
  return %r : tensor<100xf32>
}

// RUN: ac-opt %s --ac-fold-constants=keep-quantized | FileCheck %s --check-prefix=KEEP
// KEEP-LABEL: func.func @dequantised_weight(
// KEEP: onnx.DequantizeLinear
// KEEP: onnx.Transpose

// A cast to the type that is there already hides nothing from those who look for constants.
// CHECK-LABEL: func.func @casts_to_the_same_type(
// CHECK-NOT: Cast
// CHECK: %[[A:.*]] = onnx.Constant
// CHECK: onnx.Mul(%{{.*}}, %[[A]])
// CHECK: onnx.CastLike
func.func @casts_to_the_same_type(%x: tensor<?xf32>, %y: tensor<?xf16>) -> (tensor<?xf32>, tensor<f16>) {
  %a = "onnx.Constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
  %b = "onnx.CastLike"(%a, %x) : (tensor<f32>, tensor<?xf32>) -> tensor<f32>
  %r = "onnx.Mul"(%x, %b) : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %c = "onnx.CastLike"(%a, %y) : (tensor<f32>, tensor<?xf16>) -> tensor<f16>
  return %r, %c : tensor<?xf32>, tensor<f16>
}
