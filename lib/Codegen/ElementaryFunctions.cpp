//===- ElementaryFunctions.cpp - Functions as arithmetic ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Polynomials are fitted to the least relative error of the function (not of the polynomial) over the interval that is
// named beside them, one coefficient rounded to single precision at a time and the others fitted again.
//
//===----------------------------------------------------------------------===//
#include "Codegen/ElementaryFunctions.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::ac {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();
static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
/// log(2) in two parts. The first has few enough digits that a multiple of it is exact; both are positive, so that a
/// zero keeps its sign.
static constexpr float kLog2High = 0.693145752f, kLog2Low = 1.42860677e-6f;
/// The same of pi / 2.
static constexpr float kHalfPiHigh = 1.57079637f, kHalfPiLow = -4.37113883e-8f;
static constexpr uint32_t kOne = 0x3f800000;

Type ElementaryFunctions::likewise(Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}

Value ElementaryFunctions::splat(Type element, TypedAttr value) {
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b,
                                     DenseElementsAttr::get(cast<VectorType>(vector.clone(element)), Attribute(value)));
  return arith::ConstantOp::create(b, value);
}

Value ElementaryFunctions::polynomial(Value x, ArrayRef<float> coefficients) {
  Value sum = constant(coefficients.back());
  for (float coefficient : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, constant(coefficient));
  return sum;
}

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

ElementaryFunctions::Powers ElementaryFunctions::splitPowers(Value x) {
  // From 2^24 on floats are two apart: adding 1.5 * 2^24 rounds to an even number, half of which then stands in the
  // lowest bits. What is above them leaves by the shift.
  constexpr float rounder = 25165824.f, log2e = 1.44269504f;
  Value shifted = fma(x, log2e, constant(rounder));
  Value whole = sub(shifted, constant(rounder));
  Value rest = fma(whole, -kLog2Low, fma(whole, -kLog2High, x));
  Value half = arith::ShLIOp::create(b, bits(shifted), integer(23));
  return {rest, half, fromBits(arith::AddIOp::create(b, half, integer(kOne)))};
}

Value ElementaryFunctions::exp(Value x) {
  // Beyond these bounds the result rounds to zero, or to an infinity.
  auto [rest, half, root] = splitPowers(atMost(atLeast(x, -104.f), 89.f));
  // |rest| <= log(2), to 2^-26
  Value p =
      polynomial(rest, {1.f, 1.f, 0.50000036f, 0.16666616f, 0.041661203f, 0.008335971f, 0.0014105367f, 0.0001962921f});
  return mul(mul(p, root), root);
}

Value ElementaryFunctions::expm1(Value x) {
  auto [rest, half, root] = splitPowers(atMost(atLeast(x, -18.f), 89.f));
  // |rest| <= log(2), to 2^-29.3
  Value q =
      polynomial(rest, {0.5f, 0.16666672f, 0.041666646f, 0.008332662f, 0.0013889769f, 0.00020091023f, 2.4836045e-05f});
  Value grown = fma(mul(rest, rest), q, rest);
  // 2^n * grown + (2^n - 1), as s * (s * grown + (s - 1/s)): 2^n may be beyond the largest float.
  Value inverse = fromBits(arith::SubIOp::create(b, integer(kOne), half));
  return copySign(mul(fma(root, grown, sub(root, inverse)), root), x);
}

Value ElementaryFunctions::tanh(Value x) {
  // -t / (t + 2) with t = e^(-2|x|) - 1, which loses nothing where x is small.
  Value t = expm1(mul(abs(x), constant(-2.f)));
  return copySign(div(t, add(t, constant(2.f))), x);
}

//===----------------------------------------------------------------------===//
// Logarithms
//===----------------------------------------------------------------------===//

Value ElementaryFunctions::logOfSplit(Value exponent, Value f) {
  // To 2^-27.3
  Value p = polynomial(
      f, {0.3333333f, -0.2500082f, 0.20001243f, -0.1662341f, 0.1420154f, -0.1315955f, 0.12762485f, -0.076369405f});
  Value square = mul(f, f);
  Value tail = fma(exponent, kLog2Low, mul(mul(square, f), p));
  return fma(exponent, kLog2High, add(f, fma(square, -0.5f, tail)));
}

/// The bits of sqrt(1/2): a number's distance from it has the exponent of what is left between sqrt(1/2) and sqrt(2).
static constexpr uint32_t kRootOfHalf = 0x3f3504f3;

Value ElementaryFunctions::log(Value x) {
  Value isTiny = compare(arith::CmpFPredicate::OLT, x, std::numeric_limits<float>::min());
  Value normal = select(isTiny, mul(x, constant(0x1p23f)), x);
  Value distance = arith::SubIOp::create(b, bits(normal), integer(kRootOfHalf));
  Value exponent = arith::SIToFPOp::create(b, type, arith::ShRSIOp::create(b, distance, integer(23)));
  exponent = add(exponent, select(isTiny, constant(-23.f), constant(0.f)));
  Value fraction = arith::AndIOp::create(b, distance, integer(0x007fffff));
  Value f = sub(fromBits(arith::AddIOp::create(b, fraction, integer(kRootOfHalf))), constant(1.f));
  Value result = logOfSplit(exponent, f);
  // Infinity and NaN are their own logarithms.
  result = select(compare(arith::CmpFPredicate::OLT, x, kInfinity), result, x);
  Value none = select(compare(arith::CmpFPredicate::OEQ, x, 0.f), constant(-kInfinity), constant(kNaN));
  return select(compare(arith::CmpFPredicate::UGT, x, 0.f), result, none);
}

Value ElementaryFunctions::log1p(Value x) {
  // 1 + x = sum + lost exactly, where sum is not an infinity.
  Value one = constant(1.f), sum = add(one, x), added = sub(sum, one);
  Value lost = add(sub(one, sub(sum, added)), sub(x, added));
  Value distance = arith::SubIOp::create(b, bits(sum), integer(kRootOfHalf));
  Value whole = arith::ShRSIOp::create(b, distance, integer(23));
  Value fraction = arith::AndIOp::create(b, distance, integer(0x007fffff));
  Value f = sub(fromBits(arith::AddIOp::create(b, fraction, integer(kRootOfHalf))), one);
  // Nothing is lost where 2^-whole is below the normal numbers.
  Value scale = arith::MinSIOp::create(b, whole, integer(126));
  scale = arith::SubIOp::create(b, integer(kOne), arith::ShLIOp::create(b, scale, integer(23)));
  f = fma(lost, fromBits(scale), f);
  Value result = logOfSplit(arith::SIToFPOp::create(b, type, whole), f);
  result = select(compare(arith::CmpFPredicate::OLT, x, kInfinity), result, x);
  result = select(compare(arith::CmpFPredicate::OEQ, x, 0.f), x, result);
  Value none = select(compare(arith::CmpFPredicate::OEQ, x, -1.f), constant(-kInfinity), constant(kNaN));
  return select(compare(arith::CmpFPredicate::UGT, x, -1.f), result, none);
}

//===----------------------------------------------------------------------===//
// Sine and cosine
//===----------------------------------------------------------------------===//

/// Arguments from here on are integers, 2^e times one of 24 bits.
static constexpr int kLastExponent = 104;

SmallVector<double> ElementaryFunctions::twoOverPi() {
  // 2/pi = 0.a2f9836e..., least significant word first, and a word of zeros in front of the point.
  APInt digits(320, {0xfe5163abdebbc561, 0xdb6295993c439041, 0xfc2757d1f534ddc0, 0xa2f9836e4e441529, 0});
  SmallVector<double> table;
  for (int exponent = 0; exponent <= kLastExponent; ++exponent) {
    // Two binary digits in front of the point, moved to the right by `exponent`.
    unsigned top = 256 + 2 - exponent;
    table.push_back(std::ldexp(double(digits.extractBits(53, top - 53).getZExtValue()), 2 - 53));
    table.push_back(std::ldexp(double(digits.extractBits(53, top - 106).getZExtValue()), 2 - 106));
  }
  table.append(2, std::numeric_limits<double>::quiet_NaN());
  return table;
}

Value ElementaryFunctions::sinOrCos(Value x, Value table, int quarter) {
  // x = m * 2^e; e = 0 and m = x below 2^24.
  Value code = bits(x);
  Value biased = arith::ShRUIOp::create(b, arith::AndIOp::create(b, code, integer(0x7fffffff)), integer(23));
  Value excess = arith::SubIOp::create(b, biased, integer(127 + 23));
  Value exponent = arith::MaxSIOp::create(b, excess, integer(0));
  Value m = fromBits(arith::SubIOp::create(b, code, arith::ShLIOp::create(b, exponent, integer(23))));
  Value position = arith::ShLIOp::create(b, exponent, integer(1));
  auto digits = [&](unsigned part) -> Value {
    Value at = part ? arith::AddIOp::create(b, position, integer(part)).getResult() : position;
    if (auto vector = dyn_cast<VectorType>(type)) {
      auto mask = arith::ConstantOp::create(b, DenseElementsAttr::get(cast<VectorType>(likewise(b.getI1Type())), true));
      return vector::GatherOp::create(b, cast<VectorType>(likewise(b.getF64Type())), table,
                                      ValueRange{arith::ConstantIndexOp::create(b, 0)}, at, mask, constant64(0));
    }
    return memref::LoadOp::create(b, table, ValueRange{arith::IndexCastUIOp::create(b, b.getIndexType(), at)});
  };
  // x * 2/pi = turns + part with |part| <= 1/2, in double precision: the product of 24 by 53 bits is exact once the
  // whole turns, of which only the last two bits matter, are subtracted.
  constexpr double rounder = 0x1.8p52;
  Value wide = arith::ExtFOp::create(b, likewise(b.getF64Type()), m);
  Value high = digits(0);
  Value shifted = fma(wide, high, constant64(rounder));
  Value turns = sub(shifted, constant64(rounder));
  Value part = fma(wide, digits(1), fma(wide, high, arith::NegFOp::create(b, turns)));
  Value r = arith::TruncFOp::create(b, type, mul(part, constant64(1.5707963267948966)));
  Value count = arith::BitcastOp::create(b, likewise(b.getI64Type()), shifted);
  count = arith::TruncIOp::create(b, likewise(b.getI32Type()), count);
  if (quarter)
    count = arith::AddIOp::create(b, count, integer(quarter));
  // |r| <= pi/4, to 2^-27.9 and 2^-33
  Value square = mul(r, r);
  Value sine = mul(r, polynomial(square, {1.f, -0.16666655f, 0.008332189f, -0.00019518286f})); // keeps the sign of zero
  Value cosine = polynomial(square, {1.f, -0.5f, 0.041666646f, -0.0013887311f, 2.4432562e-05f});
  Value isOdd =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arith::AndIOp::create(b, count, integer(1)), integer(0));
  Value sign = arith::ShLIOp::create(b, arith::AndIOp::create(b, count, integer(2)), integer(30));
  return fromBits(arith::XOrIOp::create(b, bits(select(isOdd, cosine, sine)), sign));
}

//===----------------------------------------------------------------------===//
// Inverse functions
//===----------------------------------------------------------------------===//

Value ElementaryFunctions::asin(Value x) {
  // asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)) for the larger half.
  Value a = abs(x), isLarge = compare(arith::CmpFPredicate::OGT, a, 0.5f);
  Value square = select(isLarge, mul(sub(constant(1.f), a), constant(0.5f)), mul(a, a));
  Value z = select(isLarge, math::SqrtOp::create(b, square), a);
  // |z| <= 1/2, to 2^-31
  Value p = polynomial(square, {0.1666666f, 0.07500522f, 0.044513352f, 0.031839523f, 0.014312174f, 0.037702117f});
  p = fma(mul(square, z), p, z);
  Value rest = sub(constant(kHalfPiHigh), fma(p, 2.f, constant(-kHalfPiLow)));
  return copySign(select(isLarge, rest, p), x);
}

Value ElementaryFunctions::atan(Value x) {
  // atan(a) = pi/2 - atan(1/a) above one.
  Value a = abs(x), isLarge = compare(arith::CmpFPredicate::OGT, a, 1.f);
  Value z = div(select(isLarge, constant(1.f), a), select(isLarge, a, constant(1.f)));
  Value square = mul(z, z);
  // |z| <= 1, to 2^-28.5
  Value p = polynomial(square, {-0.333333f, 0.19998534f, -0.14264102f, 0.10951506f, -0.08401582f, 0.05792723f,
                                -0.031148937f, 0.0108996965f, -0.0017904058f});
  p = fma(mul(square, z), p, z);
  Value rest = sub(constant(kHalfPiHigh), add(p, constant(-kHalfPiLow)));
  return copySign(select(isLarge, rest, p), x);
}

//===----------------------------------------------------------------------===//
// Error function
//===----------------------------------------------------------------------===//

Value ElementaryFunctions::erf(Value x) {
  // Fitted on |x| <= 3.92, behind which the result is one.
  auto clamp = [&](Value value, float limit) { return atLeast(atMost(value, limit), -limit); };
  x = clamp(x, 3.92f);
  Value square = mul(x, x);
  Value numerator = mul(x, polynomial(square, {1.1283791f, 0.19990739f, 0.05057098f, 0.0037008214f, 0.00014182716f,
                                               -1.9576582e-06f, 1.9923123e-08f}));
  Value denominator = polynomial(square, {1.0f, 0.51049495f, 0.11499125f, 0.01435167f, 0.0009558331f});
  return clamp(div(numerator, denominator), 1.f);
}

} // namespace mlir::ac
