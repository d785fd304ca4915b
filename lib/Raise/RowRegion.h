//===- RowRegion.h - Computations that treat rows independently --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows are what a decision is about: tokens, samples. A region is grown backwards from where a decision takes values or
// leaves them. An operation joins it if what it makes of a row depends on that row of its operands alone; other operands
// are then the same for all rows, such as weights, or the keys and values of an attention in which each row has a query.
//
// Where its rows are is followed from value to value. At the borders of the region, all dimensions but the last address
// a row. Where only one of these is not one, the rows may also wander through the dimensions inside of the region: heads
// are split off by a Reshape and moved in front of the rows by a Transpose.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_ROWREGION_H
#define RAISE_ROWREGION_H

#include "Raise/Remarks.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include <functional>
#include <optional>

namespace mlir::ac {

/// Whether each element of the results depends on those of the operands at the same place alone.
bool isElementwise(StringRef name);

class RowRegion {
public:
  /// A value of the region that is used outside of it, at these uses only.
  struct Root {
    Value value;
    SmallVector<OpOperand *> uses;
  };

  /// Rows are those of values of this type: `[rows..., width]`.
  RowRegion(Block *block, RankedTensorType like);

  /// For values that hold some of the rows: gives the value that holds all of them, or null if it is not known. Values for
  /// which there is one are operands of the region, and values outside are copied rather than moved.
  std::function<Value(Value)> wholeOf;

  /// Grows the region; false, with the reason in `why`, if a root is not made by an operation that treats rows
  /// independently.
  bool grow(ArrayRef<Root> roots);
  Reason why;

  /// What the block computes row by row from `state`, an argument of it, and from what is outside of the block, with
  /// matrix products, and as a value that may cross the border. One sweep over the block.
  llvm::SmallDenseSet<Value> computedFrom(Value state) const;

  /// Matrix products with something that is the same for all rows.
  unsigned numProducts() const;
  /// Operands of the region that hold rows; with `wholeOf`, what it gave.
  ArrayRef<Value> rows() const { return rowOperands.getArrayRef(); }
  ArrayRef<Operation *> members() const { return ordered; }

  /// Builds the operations at the end of `body`, whose first arguments are the rows, and returns what the roots are there.
  SmallVector<Value> build(Block *body, ArrayRef<Value> roots);
  /// The same where `b` stands, with `values` for the rows.
  SmallVector<Value> build(OpBuilder &b, ValueRange values, ArrayRef<Value> roots);
  /// Makes `ac.masked_rows` whose body is the region, given `rows` for its rows, and yields the roots.
  MaskedRowsOp buildMaskedRows(OpBuilder &b, Location loc, TypeRange types, Value mask, ValueRange rows,
                               ValueRange otherwise, ArrayRef<Value> roots, bool dense);
  /// What members use that is the same for all rows.
  SmallVector<Value> shared() const;
  /// Erases members that nothing uses any longer.
  void eraseMembers();

private:
  static constexpr int64_t kLeading = -1; // all dimensions but the last
  static constexpr int64_t kShared = -2;  // the same for all rows

  int64_t borderPlace() const { return single >= 0 ? single : kLeading; }
  bool isBorder(Value value, int64_t place) const;
  bool holdsRows(Type type, int64_t place) const;
  /// Where the operands of an operation have their rows if result `number` has them at `place`.
  std::optional<SmallVector<int64_t>> placesOf(Operation *op, unsigned number, int64_t place, std::string &reason) const;
  std::optional<SmallVector<int64_t>> elementwise(Operation *op, int64_t place) const;
  std::optional<int64_t> throughReshape(RankedTensorType from, RankedTensorType to, int64_t place) const;
  void explore(Value value, int64_t place);
  bool prune(ArrayRef<Root> roots);
  void note(Operation *op, const Twine &reason);
  Type withRows(Type type, int64_t place) const;

  Block *block;
  RankedTensorType like;
  int64_t single = -1;      // the only dimension of rows that is not one, or -1
  int64_t extent = 0;       // its size
  DenseMap<Value, int64_t> places;
  DenseMap<Operation *, SmallVector<int64_t>> candidates; // with the places of their operands
  DenseMap<Operation *, std::string> obstacles;
  llvm::SetVector<Value> rowOperands;
  DenseMap<Value, Value> operandFor; // the entry of rowOperands that stands for a value
  SmallVector<Operation *> ordered;
};

} // namespace mlir::ac

#endif // RAISE_ROWREGION_H
