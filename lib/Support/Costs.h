//===- Costs.h - What a region costs, and how it is called ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For the counters of operations that decide how much is computed (`ac.count`).
//
//===----------------------------------------------------------------------===//
#ifndef SUPPORT_COSTS_H
#define SUPPORT_COSTS_H

#include "mlir/IR/Region.h"
#include "llvm/ADT/SetVector.h"
#include <optional>
#include <string>

namespace mlir::ac {

constexpr int64_t kUnknownFlops = -1;

/// The floating-point operations of the products of a region (two for each multiplication and addition), from static
/// types; -1 if that is not known. Those of operations inside that count for themselves are not among them.
int64_t flopsPerRun(Region &region);
/// The same for one row, where a row is what all dimensions but the last address; the region treats rows independently.
int64_t flopsPerRow(Region &region);

/// The same for one sample of a batch whose size is not known.
struct SampleCost {
  int64_t flops = kUnknownFlops;
  /// Values from outside of the region whose first dimension is taken to be the size of the batch, all the same.
  llvm::SetVector<Value> samples;
};
SampleCost flopsPerSample(Region &region);

/// What an adaptive operation lets be skipped.
struct SkippableCost {
  SmallVector<int64_t> branches; // FLOPs of each branch for one unit, -1 where that is not known
  StringRef unit;                // "row", "row step", "sample" or "run"

  /// What one unit can save at most, or -1.
  int64_t total = kUnknownFlops;
};
/// Nothing for operations that do not decide how much is computed.
std::optional<SkippableCost> skippableCost(Operation *op);

/// Of the masked rows in one step of a halting loop, for one row; -1 if that is not known.
int64_t flopsPerStep(Region &body);

/// A name for the counters of `op`, which no other operation of its function has: that of the node, or of the
/// operation, and a number if it is not the first with that name.
std::string counterSite(Operation *op);

} // namespace mlir::ac

#endif // SUPPORT_COSTS_H
