//===- HaltingLoop.cpp - Lowering of ac.halting_loop ----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop that ends when no row runs. The work of an iteration is in the body's `ac.masked_rows`, which do it for the rows
// that run; what the body makes for other rows is not taken over.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "Lower/Ops/Costs.h"
#include "Lower/Ops/Counters.h"
#include "Lower/Ops/Iteration.h"
#include "Lower/Ops/Scalars.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// As in an ONNX Loop, a huge limit says that there is none.
constexpr int64_t kUnbounded = int64_t(1) << 53;

class HaltingLoop {
public:
  explicit HaltingLoop(Node &node) : node(node), emit(node.emit), op(cast<HaltingLoopOp>(node.op)),
                                      counters(node, "halting_loop") {}
  LogicalResult lower();

private:
  FailureOr<Value> runningRows(Value index, ValueRange carried);
  Value anyOf(Value mask);
  void setUpCounters(OpFoldResult limit);
  void countRunning(Value mask, Value index);
  bool isKept(unsigned i);
  Value keep(Value mask, Value next, Value before);

  Node &node;
  Emitter &emit;
  HaltingLoopOp op;
  Counters counters;
  bool byStep = false; // a counter for each step
};

/// With a limit that is known and no larger, each step has a counter of its own.
constexpr int64_t kMostSteps = 64;

/// Of the products in the masked rows of an iteration.
int64_t flopsOfStep(HaltingLoopOp op) {
  int64_t total = 0;
  for (auto rows : op.getBody().front().getOps<MaskedRowsOp>()) {
    int64_t flops = flopsPerRow(rows.getBody());
    if (flops < 0)
      return kUnknownFlops;
    total += flops;
  }
  return total;
}

void HaltingLoop::setUpCounters(OpFoldResult limit) {
  int64_t steps = getConstantIntValue(limit).value_or(kMostSteps + 1), flops = flopsOfStep(op);
  byStep = steps <= kMostSteps;
  counters.add(byStep ? "rows" : "row steps");
  if (!byStep)
    counters.add("running", flops);
  for (int64_t step = 0; byStep && step < steps; ++step)
    counters.add("step " + Twine(step), flops);
}

void HaltingLoop::countRunning(Value mask, Value index) {
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, Emitter::rank(mask)));
  Value numbers = emit.castElements(mask, emit.getI64Type(), /*fromUnsigned=*/true);
  Value sum = emit.reduce(numbers, axes, /*keepDims=*/false, emit.constant(emit.getI64Type(), 0),
                          [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            return arith::AddIOp::create(b, loc, v[0], v[1]);
                          });
  OpFoldResult count = emit.asDimension(emit.scalar(sum));
  if (byStep)
    counters.count(1, count, index);
  else
    counters.count(1, count);
}

FailureOr<Value> HaltingLoop::runningRows(Value index, ValueRange carried) {
  SmallVector<Value> arguments{index};
  llvm::append_range(arguments, carried);
  FailureOr<SmallVector<Value>> mask = node.lowerRegion(0, arguments);
  return failed(mask) ? FailureOr<Value>(failure()) : FailureOr<Value>(mask->front());
}

Value HaltingLoop::anyOf(Value mask) {
  Type i1 = emit.getI1Type();
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, Emitter::rank(mask)));
  Value any = emit.reduce(mask, axes, /*keepDims=*/false, emit.constant(i1, 0),
                          [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            return arith::OrIOp::create(b, loc, v[0], v[1]);
                          });
  return emit.scalar(any);
}

/// Whether the body itself leaves this value as it is for rows that do not run.
bool HaltingLoop::isKept(unsigned i) {
  Value next = op.getBody().front().getTerminator()->getOperand(i), before = op.getBody().getArgument(1 + i);
  if (next == before)
    return true;
  auto rows = next.getDefiningOp<MaskedRowsOp>();
  if (!rows || rows.getOtherwise().empty() ||
      rows.getOtherwise()[cast<OpResult>(next).getResultNumber()] != before)
    return false;
  return op.getSelfMasked();
}

Value HaltingLoop::keep(Value mask, Value next, Value before) {
  if (Emitter::rank(next) < Emitter::rank(mask))
    mask = emit.squeezeAxes(mask, {Emitter::rank(mask) - 1});
  return mapElements(emit, {mask, next, before}, Emitter::elementType(next),
                     [](Scalars &s, ValueRange v) { return s.select(v[0], v[1], v[2]); });
}

LogicalResult HaltingLoop::lower() {
  SmallVector<Value> inputs = node.inputs();
  Iteration iteration;
  OpFoldResult limit = emit.asDimension(emit.scalar(inputs.front()));
  if (getConstantIntValue(limit).value_or(0) < kUnbounded)
    iteration.bound = emit.max(limit, emit.getIndexAttr(0));
  iteration.initial = llvm::to_vector(ArrayRef(inputs).drop_front());
  setUpCounters(limit);
  bool counted = false;
  Type i64 = emit.getI64Type();
  auto number = [&](Value index) { return emit.fromElements({}, i64, emit.asInteger(index, i64)); };
  if (!op.getDense()) {
    FailureOr<Value> mask = runningRows(number(emit.constantIndex(0)), iteration.initial);
    if (failed(mask))
      return failure();
    iteration.enter = anyOf(*mask);
    if (byStep)
      counters.count(0, emit.numElements(*mask));
    counted = true;
  }
  auto step = [&](Value index, ValueRange carried) -> FailureOr<IterationStep> {
    SmallVector<Value> arguments{number(index)};
    llvm::append_range(arguments, carried);
    FailureOr<Value> mask = runningRows(arguments.front(), carried);
    FailureOr<SmallVector<Value>> next = node.lowerRegion(1, arguments);
    if (failed(mask) || failed(next))
      return failure();
    if (counted) {
      // A limit that is not known may stand for none: the steps that the loop makes could have been those of all rows.
      if (!byStep)
        counters.count(0, emit.numElements(*mask));
      countRunning(*mask, index);
    }
    IterationStep step;
    for (auto [i, value] : llvm::enumerate(*next))
      step.carried.push_back(op.getRows()[i] && !isKept(i) ? keep(*mask, value, carried[i]) : value);
    if (op.getDense())
      return step;
    Value following = emit.asValue(emit.add(index, emit.getIndexAttr(1)));
    FailureOr<Value> running = runningRows(number(following), step.carried);
    if (failed(running))
      return failure();
    step.proceed = anyOf(*running);
    return step;
  };
  iteration.step = step;
  FailureOr<SmallVector<Value>> results = emitIteration(node, iteration);
  return failed(results) ? failure() : node.finish(*results);
}

} // namespace

void mlir::ac::populateHaltingLoopLowerings(LoweringTable &table) {
  table.add("ac.halting_loop", [](Node &node) { return HaltingLoop(node).lower(); });
}
