//===- Gates.cpp - What a sigmoid multiplies ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Gates.h"

namespace mlir::ac {

std::pair<Value, Value> sigmoidFraction(Scalars &s, Value x) {
  Value e = s.exp(s.neg(s.abs(x)));
  Value isNegative = s.less(x, s.constant(x.getType(), 0.0));
  return {s.select(isNegative, e, s.constant(x.getType(), 1.0)), s.add(e, 1.0)};
}

Value swish(Scalars &s, Value x, Value gate) {
  auto [numerator, denominator] = sigmoidFraction(s, gate);
  return s.div(s.mul(x, numerator), denominator);
}

Value geluTanh(Scalars &s, Value x) {
  // 0.5 * (1 + tanh(u)) = sigmoid(2u)
  Value inner = s.mul(x, s.add(s.mul(s.mul(x, x), 0.044715), 1.0));
  return swish(s, x, s.mul(inner, 2.0 * 0.7978845608028654));
}

} // namespace mlir::ac
