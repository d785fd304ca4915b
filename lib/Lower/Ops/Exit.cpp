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
#include "Lower/Ops/Counters.h"
#include "Lower/Ops/Scalars.h"
#include "Support/Costs.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// What two branches cost for each unit, and how many units there are: runs, or the samples of a batch of unknown size.
struct Costs {
  int64_t cheap, costly;
  StringRef units = "runs";
  OpFoldResult count;
};

/// Of a cheap branch, which may be null, and a costly one.
Costs costsOf(Node &node, Region *cheap, Region &costly) {
  Emitter &emit = node.emit;
  Costs costs{cheap ? flopsPerRun(*cheap) : 0, flopsPerRun(costly), "runs", emit.getIndexAttr(1)};
  if (costs.cheap >= 0 && costs.costly >= 0)
    return costs;
  SampleCost cheapCost = cheap ? flopsPerSample(*cheap) : SampleCost{0, {}}, costlyCost = flopsPerSample(costly);
  llvm::SetVector<Value> samples = costlyCost.samples;
  samples.insert(cheapCost.samples.begin(), cheapCost.samples.end());
  if (cheapCost.flops < 0 || costlyCost.flops < 0 || samples.empty())
    return costs;
  OpFoldResult size = emit.dim(node.captured(samples[0]), 0);
  if (llvm::any_of(samples, [&](Value value) { return !Emitter::same(emit.dim(node.captured(value), 0), size); }))
    return costs;
  return {cheapCost.flops, costlyCost.flops, "samples", size};
}

/// The two counters of an operation that decides: how often it ran, and how often it took the branch that costs.
void count(Node &node, Value costly, StringRef kind, StringRef name, Costs costs, bool dense) {
  Emitter &emit = node.emit;
  // In the reference form every run costs both.
  bool known = costs.cheap >= 0 && costs.costly >= costs.cheap;
  Counters counters(node, kind);
  counters.add(costs.units, known && dense ? costs.cheap + costs.costly : costs.cheap);
  counters.add(name, !known ? kUnknownFlops : dense ? 0 : costs.costly - costs.cheap);
  counters.count(0, costs.count);
  counters.count(1, Scalars(emit, emit.getLoc()).select(costly, emit.asValue(costs.count), emit.constantIndex(0)));
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
  count(node, s.negate(stop), "exit", "rest", costsOf(node, &op.getEarly(), op.getRest()), op.getDense());
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
  count(node, active, "skip", "body", costsOf(node, nullptr, op.getBody()), op.getDense());
  if (op.getDense() && failed(computeFirst(branches.lower[0])))
    return failure();
  return lowerBranches(node, active, branches);
}

} // namespace

void mlir::ac::populateExitLowerings(LoweringTable &table) {
  table.add("ac.exit", lowerExit);
  table.add("ac.skip", lowerSkip);
}
