//===- HaltedRows.h - What a loop does to a row that has halted --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_HALTEDROWS_H
#define RAISE_HALTEDROWS_H

#include "Raise/Values.h"
#include "llvm/ADT/DenseMap.h"

namespace mlir::ac {

/// Evaluates the body of a loop for a row for which `running` is false. A value is known there to be zero or one, to be
/// what another value is, or nothing is known of it. The one assumption is that what is multiplied by zero is finite.
class HaltedRows {
public:
  HaltedRows(Block *body, Value running);

  /// Whether `running` is computed from carried values and from outside alone, not from the iteration.
  bool dependsOnStateAlone();
  /// Whether the carried values that it is computed from are among these.
  bool stateIs(ArrayRef<bool> carried);
  /// Whether `next` is what `before` is.
  bool isUnchanged(Value next, Value before);

private:
  struct Known {
    enum Kind { Nothing, Zero, One, Same } kind = Nothing;
    Value value; // of Same
    bool operator==(const Known &other) const { return kind == other.kind && value == other.value; }
  };
  Known of(Value value);
  Known compute(Value value);
  Known ofOperand(Operation *op, unsigned i);
  /// Whether the rows of a value are its leading dimensions, as those of `running`.
  bool hasRows(Value value) const;

  Block *body;
  Value running;
  int64_t numRowDims; // leading dimensions that address a row
  DenseMap<Value, Known> known;
  SmallVector<unsigned> state; // carried values that `running` is computed from
};

/// Whether `after`, computed from what a step of the loop yields, is what `before` is, computed from what it was given.
bool isSameAfterStep(Value after, Value before, Block *body, int depth = 32);

} // namespace mlir::ac

#endif // RAISE_HALTEDROWS_H
