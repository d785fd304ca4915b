//===- UnrolledLoop.h - Steps of a loop that was written out ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One product with a shared weight occurs once a step: its occurrences, in order, are the seed. From there, operations
// are followed to their operands and to their users in all steps at once. An operation of the body is a row of
// counterparts, one a step. An operand of a row is the same value in all steps, a constant for each step, another row
// in the same step, or another row in the step before: a carried value, which begins as whatever the first step reads.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_UNROLLEDLOOP_H
#define RAISE_UNROLLEDLOOP_H

#include "Raise/ValueClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <string>

namespace mlir::ac {

/// Whether two operations do the same, operands aside.
bool areAlike(Operation *a, Operation *b);

class UnrolledLoop {
public:
  /// What one operand of a row is.
  struct Source {
    enum Kind { Unknown, Invariant, Constants, Same, Carried } kind = Unknown;
    unsigned row = 0, result = 0; // Same, Carried
    Value value;                  // Invariant: the value. Carried: what it begins as.
    SmallVector<Value> constants; // Constants: one a step
  };
  /// A carried value. One without an initial value is only wanted behind the loop.
  struct Slot {
    unsigned row, result;
    Value initial;
  };
  /// The pieces `begin` to `begin + steps` of a concatenation are one value of all steps.
  struct Stacked {
    unsigned row, result;
    Operation *concat;
    unsigned begin;
  };

  /// `live` holds the operations that something needs. Operations in `apart` belong to no step.
  UnrolledLoop(Block &block, ValueClasses &classes, const llvm::DenseSet<Operation *> &live, ArrayRef<Operation *> seed,
               const llvm::DenseSet<Operation *> &apart);

  /// Finds rows and sources; false, and `why`, if the steps do not repeat one another.
  bool find();
  std::string why;

  size_t numSteps() const { return steps; }
  /// Operations of a row; a suffix is null where the last steps do without.
  ArrayRef<SmallVector<Operation *>> getRows() const { return rows; }
  Source sourceOf(unsigned row, unsigned operand) { return resolve(row, operand); }
  /// The step an operation is in, or -1.
  int stepOf(Operation *op) const;
  bool isMember(Operation *op) const { return where.contains(op); }
  llvm::DenseMap<Operation *, int> takeSteps() const;

  SmallVector<Slot> slots;
  SmallVector<Stacked> stacks;
  /// Which slot a carried operand reads.
  unsigned slotOf(const Source &source);
  std::optional<unsigned> slotWithResult(unsigned row, unsigned result) const;

private:
  size_t present(unsigned row) const { return llvm::find(rows[row], nullptr) - rows[row].begin(); }
  bool isFree(Value value) const { return value.getDefiningOp() && isFree(value.getDefiningOp()); }
  bool isFree(Operation *op) const;
  void place(unsigned row, unsigned step, Operation *op);
  unsigned addRow(ArrayRef<Operation *> ops);
  Source resolve(unsigned row, unsigned operand);
  bool follows(unsigned row, unsigned result, ArrayRef<Value> values, unsigned distance);
  Operation *counterpart(Value from, unsigned operand, Operation *like, int distance, bool certain);
  void growBackward();
  bool growForward(unsigned row, bool known);
  void extend(unsigned row);
  void settle(unsigned row);
  bool checkOperands();
  bool checkUses();
  bool checkOrder();
  bool refuse(const Twine &reason);

  Block &block;
  ValueClasses &classes;
  const llvm::DenseSet<Operation *> &live, &apart;
  size_t steps;
  bool changed = false;
  SmallVector<SmallVector<Operation *>> rows;
  llvm::DenseMap<Operation *, std::pair<unsigned, unsigned>> where;
  llvm::DenseMap<std::pair<unsigned, unsigned>, Value> initials;
  llvm::DenseSet<Operation *> beyondZeroth, beyondFirst; // what depends on the seed of the first and second step
};

} // namespace mlir::ac

#endif // RAISE_UNROLLEDLOOP_H
