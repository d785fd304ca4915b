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

/// A binary heap of elements with their indices, kept in two tensors. Of equal elements the one with the lower index is
/// the earlier one.
class Heap {
public:
  /// The earliest element is on top, or the last one. `place` maps a place of the heap to a position in the tensors.
  Heap(Order order, bool earliestOnTop, llvm::function_ref<SmallVector<Value>(Value)> place)
      : order(order), earliestOnTop(earliestOnTop), place(place) {}

  struct Element {
    Value value, index;
  };
  /// `values` and `indices`, as loops carry them.
  using State = SmallVector<Value>;

  Element load(IndexMath &math, ValueRange state, Value at);
  State store(IndexMath &math, ValueRange state, Value at, Element element);
  /// Puts `element` into the free place `hole` or below it, so that the first `size` elements from there on are a heap.
  /// Nothing is done unless `enabled`. `levels` is at least the height of the heap.
  State sift(IndexMath &math, ValueRange state, Value hole, Value size, Element element, Value levels, Value enabled);
  /// Makes a heap of the first `size` elements.
  State build(IndexMath &math, ValueRange state, Value size, Value levels);

  /// The height of a heap of `size` elements.
  static Value height(Emitter &emit, OpFoldResult size);

private:
  /// Whether `x` belongs above `y`.
  Value above(IndexMath &math, Element x, Element y);

  Order order;
  bool earliestOnTop;
  llvm::function_ref<SmallVector<Value>(Value)> place;
};

} // namespace mlir::ac

#endif // LOWER_OPS_SORTING_H
