//===- ExpertAxes.h - Where the dimensions of a value come from --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a sum over experts backwards it is followed where each dimension of a value comes from: an axis is one of the
// rows', the one that is summed, or what holds the features of a row.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_EXPERTAXES_H
#define RAISE_EXPERTAXES_H

#include "Raise/Values.h"
#include "mlir/IR/Builders.h"

namespace mlir::ac {

class ExpertAxes {
public:
  /// One of the rows' dimensions by its number, or one of the others.
  enum : int { kSum = 64, kFeature, kIn, kOut };
  /// What each dimension of a value holds, outermost first; nothing for a dimension of one.
  using Axes = SmallVector<int, 2>;
  using Layout = SmallVector<Axes, 5>;

  explicit ExpertAxes(Location loc) : loc(loc) {}

  static bool holds(const Layout &layout, int axis);
  /// The layout of an operand that broadcasts to a result, aligned at the last dimension.
  static Layout broadcast(const Layout &result, RankedTensorType operand);
  /// The layout of what a Reshape to `layout` takes.
  std::optional<Layout> throughReshape(const Layout &layout, RankedTensorType to, RankedTensorType from) const;
  /// The layout of operand 0 of an operation that only moves elements.
  std::optional<Layout> throughMove(Operation *op, const Layout &layout) const;
  /// `value` with these axes as its dimensions, in this order; a dimension of one where it does not have an axis.
  Value arrange(OpBuilder &b, Value value, Layout layout, ArrayRef<int> axes);

  SmallVector<int64_t> rowSizes;
  int64_t sumSize = 0;

protected:
  Location loc;
};

} // namespace mlir::ac

#endif // RAISE_EXPERTAXES_H
