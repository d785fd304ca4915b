//===- DequantizedBytes.h - Bytes with scales and zero points ----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_DEQUANTIZEDBYTES_H
#define OPTIMIZE_DEQUANTIZEDBYTES_H

#include "mlir/IR/Operation.h"
#include <optional>

namespace mlir::ac {

/// Differences of bytes are at most 255: products of so many of them stay below 2^31.
constexpr int64_t kDeepestExactSum = 33025;

/// What a value of f32 is dequantised from, with constant scales.
struct DequantizedBytes {
  Value numbers, scale, zeroPoint;       // zeroPoint: null for none
  double leastScale = 0, mostScale = 0;  // magnitudes
  int64_t axis = 1;                      // of several scales

  static std::optional<DequantizedBytes> behind(Value value);
  /// Whether f32 holds the products of both's scales as normal numbers. Others would round otherwise.
  bool scalesLike(const DequantizedBytes &other) const {
    return leastScale * other.leastScale >= 0x1p-126 && mostScale * other.mostScale <= 0x1p100;
  }
};

/// Makes a convolution of dequantised bytes, with what quantises its result again, one of bytes. Leaves it alone where
/// that is not possible.
void fuseQuantizedConvolution(Operation *conv);

} // namespace mlir::ac

#endif // OPTIMIZE_DEQUANTIZEDBYTES_H
