// RUN: ac-opt %s --ac-narrow-floats | FileCheck %s

// CHECK-LABEL: func @single_to_bf16
// CHECK-NOT: arith.truncf
// CHECK: arith.bitcast %{{.*}} : vector<16xi16> to vector<16xbf16>
func.func @single_to_bf16(%x: vector<16xf32>) -> vector<16xbf16> {
  %y = arith.truncf %x : vector<16xf32> to vector<16xbf16>
  return %y : vector<16xbf16>
}

// Two roundings, the first one to odd, so that the second goes the right way.
// CHECK-LABEL: func @double_to_half
// CHECK: arith.truncf %{{.*}} : f64 to f32
// CHECK: %[[ODD:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.truncf %[[ODD]] : f32 to f16
func.func @double_to_half(%x: f64) -> f16 {
  %y = arith.truncf %x : f64 to f16
  return %y : f16
}

// There are instructions for this one.
// CHECK-LABEL: func @single_to_half
// CHECK-NEXT: arith.truncf %{{.*}} : f32 to f16
func.func @single_to_half(%x: f32) -> f16 {
  %y = arith.truncf %x : f32 to f16
  return %y : f16
}

// Sums are made in f32 and rounded once each.
// CHECK-LABEL: func @sum_of_bf16
// CHECK: %[[X:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[Y:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.addf %[[X]], %[[Y]] : f32
// CHECK-NOT: arith.truncf
// CHECK: arith.bitcast %{{.*}} : i16 to bf16
func.func @sum_of_bf16(%x: bf16, %y: bf16) -> bf16 {
  %z = arith.addf %x, %y : bf16
  return %z : bf16
}
