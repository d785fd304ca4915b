// RUN: ac-opt %s --ac-lower | FileCheck %s

// Rows that decide together are joined by `and`, which starts from true.
// CHECK-LABEL: func.func @confidence(
// CHECK-DAG: %[[TRUE:.*]] = arith.constant true
// CHECK-DAG: arith.constant 0xFF800000 : f32
// CHECK: arith.maximumf
// CHECK: arith.cmpf ole, {{.*}} : f32
// CHECK: linalg.fill ins(%[[TRUE]] : i1)
// CHECK: iterator_types = ["reduction", "reduction"]
// CHECK: arith.andi
// CHECK: return %{{.*}} : tensor<1x1xi1>
func.func @confidence(%p: tensor<?x10xf32>, %t: tensor<f32>) -> tensor<1x1xi1> {
  %0 = ac.decide confidence of %p against %t per batch : tensor<?x10xf32>, tensor<f32> -> tensor<1x1xi1>
  return %0 : tensor<1x1xi1>
}

// CHECK-LABEL: func.func @strict(
// CHECK: arith.cmpf olt
// CHECK-NOT: arith.cmpf ole
func.func @strict(%p: tensor<2x?x1xf32>, %t: tensor<f32>) -> tensor<2x1x1xi1> {
  %0 = ac.decide value of %p strict against %t per sample : tensor<2x?x1xf32>, tensor<f32> -> tensor<2x1x1xi1>
  return %0 : tensor<2x1x1xi1>
}

// Sums and comparisons of 16-bit scores are in single precision.
// CHECK-LABEL: func.func @half(
// CHECK-NOT: math.{{.*}} : f16
// CHECK: math.log {{.*}} : f32
// CHECK: arith.cmpf ole, {{.*}} : f32
func.func @half(%p: tensor<?x10xf16>, %t: tensor<f16>) -> tensor<?x1xi1> {
  %0 = ac.decide entropy of %p against %t per row : tensor<?x10xf16>, tensor<f16> -> tensor<?x1xi1>
  return %0 : tensor<?x1xi1>
}

// What is known while compiling is decided while compiling.
// CHECK-LABEL: func.func @known(
// CHECK-NEXT: arith.constant dense<true> : tensor<1xi1>
// CHECK-NEXT: return
func.func @known() -> tensor<1xi1> {
  %p = onnx.Constant() {value = dense<0.75> : tensor<1xf32>} : () -> tensor<1xf32>
  %t = onnx.Constant() {value = dense<0.5> : tensor<f32>} : () -> tensor<f32>
  %0 = ac.decide value of %p against %t per row : tensor<1xf32>, tensor<f32> -> tensor<1xi1>
  return %0 : tensor<1xi1>
}
