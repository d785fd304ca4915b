//===- ExposeBudgets.cpp - Knobs of what was recognised -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constants by which a model decides how much it computes become parameters of the binary. Each starts as what the
// model says, and is then without effect: results are those of the model, to the bit.
//
//===----------------------------------------------------------------------===//
#include "Raise/Passes.h"
#include "Raise/Scores.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EXPOSEBUDGETS
#include "Raise/Passes.h.inc"

namespace {

class Exposer {
public:
  explicit Exposer(ModuleOp module) : module(module), names(module) {}
  void run();

private:
  Value makeCount(OpBuilder &b, Location loc, StringRef name, int64_t initial, int64_t least, int64_t most);
  void expose(LearnerChainOp op, int64_t mostLearners);
  void expose(MoeDispatchOp op);
  void expose(HaltingLoopOp op);
  void expose(MaskedRowsOp op);
  void exposeLoop(Operation *loop);
  void bias(Value k);

  ModuleOp module;
  BudgetNames names;
};

Value Exposer::makeCount(OpBuilder &b, Location loc, StringRef name, int64_t initial, int64_t least, int64_t most) {
  auto type = RankedTensorType::get({}, b.getI64Type());
  auto number = [&](int64_t value) { return b.getF64FloatAttr(static_cast<double>(value)); };
  return BudgetOp::create(b, loc, type, b.getStringAttr(name), number(initial), number(least), number(most));
}

/// Where counts are the largest of a row of logits, adds a budget's multiple of each count to its logit.
void Exposer::bias(Value k) {
  // Counts may be shifted by a constant: a comparison with n + 1 in place of n.
  Value count = throughMoves(k, /*shapes=*/true, /*casts=*/false);
  while (Operation *shift = count.getDefiningOp()) {
    bool shifts = (operatorOf(shift) == "Sub" || operatorOf(shift) == "Add") && count.hasOneUse() &&
                  constantNumber(shift->getOperand(1));
    if (!shifts)
      break;
    count = throughMoves(shift->getOperand(0), /*shapes=*/true, /*casts=*/false);
  }
  Operation *arg = count.getDefiningOp();
  if (!arg || operatorOf(arg) != "ArgMax" || !arg->getResult(0).hasOneUse())
    return;
  Value logits = arg->getOperand(0);
  auto type = rankedType(logits);
  int64_t axis = intOf(arg, "axis", 0);
  if (!type || !type.getElementType().isF32() || (axis != -1 && axis != type.getRank() - 1) ||
      type.isDynamicDim(type.getRank() - 1))
    return;
  OpBuilder b(arg);
  Location loc = arg->getLoc();
  auto scalar = RankedTensorType::get({}, b.getF32Type());
  Value factor = BudgetOp::create(b, loc, scalar, b.getStringAttr("learner_chain.bias"), b.getF64FloatAttr(0.0),
                                  b.getF64FloatAttr(-1000.0), b.getF64FloatAttr(1000.0));
  int64_t width = type.getShape().back();
  SmallVector<float> counts;
  for (int64_t n = 0; n < width; ++n)
    counts.push_back(static_cast<float>(n));
  auto row = RankedTensorType::get({width}, b.getF32Type());
  Value ramp =
      make(b, loc, "Constant", row, {}, b.getNamedAttr("value", DenseElementsAttr::get(row, ArrayRef<float>(counts))));
  Value shift = make(b, loc, "Mul", row, {ramp, factor});
  arg->setOperand(0, make(b, loc, "Add", type, {logits, shift}));
}

void Exposer::expose(LearnerChainOp op, int64_t mostLearners) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  bias(op.getK());
  Value k = makeCast(b, loc, op.getK(), b.getI64Type());
  int64_t learners = op.getLearners().size();
  for (Value cap : {makeCount(b, loc, "learner_chain.cap", mostLearners, 0, mostLearners),
                    makeCount(b, loc, names.make("learner_chain", op, "cap"), learners, 0, learners)})
    k = make(b, loc, "Min", k.getType(), {k, cap});
  op.getKMutable().assign(k);
}

/// The weights of the experts that a row weights most, scaled to the sum that all of them had; those of the model while
/// the budget says all.
void Exposer::expose(MoeDispatchOp op) {
  int64_t experts = op.getExperts().size();
  auto type = rankedType(op.getWeights());
  if (experts < 2 || !type.getElementType().isF32())
    return;
  OpBuilder b(op);
  Location loc = op.getLoc();
  Value weights = op.getWeights(), k = makeCount(b, loc, names.make("moe_dispatch", op, "k"), experts, 0, experts);
  auto flag = RankedTensorType::get({}, b.getI1Type());
  Value all = make(b, loc, "GreaterOrEqual", flag, {k, makeInts(b, loc, {}, experts)});
  OperationState state(loc, "onnx.If");
  state.addOperands(all);
  state.addTypes(type);
  Region *sides[] = {state.addRegion(), state.addRegion()};
  {
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(sides[0]);
    b.create(OperationState(loc, "onnx.Yield", weights, TypeRange(), {}));
    b.createBlock(sides[1]);
    Value kept = RouteOp::create(b, loc, type, weights, k, Value(), RouteRule::TopK, RouteWeights::Scores,
                                 /*capacity=*/0, /*last_wins=*/false);
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = 1;
    auto column = RankedTensorType::get(shape, type.getElementType());
    auto sum = [&](Value value) {
      return make(b, loc, "ReduceSum", column, {value, makeInts(b, loc, {1}, {type.getRank() - 1})},
                  intAttribute(b, "keepdims", 1));
    };
    Value rest = sum(kept), ratio = make(b, loc, "Div", column, {sum(weights), rest});
    // Of nothing, nothing is left to scale.
    auto scalar = RankedTensorType::get({}, type.getElementType());
    Value zero = make(b, loc, "Constant", scalar, {}, b.getNamedAttr("value", DenseElementsAttr::get(scalar, 0.0f)));
    Value isNone = make(b, loc, "Equal", RankedTensorType::get(shape, b.getI1Type()), {rest, zero});
    ratio = make(b, loc, "Where", column, {isNone, zero, ratio});
    Value scaled = make(b, loc, "Mul", type, {kept, ratio});
    b.create(OperationState(loc, "onnx.Yield", scaled, TypeRange(), {}));
  }
  op.getWeightsMutable().assign(b.create(state)->getResult(0));
}

void Exposer::expose(HaltingLoopOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto limit = constantInts(throughMoves(op.getLimit(), true, false));
  if (limit && limit->size() == 1 && limit->front() > 0 && limit->front() < (int64_t(1) << 31)) {
    Value cap = makeCount(b, loc, names.make("halting_loop", op, "limit"), limit->front(), 0, limit->front());
    op.getLimitMutable().assign(make(b, loc, "Min", op.getLimit().getType(), {op.getLimit(), cap}));
  }
  // The threshold stands in several comparisons, which must change together.
  for (Operation &test : op.getRunning().front()) {
    auto comparison = comparisonOf(&test);
    if (!comparison)
      continue;
    Value threshold = comparison->threshold();
    auto number = constantNumber(threshold);
    auto type = rankedType(threshold);
    bool inLoop =
        llvm::all_of(threshold.getUsers(), [&](Operation *user) { return op->isAncestor(user) && comparisonOf(user); });
    if (!number || !inLoop || !type.getElementType().isF32() || !hasOneElement(threshold))
      continue;
    double initial = *number;
    Value budget = BudgetOp::create(b, loc, type, b.getStringAttr(names.make("halting_loop", op, "threshold")),
                                    b.getF64FloatAttr(initial), b.getF64FloatAttr(std::min(0.0, initial)),
                                    b.getF64FloatAttr(std::max(1.0, initial)));
    threshold.replaceAllUsesWith(budget);
    return;
  }
  // Or the flag of who runs is carried, and made in the body.
  SmallVector<ScoreComparison> tests;
  op.getBody().walk([&](Operation *test) {
    auto comparison = comparisonOf(test);
    if (comparison && rankedType(comparison->threshold()).getElementType().isF32() &&
        constantNumber(throughMoves(comparison->threshold(), true, false)))
      tests.push_back(*comparison);
  });
  auto flags = op.getRunning().front().getTerminator()->getOperand(0);
  if (tests.size() != 1 || !isa<BlockArgument>(throughMoves(flags, true, false)))
    return;
  Value threshold = tests.front().threshold();
  double initial = *constantNumber(throughMoves(threshold, true, false));
  Value budget = BudgetOp::create(
      b, loc, threshold.getType(), b.getStringAttr(names.make("halting_loop", op, "threshold")),
      b.getF64FloatAttr(initial), b.getF64FloatAttr(std::min(0.0, initial)), b.getF64FloatAttr(std::max(1.0, initial)));
  tests.front().op->setOperand(1 - tests.front().score, budget);
}

void Exposer::expose(MaskedRowsOp op) {
  // A loop compares in more places than this.
  for (Operation *scope = op->getParentOp(); scope; scope = scope->getParentOp())
    if (isa<HaltingLoopOp>(scope) || operatorOf(scope) == "Loop" || operatorOf(scope) == "Scan")
      return;
  auto plain = [](Value value) { return throughMoves(value, /*shapes=*/true, /*casts=*/true).getDefiningOp(); };
  Operation *test = plain(op.getMask());
  while (test && operatorOf(test) == "Not")
    test = plain(test->getOperand(0));
  std::string why;
  if (auto comparison = test ? comparisonOf(test) : std::nullopt)
    makeBudget(*comparison, scoreOf(*comparison), names, "masked_rows", op, why);
}

/// The threshold that a loop goes on by, of how much a state changes or of another number. What asks whether flags sum
/// up to more than zero is no threshold.
void Exposer::exposeLoop(Operation *loop) {
  SmallVector<Value> open{loop->getRegion(0).front().getTerminator()->getOperand(0)};
  while (!open.empty()) {
    Operation *test = throughMoves(open.pop_back_val(), /*shapes=*/true, /*casts=*/true).getDefiningOp();
    if (!test || !loop->isAncestor(test))
      continue;
    if (operatorOf(test) == "And" || operatorOf(test) == "Not")
      llvm::append_range(open, test->getOperands());
    auto comparison = comparisonOf(test);
    std::string why;
    if (comparison && constantNumber(throughMoves(comparison->threshold(), true, false)).value_or(0.0) != 0.0)
      makeBudget(*comparison, scoreOf(*comparison), names, "loop", loop, why);
  }
}

void Exposer::run() {
  SmallVector<Operation *> ops, loops;
  int64_t mostLearners = 0;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<LearnerChainOp, MoeDispatchOp, HaltingLoopOp, MaskedRowsOp>(op))
      ops.push_back(op);
    if (operatorOf(op) == "Loop" && op->getNumRegions() == 1)
      loops.push_back(op);
    if (auto chain = dyn_cast<LearnerChainOp>(op))
      mostLearners = std::max<int64_t>(mostLearners, chain.getLearners().size());
  });
  for (Operation *op : ops)
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](LearnerChainOp chain) { expose(chain, mostLearners); })
        .Case<MoeDispatchOp, HaltingLoopOp, MaskedRowsOp>([&](auto other) { expose(other); });
  for (Operation *loop : loops)
    exposeLoop(loop);
}

struct ExposeBudgets : impl::ExposeBudgetsBase<ExposeBudgets> {
  void runOnOperation() override { Exposer(getOperation()).run(); }
};

} // namespace
} // namespace mlir::ac
