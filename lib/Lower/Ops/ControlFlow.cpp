//===- ControlFlow.cpp - ONNX If, and the family -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Branches.h"
#include "Lower/Ops/Iteration.h"

using namespace mlir;
using namespace mlir::ac;

/// Region 0 is `then_branch`, region 1 `else_branch`.
static LogicalResult lowerIf(Node &node) {
  Branches branches;
  for (unsigned i : {0u, 1u})
    branches.lower[i] = [&node, i] { return node.lowerRegion(i, {}); };
  branches.names[0] = "then_branch";
  branches.names[1] = "else_branch";
  return lowerBranches(node, node.emit.scalar(node.input(0)), branches);
}

void ac::populateControlFlowLowerings(LoweringTable &table) {
  table.add("If", lowerIf);
  table.add("Loop", lowerLoop);
  table.add("Scan", lowerScan);
}
