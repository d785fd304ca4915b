//===- RowSums.cpp - Lowering of ac.learner_chain and ac.moe_dispatch -----===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both are sums over branches, of which a row takes part in some. For each branch the rows that take part are listed
// and go through it, and what comes out is added to their places in the sum; a branch of which there are none costs the
// pass over the decision. The additions of a row happen in the order of the branches, whatever its batch mates do.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "Lower/Ops/Counters.h"
#include "Lower/Ops/Scalars.h"
#include "Support/Costs.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// What differs between the two.
class RowSum {
public:
  RowSum(Node &node, Value decision, ArrayRef<Value> operands, ArrayRef<OpFoldResult> leading, StringRef kind,
         StringRef branchName)
      : node(node), emit(node.emit), rows(emit, operands, leading),
        decision(emit.reshape(decision, {rows.numRows(), emit.dims(decision).back()})), counters(node, kind) {
    counters.add("rows");
    for (auto [n, region] : llvm::enumerate(node.op->getRegions()))
      counters.add(branchName + " " + Twine(n), flopsPerRow(region));
  }
  virtual ~RowSum() = default;

  LogicalResult lower(bool dense, Value start);

protected:
  /// Whether the row takes part in the branch (i1), from its row of the decision.
  virtual Value takesPart(OpBuilder &b, Location loc, Value row, int64_t branch) = 0;
  /// Whether every row takes part in the branch, as far as is known while compiling.
  virtual bool isUnconditional(int64_t branch) { return false; }
  /// The factors of a branch for the rows in the list, [count, 1], or null for one.
  virtual Value factors(const Compaction &list, int64_t branch) { return {}; }
  /// A factor in the reference form, or null.
  virtual Value factor(OpBuilder &b, Location loc, Value row, int64_t branch) { return {}; }

  Value element(OpBuilder &b, Location loc, Value row, int64_t column) {
    Value at = arith::ConstantIndexOp::create(b, loc, column);
    return tensor::ExtractOp::create(b, loc, decision, ValueRange{row, at});
  }

  Node &node;
  Emitter &emit;
  RowOperands rows;
  Value decision; // [rows, width of a decision]
  Counters counters;

private:
  LogicalResult lowerDense(Value start);
  Value startOf(Value branchResult, Value start);
};

Value RowSum::startOf(Value branchResult, Value start) {
  if (start)
    return rows.flat(start);
  return emit.fill({rows.numRows(), emit.dim(branchResult, 1)}, emit.constant(Emitter::elementType(branchResult), 0));
}

/// Every branch for every row, then select and add.
LogicalResult RowSum::lowerDense(Value start) {
  Value total;
  counters.count(0, rows.numRows());
  for (int64_t branch = 0, e = node.op->getNumRegions(); branch < e; ++branch) {
    counters.count(1 + branch, rows.numRows());
    FailureOr<SmallVector<Value>> results = rows.runAll(node, branch);
    if (failed(results))
      return failure();
    Value result = rows.flat(results->front());
    Type type = Emitter::elementType(result);
    if (!total)
      total = startOf(result, start);
    Value before = total;
    total = emit.tabulate(emit.dims(result), type, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
      Scalars s(b, loc);
      Value term = tensor::ExtractOp::create(b, loc, result, at);
      if (Value scale = factor(b, loc, at[0], branch))
        term = s.mul(scale, term);
      Value sum = tensor::ExtractOp::create(b, loc, before, at);
      return s.select(takesPart(b, loc, at[0], branch), s.add(sum, term), sum);
    });
  }
  return node.finish(rows.whole(total));
}

LogicalResult RowSum::lower(bool dense, Value start) {
  if (dense || !rows.areProven())
    return lowerDense(start);
  Value total;
  counters.count(0, rows.numRows());
  for (int64_t branch = 0, e = node.op->getNumRegions(); branch < e; ++branch) {
    if (isUnconditional(branch)) {
      counters.count(1 + branch, rows.numRows());
      FailureOr<SmallVector<Value>> results = rows.runAll(node, branch);
      if (failed(results))
        return failure();
      Value result = rows.flat(results->front());
      if (!total && !start) {
        total = result;
        continue;
      }
      total = mapElements(emit, {total ? total : startOf(result, start), result}, Emitter::elementType(result),
                          [](Scalars &s, ValueRange v) { return s.add(v[0], v[1]); });
      continue;
    }
    Compaction list = Compaction::of(
        emit, rows.numRows(), [&](OpBuilder &b, Location loc, Value row) { return takesPart(b, loc, row, branch); });
    counters.count(1 + branch, list.count);
    FailureOr<SmallVector<Value>> results = rows.run(node, branch, list);
    if (failed(results))
      return failure();
    Value result = results->front();
    if (Value scale = factors(list, branch))
      result = mapElements(emit, {scale, result}, Emitter::elementType(result),
                           [](Scalars &s, ValueRange v) { return s.mul(v[0], v[1]); });
    if (!total)
      total = startOf(result, start);
    total = list.scatter(emit, result, total, /*accumulate=*/true);
  }
  return node.finish(rows.whole(total));
}

/// Row r takes part in the first `k[r]` branches, in `min` of them at least.
class LearnerChain : public RowSum {
public:
  LearnerChain(Node &node, Value k, ArrayRef<Value> operands, ArrayRef<OpFoldResult> leading, int64_t least)
      : RowSum(node, k, operands, leading, "learner_chain", "learner"), least(least) {}

private:
  bool isUnconditional(int64_t branch) override { return branch < least; }
  Value takesPart(OpBuilder &b, Location loc, Value row, int64_t branch) override {
    if (isUnconditional(branch))
      return arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
    Value k = element(b, loc, row, 0);
    Value number = arith::ConstantOp::create(b, loc, b.getIntegerAttr(k.getType(), branch));
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, k, number);
  }

  int64_t least;
};

/// Row r takes part in branch e with the factor `weights[r, e]` unless that is zero.
class MoeDispatch : public RowSum {
public:
  MoeDispatch(Node &node, Value weights, ArrayRef<Value> operands, ArrayRef<OpFoldResult> leading)
      : RowSum(node, weights, operands, leading, "moe_dispatch", "expert") {}

private:
  Value takesPart(OpBuilder &b, Location loc, Value row, int64_t branch) override {
    return isNotZero(b, loc, element(b, loc, row, branch));
  }
  Value factors(const Compaction &list, int64_t branch) override {
    return emit.tabulate({list.count, emit.dimension(1)}, Emitter::elementType(decision),
                         [&](OpBuilder &b, Location loc, ValueRange at) {
                           return element(b, loc, tensor::ExtractOp::create(b, loc, list.places, at[0]), branch);
                         });
  }
  Value factor(OpBuilder &b, Location loc, Value row, int64_t branch) override { return element(b, loc, row, branch); }
};

LogicalResult lowerLearnerChain(Node &node) {
  auto op = cast<LearnerChainOp>(node.op);
  SmallVector<Value> inputs = node.inputs();
  Dims leading = node.emit.dims(inputs.front());
  leading.pop_back();
  ArrayRef<Value> rows = ArrayRef(inputs).slice(1, op.getRows().size());
  LearnerChain sum(node, inputs.front(), rows, leading, op.getMinK());
  return sum.lower(op.getDense(), op.getResidual() ? inputs.back() : Value());
}

LogicalResult lowerMoeDispatch(Node &node) {
  auto op = cast<MoeDispatchOp>(node.op);
  SmallVector<Value> inputs = node.inputs();
  Dims leading = node.emit.dims(inputs.front());
  leading.pop_back();
  MoeDispatch sum(node, inputs.front(), ArrayRef(inputs).drop_front(), leading);
  return sum.lower(op.getDense(), {});
}

} // namespace

void mlir::ac::populateRowSumLowerings(LoweringTable &table) {
  table.add("ac.learner_chain", lowerLearnerChain);
  table.add("ac.moe_dispatch", lowerMoeDispatch);
}
