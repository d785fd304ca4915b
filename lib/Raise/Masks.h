//===- Masks.h - What the passes of the raise stage know of masks -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_MASKS_H
#define RAISE_MASKS_H

#include "Raise/Values.h"

namespace mlir::ac {

/// Whether the value may be exactly zero by how it is made; what it is made from is followed for `depth` operations.
bool canBeZero(Value value, int depth = 16);

/// Whether `mask` has one value for each row of `value`: the same rank and leading dimensions, and a last one of one.
bool isMaskOf(Value mask, Value value);

/// One index of a tensor along an axis.
struct Column {
  Value source;
  int64_t axis, index;
};
/// What `value` is picked from by Gather, Slice or Split.
std::optional<Column> columnOf(Value value);

/// A mask that says `k > above`.
struct Threshold {
  Value k; // integers
  int64_t above;
};
/// The comparison with a constant that a mask is, or is one column of.
std::optional<Threshold> thresholdOf(Value mask);

} // namespace mlir::ac

#endif // RAISE_MASKS_H
