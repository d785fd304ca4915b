//===- ControlFlow.cpp - ONNX If, and the family -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Iteration.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::ac;

/// Small integer tensors (shapes, positions) leave a branch element by element up to this many elements.
static constexpr int64_t kMaxScalars = 8;

namespace {
/// The results of both branches of an `If` as they leave it.
class Merge {
public:
  Merge(Node &node, scf::IfOp trial) : node(node), emit(node.emit), trial(trial) {}

  /// Adds what the branches give for one output; the builder of each branch stands at its end.
  LogicalResult add(unsigned output, Value thenValue, Value elseValue);
  /// Makes the operation, and sets the node's outputs.
  void finish(Value condition);

private:
  struct Output {
    unsigned number;
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

  Node &node;
  Emitter &emit;
  scf::IfOp trial;
  SmallVector<Value> yields[2];
  SmallVector<Output> outputs;
  /// Pairs of sizes already yielded, and the result that carries them.
  SmallVector<std::tuple<OpFoldResult, OpFoldResult, int>> sizes;
};
} // namespace

LogicalResult Merge::add(unsigned output, Value thenValue, Value elseValue) {
  RankedTensorType thenType = Emitter::type(thenValue), elseType = Emitter::type(elseValue);
  if (thenType.getRank() != elseType.getRank() || thenType.getElementType() != elseType.getElementType())
    return node.refuse("output " + Twine(output) + " is " + typeText(thenType) + " from then_branch but " +
                       typeText(elseType) + " from else_branch; rank and element type must agree");
  Output merged{output, {}, false, 0, {}, {}};
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
      return success();
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
  return success();
}

void Merge::finish(Value condition) {
  auto merged = scf::IfOp::create(emit, TypeRange(ValueRange(yields[0])), condition, /*addThenBlock=*/false,
                                  /*addElseBlock=*/false);
  for (unsigned branch : {0u, 1u}) {
    in(branch, [&] { return scf::YieldOp::create(emit, yields[branch]), Value(); });
    merged->getRegion(branch).takeBody(trial->getRegion(branch));
  }
  trial.erase();
  emit.setInsertionPointAfter(merged);
  for (Output &output : outputs) {
    if (output.asScalars) {
      node.setOutput(output.number,
                     emit.withDims(emit.fromElements(output.type.getShape(), output.type.getElementType(),
                                                     merged.getResults().slice(output.first,
                                                                               output.type.getNumElements())),
                                   output.dims));
      continue;
    }
    for (auto [size, result] : llvm::zip(output.dims, output.dimResults))
      if (result >= 0)
        size = merged.getResult(result);
    node.setOutput(output.number, emit.withDims(merged.getResult(output.first), output.dims));
  }
}

/// Region 0 is `then_branch`, region 1 `else_branch`.
static LogicalResult lowerIf(Node &node) {
  Emitter &emit = node.emit;
  Value condition = emit.scalar(node.input(0));
  auto check = [&](const SmallVector<Value> &values) -> LogicalResult {
    if (values.size() == node.numOutputs())
      return success();
    return node.refuse("a branch yields " + Twine(values.size()) + " values, expected " + Twine(node.numOutputs()));
  };

  // Known while compiling: only that branch is part of the program.
  APInt known;
  if (matchPattern(condition, m_ConstantInt(&known))) {
    auto values = node.lowerRegion(known.isZero() ? 1 : 0, {});
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
    auto lowered = node.lowerRegion(branch, {});
    complete &= succeeded(lowered) && succeeded(check(*lowered));
    if (succeeded(lowered))
      values[branch] = *lowered;
  }
  if (!complete) {
    emit.discard(trial);
    return failure();
  }
  Merge merge(node, trial);
  for (unsigned i = 0; i < node.numOutputs(); ++i) {
    if (!node.wantsOutput(i))
      continue;
    if (failed(merge.add(i, values[0][i], values[1][i]))) {
      emit.discard(trial);
      return failure();
    }
  }
  merge.finish(condition);
  return success();
}

void ac::populateControlFlowLowerings(LoweringTable &table) {
  table.add("If", lowerIf);
  table.add("Loop", lowerLoop);
  table.add("Scan", lowerScan);
}
