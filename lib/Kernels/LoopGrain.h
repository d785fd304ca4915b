//===- LoopGrain.h - How loops are shared between threads --------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_LOOPGRAIN_H
#define KERNELS_LOOPGRAIN_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// What an iteration of `body` costs, in additions.
int64_t costOfBody(Block &body);

/// The turns (index) that a range of a parallel loop should hold: of `count` turns, each of which runs a body of this
/// cost `work` times.
Value loopGrain(ImplicitLocOpBuilder &b, Value count, Value work, int64_t cost);

} // namespace mlir::ac

#endif // KERNELS_LOOPGRAIN_H
