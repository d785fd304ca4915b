//===- Budget.cpp - Numbers that the user of the binary sets --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/NodeLowering.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

/// A tensor whose only element is known as a scalar: comparisons and arithmetic with other such numbers need no buffer.
static LogicalResult lowerBudget(Node &node) {
  auto op = cast<BudgetOp>(node.op);
  auto type = cast<RankedTensorType>(op.getValue().getType());
  Value number = ReadBudgetOp::create(node.emit, type.getElementType(), op.getNameAttr(), op.getInitialAttr(),
                                      op.getLeastAttr(), op.getMostAttr());
  return node.finish(node.emit.fromElements(type.getShape(), type.getElementType(), number));
}

void mlir::ac::populateBudgetLowerings(LoweringTable &table) { table.add("ac.budget", lowerBudget); }
