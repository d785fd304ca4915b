//===- HaltingLoop.cpp - Lowering of ac.halting_loop ----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop that ends when no row runs. The work of an iteration is in the body's `ac.masked_rows`, which do it for the
// rows that run; what the body makes for other rows is not taken over.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "Lower/Ops/Counters.h"
#include "Lower/Ops/Iteration.h"
#include "Lower/Ops/Scalars.h"
#include "Support/Costs.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// As in an ONNX Loop, a huge limit says that there is none.
constexpr int64_t kUnbounded = int64_t(1) << 53;

class HaltingLoop {
public:
  explicit HaltingLoop(Node &node)
      : node(node), emit(node.emit), op(cast<HaltingLoopOp>(node.op)), counters(node, "halting_loop") {}
  LogicalResult lower();

private:
  FailureOr<SmallVector<Value>> lowerDense(Iteration &iteration);
  FailureOr<SmallVector<Value>> lowerSkipping(Iteration &iteration);
  struct Test {
    Value mask;    // which rows run
    Value proceed; // i1: whether an iteration follows if some do
  };
  FailureOr<Test> test(OpFoldResult index, ValueRange carried);
  /// An index as a tensor of one i64.
  Value number(Value index) {
    return emit.fromElements({}, emit.getI64Type(), emit.asInteger(index, emit.getI64Type()));
  }
  void setUpCounters(OpFoldResult limit);
  Value countRunning(Value mask);
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

void HaltingLoop::setUpCounters(OpFoldResult limit) {
  int64_t steps = getConstantIntValue(limit).value_or(kMostSteps + 1), flops = flopsPerStep(op.getBody());
  byStep = steps <= kMostSteps;
  counters.add(byStep ? "rows" : "row steps");
  if (!byStep)
    counters.add("running", flops);
  for (int64_t step = 0; byStep && step < steps; ++step)
    counters.add("step " + Twine(step), flops);
}

/// How many rows run, an index.
Value HaltingLoop::countRunning(Value mask) {
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, Emitter::rank(mask)));
  Value numbers = emit.castElements(mask, emit.getI64Type(), /*fromUnsigned=*/true);
  Value sum = emit.reduce(
      numbers, axes, /*keepDims=*/false, emit.constant(emit.getI64Type(), 0),
      [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddIOp::create(b, loc, v[0], v[1]); });
  return emit.scalar(sum);
}

FailureOr<HaltingLoop::Test> HaltingLoop::test(OpFoldResult index, ValueRange carried) {
  SmallVector<Value> arguments{number(emit.asValue(index))};
  llvm::append_range(arguments, carried);
  FailureOr<SmallVector<Value>> results = node.lowerRegion(0, arguments);
  if (failed(results))
    return failure();
  return Test{results->front(), results->size() == 2 ? emit.scalar((*results)[1]) : emit.constant(emit.getI1Type(), 1)};
}

/// Whether the body itself leaves this value as it is for rows that do not run.
bool HaltingLoop::isKept(unsigned i) {
  Value next = op.getBody().front().getTerminator()->getOperand(i), before = op.getBody().getArgument(1 + i);
  if (next == before)
    return true;
  auto rows = next.getDefiningOp<MaskedRowsOp>();
  if (!rows || rows.getOtherwise().empty() || rows.getOtherwise()[cast<OpResult>(next).getResultNumber()] != before)
    return false;
  return op.getSelfMasked();
}

Value HaltingLoop::keep(Value mask, Value next, Value before) {
  if (Emitter::rank(next) < Emitter::rank(mask))
    mask = emit.squeezeAxes(mask, {Emitter::rank(mask) - 1});
  return mapElements(emit, {mask, next, before}, Emitter::elementType(next),
                     [](Scalars &s, ValueRange v) { return s.select(v[0], v[1], v[2]); });
}

/// Every row in every iteration, then select; a value without rows is taken over while the loop goes on. Behind the
/// carried values stands whether it does.
FailureOr<SmallVector<Value>> HaltingLoop::lowerDense(Iteration &iteration) {
  Type i1 = emit.getI1Type();
  auto asTensor = [&](Value flag) { return emit.fromElements({}, i1, flag); };
  iteration.initial.push_back(asTensor(emit.constant(i1, 1)));
  auto step = [&](Value index, ValueRange all) -> FailureOr<IterationStep> {
    ValueRange carried = all.drop_back();
    SmallVector<Value> arguments{number(index)};
    llvm::append_range(arguments, carried);
    FailureOr<Test> now = test(index, carried);
    FailureOr<SmallVector<Value>> next = node.lowerRegion(1, arguments);
    if (failed(now) || failed(next))
      return failure();
    Scalars s(emit, emit.getLoc());
    Value goesOn = s.greater(countRunning(now->mask), s.constantInt(emit.getI64Type(), 0));
    if (op.getAtLeastOnce())
      goesOn = s.either(goesOn, s.equal(index, emit.constantIndex(0)));
    Value taken = asTensor(s.both(goesOn, emit.scalar(all.back())));
    Value rows =
        mapElements(emit, {now->mask, all.back()}, i1, [](Scalars &s, ValueRange v) { return s.both(v[0], v[1]); });
    IterationStep result;
    for (auto [i, value] : llvm::enumerate(*next))
      result.carried.push_back(keep(op.getRows()[i] ? rows : taken, value, carried[i]));
    FailureOr<Test> then = test(emit.add(index, emit.getIndexAttr(1)), result.carried);
    if (failed(then))
      return failure();
    result.carried.push_back(asTensor(Scalars(emit, emit.getLoc()).both(emit.scalar(taken), then->proceed)));
    return result;
  };
  iteration.step = step;
  FailureOr<SmallVector<Value>> results = emitIteration(node, iteration);
  if (succeeded(results))
    results->pop_back();
  return results;
}

/// Behind the carried values the loop carries how many rows run, and which if the body does not leave the others alone
/// itself: the test at the end of an iteration serves the next one, too.
FailureOr<SmallVector<Value>> HaltingLoop::lowerSkipping(Iteration &iteration) {
  size_t numCarried = iteration.initial.size();
  bool keeps = false;
  for (unsigned i = 0; i < numCarried; ++i)
    keeps |= op.getRows()[i] && !isKept(i);
  Type i64 = emit.getI64Type();
  Value zero = emit.constant(i64, 0);
  auto asTensor = [&](Value count) { return emit.fromElements({}, i64, count); };
  FailureOr<Test> first = test(emit.getIndexAttr(0), iteration.initial);
  if (failed(first))
    return failure();
  OpFoldResult numRows = emit.numElements(first->mask);
  if (byStep)
    counters.count(0, numRows);
  Value count = countRunning(first->mask);
  if (!op.getAtLeastOnce())
    iteration.enter = Scalars(emit, emit.getLoc()).greater(count, zero);
  iteration.initial.push_back(asTensor(count));
  if (keeps)
    iteration.initial.push_back(first->mask);
  auto step = [&](Value index, ValueRange all) -> FailureOr<IterationStep> {
    ValueRange carried = all.take_front(numCarried);
    SmallVector<Value> arguments{number(index)};
    llvm::append_range(arguments, carried);
    FailureOr<SmallVector<Value>> next = node.lowerRegion(1, arguments);
    if (failed(next))
      return failure();
    // A limit that is not known may stand for none: the steps that the loop makes could have been those of all rows.
    if (!byStep)
      counters.count(0, numRows);
    counters.count(1, emit.asDimension(emit.scalar(all[numCarried])), byStep ? index : Value());
    IterationStep result;
    for (auto [i, value] : llvm::enumerate(*next))
      result.carried.push_back(op.getRows()[i] && !isKept(i) ? keep(all.back(), value, carried[i]) : value);
    FailureOr<Test> then = test(emit.add(index, emit.getIndexAttr(1)), result.carried);
    if (failed(then))
      return failure();
    Value left = countRunning(then->mask);
    Scalars s(emit, emit.getLoc());
    result.proceed = s.both(s.greater(left, zero), then->proceed);
    result.carried.push_back(asTensor(left));
    if (keeps)
      result.carried.push_back(then->mask);
    return result;
  };
  iteration.step = step;
  FailureOr<SmallVector<Value>> results = emitIteration(node, iteration);
  if (succeeded(results))
    results->truncate(numCarried);
  return results;
}

LogicalResult HaltingLoop::lower() {
  SmallVector<Value> inputs = node.inputs();
  Iteration iteration;
  OpFoldResult limit = emit.asDimension(emit.scalar(inputs.front()));
  if (getConstantIntValue(limit).value_or(0) < kUnbounded)
    iteration.bound = emit.max(limit, emit.getIndexAttr(0));
  iteration.initial = llvm::to_vector(ArrayRef(inputs).drop_front());
  setUpCounters(limit);
  FailureOr<SmallVector<Value>> results = op.getDense() ? lowerDense(iteration) : lowerSkipping(iteration);
  return failed(results) ? failure() : node.finish(*results);
}

} // namespace

void mlir::ac::populateHaltingLoopLowerings(LoweringTable &table) {
  table.add("ac.halting_loop", [](Node &node) { return HaltingLoop(node).lower(); });
}
