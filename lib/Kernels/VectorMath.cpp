//===- VectorMath.cpp - Arithmetic on vectors of floats -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/VectorMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

namespace mlir::ac {

Value VectorMath::splat(float value) { return arith::ConstantOp::create(b, DenseElementsAttr::get(type, value)); }

/// Below it the results of `expOfNegative` are zero.
static constexpr float kLeastExponent = -86.5f;

Value VectorMath::expOfNegative(Value x) {
  Value result = hasTables ? expByTable(x) : expByPolynomial(x);
  return select(compare(arith::CmpFPredicate::OLT, x, splat(kLeastExponent)), splat(0), result);
}

Value VectorMath::integers(ArrayRef<int32_t> values) {
  auto bits = VectorType::get({lanes}, b.getI32Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(bits, values));
}

Value VectorMath::shiftedBits(Value x, int32_t distance) {
  auto bits = VectorType::get({lanes}, b.getI32Type());
  return arith::ShLIOp::create(b, arith::BitcastOp::create(b, bits, x), integers(distance));
}

Value VectorMath::expByPolynomial(Value x) {
  // 2^n (1 + f p(f)), |f| <= 1/2: the closest such polynomial. Adding 1.5 * 2^23 rounds to an integer, which then
  // stands in the lowest bits; with 127 more, these are the exponent of 2^n.
  static constexpr float log2e = 1.44269504f, rounder = 12582912.f + 127.f;
  static constexpr float coefficients[] = {0.0013264727f, 0.009671513f, 0.055507336f, 0.24022242f, 0.693147f, 1.f};
  Value shifted = fma(x, splat(log2e), splat(rounder));
  Value whole = sub(shifted, splat(rounder));
  Value rest = fma(x, splat(log2e), arith::NegFOp::create(b, whole));
  Value power = splat(coefficients[0]);
  for (float coefficient : ArrayRef(coefficients).drop_front())
    power = fma(power, rest, splat(coefficient));
  return mul(power, arith::BitcastOp::create(b, type, shiftedBits(shifted, 23)));
}

Value VectorMath::expByTable(Value x) {
  // 2^(n + i / 32) e^r, where adding 1.5 * 2^18 leaves i in the five lowest bits and n above these. e^r, |r| <= ln 2 /
  // 64, is (u^2 + least) scale for u = r + a, and a multiple of ln 2 / 32 as `a` costs nothing. The scale is chosen so
  // that e^0 is 1. Entries lack what i adds to the bits when all of it moves up to the exponent.
  static constexpr float log2e = 1.44269504f, ln2 = 0.69314718f, rounder = 393216.f, near1 = 46.f / 32.f;
  static constexpr float scale = 0.50181693f, least = 0.99994755f;
  constexpr int32_t half = 16, places = 18;
  SmallVector<int32_t> entries;
  for (int32_t i = 0; i < 2 * half; ++i)
    entries.push_back(llvm::bit_cast<int32_t>(static_cast<float>(scale * std::exp2(i / 32.))) - (i << places));
  auto table = [&](ArrayRef<int32_t> part) -> Value { return arith::BitcastOp::create(b, type, integers(part)); };
  Value shifted = fma(x, splat(log2e), splat(rounder));
  Value whole = sub(shifted, splat(rounder + near1));
  Value rest = fma(whole, splat(-ln2), x);
  Value square = fma(rest, rest, splat(least));
  auto bits = VectorType::get({lanes}, b.getI32Type());
  Value place = arith::BitcastOp::create(b, bits, shifted);
  Value entry = LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr("llvm.x86.avx512.vpermi2var.ps.512"),
                                              ValueRange{table(ArrayRef(entries).take_front(half)), place,
                                                         table(ArrayRef(entries).drop_front(half))})
                    .getResult(0);
  entry = arith::AddIOp::create(b, arith::BitcastOp::create(b, bits, entry), shiftedBits(shifted, places));
  return mul(square, arith::BitcastOp::create(b, type, entry));
}

Value VectorMath::reduce(Value x, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t half = lanes / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < half; ++lane) {
      low.push_back(lane);
      high.push_back(lane + half);
    }
    x = combine(vector::ShuffleOp::create(b, x, x, low), vector::ShuffleOp::create(b, x, x, high));
  }
  return vector::ExtractOp::create(b, x, ArrayRef<int64_t>{0});
}

} // namespace mlir::ac
