//===- Sorting.h - The order of elements -------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_SORTING_H
#define LOWER_OPS_SORTING_H

#include "Lower/Ops/Positions.h"

namespace mlir::ac {

/// A total order of numbers, in which NaN is larger than all others and equal to itself.
struct Order {
  bool largestFirst, isUnsigned;

  /// True if `x` comes strictly before `y`.
  Value before(IndexMath &math, Value x, Value y) const;
};

} // namespace mlir::ac

#endif // LOWER_OPS_SORTING_H
