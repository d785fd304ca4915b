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
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::ac {

static constexpr float kInfinity = std::numeric_limits<float>::infinity();
static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
/// log(2) in two parts. The first has few enough digits that a multiple of it is exact; both are positive, so that a
/// zero keeps its sign.
static constexpr float kLog2High = 0.693145752f, kLog2Low = 1.42860677e-6f, kLog2 = 0.693147182f;
/// The same of pi / 2.
static constexpr float kHalfPiHigh = 1.57079637f, kHalfPiLow = -4.37113883e-8f;
static constexpr double kHalfPi = 1.5707963267948966;
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

// From 2^23 on floats are one apart: adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest bits. What
// is above them leaves by the shift to the place of an exponent, whose bias is added with the rest.
static constexpr float kRounder = 12582912.f, kLog2e = 1.44269504f;
static constexpr int kBias = 127;

ElementaryFunctions::Multiple ElementaryFunctions::round(Value x, float rounder) {
  Value shifted = fma(x, kLog2e, constant(rounder));
  return {sub(shifted, constant(rounder)), bits(shifted)};
}

Value ElementaryFunctions::growth(Value x) {
  // To 2^-26.1
  Value q = polynomial(x, {0.49999997f, 0.16666539f, 0.04166775f, 0.008367088f, 0.0013837861f});
  return fma(mul(x, x), q, x);
}

/// e^x of |x| <= log(2) / 2, to 2^-28.2
static constexpr float kPowers[] = {1.f, 1.f, 0.49999994f, 0.16666517f, 0.041668102f, 0.0083691655f, 0.0013838003f};

Value ElementaryFunctions::exp(Value x) {
  // Beyond these bounds the result rounds to zero, or to an infinity.
  x = atMost(atLeast(x, -104.f), 89.f);
  auto [whole, shifted] = round(x, kRounder + 2 * kBias);
  Value rest = fma(whole, -kLog2Low, fma(whole, -kLog2High, x));
  Value p = polynomial(rest, kPowers);
  // Two powers of n/2, with a bias for each: they cover all results, where 2^n does not, and round only once below the
  // normal numbers.
  Value first = powerOf(arith::ShRUIOp::create(b, shifted, integer(1)));
  Value second = fromBits(arith::SubIOp::create(b, bits(powerOf(shifted)), bits(first)));
  return mul(mul(p, first), second);
}

Value ElementaryFunctions::expAtMostZero(Value x) {
  constexpr int lift = 24; // keeps the power of the least result a normal number
  x = atLeast(x, -104.f);
  auto [whole, shifted] = round(x, kRounder + kBias + lift);
  // Where one part of log(2) is too few, the difference that x is has lost more.
  Value p = polynomial(fma(whole, -kLog2, x), kPowers);
  return mul(mul(p, powerOf(shifted)), constant(0x1p-24f));
}

Value ElementaryFunctions::expm1(Value x) {
  // n is even, because s = 2^(n/2) is a float where 2^n is not. For that, floats have to be two apart.
  x = atMost(atLeast(x, -18.f), 89.f);
  auto [whole, shifted] = round(x, 2 * (kRounder + kBias));
  Value rest = fma(whole, -kLog2Low, fma(whole, -kLog2High, x));
  Value root = powerOf(shifted);
  // |rest| <= log(2), to 2^-29.3
  Value q =
      polynomial(rest, {0.5f, 0.16666672f, 0.041666646f, 0.008332662f, 0.0013889769f, 0.00020091023f, 2.4836045e-05f});
  Value grown = fma(mul(rest, rest), q, rest);
  // 2^n * grown + (2^n - 1), as s * (s * grown + (s - 1/s)).
  Value inverse = fromBits(arith::SubIOp::create(b, integer(2 * kOne), bits(root)));
  return copySign(mul(fma(root, grown, sub(root, inverse)), root), x);
}

ElementaryFunctions::Decay ElementaryFunctions::decay(Value x) {
  // One part of log(2) is enough: its error counts n times, and the power 2^n times.
  auto [whole, shifted] = round(x, kRounder + kBias);
  return {growth(fma(whole, -kLog2, x)), powerOf(shifted)};
}

Value ElementaryFunctions::tanh(Value x) {
  // (1 - e) / (1 + e) with e = e^(-2|x|), each rounded once, and nothing is lost where x is small.
  auto [grown, power] = decay(atLeast(mul(abs(x), constant(-2.f)), -18.f));
  Value numerator = fma(power, grown, sub(power, constant(1.f)));
  return copySign(div(numerator, fma(power, grown, add(power, constant(1.f)))), x);
}

//===----------------------------------------------------------------------===//
// Gates
//===----------------------------------------------------------------------===//

/// A gate's power 2^n is kept times 2^32, where it is a normal number until the gate rounds to zero, and a zero after
/// that.
static constexpr int kLift = 32;
static constexpr float kLower = 0x1p-32f;
/// From here on gates round to one.
static constexpr float kOpen = 18.f;

ElementaryFunctions::Gate ElementaryFunctions::splitGate(Value x) {
  x = atMost(atLeast(x, -(kLift + kBias) * kLog2), kOpen);
  auto [whole, shifted] = round(x, kRounder + kBias + kLift);
  Value rest = fma(whole, kLog2Low, fma(whole, kLog2High, arith::NegFOp::create(b, x)));
  return {growth(rest), powerOf(shifted)};
}

Value ElementaryFunctions::openGate(Value a, Value x, Value lifted, Value denominator) {
  Value product = matchPattern(a, m_OneFloat()) ? lifted : mul(a, lifted);
  Value result = mul(div(product, denominator), constant(kLower));
  if (product == lifted)
    return result;
  return select(compare(arith::CmpFPredicate::OGT, x, kOpen), a, result);
}

Value ElementaryFunctions::sigmoidTimes(Value a, Value x) {
  // With e^-x = (1 + g) / w: 1 / (1 + e^-x) = w / ((1 + w) + g), where all but two operations are exact. What 1 + w
  // loses below 2^-23 joins g.
  auto [g, lifted] = splitGate(x);
  Value one = constant(1.f), sum = fma(lifted, kLower, one);
  Value lost = fma(lifted, kLower, sub(one, sum));
  return openGate(a, x, lifted, add(sum, add(g, lost)));
}

Value ElementaryFunctions::tanhOfSoftplusTimes(Value a, Value x) {
  // With e^-x = (1 + g) / 2v and s = (1 + v) + g the second factor is 2vs / (s^2 + v^2), or 2v / (s + v^2 / s). Where x
  // is negative the quotient is small, and joins g, so that what s is rounded by matters only there.
  auto [g, lifted] = splitGate(x);
  Value one = constant(1.f), v = mul(lifted, constant(kLower / 2)), sum = add(one, v);
  Value s = add(sum, g), quotient = div(mul(v, v), s);
  Value small = add(add(g, add(v, sub(one, sum))), quotient);
  Value isPositive = compare(arith::CmpFPredicate::OGT, x, 0.f);
  Value denominator = add(select(isPositive, s, sum), select(isPositive, quotient, small));
  return openGate(a, x, lifted, denominator);
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

Value ElementaryFunctions::log1p(Value x) { return log1p(x, {}); }

Value ElementaryFunctions::log1p(Value x, Value rest) {
  // 1 + x = sum + lost exactly, where sum is not an infinity.
  Value one = constant(1.f), sum = add(one, x), added = sub(sum, one);
  Value lost = add(sub(one, sub(sum, added)), sub(x, added));
  if (rest)
    lost = add(lost, rest);
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
// Sine, cosine and tangent
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

ElementaryFunctions::Turn ElementaryFunctions::reduceByTable(Value x, Value table) {
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
  Value wide = widened(m);
  Value high = digits(0);
  Value shifted = fma(wide, high, constant64(rounder));
  Value turns = sub(shifted, constant64(rounder));
  Value part = fma(wide, digits(1), fma(wide, high, arith::NegFOp::create(b, turns)));
  Value count = arith::BitcastOp::create(b, likewise(b.getI64Type()), shifted);
  return {mul(part, constant64(kHalfPi)), arith::TruncIOp::create(b, likewise(b.getI32Type()), count)};
}

/// Up to here, three parts of pi/2 are enough: the nearest that an argument comes to a multiple is far above what the
/// parts leave out of it.
static constexpr float kNear = 65536.f;

ElementaryFunctions::Turn ElementaryFunctions::reduceByParts(Value x, bool isWide) {
  Value shifted = fma(x, 0.636619747f, constant(kRounder));
  Value turns = sub(shifted, constant(kRounder));
  // The first difference is exact.
  if (isWide) {
    turns = widened(turns);
    Value rest = fma(turns, constant64(-kHalfPi), widened(x));
    return {fma(turns, constant64(-6.123233995736766e-17), rest), bits(shifted)};
  }
  Value rest = fma(turns, -kHalfPiHigh, x);
  return {fma(turns, 1.71512474e-15f, fma(turns, -kHalfPiLow, rest)), bits(shifted)};
}

ElementaryFunctions::Turn ElementaryFunctions::reduce(Value x, Value table, bool isWide) {
  auto byTable = [&]() -> Turn {
    auto [rest, count] = reduceByTable(x, table);
    return {isWide ? rest : narrowed(rest), count};
  };
  auto vector = dyn_cast<VectorType>(type);
  if (!vector || vector.getRank() != 1)
    return byTable();
  Value isNear = compare(arith::CmpFPredicate::OLE, abs(x), kNear);
  isNear = vector::ReductionOp::create(b, vector::CombiningKind::AND, isNear);
  SmallVector<Type> types{isWide ? likewise(b.getF64Type()) : type, likewise(b.getI32Type())};
  auto choice = scf::IfOp::create(b, TypeRange(types), isNear, /*withElseRegion=*/true);
  for (bool byParts : {true, false}) {
    b.setInsertionPointToStart(byParts ? choice.thenBlock() : choice.elseBlock());
    Turn turn = byParts ? reduceByParts(x, isWide) : byTable();
    scf::YieldOp::create(b, ValueRange{turn.rest, turn.count});
  }
  b.setInsertionPointAfter(choice);
  return {choice.getResult(0), choice.getResult(1)};
}

Value ElementaryFunctions::isOdd(Value count) {
  Value lowest = arith::AndIOp::create(b, count, integer(1));
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, lowest, integer(0));
}

Value ElementaryFunctions::sinOrCos(Value x, Value table, int quarter) {
  auto [r, count] = reduce(x, table, /*isWide=*/false);
  if (quarter)
    count = arith::AddIOp::create(b, count, integer(quarter));
  // |r| <= pi/4, to 2^-27.9 and 2^-33
  Value square = mul(r, r);
  Value sine = fma(mul(r, square), polynomial(square, {-0.16666655f, 0.008332189f, -0.00019518286f}), r);
  sine = copySign(sine, r); // of zero
  Value cosine = polynomial(square, {1.f, -0.5f, 0.041666646f, -0.0013887311f, 2.4432562e-05f});
  Value sign = arith::ShLIOp::create(b, arith::AndIOp::create(b, count, integer(2)), integer(30));
  return fromBits(arith::XOrIOp::create(b, bits(select(isOdd(count), cosine, sine)), sign));
}

Value ElementaryFunctions::tan(Value x, Value table) {
  // Near a pole the tangent multiplies what the rest has lost: rest, sum and quotient are of double precision.
  auto [rest, count] = reduce(x, table, /*isWide=*/true);
  Value r = narrowed(rest), square = mul(r, r);
  // |r| <= pi/4, to 2^-29.5
  Value p = polynomial(square, {0.333333492f, 0.133326739f, 0.0540591665f, 0.0212846361f, 0.0108319884f,
                                9.20377133e-05f, 0.00437593553f});
  Value t = add(rest, widened(mul(mul(square, r), p))), odd = isOdd(count);
  return narrowed(div(select(odd, constant64(-1), t), select(odd, t, constant64(1))));
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
  p = mul(mul(square, z), p);
  // Small terms by themselves: pi/2 - 2 z is exact, or rounded in the place of the result.
  Value large = select(isLarge, fma(z, -2.f, constant(kHalfPiHigh)), z);
  Value small = select(isLarge, fma(p, -2.f, constant(kHalfPiLow)), p);
  return copySign(add(large, small), x);
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
// Hyperbolic functions
//===----------------------------------------------------------------------===//

ElementaryFunctions::Hyperbolic ElementaryFunctions::splitHyperbolic(Value x) {
  // |x| = n log(2) + r. Halves of 2^128 and more are not numbers any more: n stays below, and r grows.
  constexpr float rounder = kRounder + kBias - 1;
  Value a = atMost(abs(x), 89.5f);
  Value shifted = atMost(fma(a, kLog2e, constant(rounder)), rounder + 128);
  Value whole = sub(shifted, constant(rounder));
  Value r = fma(whole, -kLog2Low, fma(whole, -kLog2High, a)), square = mul(r, r);
  Value power = powerOf(bits(shifted));
  Value inverse = arith::SubIOp::create(b, integer(2 * (kOne - 0x00800000)), bits(power));
  inverse = fromBits(arith::MaxSIOp::create(b, inverse, integer(0)));
  // |r| <= log(2) / 2 (up to 0.8 at the end): the series, to 2^-30
  Value p = polynomial(square, {0.16666667f, 0.008333334f, 0.0001984127f, 2.7557319e-06f});
  Value q = polynomial(square, {0.5f, 0.041666668f, 0.0013888889f, 2.4801588e-05f});
  return {power, inverse, fma(mul(square, r), p, r), mul(square, q)};
}

Value ElementaryFunctions::sinh(Value x) {
  auto [power, inverse, sinh, coshLessOne] = splitHyperbolic(x);
  Value whole = sub(power, inverse);
  return copySign(add(whole, fma(add(power, inverse), sinh, mul(whole, coshLessOne))), x);
}

Value ElementaryFunctions::cosh(Value x) {
  auto [power, inverse, sinh, coshLessOne] = splitHyperbolic(x);
  Value small = fma(sub(power, inverse), sinh, mul(add(power, inverse), coshLessOne));
  // The sum of both powers would be rounded in a place above the last of the result.
  return add(power, add(inverse, small));
}

// The inverse functions are logarithms of 1 + y, where y rounded to single precision would cost half a unit, and each
// operation on the way to it as much. From here on, y is 2 a.
static constexpr float kTwice = 0x1p60f;

Value ElementaryFunctions::log1pOfDouble(Value x) {
  Value high = narrowed(x);
  return log1p(high, narrowed(sub(x, widened(high))));
}

Value ElementaryFunctions::log1pOfDouble(Value x, Value isLarge, Value a) {
  Value high = narrowed(x), low = narrowed(sub(x, widened(high))), zero = constant(0.f);
  Value result = log1p(select(isLarge, a, high), select(isLarge, zero, low));
  return add(result, select(isLarge, constant(kLog2), zero));
}

Value ElementaryFunctions::asinh(Value x) {
  // a + a^2 / (1 + sqrt(1 + a^2))
  Value a = abs(x), wide = widened(a), square = mul(wide, wide), one = constant64(1);
  Value root = math::SqrtOp::create(b, add(square, one));
  Value y = add(wide, div(square, add(root, one)));
  return copySign(log1pOfDouble(y, compare(arith::CmpFPredicate::OGT, a, kTwice), a), x);
}

Value ElementaryFunctions::acosh(Value x) {
  // (x - 1) + sqrt((x - 1) (x + 1)), below -1 in all where x is below one, or NaN
  Value wide = widened(x), less = sub(wide, constant64(1));
  Value y = add(less, math::SqrtOp::create(b, mul(less, add(wide, constant64(1)))));
  Value result = log1pOfDouble(y, compare(arith::CmpFPredicate::OGT, x, kTwice), x);
  return select(compare(arith::CmpFPredicate::UGE, x, 1.f), result, constant(kNaN));
}

Value ElementaryFunctions::atanh(Value x) {
  // 2 a / (1 - a), below -1 where a is beyond one
  Value a = abs(x), wide = widened(a);
  Value y = div(add(wide, wide), sub(constant64(1), wide));
  return copySign(mul(log1pOfDouble(y), constant(0.5f)), x);
}

//===----------------------------------------------------------------------===//
// Error function
//===----------------------------------------------------------------------===//

Value ElementaryFunctions::erf(Value x) {
  // 1 - e^-y with y = |x| + |x| P(|x|): relative errors of y shrink on the way, so that P takes few terms for all of
  // |x| <= 3.92, behind which the result is one. To 2^-26.1 up to 1/2, where more roundings count, and 2^-24.1 from
  // there.
  Value a = atMost(abs(x), 3.92f);
  Value p = polynomial(a, {-0.12837918f, -0.6366184f, -0.102794f, 0.019245224f, -7.947617e-05f, -0.0013525374f,
                           0.0004190697f, -4.613777e-05f});
  auto [grown, power] = decay(fma(a, p, arith::NegFOp::create(b, a)));
  return copySign(fma(power, grown, sub(power, constant(1.f))), x);
}

} // namespace mlir::ac
