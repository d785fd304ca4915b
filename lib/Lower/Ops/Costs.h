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
#ifndef LOWER_OPS_COSTS_H
#define LOWER_OPS_COSTS_H

#include "mlir/IR/Region.h"
#include <string>

namespace mlir::ac {

constexpr int64_t kUnknownFlops = -1;

/// The floating-point operations of the products of a region (two for each multiplication and addition), from static
/// types; -1 if that is not known. Those of operations inside that count for themselves are not among them.
int64_t flopsPerRun(Region &region);
/// The same for one row, where a row is what all dimensions but the last address; the region treats rows independently.
int64_t flopsPerRow(Region &region);

/// A name for the counters of `op`, which no other operation of its function has: that of the node, or of the
/// operation, and a number if it is not the first with that name.
std::string counterSite(Operation *op);

} // namespace mlir::ac

#endif // LOWER_OPS_COSTS_H
