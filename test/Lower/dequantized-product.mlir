// RUN: ac-opt %s --ac-lower-onnx --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<2x?x64xf32>
// CHECK-DAG: %[[ROWS:.*]] = tensor.collapse_shape
// CHECK: ac.contract ins(%{{.*}}, %{{.*}} : tensor<1x?x64xf32>, tensor<1x64x32xi8>) scales(%{{[^ ]*}} : tensor<1x4x32xf32>)
// CHECK-SAME: zeros(%{{[^ ]*}} : tensor<1x4x32xi8>) offsets(%{{[^ ]*}} : tensor<1x4x32xf32>) extras() outs(%{{[^ ]*}} : tensor<1x?x32xf32>)
// CHECK-SAME: block_size = 16
// CHECK: return %{{.*}} : tensor<2x?x32xf32>
func.func @main(%x: tensor<2x?x64xf32>, %w: tensor<32x64xi8>, %s: tensor<32x4xf32>, %z: tensor<32x4xi8>, %o: tensor<32x4xf32>) -> tensor<2x?x32xf32> {
  %y = ac.dequantized_product %x, %w scales(%s : tensor<32x4xf32>) zeros(%z : tensor<32x4xi8>) offsets(%o : tensor<32x4xf32>) block 16
      : tensor<2x?x64xf32>, tensor<32x64xi8> -> tensor<2x?x32xf32>
  return %y : tensor<2x?x32xf32>
}

// Who may round what is told on.
// CHECK-LABEL: func.func @precision(
// CHECK: ac.contract {{.*}}ac.precision = "bf16"
func.func @precision(%x: tensor<?x64xf32>, %w: tensor<32x64xi8>, %s: tensor<32x4xf32>) -> tensor<?x32xf32> {
  %y = ac.dequantized_product %x, %w scales(%s : tensor<32x4xf32>) block 16 {ac.precision = "bf16"}
      : tensor<?x64xf32>, tensor<32x64xi8> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}
