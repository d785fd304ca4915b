//===- SmallFloats.cpp - Floating-point types of four and eight bits ------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/SmallFloats.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
/// A sign, an exponent and a mantissa, from the top. Codes are given without the sign.
struct Layout {
  unsigned width, mantissa;
  int bias;
  unsigned largest;            // code of the largest finite number
  std::optional<unsigned> nan; // code of a NaN
  std::optional<unsigned> infinity;
  bool nanIsMinusZero = false; // one zero; the code of the other is the only NaN
};
} // namespace

static Layout layoutOf(Type type) {
  if (isa<Float8E4M3FNType>(type))
    return {8, 3, 7, 0x7e, 0x7f, std::nullopt};
  if (isa<Float8E4M3FNUZType>(type))
    return {8, 3, 8, 0x7f, std::nullopt, std::nullopt, /*nanIsMinusZero=*/true};
  if (isa<Float8E5M2Type>(type))
    return {8, 2, 15, 0x7b, 0x7e, 0x7c};
  if (isa<Float8E5M2FNUZType>(type))
    return {8, 2, 16, 0x7f, std::nullopt, std::nullopt, /*nanIsMinusZero=*/true};
  return {4, 1, 1, 0x7, std::nullopt, std::nullopt}; // float4e2m1
}

bool mlir::ac::isSmallFloat(Type type) {
  return isa<Float8E4M3FNType, Float8E4M3FNUZType, Float8E5M2Type, Float8E5M2FNUZType, Float8E8M0FNUType,
             Float4E2M1FNType>(type);
}

static Value bitsOf(Scalars &s, Value x) {
  Type bits = s.b.getIntegerType(cast<FloatType>(x.getType()).getWidth());
  Value code = s.make<arith::BitcastOp>(bits, x);
  return bits.isInteger(32) ? code : s.make<arith::ExtUIOp>(s.b.getI32Type(), code);
}

static Value fromBits(Scalars &s, Value code, Type type) {
  unsigned width = cast<FloatType>(type).getWidth();
  if (width < 32)
    code = s.make<arith::TruncIOp>(s.b.getIntegerType(width), code);
  return s.make<arith::BitcastOp>(type, code);
}

Value mlir::ac::decodeSmallFloat(Scalars &s, Value x) {
  Type i32 = s.b.getI32Type(), f32 = s.b.getF32Type();
  auto integer = [&](int64_t value) { return s.constantInt(i32, value); };
  Value code = bitsOf(s, x);
  Value nan = s.constant(f32, std::numeric_limits<double>::quiet_NaN());
  if (isa<Float8E8M0FNUType>(x.getType())) {
    // The exponent of an f32; the smallest power is a subnormal one.
    Value power = s.make<arith::BitcastOp>(f32, s.make<arith::ShLIOp>(code, integer(23)));
    power = s.select(s.equal(code, integer(0)), s.constant(f32, std::ldexp(1.0, -127)), power);
    return s.select(s.equal(code, integer(255)), nan, power);
  }
  Layout layout = layoutOf(x.getType());
  // The code, moved to where f32 has its exponent and mantissa, is the number but for the difference of the biases.
  int64_t magnitudeMask = (1 << (layout.width - 1)) - 1;
  Value magnitude = s.make<arith::AndIOp>(code, integer(magnitudeMask));
  Value moved = s.make<arith::BitcastOp>(f32, s.make<arith::ShLIOp>(magnitude, integer(23 - layout.mantissa)));
  Value result = s.mul(moved, s.constant(f32, std::ldexp(1.0, 127 - layout.bias)));
  if (layout.infinity) {
    Value infinity = s.constant(f32, std::numeric_limits<double>::infinity());
    result = s.select(s.equal(magnitude, integer(*layout.infinity)), infinity, result);
    result = s.select(s.greater(magnitude, integer(*layout.infinity)), nan, result);
  } else if (layout.nan) {
    result = s.select(s.equal(magnitude, integer(*layout.nan)), nan, result);
  }
  Value negative = s.notEqual(magnitude, code);
  result = s.select(negative, s.neg(result), result);
  if (layout.nanIsMinusZero)
    result = s.select(s.equal(code, integer(0x80)), nan, result);
  return result;
}

/// The exponent, rounded as asked; zero gives the smallest power, and NaN and infinity NaN.
static Value encodePower(Scalars &s, Value x, Type type, ConversionRules rules) {
  Type i32 = s.b.getI32Type();
  auto integer = [&](int64_t value) { return s.constantInt(i32, value); };
  Value bits = s.make<arith::AndIOp>(s.make<arith::BitcastOp>(i32, x), integer(0x7fffffff));
  Value exponent = s.make<arith::ShRUIOp>(bits, integer(23));
  Value fraction = s.make<arith::AndIOp>(bits, integer(0x7fffff));
  Value up;
  if (rules.rounding == PowerRounding::Up) {
    up = s.notEqual(fraction, integer(0));
  } else if (rules.rounding == PowerRounding::Nearest) {
    // A tie goes up, but below the smallest normal number.
    up = s.either(s.greater(fraction, integer(0x400000)),
                  s.both(s.equal(fraction, integer(0x400000)), s.notEqual(exponent, integer(0))));
  }
  Value result = exponent;
  if (up) {
    if (rules.saturate)
      up = s.both(up, s.less(exponent, integer(0xfe)));
    result = s.select(up, s.add(exponent, integer(1)), exponent);
  }
  result = s.select(s.equal(exponent, integer(0xff)), integer(0xff), result);
  return fromBits(s, result, type);
}

Value mlir::ac::encodeSmallFloat(Scalars &s, Value x, Type type, ConversionRules rules) {
  if (isa<Float8E8M0FNUType>(type))
    return encodePower(s, x, type, rules);
  Layout layout = layoutOf(type);
  Type i32 = s.b.getI32Type(), f32 = s.b.getF32Type();
  auto integer = [&](int64_t value) { return s.constantInt(i32, value); };
  Value bits = s.make<arith::BitcastOp>(i32, x);
  Value magnitudeBits = s.make<arith::AndIOp>(bits, integer(0x7fffffff));
  Value magnitude = s.make<arith::BitcastOp>(f32, magnitudeBits);

  // Normal numbers: change the bias, then round the mantissa to even by adding just under half of its last place.
  int64_t drop = 23 - layout.mantissa;
  Value rebiased = s.sub(magnitudeBits, integer(static_cast<int64_t>(127 - layout.bias) << 23));
  Value odd = s.make<arith::AndIOp>(s.make<arith::ShRUIOp>(rebiased, integer(drop)), integer(1));
  Value half = s.add(odd, integer((int64_t(1) << (drop - 1)) - 1));
  Value normal = s.make<arith::ShRUIOp>(s.add(rebiased, half), integer(drop));
  // Subnormal numbers: adding a power whose last place is their unit makes f32 arithmetic round them.
  double unit = std::ldexp(1.0, 1 - layout.bias - static_cast<int>(layout.mantissa));
  Value magic = s.constant(f32, std::ldexp(unit, 23));
  Value sum = s.make<arith::BitcastOp>(i32, s.add(magnitude, magic));
  Value subnormal = s.sub(sum, s.make<arith::BitcastOp>(i32, magic));
  Value isSubnormal = s.less(magnitude, s.constant(f32, std::ldexp(1.0, 1 - layout.bias)));
  Value code = s.select(isSubnormal, subnormal, normal);

  // Code of the other numbers; four bits have no way to say them, and the largest finite number is their best.
  unsigned signBit = 1u << (layout.width - 1);
  unsigned nan = layout.nanIsMinusZero ? 0x80 : layout.nan.value_or(0);
  unsigned overflow = layout.largest;
  if (!rules.saturate && layout.width == 8)
    overflow = layout.infinity.value_or(nan);
  code = s.select(s.greater(code, integer(layout.largest)), integer(overflow), code);

  Value negative = s.less(bits, integer(0));
  if (layout.nanIsMinusZero)
    negative = s.both(negative, s.both(s.notEqual(code, integer(0)), s.notEqual(code, integer(0x80))));
  code = s.select(negative, s.make<arith::OrIOp>(code, integer(signBit)), code);
  code = s.select(s.isNaN(x), integer(nan), code);
  return fromBits(s, code, type);
}

Value mlir::ac::convertElement(Scalars &s, Value x, Type to, bool toUnsigned, ConversionRules rules) {
  Type from = x.getType();
  if (from == to)
    return x;
  if (isSmallFloat(from))
    return convertElement(s, decodeSmallFloat(s, x), to, toUnsigned, rules);
  if (isSmallFloat(to))
    return encodeSmallFloat(s, s.convert(x, s.b.getF32Type()), to, rules);
  // What two or four bits cannot hold wraps around, as it does from wider integers.
  if (isa<FloatType>(from) && to.getIntOrFloatBitWidth() < 8 && !to.isInteger(1))
    return s.make<arith::TruncIOp>(to, s.convert(x, s.b.getI32Type()));
  return s.convert(x, to, toUnsigned);
}
