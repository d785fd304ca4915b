//===- Arithmetic.cpp - Arithmetic, element by element --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"

using namespace mlir;
using namespace mlir::ac;

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

/// Operators that are one operation of the math dialect.
template <typename Op> static LogicalResult lowerMath(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.make<Op>(v[0]); });
}

/// The same for operators that leave integers alone.
template <typename Op> static LogicalResult lowerRounding(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return Scalars::isFloat(v[0]) ? s.make<Op>(v[0]) : v[0]; });
}

static LogicalResult lowerNeg(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.neg(v[0]); });
}

static LogicalResult lowerAbs(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.abs(v[0]); });
}

static LogicalResult lowerReciprocal(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.div(s.constant(v[0].getType(), 1.0), v[0]); });
}

static LogicalResult lowerSign(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value x = v[0], zero = s.constantInt(x.getType(), 0), one = s.constantInt(x.getType(), 1);
    if (s.unsignedElements(x))
      return s.select(s.equal(x, zero), zero, one);
    // Zero and NaN are their own signs.
    Value minusOne = s.constantInt(x.getType(), -1);
    return s.select(s.greater(x, zero), one, s.select(s.less(x, zero), minusOne, x));
  });
}

//===----------------------------------------------------------------------===//
// Two operands
//===----------------------------------------------------------------------===//

template <Value (Scalars::*method)(Value, Value)> static LogicalResult lowerBinary(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return (s.*method)(v[0], v[1]); });
}

static LogicalResult lowerMod(Node &node) {
  bool truncates = node.getInt("fmod", 0) != 0;
  return lowerFormula(node, [&](Scalars &s, ValueRange v) -> Value {
    Value x = v[0], y = v[1], rest = s.rem(x, y);
    if (truncates || (!Scalars::isFloat(x) && s.unsignedElements(x)))
      return rest;
    // The sign of the divisor: where the rest is not zero and has the other sign, one divisor more.
    Value zero = s.constantInt(x.getType(), 0);
    Value other = s.make<arith::XOrIOp>(s.less(rest, zero), s.less(y, zero));
    Value result = s.select(s.both(s.notEqual(rest, zero), other), s.add(rest, y), rest);
    if (!Scalars::isFloat(x))
      return result;
    return s.select(s.equal(rest, zero), s.make<math::CopySignOp>(zero, y), result);
  });
}

/// Powers by repeated multiplication, modulo the width of the integers; negative exponents give 1 / x^-y truncated.
static Value integerPower(Scalars &s, Value x, Value y, bool unsignedExponent) {
  Type type = x.getType();
  Value one = s.constantInt(type, 1), zero = s.constantInt(type, 0), minusOne = s.constantInt(type, -1);
  Scalars e(s.b, s.loc, unsignedExponent);
  Type exponentType = y.getType();
  auto exponent = [&](int64_t value) { return e.constantInt(exponentType, value); };
  Value odd = e.notEqual(e.make<arith::AndIOp>(y, exponent(1)), exponent(0));
  // Bits above the sixth matter for 0, 1 and -1 only, and there only whether the exponent is zero or odd.
  Value large = e.greater(y, exponent(63));
  Value bits = e.select(large, e.select(odd, exponent(63), exponent(62)), y);
  Value result = one, square = x;
  for (int bit = 0; bit < 6; ++bit) {
    Value set = e.notEqual(e.make<arith::AndIOp>(bits, exponent(int64_t(1) << bit)), exponent(0));
    result = s.select(set, s.mul(result, square), result);
    if (bit < 5)
      square = s.mul(square, square);
  }
  if (unsignedExponent)
    return result;
  Value inverse = s.select(s.equal(x, one), one, zero);
  if (!s.unsignedElements(x))
    inverse = s.select(s.equal(x, minusOne), s.select(odd, minusOne, one), inverse);
  return s.select(e.less(y, exponent(0)), inverse, result);
}

/// Powers with a small known exponent as products and roots; null if it is another one.
static Value knownPower(Scalars &s, Value x, double exponent) {
  auto one = [&] { return s.constant(x.getType(), 1.0); };
  if (exponent == 0.0)
    return one();
  if (exponent == 1.0)
    return x;
  if (exponent == 2.0)
    return s.mul(x, x);
  if (exponent == 3.0)
    return s.mul(s.mul(x, x), x);
  if (exponent == 4.0) {
    Value square = s.mul(x, x);
    return s.mul(square, square);
  }
  if (!Scalars::isFloat(x))
    return {};
  if (exponent == 0.5)
    return s.sqrt(x);
  if (exponent == -1.0)
    return s.div(one(), x);
  if (exponent == -2.0)
    return s.div(one(), s.mul(x, x));
  if (exponent == -0.5)
    return s.div(one(), s.sqrt(x));
  return {};
}

static LogicalResult lowerPow(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), y = node.input(1);
  Type base = Emitter::elementType(x);
  bool unsignedBase = node.isUnsigned(0), unsignedExponent = node.isUnsigned(1);
  std::optional<double> known = node.constantNumber(1);
  return node.finish(mapElements(
      emit, {x, y}, base,
      [&](Scalars &s, ValueRange v) -> Value {
        if (known)
          if (Value result = knownPower(s, v[0], *known))
            return result;
        Scalars e(s.b, s.loc, unsignedExponent);
        if (Scalars::isFloat(v[0])) {
          if (Scalars::isFloat(v[1]))
            return s.make<math::PowFOp>(v[0], s.convert(v[1], v[0].getType()));
          return s.make<math::PowFOp>(v[0], e.convert(v[1], v[0].getType()));
        }
        if (!Scalars::isFloat(v[1]))
          return integerPower(s, v[0], v[1], unsignedExponent);
        Type wide = s.b.getF64Type();
        Value power = s.make<math::PowFOp>(s.convert(v[0], wide), e.convert(v[1], wide));
        return s.convert(power, base, unsignedBase);
      },
      unsignedBase));
}

static LogicalResult lowerBitShift(Node &node) {
  StringRef direction = node.getString("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return node.refuse("direction is '" + direction + "', expected 'LEFT' or 'RIGHT'");
  bool left = direction == "LEFT";
  return lowerFormula(node, [&](Scalars &s, ValueRange v) {
    // Shifting by the width or more moves everything out, or leaves the sign; the operations leave it undefined. A
    // negative distance is a large one.
    Type type = v[0].getType();
    unsigned width = type.getIntOrFloatBitWidth();
    Value fits = s.make<arith::CmpIOp>(arith::CmpIPredicate::ult, v[1], s.constantInt(type, width));
    if (!left && !s.unsignedElements(v[0]))
      return s.make<arith::ShRSIOp>(v[0], s.select(fits, v[1], s.constantInt(type, width - 1)));
    Value zero = s.constantInt(type, 0), by = s.select(fits, v[1], zero);
    return s.select(fits, left ? s.make<arith::ShLIOp>(v[0], by) : s.make<arith::ShRUIOp>(v[0], by), zero);
  });
}

//===----------------------------------------------------------------------===//
// Any number of operands
//===----------------------------------------------------------------------===//

template <Value (Scalars::*method)(Value, Value)> static LogicalResult lowerVariadic(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value result = v[0];
    for (Value x : v.drop_front())
      result = (s.*method)(result, x);
    return result;
  });
}

static LogicalResult lowerMean(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value result = v[0];
    for (Value x : v.drop_front())
      result = s.add(result, x);
    return s.div(result, static_cast<double>(v.size()));
  });
}

void mlir::ac::populateArithmeticLowerings(LoweringTable &table) {
  table.add("Add", lowerBinary<&Scalars::add>);
  table.add("Sub", lowerBinary<&Scalars::sub>);
  table.add("Mul", lowerBinary<&Scalars::mul>);
  table.add("Div", lowerBinary<&Scalars::div>);
  table.add("Mod", lowerMod);
  table.add("Pow", lowerPow);
  table.add("BitShift", lowerBitShift);
  table.add("Neg", lowerNeg);
  table.add("Abs", lowerAbs);
  table.add("Sign", lowerSign);
  table.add("Reciprocal", lowerReciprocal);
  table.add("Sqrt", lowerMath<math::SqrtOp>);
  table.add("Exp", lowerMath<math::ExpOp>);
  table.add("Log", lowerMath<math::LogOp>);
  table.add("Floor", lowerRounding<math::FloorOp>);
  table.add("Ceil", lowerRounding<math::CeilOp>);
  table.add("Round", lowerRounding<math::RoundEvenOp>);
  table.add("Sin", lowerMath<math::SinOp>);
  table.add("Cos", lowerMath<math::CosOp>);
  table.add("Tan", lowerMath<math::TanOp>);
  table.add("Asin", lowerMath<math::AsinOp>);
  table.add("Acos", lowerMath<math::AcosOp>);
  table.add("Atan", lowerMath<math::AtanOp>);
  table.add("Sinh", lowerMath<math::SinhOp>);
  table.add("Cosh", lowerMath<math::CoshOp>);
  table.add("Asinh", lowerMath<math::AsinhOp>);
  table.add("Acosh", lowerMath<math::AcoshOp>);
  table.add("Atanh", lowerMath<math::AtanhOp>);
  table.add("Min", lowerVariadic<&Scalars::min>);
  table.add("Max", lowerVariadic<&Scalars::max>);
  table.add("Sum", lowerVariadic<&Scalars::add>);
  table.add("Mean", lowerMean);
}
