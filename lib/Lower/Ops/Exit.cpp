//===- Exit.cpp - Lowering of ac.exit and ac.skip -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both are branches. The reference form computes both sides in front of the branch, which then only chooses. Decisions
// are counted in front of the branch as well, so that counters do not keep branches from being simplified.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Branches.h"
#include "Lower/Ops/Costs.h"
#include "Lower/Ops/Counters.h"
#include "Lower/Ops/Scalars.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// The two counters of an operation that decides: how often it ran, and how often it took the branch that costs.
void count(Node &node, Value costly, StringRef kind, ArrayRef<StringRef> names, ArrayRef<int64_t> flops) {
  Emitter &emit = node.emit;
  Counters counters(node, kind);
  for (auto [name, cost] : llvm::zip_equal(names, flops))
    counters.add(name, cost);
  counters.count(0, emit.getIndexAttr(1));
  counters.count(1, Scalars(emit, emit.getLoc()).select(costly, emit.constantIndex(1), emit.constantIndex(0)));
}

/// What two branches cost as {per run, more for the costly one}: in the reference form every run costs both.
SmallVector<int64_t> branchCosts(int64_t cheap, int64_t costly, bool dense) {
  if (cheap < 0 || costly < cheap)
    return {cheap, kUnknownFlops};
  if (!dense)
    return {cheap, costly - cheap};
  return {cheap + costly, 0};
}

/// Computes a branch at once; the branch itself then only yields.
LogicalResult computeFirst(std::function<FailureOr<SmallVector<Value>>()> &lower) {
  FailureOr<SmallVector<Value>> values = lower();
  if (failed(values))
    return failure();
  lower = [values = *values]() -> FailureOr<SmallVector<Value>> { return values; };
  return success();
}

LogicalResult lowerExit(Node &node) {
  Emitter &emit = node.emit;
  auto op = cast<ExitOp>(node.op);
  Value stop = emit.scalar(node.input(0));
  if (!op.mayExit())
    stop = emit.constant(emit.getI1Type(), 0);
  Branches branches;
  for (unsigned i : {0u, 1u})
    branches.lower[i] = [&node, i] { return node.lowerRegion(i, {}); };
  branches.names[0] = "early";
  branches.names[1] = "rest";
  Scalars s(emit, emit.getLoc());
  count(node, s.negate(stop), "exit", {"runs", "rest"},
        branchCosts(flopsPerRun(op.getEarly()), flopsPerRun(op.getRest()), op.getDense()));
  if (op.getDense() && (failed(computeFirst(branches.lower[0])) || failed(computeFirst(branches.lower[1]))))
    return failure();
  return lowerBranches(node, stop, branches);
}

LogicalResult lowerSkip(Node &node) {
  Emitter &emit = node.emit;
  auto op = cast<SkipOp>(node.op);
  Value active = emit.scalar(node.input(0));
  Branches branches;
  branches.lower[0] = [&node] { return node.lowerRegion(0, {}); };
  branches.lower[1] = [&node]() -> FailureOr<SmallVector<Value>> {
    return SmallVector<Value>(ArrayRef(node.inputs()).drop_front());
  };
  branches.names[0] = "the body";
  branches.names[1] = "what is passed by";
  count(node, active, "skip", {"runs", "body"}, branchCosts(0, flopsPerRun(op.getBody()), op.getDense()));
  if (op.getDense() && failed(computeFirst(branches.lower[0])))
    return failure();
  return lowerBranches(node, active, branches);
}

} // namespace

void mlir::ac::populateExitLowerings(LoweringTable &table) {
  table.add("ac.exit", lowerExit);
  table.add("ac.skip", lowerSkip);
}
