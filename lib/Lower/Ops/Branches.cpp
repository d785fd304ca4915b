//===- Branches.cpp - One of two computations -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Branches.h"
#include "Lower/Ops/Rows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include <optional>

using namespace mlir;
using namespace mlir::ac;

/// Small integer tensors (shapes, positions) leave a branch element by element up to this many elements.
static constexpr int64_t kMaxScalars = 8;

namespace {
/// The results of two branches as they leave an `scf.if`.
class Merge {
public:
  Merge(Emitter &emit, scf::IfOp trial) : emit(emit), trial(trial) {}

  /// Adds what the branches give for one result; ranks and element types agree.
  void add(Value thenValue, Value elseValue);
  /// Makes the operation and returns its results.
  SmallVector<Value> finish();

private:
  struct Output {
    RankedTensorType type;
    bool asScalars;
    unsigned first;
    /// For each dimension the result it is, or -1 and its value.
    SmallVector<int> dimResults;
    Dims dims;
  };

  Value in(unsigned branch, llvm::function_ref<Value()> build) {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToEnd(&trial->getRegion(branch).front());
    return build();
  }
  unsigned yield(Value thenValue, Value elseValue) {
    yields[0].push_back(thenValue);
    yields[1].push_back(elseValue);
    return yields[0].size() - 1;
  }
  bool isOutside(OpFoldResult size) {
    auto value = dyn_cast<Value>(size);
    return !value || (!trial.getThenRegion().isAncestor(value.getParentRegion()) &&
                      !trial.getElseRegion().isAncestor(value.getParentRegion()));
  }

  Emitter &emit;
  scf::IfOp trial;
  SmallVector<Value> yields[2];
  SmallVector<Output> outputs;
  /// Pairs of sizes already yielded, and the result that carries them.
  SmallVector<std::tuple<OpFoldResult, OpFoldResult, int>> sizes;
};
} // namespace

/// Whether one type fits both.
static bool agree(Value a, Value b) {
  auto typeA = dyn_cast<RankedTensorType>(a.getType()), typeB = dyn_cast<RankedTensorType>(b.getType());
  return typeA && typeB && typeA.getRank() == typeB.getRank() && typeA.getElementType() == typeB.getElementType();
}

void Merge::add(Value thenValue, Value elseValue) {
  RankedTensorType thenType = Emitter::type(thenValue), elseType = Emitter::type(elseValue);
  Output merged{{}, false, 0, {}, {}};
  Dims thenDims = emit.dims(thenValue), elseDims = emit.dims(elseValue);
  RankedTensorType staticType = Emitter::tensorType(thenDims, thenType.getElementType());
  if (Emitter::same(thenDims, elseDims) && staticType.hasStaticShape() && thenType == elseType) {
    int64_t count = staticType.getNumElements();
    if (count == 1 || (count <= kMaxScalars && staticType.getElementType().isInteger() &&
                       Emitter::isElementwiseKnown(thenValue) && Emitter::isElementwiseKnown(elseValue))) {
      merged.asScalars = true;
      merged.type = staticType;
      merged.dims = thenDims;
      SmallVector<Value> thenElements, elseElements;
      in(0, [&] { return thenElements = emit.elements(thenValue), Value(); });
      in(1, [&] { return elseElements = emit.elements(elseValue), Value(); });
      merged.first = yields[0].size();
      for (auto [a, b] : llvm::zip(thenElements, elseElements))
        yield(a, b);
      outputs.push_back(merged);
      return;
    }
  }
  for (auto [a, b] : llvm::zip(thenDims, elseDims)) {
    if (Emitter::same(a, b) && isOutside(a)) {
      merged.dims.push_back(a);
      merged.dimResults.push_back(-1);
      continue;
    }
    auto found = llvm::find_if(sizes, [&, a = a, b = b](auto &pair) {
      return Emitter::same(std::get<0>(pair), a) && Emitter::same(std::get<1>(pair), b);
    });
    if (found == sizes.end()) {
      int result = yield(in(0, [&, a = a] { return emit.asValue(a); }), in(1, [&, b = b] { return emit.asValue(b); }));
      sizes.push_back({a, b, result});
      found = std::prev(sizes.end());
    }
    merged.dimResults.push_back(std::get<2>(*found));
    merged.dims.push_back(yields[0][std::get<2>(*found)]);
  }
  SmallVector<int64_t> shape;
  for (auto [size, result] : llvm::zip(merged.dims, merged.dimResults))
    shape.push_back(result < 0 ? getConstantIntValue(size).value_or(ShapedType::kDynamic) : ShapedType::kDynamic);
  merged.type = RankedTensorType::get(shape, thenType.getElementType());
  auto cast = [&](Value value) -> Value {
    return value.getType() == merged.type ? value : tensor::CastOp::create(emit, merged.type, value).getResult();
  };
  merged.first = yield(in(0, [&] { return cast(thenValue); }), in(1, [&] { return cast(elseValue); }));
  outputs.push_back(merged);
}

SmallVector<Value> Merge::finish() {
  auto merged = scf::IfOp::create(emit, TypeRange(ValueRange(yields[0])), trial.getCondition(),
                                  /*addThenBlock=*/false, /*addElseBlock=*/false);
  for (unsigned branch : {0u, 1u}) {
    in(branch, [&] { return scf::YieldOp::create(emit, yields[branch]), Value(); });
    merged->getRegion(branch).takeBody(trial->getRegion(branch));
  }
  trial.erase();
  emit.setInsertionPointAfter(merged);
  SmallVector<Value> results;
  for (Output &output : outputs) {
    Value result = merged.getResult(output.first);
    if (output.asScalars)
      result = emit.fromElements(output.type.getShape(), output.type.getElementType(),
                                 merged.getResults().slice(output.first, output.type.getNumElements()));
    else
      for (auto [size, number] : llvm::zip(output.dims, output.dimResults))
        if (number >= 0)
          size = merged.getResult(number);
    results.push_back(emit.withDims(result, output.dims));
  }
  return results;
}

/// Branches that give results of different ranks: no value can be both, so each branch goes on with all that follows in
/// the block. Where only one of them can, the run checks that it is the one taken (exporters write such a branch around
/// a `Squeeze` that always happens).
static LogicalResult lowerApart(Node &node, const Branches &branches, scf::IfOp trial,
                                ArrayRef<SmallVector<Value>> values, const Twine &what) {
  Emitter &emit = node.emit;
  std::optional<SmallVector<Value>> rest[2];
  std::string why[2];
  for (unsigned branch : {0u, 1u}) {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToEnd(&trial->getRegion(branch).front());
    (void)node.finish(values[branch]);
    rest[branch] = node.tryLowerRest(why[branch]);
  }
  if (rest[0] && rest[1] && llvm::all_of(llvm::zip(*rest[0], *rest[1]), [](auto pair) {
        return agree(std::get<0>(pair), std::get<1>(pair));
      })) {
    Merge merge(emit, trial);
    for (auto [a, b] : llvm::zip(*rest[0], *rest[1]))
      merge.add(a, b);
    return node.finishBlock(merge.finish());
  }
  Value condition = trial.getCondition();
  emit.discard(trial);
  if (!rest[0] == !rest[1])
    return node.refuse(what + (rest[0] ? "" : "; with neither can the rest of the graph be lowered: " + why[0]));
  unsigned taken = rest[0] ? 0 : 1;
  Value holds = condition;
  if (taken == 1)
    holds = arith::XOrIOp::create(emit, condition, emit.constant(emit.getI1Type(), 1));
  node.require(holds, what + ", of which the rest of the graph takes only the " + (taken ? "latter" : "former") + ": " +
                          why[1 - taken]);
  auto lowered = branches.lower[taken]();
  return failed(lowered) ? failure() : node.finish(*lowered);
}

LogicalResult ac::lowerBranches(Node &node, Value condition, const Branches &branches) {
  Emitter &emit = node.emit;
  auto check = [&](const SmallVector<Value> &values) -> LogicalResult {
    if (values.size() == node.numOutputs())
      return success();
    return node.refuse("a branch yields " + Twine(values.size()) + " values, expected " + Twine(node.numOutputs()));
  };

  // Known while compiling: only that branch is part of the program.
  APInt known;
  if (matchPattern(condition, m_ConstantInt(&known))) {
    auto values = branches.lower[known.isZero() ? 1 : 0]();
    return failed(values) || failed(check(*values)) ? failure() : node.finish(*values);
  }

  // The types of the results are known when both branches are lowered; then the regions move to the final operation.
  auto trial = scf::IfOp::create(emit, TypeRange{}, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  SmallVector<Value> values[2];
  bool complete = true;
  for (unsigned branch : {0u, 1u}) {
    OpBuilder::InsertionGuard guard(emit);
    trial->getRegion(branch).front().clear();
    emit.setInsertionPointToEnd(&trial->getRegion(branch).front());
    auto lowered = branches.lower[branch]();
    complete &= succeeded(lowered) && succeeded(check(*lowered));
    if (succeeded(lowered))
      values[branch] = *lowered;
  }
  if (!complete) {
    emit.discard(trial);
    return failure();
  }
  Merge merge(emit, trial);
  SmallVector<unsigned> wanted;
  for (unsigned i = 0; i < node.numOutputs(); ++i) {
    if (!node.wantsOutput(i))
      continue;
    wanted.push_back(i);
    if (!agree(values[0][i], values[1][i]))
      return lowerApart(node, branches, trial, values,
                        "output " + Twine(i) + " is " + typeText(values[0][i].getType()) + " from " +
                            branches.names[0] + " but " + typeText(values[1][i].getType()) + " from " +
                            branches.names[1]);
  }
  for (unsigned i : wanted)
    merge.add(values[0][i], values[1][i]);
  for (auto [i, value] : llvm::zip(wanted, merge.finish()))
    node.setOutput(i, value);
  return success();
}
