// RUN: ac-opt %s --ac-approximate-math | FileCheck %s

// CHECK: memref.global "private" constant @ac_two_over_pi : memref<212xf64>
// CHECK-NOT: memref.global

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

// An argument of at most zero has one power of two, and no upper bound.
// CHECK-LABEL: func.func @at_most_zero(
// CHECK-NOT: arith.cmpf ogt
// CHECK-COUNT-1: arith.shli
// CHECK-NOT: arith.shli
// CHECK: return
func.func @at_most_zero(%x: f32) -> f32 {
  %r = math.exp %x {ac.at_most_zero} : f32
  return %r : f32
}

// The tangent is a quotient of double precision.
// CHECK-LABEL: func.func @tangent(
// CHECK-NOT: math.tan
// CHECK: arith.divf {{.*}} : f64
func.func @tangent(%x: f32) -> f32 {
  %r = math.tan %x : f32
  return %r : f32
}

// CHECK-LABEL: func.func @hyperbolic(
// CHECK-NOT: math.{{a?}}{{sinh|cosh|tanh}}
// CHECK: return
func.func @hyperbolic(%x: f32) -> (f32, f32, f32, f32, f32) {
  %s = math.sinh %x : f32
  %c = math.cosh %x : f32
  %as = math.asinh %x : f32
  %ac = math.acosh %x : f32
  %at = math.atanh %x : f32
  return %s, %c, %as, %ac, %at : f32, f32, f32, f32, f32
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

// A polynomial and an exponential, without choices between intervals; the argument of GELU is not divided. NaN is not more
// than the end.
// CHECK-LABEL: func.func @erf(
// CHECK-SAME: %[[X:.*]]: vector<8xf32>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[X]], %{{.*}}
// CHECK: %[[SIZE:.*]] = math.absf %[[SCALED]]
// CHECK: arith.cmpf ogt, %[[SIZE]], %{{.*}}
// CHECK-NOT: arith.divf
// CHECK-COUNT-15: math.fma {{.*}} : vector<8xf32>
// CHECK-NOT: arith.divf
func.func @erf(%x: vector<8xf32>) -> vector<8xf32> {
  %c = arith.constant dense<1.41421354> : vector<8xf32>
  %s = arith.divf %x, %c : vector<8xf32>
  %r = math.erf %s : vector<8xf32>
  return %r : vector<8xf32>
}

// Sine reads the digits of 2/pi that the argument's exponent asks for: a load for a scalar, a gather for a vector. Both
// functions share the table.
// CHECK-LABEL: func.func @sine(
// CHECK: memref.load %{{.*}} : memref<212xf64>
// CHECK-NOT: math.sin
func.func @sine(%x: f32) -> f32 {
  %r = math.sin %x : f32
  return %r : f32
}

// A vector reads none if no lane is beyond 2^16.
// CHECK-LABEL: func.func @cosines(
// CHECK: %[[NEAR:.*]] = vector.reduction <and>
// CHECK: scf.if %[[NEAR]]
// CHECK: } else {
// CHECK-COUNT-2: vector.gather %{{.*}} : memref<212xf64>, vector<8xi32>, vector<8xi1>, vector<8xf64> into vector<8xf64>
// CHECK-NOT: math.cos
func.func @cosines(%x: vector<8xf32>) -> vector<8xf32> {
  %r = math.cos %x : vector<8xf32>
  return %r : vector<8xf32>
}

// In double precision, where upstream would subtract one from the exponential of a small number.
// CHECK-LABEL: func.func @expm1(
// CHECK: math.log %{{.*}} : f64
// CHECK-NOT: math.expm1
func.func @expm1(%x: f64) -> f64 {
  %r = math.expm1 %x : f64
  return %r : f64
}

// The fraction with an exponential is one function: its power is multiplied by the numerator, and nothing overflows. A
// numerator of one takes neither a product nor a choice.
// CHECK-LABEL: func.func @swish(
// CHECK-SAME: %[[X:.*]]: f32
// CHECK-NOT: math.exp
// CHECK: arith.mulf %[[X]], %{{.*}}
// CHECK: arith.divf
// CHECK: arith.cmpf ogt, %[[X]], %{{.*}}
// CHECK: arith.select %{{.*}}, %[[X]], %{{.*}}
func.func @swish(%x: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  %n = arith.negf %x : f32
  %e = math.exp %n : f32
  %d = arith.addf %e, %one : f32
  %r = arith.divf %x, %d : f32
  return %r : f32
}

// CHECK-LABEL: func.func @sigmoid(
// CHECK-NOT: math.exp
// CHECK: %[[Q:.*]] = arith.divf
// CHECK-NEXT: %[[R:.*]] = arith.mulf %[[Q]], %{{.*}}
// CHECK-NEXT: return %[[R]]
func.func @sigmoid(%x: vector<8xf32>) -> vector<8xf32> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %n = arith.negf %x : vector<8xf32>
  %e = math.exp %n : vector<8xf32>
  %d = arith.addf %one, %e : vector<8xf32>
  %r = arith.divf %one, %d : vector<8xf32>
  return %r : vector<8xf32>
}

// Mish is one function too, with two fractions.
// CHECK-LABEL: func.func @mish(
// CHECK-NOT: math.tanh
// CHECK-COUNT-2: arith.divf
// CHECK-NOT: arith.divf
func.func @mish(%x: f32) -> f32 {
  %e = math.exp %x : f32
  %l = math.log1p %e : f32
  %t = math.tanh %l : f32
  %r = arith.mulf %x, %t : f32
  return %r : f32
}
