//===- Gates.cpp - What a sigmoid multiplies ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Gates.h"

namespace mlir::ac {

Value swish(Scalars &s, Value x, Value gate) {
  // Made one function of f32 later.
  if (gate.getType().isF32())
    return s.div(x, s.add(s.exp(s.neg(gate)), 1.0));
  // Of large negative numbers e^-x would overflow where the sigmoid is not zero yet.
  Value e = s.exp(s.neg(s.abs(gate)));
  Value isNegative = s.less(gate, s.constant(gate.getType(), 0.0));
  return s.div(s.select(isNegative, s.mul(x, e), x), s.add(e, 1.0));
}

Value geluTanh(Scalars &s, Value x) {
  // 0.5 * (1 + tanh(u)) = sigmoid(2u)
  Value inner = s.mul(x, s.add(s.mul(s.mul(x, x), 0.044715), 1.0));
  return swish(s, x, s.mul(inner, 2.0 * 0.7978845608028654));
}

} // namespace mlir::ac
