//===- SmallFloats.h - Floating-point types of four and eight bits -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// No processor at hand computes in these types: their bits are taken apart and put together with integer operations.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_SMALLFLOATS_H
#define LOWER_OPS_SMALLFLOATS_H

#include "Lower/Ops/Scalars.h"

namespace mlir::ac {

/// How a number that lies between two representable ones is rounded to `float8e8m0`, which has powers of two only.
enum class PowerRounding { Up, Down, Nearest };

struct ConversionRules {
  /// Numbers too large become the largest one, otherwise infinity or NaN. For floats of eight bits.
  bool saturate = true;
  PowerRounding rounding = PowerRounding::Up;
};

/// Floats of at most eight bits.
bool isSmallFloat(Type type);

/// The f32 that `x` stands for: exact.
Value decodeSmallFloat(Scalars &s, Value x);
/// The element of `type` nearest to the f32 `x`, ties to even.
Value encodeSmallFloat(Scalars &s, Value x, Type type, ConversionRules rules);

/// Converts an element as the ONNX operator Cast does, between all types of numbers.
Value convertElement(Scalars &s, Value x, Type to, bool toUnsigned, ConversionRules rules = {});

} // namespace mlir::ac

#endif // LOWER_OPS_SMALLFLOATS_H
