//===- VectorMath.cpp - Arithmetic on vectors of floats -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/VectorMath.h"

namespace mlir::ac {

Value VectorMath::splat(float value) { return arith::ConstantOp::create(b, DenseElementsAttr::get(type, value)); }

Value VectorMath::expOfNegative(Value x) {
  // 2^n (1 + f p(f)), |f| <= 1/2: the closest such polynomial. Adding 1.5 * 2^23 rounds to an integer, which then
  // stands in the lowest bits.
  static constexpr float log2e = 1.44269504f, rounder = 12582912.f;
  static constexpr float coefficients[] = {0.0013264727f, 0.009671513f, 0.055507336f, 0.24022242f, 0.693147f, 1.f};
  Value shifted = fma(x, splat(log2e), splat(rounder));
  Value whole = sub(shifted, splat(rounder));
  Value rest = fma(x, splat(log2e), arith::NegFOp::create(b, whole));
  Value power = splat(coefficients[0]);
  for (float coefficient : ArrayRef(coefficients).drop_front())
    power = fma(power, rest, splat(coefficient));
  auto bits = VectorType::get({lanes}, b.getI32Type());
  auto integer = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(bits, b.getI32IntegerAttr(value)));
  };
  Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, bits, shifted), integer(23));
  exponent = arith::AddIOp::create(b, exponent, integer(127 << 23));
  Value result = mul(power, arith::BitcastOp::create(b, type, exponent));
  return select(compare(arith::CmpFPredicate::OLT, x, splat(-86.5f)), splat(0), result);
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
