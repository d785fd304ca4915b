//===- Compaction.h - Rows that have work ------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows that have work are listed in order, so that what follows has as many rows as there are in the list, none
// included. They are gathered before it and put back or added after it; products do both in place (`ac-fuse-row-moves`).
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_COMPACTION_H
#define LOWER_OPS_COMPACTION_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// Whether a scalar is not zero; NaN is not.
Value isNotZero(OpBuilder &b, Location loc, Value scalar);

/// The rows that have work.
struct Compaction {
  Value places; // tensor<?xindex>, their numbers in ascending order
  OpFoldResult count;

  /// Those of `numRows` rows for which `isActive` (i1) holds.
  static Compaction of(Emitter &emit, OpFoldResult numRows,
                       llvm::function_ref<Value(OpBuilder &, Location, Value row)> isActive);
  /// Those whose element of `mask`, of `numRows` elements, is not zero.
  static Compaction ofMask(Emitter &emit, Value mask, OpFoldResult numRows);

  /// These rows, [count, width], of `rows`, [numRows, width].
  Value gather(Emitter &emit, Value rows) const;
  /// `into`, [numRows, width], with these rows replaced by `rows`, [count, width], or with `rows` added to them.
  Value scatter(Emitter &emit, Value rows, Value into, bool accumulate) const;
};

/// Operands of an operation that works on rows: all dimensions but the last, taken together, are one.
class RowOperands {
public:
  /// `leading` are the dimensions that address a row, proven or not to be those of each operand.
  RowOperands(Emitter &emit, ArrayRef<Value> operands, ArrayRef<OpFoldResult> leading);

  /// Whether every operand is known to have exactly these rows: one of size one might broadcast.
  bool areProven() const { return proven; }
  OpFoldResult numRows() const { return rows; }
  /// [numRows, width]
  Value flat(Value operand) const;
  /// [leading..., width] of [numRows, width]
  Value whole(Value rows) const;

  /// Lowers region `number` of the node for the rows in the list; what it yields is [count, width].
  FailureOr<SmallVector<Value>> run(Node &node, unsigned number, const Compaction &list) const;
  /// Lowers it for all rows.
  FailureOr<SmallVector<Value>> runAll(Node &node, unsigned number) const;

private:
  Emitter &emit;
  SmallVector<Value> operands;
  Dims leading;
  OpFoldResult rows;
  bool proven;
};

/// `com.microsoft.MoE`, whose experts take the rows that chose them.
LogicalResult lowerMixtureOfExperts(Node &node);

} // namespace mlir::ac

#endif // LOWER_OPS_COMPACTION_H
