//===- LoopGuards.h - Bounds checks that a loop can be split by -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A body that reads what may lie outside of a tensor compares each index with the size: `arith.cmpi ult, index, size`,
// where the index is an affine function of the position. Such a guard holds on one interval of the innermost loop.
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_LOOPGUARDS_H
#define KERNELS_LOOPGUARDS_H

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

class LoopGuards {
public:
  /// The guards of an operation whose innermost loop is `dim`.
  LoopGuards(linalg::LinalgOp op, unsigned dim);

  /// Whether a guard changes its answer within the innermost loop.
  bool splitsLoop() const { return !inner.empty(); }
  /// Whether all indices move by one with the innermost loop.
  bool isContiguous() const {
    return llvm::all_of(inner, [](const Guard &guard) { return guard.step == 1; });
  }
  /// Whether a guard has the same answer for the whole innermost loop.
  bool hasOuter() const { return !outer.empty(); }

  /// The part of [begin, end) in which all guards of the innermost loop hold. `position` gives the other dimensions.
  std::pair<Value, Value> interval(ImplicitLocOpBuilder &b, ArrayRef<Value> position, Value begin, Value end) const;
  /// Whether all the other guards hold.
  Value outerHold(ImplicitLocOpBuilder &b, ArrayRef<Value> position) const;

  bool isInner(Operation *op) const {
    return llvm::any_of(inner, [&](const Guard &guard) { return guard.compare == op; });
  }
  bool isOuter(Operation *op) const {
    return llvm::any_of(outer, [&](const Guard &guard) { return guard.compare == op; });
  }

private:
  struct Guard {
    arith::CmpIOp compare;
    AffineMap index; // of `operands`: positions by loop dimension or values from outside of the body
    SmallVector<Value> operands;
    int64_t step; // how far the index moves with the innermost loop
  };
  Value indexAt(ImplicitLocOpBuilder &b, const Guard &guard, ArrayRef<Value> position) const;

  SmallVector<Guard> inner, outer;
};

} // namespace mlir::ac

#endif // KERNELS_LOOPGUARDS_H
