//===- Branches.h - One of two computations ---------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `If`, `ac.exit` and `ac.skip` have in common: a condition, and two ways to make the results of a node. The way
// that is not taken costs nothing. Results may differ in their dimensions, and where nothing else helps in rank.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_BRANCHES_H
#define LOWER_OPS_BRANCHES_H

#include "Lower/NodeLowering.h"
#include <functional>

namespace mlir::ac {

/// The first is taken where the condition holds.
struct Branches {
  /// Emits the branch where the emitter stands and returns the node's results. May be called twice; what the first call
  /// emitted is then taken back.
  std::function<FailureOr<SmallVector<Value>>()> lower[2];
  /// For messages.
  StringRef names[2];
};

/// Sets the outputs of `node`: those of the branch that `condition` (i1) takes.
LogicalResult lowerBranches(Node &node, Value condition, const Branches &branches);

} // namespace mlir::ac

#endif // LOWER_OPS_BRANCHES_H
