//===- IfBranches.h - What is in the branches of If --------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_IFBRANCHES_H
#define RAISE_IFBRANCHES_H

#include "mlir/IR/Operation.h"
#include <string>

namespace mlir::ac {

/// Matrix products and the like in a region, nested ones included.
unsigned numProducts(Region &region);

/// Whether a branch gives nothing but values from outside and constants.
bool onlyForwards(Region &branch);
/// Whether nothing is left to compute after `op`: its results are those of the function, or of a branch after which
/// nothing is left to compute.
bool endsComputation(Operation *op);

/// Whether both branches give tensors of known rank, of the rank and element type of the node's results.
bool haveTypesOfResults(Operation *node, std::string &why);
/// Moves a branch into an empty region of an `ac` operation with results of these types.
void moveBranch(Region &branch, Region &region, TypeRange types);

} // namespace mlir::ac

#endif // RAISE_IFBRANCHES_H
