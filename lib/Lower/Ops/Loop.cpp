//===- Loop.cpp - ONNX Loop -----------------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Iteration.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::ac;

/// Exporters say "no bound" with a huge trip count.
static constexpr int64_t kUnbounded = int64_t(1) << 53;

LogicalResult ac::lowerLoop(Node &node) {
  Emitter &emit = node.emit;
  Iteration iteration;
  if (node.hasInput(0)) {
    OpFoldResult trips = emit.asDimension(emit.scalar(node.input(0)));
    if (getConstantIntValue(trips).value_or(0) < kUnbounded)
      iteration.bound = emit.max(trips, emit.getIndexAttr(0));
  }
  if (node.hasInput(1)) {
    Value enter = emit.scalar(node.input(1));
    if (!matchPattern(enter, m_One()))
      iteration.enter = enter;
  }
  unsigned numCarried = std::max(2u, node.numInputs()) - 2;
  for (unsigned i = 0; i < numCarried; ++i) {
    if (!node.hasInput(2 + i))
      return node.refuse("carried value " + Twine(i) + " has no initial value");
    iteration.initial.push_back(node.input(2 + i));
  }
  unsigned numStacked = node.numOutputs() - numCarried;
  SmallVector<unsigned> wanted;
  for (unsigned i = 0; i < numStacked; ++i)
    if (node.wantsOutput(numCarried + i))
      wanted.push_back(i);
  iteration.stacked.resize(wanted.size());

  auto body = [&](Value index, ValueRange carried) -> FailureOr<IterationStep> {
    // Wherever the body runs, the condition holds.
    SmallVector<Value> arguments{
        emit.fromElements({}, emit.getI64Type(), emit.asInteger(index, emit.getI64Type())),
        emit.fromElements({}, emit.getI1Type(), emit.constant(emit.getI1Type(), 1))};
    llvm::append_range(arguments, carried);
    auto yields = node.lowerRegion(0, arguments);
    if (failed(yields))
      return failure();
    if (yields->size() != 1 + numCarried + numStacked)
      return node.refuse("the body yields " + Twine(yields->size()) + " values, expected " +
                         Twine(1 + numCarried + numStacked));
    ArrayRef<Value> values(*yields);
    IterationStep step;
    step.proceed = emit.scalar(values[0]);
    step.carried = llvm::to_vector(values.slice(1, numCarried));
    for (unsigned i : wanted)
      step.stacked.push_back(values[1 + numCarried + i]);
    return step;
  };
  iteration.step = body;
  auto results = emitIteration(node, iteration);
  if (failed(results))
    return failure();
  for (unsigned i = 0; i < numCarried; ++i)
    node.setOutput(i, (*results)[i]);
  for (auto [position, i] : llvm::enumerate(wanted))
    node.setOutput(numCarried + i, (*results)[numCarried + position]);
  return success();
}
