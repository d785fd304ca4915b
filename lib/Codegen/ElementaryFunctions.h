//===- ElementaryFunctions.h - Functions as arithmetic ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elementary functions of f32, scalars or vectors of any shape, as arithmetic without branches or calls, so that LLVM
// vectorises the loop around a scalar. Only vectors may branch: what a sine does for large arguments is seldom needed.
// Each says by how many units in the last place (ulp) it can be off; all of them give what IEEE 754 asks for at zeros of
// both signs, denormals, infinities and NaN. test/EndToEnd/test_numerics.py measures them.
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_ELEMENTARYFUNCTIONS_H
#define CODEGEN_ELEMENTARYFUNCTIONS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// Builds one function of arguments of `type`: f32, or a vector of it.
class ElementaryFunctions {
public:
  ElementaryFunctions(ImplicitLocOpBuilder &b, Type type) : b(b), type(type) {}

  /// e^x, to 1 ulp; results below the normal numbers are rounded once.
  Value exp(Value x);
  /// The same of x <= 0, to 3 ulp where x is large.
  Value expAtMostZero(Value x);
  /// e^x - 1, to 1.5 ulp, also where that is small.
  Value expm1(Value x);
  /// The natural logarithm, to 1 ulp.
  Value log(Value x);
  /// log(1 + x), to 1.5 ulp.
  Value log1p(Value x);
  /// To 2 ulp.
  Value tanh(Value x);
  /// a / (1 + e^-x), to 2 ulp; x up to 18 beside an a beyond 2^69 overflows.
  Value sigmoidTimes(Value a, Value x);
  /// a * tanh(log(1 + e^x)), to 2 ulp, with the same limit.
  Value tanhOfSoftplusTimes(Value a, Value x);
  /// To 1.5 ulp for every argument: `table` holds the digits of 2/pi (see `twoOverPi`). Vectors branch: where no
  /// argument is beyond 2^16, they do without.
  Value sin(Value x, Value table) { return sinOrCos(x, table, /*quarter=*/0); }
  Value cos(Value x, Value table) { return sinOrCos(x, table, /*quarter=*/1); }
  /// To 1.5 ulp, in the same way.
  Value tan(Value x, Value table);
  /// To 2 ulp.
  Value asin(Value x);
  /// To 1.5 ulp.
  Value atan(Value x);
  /// To 2 ulp.
  Value sinh(Value x);
  Value cosh(Value x);
  Value asinh(Value x);
  Value acosh(Value x);
  Value atanh(Value x);
  /// To 2 ulp.
  Value erf(Value x);

  /// What sin and cos read: for 2^e * 2/pi modulo 4, e from 0 to 104, its leading 53 bits and the next 53; behind them
  /// NaN, which is what infinities find.
  static SmallVector<double> twoOverPi();

private:
  /// The multiple n of log(2) that is next to an exponential's argument, and an integer with n plus what `rounder` adds
  /// in its lowest bits.
  struct Multiple {
    Value whole, shifted;
  };
  Multiple round(Value x, float rounder);
  /// 2^n, with a bias added to n.
  Value powerOf(Value shifted) { return fromBits(arith::ShLIOp::create(b, shifted, integer(23))); }
  /// e^x - 1 of |x| <= log(2) / 2.
  Value growth(Value x);
  /// e^x = power * (1 + grown) for x from -87 to 0, grown precise where power is one.
  struct Decay {
    Value grown, power;
  };
  Decay decay(Value x);
  /// e^-x = (1 + grown) / w, lifted = 2^32 w.
  struct Gate {
    Value grown, lifted;
  };
  Gate splitGate(Value x);
  /// a * w / denominator, where x is not so large that it is a.
  Value openGate(Value a, Value x, Value lifted, Value denominator);
  /// log(2^exponent * (1 + f)), f from sqrt(1/2) - 1 to sqrt(2) - 1.
  Value logOfSplit(Value exponent, Value f);
  /// log(1 + x + rest), where `rest` is less than the last place of x.
  Value log1p(Value x, Value rest);
  /// The same of x in double precision; `isLarge` where x may be too large for single, and is 2 a.
  Value log1pOfDouble(Value x, Value isLarge, Value a);
  Value log1pOfDouble(Value x);
  /// |x| = n log(2) + r: 2^n / 2 and 2^-n / 2, whose sum and difference are cosh and sinh of n log(2), and sinh(r) and
  /// cosh(r) - 1.
  struct Hyperbolic {
    Value power, inverse, sinh, coshLessOne;
  };
  Hyperbolic splitHyperbolic(Value x);
  /// The rest of x to the nearest multiple of pi/2, and that multiple modulo 4 in an integer's lowest bits.
  struct Turn {
    Value rest, count;
  };
  Turn reduceByTable(Value x, Value table); // in double precision
  Turn reduceByParts(Value x, bool isWide);
  Turn reduce(Value x, Value table, bool isWide);
  Value isOdd(Value count);
  Value sinOrCos(Value x, Value table, int quarter);

  Value splat(Type element, TypedAttr value);
  Value constant(float value) { return splat(b.getF32Type(), b.getF32FloatAttr(value)); }
  Value constant64(double value) { return splat(b.getF64Type(), b.getF64FloatAttr(value)); }
  Value integer(uint32_t value) { return splat(b.getI32Type(), b.getI32IntegerAttr(static_cast<int32_t>(value))); }
  Type likewise(Type element);
  Value widened(Value x) { return arith::ExtFOp::create(b, likewise(b.getF64Type()), x); }
  Value narrowed(Value x) { return arith::TruncFOp::create(b, type, x); }

  Value bits(Value x) { return arith::BitcastOp::create(b, likewise(b.getI32Type()), x); }
  Value fromBits(Value x) { return arith::BitcastOp::create(b, type, x); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
  Value fma(Value x, float y, Value z) { return fma(x, constant(y), z); }
  Value abs(Value x) { return math::AbsFOp::create(b, x); }
  Value copySign(Value x, Value sign) { return math::CopySignOp::create(b, x, sign); }
  Value compare(arith::CmpFPredicate predicate, Value x, float y) {
    return arith::CmpFOp::create(b, predicate, x, constant(y));
  }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
  /// Bounds that NaN passes, because it is not beyond either.
  Value atMost(Value x, float limit) {
    return select(compare(arith::CmpFPredicate::OGT, x, limit), constant(limit), x);
  }
  Value atLeast(Value x, float limit) {
    return select(compare(arith::CmpFPredicate::OLT, x, limit), constant(limit), x);
  }
  /// The polynomial with these coefficients, that of x^0 first.
  Value polynomial(Value x, ArrayRef<float> coefficients);

  ImplicitLocOpBuilder &b;
  Type type;
};

} // namespace mlir::ac

#endif // CODEGEN_ELEMENTARYFUNCTIONS_H
