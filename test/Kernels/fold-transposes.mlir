// RUN: ac-opt %s --ac-fold-transposes --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @weight(
// CHECK: %[[T:.*]] = arith.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]>
// CHECK-NEXT: return %[[T]]
func.func @weight() -> tensor<3x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %e = tensor.empty() : tensor<3x2xf32>
  %t = linalg.transpose ins(%w : tensor<2x3xf32>) outs(%e : tensor<3x2xf32>) permutation = [1, 0]
  return %t : tensor<3x2xf32>
}

// CHECK-LABEL: func.func @reshaped_weight(
// CHECK: %[[T:.*]] = arith.constant dense<{{\[\[\[}}1, 3, 5], [2, 4, 6]]]> : tensor<1x2x3xi64>
// CHECK-NEXT: return %[[T]]
func.func @reshaped_weight() -> tensor<1x2x3xi64> {
  %w = arith.constant dense<[1, 2, 3, 4, 5, 6]> : tensor<6xi64>
  %m = tensor.expand_shape %w [[0, 1, 2]] output_shape [1, 3, 2] : tensor<6xi64> into tensor<1x3x2xi64>
  %e = tensor.empty() : tensor<1x2x3xi64>
  %t = linalg.transpose ins(%m : tensor<1x3x2xi64>) outs(%e : tensor<1x2x3xi64>) permutation = [0, 2, 1]
  return %t : tensor<1x2x3xi64>
}

// CHECK-LABEL: func.func @argument_stays(
// CHECK: linalg.transpose
func.func @argument_stays(%x: tensor<2x3xf32>, %e: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %t = linalg.transpose ins(%x : tensor<2x3xf32>) outs(%e : tensor<3x2xf32>) permutation = [1, 0]
  return %t : tensor<3x2xf32>
}
