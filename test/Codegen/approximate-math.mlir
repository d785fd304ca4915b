// RUN: ac-opt %s --ac-approximate-math | FileCheck %s

// CHECK-LABEL: func.func @single(
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : f32
func.func @single(%x: f32) -> f32 {
  %r = math.exp %x : f32
  return %r : f32
}

// CHECK-LABEL: func.func @vectors(
// CHECK-NOT: math.tanh
// CHECK: math.fma {{.*}} : vector<8xf32>
func.func @vectors(%x: vector<8xf32>) -> vector<8xf32> {
  %r = math.tanh %x : vector<8xf32>
  return %r : vector<8xf32>
}

// CHECK-LABEL: func.func @half_in_single(
// CHECK: %[[X:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK-NOT: math.exp
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @half_in_single(%x: f16) -> f16 {
  %r = math.exp %x : f16
  return %r : f16
}

// CHECK-LABEL: func.func @double_stays(
// CHECK-NEXT: math.exp %{{.*}} : f64
func.func @double_stays(%x: f64) -> f64 {
  %r = math.exp %x : f64
  return %r : f64
}
