//===- IfBranches.cpp - What is in the branches of If ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/IfBranches.h"
#include "Raise/Values.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {

unsigned numProducts(Region &region) {
  unsigned count = 0;
  region.walk([&](Operation *op) { count += isProduct(op); });
  return count;
}

bool onlyForwards(Region &branch) {
  return llvm::all_of(branch.front().without_terminator(), [](Operation &op) {
    StringRef name = operatorOf(&op);
    return name == "Identity" || name == "Constant" || name == "NoValue";
  });
}

bool endsComputation(Operation *op) {
  for (Operation *user : op->getUsers()) {
    if (user->getBlock() != op->getBlock())
      return false;
    if (!user->hasTrait<OpTrait::IsTerminator>() && (operatorOf(user) != "Identity" || !endsComputation(user)))
      return false;
  }
  Operation *parent = op->getParentOp();
  if (isa_and_nonnull<FunctionOpInterface>(parent))
    return true;
  // The end of a branch, but not of an iteration.
  return parent && (operatorOf(parent) == "If" || isa<ExitOp>(parent)) && endsComputation(parent);
}

bool haveTypesOfResults(Operation *node, std::string &why) {
  for (Region &region : node->getRegions()) {
    Operation *yield = region.front().getTerminator();
    if (yield->getNumOperands() != node->getNumResults()) {
      why = "a branch gives another number of values";
      return false;
    }
    for (auto [value, result] : llvm::zip_equal(yield->getOperands(), node->getResults())) {
      auto given = rankedType(value), wanted = rankedType(result);
      if (given && wanted && given.getRank() == wanted.getRank() && given.getElementType() == wanted.getElementType())
        continue;
      why = ("output " + Twine(result.getResultNumber()) +
             " is no tensor of one known rank and element type from both branches")
                .str();
      return false;
    }
  }
  return true;
}

void moveBranch(Region &branch, Region &region, TypeRange types) {
  region.takeBody(branch);
  Operation *yield = region.front().getTerminator();
  OpBuilder b(yield);
  SmallVector<Value> values;
  for (auto [value, type] : llvm::zip_equal(yield->getOperands(), types))
    values.push_back(value.getType() == type ? value : make(b, yield->getLoc(), "Identity", type, value));
  YieldOp::create(b, yield->getLoc(), values);
  yield->erase();
}

} // namespace mlir::ac
