//===- Compaction.h - Rows that have work ------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows whose mask is not zero are numbered in order and gathered, so that what follows has as many rows as there is
// work, none included. Results are not scattered: whoever wants a row asks whether it was computed and where, and reads
// only rows that were.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_COMPACTION_H
#define LOWER_OPS_COMPACTION_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// Whether a scalar is not zero; NaN is not.
Value isNotZero(OpBuilder &b, Location loc, Value scalar);

/// The places of the rows that have work, and for each row its place among them or -1.
struct Compaction {
  Value places;  // tensor<?xindex>, `count` entries used
  Value numbers; // tensor<?xindex>
  OpFoldResult count;

  /// `mask` has `numRows` elements.
  static Compaction of(Emitter &emit, Value mask, OpFoldResult numRows);

  /// The rows that have work, [count, width], of `rows`, [numRows, width].
  Value gather(Emitter &emit, Value rows) const;
  /// `read` with the row's place among the computed ones if it is there, else `otherwise`. A branch, not a select: rows
  /// that were not computed have nothing to be read.
  Value ifComputed(OpBuilder &b, Location loc, Value row, Value otherwise,
                   llvm::function_ref<Value(OpBuilder &, Value)> read) const;
};

/// `com.microsoft.MoE`, whose experts take the rows that chose them.
LogicalResult lowerMixtureOfExperts(Node &node);

} // namespace mlir::ac

#endif // LOWER_OPS_COMPACTION_H
