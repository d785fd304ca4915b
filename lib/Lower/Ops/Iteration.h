//===- Iteration.h - Loops with carried and stacked tensors ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ONNX `Loop` and `Scan` have in common: values carried from one iteration to the next, and values of which every
// iteration contributes a row of an output.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_ITERATION_H
#define LOWER_OPS_ITERATION_H

#include "Lower/NodeLowering.h"
#include "Lower/Ops/Rows.h"

namespace mlir::ac {

/// What one iteration computes.
struct IterationStep {
  /// Whether another iteration follows (i1); null: always.
  Value proceed;
  SmallVector<Value> carried;
  SmallVector<Value> stacked;
};

/// An output to which each iteration contributes its value at one position of `axis` (an axis of the output, may be
/// negative), front to back or back to front. Back to front needs an iteration that cannot stop early.
struct StackedOutput {
  int64_t axis = 0;
  bool reverse = false;
};

struct Iteration {
  /// The largest number of iterations; null: no bound.
  OpFoldResult bound;
  /// Whether there is a first iteration (i1); null: yes.
  Value enter;
  SmallVector<Value> initial;
  SmallVector<StackedOutput> stacked;
  /// Emits the body where the emitter stands. May be called several times; what all calls but the last emitted is
  /// taken back.
  llvm::function_ref<FailureOr<IterationStep>(Value index, ValueRange carried)> step;
};

/// Emits the loop; gives the final carried values, then the stacked outputs. Dimensions of carried tensors may change
/// from iteration to iteration, ranks and element types may not. Refuses `node` where it cannot.
FailureOr<SmallVector<Value>> emitIteration(Node &node, const Iteration &iteration);

LogicalResult lowerLoop(Node &node);
LogicalResult lowerScan(Node &node);

} // namespace mlir::ac

#endif // LOWER_OPS_ITERATION_H
