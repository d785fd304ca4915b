//===- RaiseHaltingLoops.cpp - Loops in which rows halt one by one --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/HaltedRows.h"
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/RowRegion.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEHALTINGLOOPS
#include "Raise/Passes.h.inc"

namespace {

class LoopRaiser {
public:
  explicit LoopRaiser(Operation *loop) : loop(loop), body(&loop->getRegion(0).front()), yield(body->getTerminator()) {}

  /// Empty if the loop became `ac.halting_loop`, which `made` is then, else the first thing in the way.
  Reason raise();
  HaltingLoopOp made;

private:
  Reason check();
  bool findRunning();
  Reason checkStop();
  bool isTrue(Value value);
  bool saysThatRowsRun(Value value);
  std::optional<int64_t> boundOf(Value value);
  bool addToProceed(Value condition);
  Value maskAt(OpBuilder &b);
  void hoistConstants();
  void carryContext();
  void maskAccumulators();
  void absorb();
  void rewrite();

  unsigned numCarried() const { return loop->getNumOperands() - 2; }
  BlockArgument argument(unsigned i) const { return body->getArgument(2 + i); }
  Value next(unsigned i) const { return yield->getOperand(1 + i); }

  Operation *loop;
  Block *body;
  Operation *yield;
  Value running;                // i1, one for each row
  RankedTensorType rowType;     // [rows..., 1]
  SmallVector<bool> byRows;     // carried values that stay as they are for rows that do not run
  std::optional<int64_t> bound; // of the iterations, by the condition
  bool atLeastOnce = false;
  std::unique_ptr<Block> test; // takes what is carried after a step
  Value proceed;               // made there: whether another one follows
  SmallVector<Value> addedInit;
  llvm::SmallPtrSet<Operation *, 4> updates; // of what is carried along
};

Reason LoopRaiser::check() {
  if (loop->getNumResults() > numCarried())
    for (Value stacked : loop->getResults().drop_front(numCarried()))
      if (!stacked.use_empty())
        return Reason("it stacks a value of each iteration");
  for (unsigned i = 0; i < numCarried(); ++i)
    if (!rankedType(argument(i)) || loop->getOperand(2 + i).getType() != argument(i).getType() ||
        next(i).getType() != argument(i).getType())
      return Reason("carried value " + Twine(i) + " changes its type");
  return {};
}

/// Looks for the comparison that freezes the most carried values, those that it is computed from among them.
bool LoopRaiser::findRunning() {
  int64_t most = 0;
  SmallVector<Value> candidates;
  for (Operation &op : *body) {
    StringRef name = operatorOf(&op);
    if (name == "Less" || name == "LessOrEqual" || name == "Greater" || name == "GreaterOrEqual" || name == "Not")
      candidates.push_back(op.getResult(0));
  }
  // Or it was compared in the step before, and the flag is carried.
  for (unsigned i = 0; i < numCarried(); ++i)
    if (rankedType(argument(i)).getElementType().isInteger(1))
      candidates.push_back(argument(i));
  for (Value candidate : candidates) {
    auto type = rankedType(candidate);
    if (!type || type.getRank() == 0)
      continue;
    HaltedRows halted(body, candidate);
    if (!halted.dependsOnStateAlone())
      continue;
    SmallVector<bool> frozen;
    for (unsigned i = 0; i < numCarried(); ++i)
      frozen.push_back(halted.isUnchanged(next(i), argument(i)));
    // A flag alone would not say what to do for whom.
    if (llvm::count(frozen, true) <= std::max<int64_t>(most, isa<BlockArgument>(candidate)) || !halted.stateIs(frozen))
      continue;
    most = llvm::count(frozen, true);
    running = candidate;
    byRows = frozen;
    SmallVector<int64_t> shape(type.getShape());
    if (shape.back() != 1)
      shape.push_back(1);
    rowType = RankedTensorType::get(shape, type.getElementType());
  }
  return most > 0;
}

bool LoopRaiser::isTrue(Value value) {
  value = throughMoves(value, true, true);
  auto number = constantNumber(value);
  return value == body->getArgument(1) || (number && *number != 0.0);
}

/// Whether a condition holds as long as some row runs after the step. Of no rows at all a ReduceMax of integers is the
/// lowest, which Cast takes for true; PyTorch, which writes `any` so, means false.
bool LoopRaiser::saysThatRowsRun(Value value) {
  Operation *test = value.getDefiningOp();
  if (test && operatorOf(test) == "Greater") {
    auto least = constantNumber(test->getOperand(1));
    Operation *sum = test->getOperand(0).getDefiningOp();
    if (!least || *least != 0.0 || !sum || operatorOf(sum) != "ReduceSum")
      return false;
    test = sum;
  } else if (!test || operatorOf(test) != "ReduceMax") {
    return false;
  }
  // Over all rows.
  return hasOneElement(test->getResult(0)) &&
         isSameAfterStep(throughMoves(test->getOperand(0), true, true), running, body);
}

/// The most iterations, if a condition says that a carried count, which grows by one in each, is below a constant.
std::optional<int64_t> LoopRaiser::boundOf(Value value) {
  Operation *test = value.getDefiningOp();
  if (!test || (operatorOf(test) != "Less" && operatorOf(test) != "LessOrEqual"))
    return std::nullopt;
  Value count = throughMoves(test->getOperand(0), true, false);
  auto end = constantInts(throughMoves(test->getOperand(1), true, false));
  if (!end || end->size() != 1 || operatorOf(count) != "Add")
    return std::nullopt;
  for (unsigned i : {0u, 1u}) {
    auto argument = dyn_cast<BlockArgument>(throughMoves(count.getDefiningOp()->getOperand(i), true, false));
    auto step = constantInts(count.getDefiningOp()->getOperand(1 - i));
    if (!argument || argument.getOwner() != body || argument.getArgNumber() < 2 || !(step == SmallVector<int64_t>{1}) ||
        throughMoves(next(argument.getArgNumber() - 2), true, false) != count)
      continue;
    auto begin = constantInts(throughMoves(loop->getOperand(argument.getArgNumber()), true, false));
    int64_t steps;
    if (!begin || begin->size() != 1 || llvm::SubOverflow(end->front(), begin->front(), steps))
      return std::nullopt;
    // Tested behind the body: the first iteration is made in any case.
    return std::max<int64_t>(steps + (operatorOf(test) == "LessOrEqual"), 1);
  }
  return std::nullopt;
}

/// Writes down what a condition behind the body computes of carried values, for the loop to test; false if it computes
/// it of something else.
bool LoopRaiser::addToProceed(Value condition) {
  auto type = rankedType(condition);
  if (!type || !hasOneElement(condition) || !type.getElementType().isInteger(1))
    return false;
  SmallVector<Operation *> ops;
  llvm::SmallDenseSet<Value> seen;
  std::function<bool(Value)> collect = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (value.getParentBlock() != body || llvm::is_contained(yield->getOperands().drop_front(1), value) ||
        !seen.insert(value).second)
      return true;
    if (!op || op->getNumRegions() != 0 || !llvm::all_of(op->getOperands(), collect))
      return false;
    ops.push_back(op);
    return true;
  };
  if (!collect(condition))
    return false;
  if (!test) {
    test = std::make_unique<Block>();
    for (Value value : body->getArguments().drop_front(2))
      test->addArgument(value.getType(), loop->getLoc());
  }
  OpBuilder b(loop->getContext());
  b.setInsertionPointToEnd(test.get());
  IRMapping mapping;
  for (unsigned i = 0; i < numCarried(); ++i)
    mapping.map(next(i), test->getArgument(i));
  for (Operation *op : ops)
    b.clone(*op, mapping);
  Value own = mapping.lookupOrDefault(condition);
  proceed = proceed ? make(b, loop->getLoc(), "And", own.getType(), {proceed, own}) : own;
  return true;
}

/// Whether the loop goes on as long as some row runs, or to its limit; then nothing may be lost by an earlier end.
Reason LoopRaiser::checkStop() {
  SmallVector<Value> open{yield->getOperand(0)};
  bool withRows = false;
  while (!open.empty()) {
    Value whole = open.pop_back_val(), condition = throughMoves(whole, true, true);
    if (isTrue(condition))
      continue;
    if (operatorOf(condition) == "And") {
      llvm::append_range(open, condition.getDefiningOp()->getOperands());
    } else if (auto most = boundOf(condition)) {
      bound = std::min(*most, bound.value_or(*most));
    } else if (saysThatRowsRun(condition)) {
      withRows = true;
    } else if (!addToProceed(whole)) {
      return Reason("it ends by a condition that depends on more than what it carries", condition.getDefiningOp());
    }
  }
  // To the limit it would go on without changing anything.
  if (!withRows && isa<NoneType>(loop->getOperand(0).getType()) && !bound && !proceed)
    return Reason("it does not end");
  for (unsigned i = 0; i < numCarried(); ++i) {
    if (byRows[i] || next(i) == argument(i) || loop->getResult(i).use_empty())
      continue;
    atLeastOnce = withRows;
    bool hasRows = rankedType(argument(i)).getRank() != 0 && !hasOneElement(argument(i));
    if (!withRows && hasRows)
      return Reason("no comparison of carried values leaves all that it carries as it is for a row that halts");
    if (!withRows)
      return Reason("a value without rows, which changes even if no row runs, is used behind it");
  }
  return {};
}

/// The rows that run as a mask, [rows..., 1].
Value LoopRaiser::maskAt(OpBuilder &b) {
  if (running.getType() == rowType)
    return running;
  return make(b, running.getLoc(), "Unsqueeze", rowType,
              {running, makeInts(b, running.getLoc(), {1}, {rowType.getRank() - 1})});
}

/// Constants in the body are the same in each iteration.
void LoopRaiser::hoistConstants() {
  for (Operation &op : llvm::make_early_inc_range(*body))
    if (op.getNumOperands() == 0 && (operatorOf(&op) == "Constant" || operatorOf(&op) == "NoValue"))
      op.moveBefore(loop);
}

/// Carries along what is computed row by row from a carried state with matrix products, and is then needed for all
/// rows: of a row that does not run, neither the state nor this changes.
void LoopRaiser::carryContext() {
  for (unsigned i = 0, e = byRows.size(); i < e; ++i) {
    if (!byRows[i] || rankedType(argument(i)).getRank() != rowType.getRank())
      continue;
    BlockArgument state = argument(i);
    auto regionFor = [&](ArrayRef<Value> values) {
      auto region = std::make_unique<RowRegion>(body, cast<RankedTensorType>(state.getType()));
      region->wholeOf = [state](Value value) { return value == state ? value : Value(); };
      SmallVector<RowRegion::Root> roots;
      for (Value value : values)
        roots.push_back({value, {}});
      bool grown = region->grow(roots) && region->rows().size() == 1 && region->numProducts() > 0 &&
                   llvm::all_of(region->shared(), [&](Value value) { return value.getParentBlock() != body; });
      return grown ? std::move(region) : nullptr;
    };
    SmallVector<Value> found;
    llvm::SmallDenseSet<Value> computed = RowRegion(body, cast<RankedTensorType>(state.getType())).computedFrom(state);
    for (Operation &op : *body)
      for (Value value : op.getResults()) {
        // Only where it leaves the rows: for rows alone it is computed with them.
        bool leaves = llvm::any_of(value.getUses(), [&](OpOperand &use) {
          Operation *user = use.getOwner();
          if (auto rows = dyn_cast<MaskedRowsOp>(user))
            return !llvm::is_contained(rows.getRows(), value);
          // A flag that is carried masks it: it will be computed for the rows that run.
          if (isa<BlockArgument>(running) && llvm::is_contained(user->getOperands(), running))
            return false;
          return llvm::none_of(user->getResults(), [&](Value result) { return computed.contains(result); });
        });
        if (computed.contains(value) && leaves)
          found.push_back(value);
      }
    if (found.empty())
      continue;
    auto region = regionFor(found);
    if (!region)
      continue;
    // Before the loop for all rows, at the end of each iteration for those that ran.
    OpBuilder b(loop);
    SmallVector<Value> initial = region->build(b, loop->getOperand(2 + i), found);
    SmallVector<Value> carried;
    for (Value value : found) {
      carried.push_back(body->addArgument(value.getType(), value.getLoc()));
      byRows.push_back(true);
    }
    OpBuilder atEnd(yield);
    MaskedRowsOp update = region->buildMaskedRows(atEnd, loop->getLoc(), ValueRange(carried).getTypes(), maskAt(atEnd),
                                                  next(i), carried, found, /*dense=*/false);
    for (auto [value, current] : llvm::zip(found, carried))
      value.replaceAllUsesWith(current);
    updates.insert(update);
    addedInit.append(initial);
    SmallVector<Value> yields(yield->getOperands());
    llvm::append_range(yields, update.getResults());
    yield->setOperands(yields);
    region->eraseMembers();
  }
}

/// Carried values that are computed for all rows, and are what they were for those that do not run. All at once if that
/// can be: a state and what is accumulated of it are made by the same operations.
void LoopRaiser::maskAccumulators() {
  SmallVector<unsigned> all;
  for (unsigned i = 0, e = byRows.size(); i < e; ++i) {
    auto type = rankedType(next(i));
    if (byRows[i] && next(i) != argument(i) && type.getRank() == rowType.getRank() &&
        !next(i).getDefiningOp<MaskedRowsOp>() && (all.empty() || next(i) != next(all.back())))
      all.push_back(i);
  }
  auto mask = [&](ArrayRef<unsigned> numbers) {
    RowRegion region(body, rankedType(next(numbers.front())));
    SmallVector<RowRegion::Root> roots;
    SmallVector<Value> values, before;
    Operation *last = nullptr;
    for (unsigned i : numbers) {
      // What is brought up to date behind a step is so for the rows that ran.
      SmallVector<OpOperand *> uses;
      for (OpOperand &use : next(i).getUses())
        if (use.getOwner() == yield || updates.contains(use.getOwner()))
          uses.push_back(&use);
      roots.push_back({next(i), uses});
      if (Operation *op = next(i).getDefiningOp(); op && (!last || last->isBeforeInBlock(op)))
        last = op;
      values.push_back(next(i));
      before.push_back(argument(i));
    }
    // What is elementwise alone is cheaper for all rows than a list of those that run.
    if (!region.grow(roots) || region.numProducts() == 0)
      return false;
    OpBuilder b(yield);
    b.setInsertionPointAfter(last);
    MaskedRowsOp update = region.buildMaskedRows(b, loop->getLoc(), ValueRange(values).getTypes(), maskAt(b),
                                                 region.rows(), before, values, /*dense=*/false);
    for (auto [root, result] : llvm::zip(roots, update.getResults()))
      for (OpOperand *use : root.uses)
        use->set(result);
    region.eraseMembers();
    return true;
  };
  // A number for each row is tested, too, and would keep the others from it.
  auto isWide = [&](unsigned i) { return rankedType(next(i)).getShape().back() != 1; };
  SmallVector<unsigned> wide = llvm::filter_to_vector(all, isWide);
  bool together = wide.size() > 1 && mask(wide);
  SmallVector<unsigned> left;
  for (unsigned i : all)
    if ((!together || !isWide(i)) && !mask(i))
      left.push_back(i);
  // How much a state changes says who runs: then that is computed with it.
  if (left.size() > 1 && left.size() == all.size())
    mask(left);
}

/// Moves what only masked rows use into them.
void LoopRaiser::absorb() {
  SmallVector<MaskedRowsOp> all(body->getOps<MaskedRowsOp>());
  for (MaskedRowsOp op : all) {
    for (unsigned i = 0; i < op.getRows().size(); ++i) {
      OpOperand &use = op.getRowsMutable()[i];
      Value value = use.get();
      if (!value.hasOneUse() || value.getParentBlock() != body || isa<BlockArgument>(value))
        continue;
      RowRegion region(body, cast<RankedTensorType>(value.getType()));
      RowRegion::Root root{value, {&use}};
      if (!region.grow(root))
        continue;
      Block *inner = &op.getBody().front();
      SmallVector<Value> arguments;
      for (Value row : region.rows()) {
        op.getRowsMutable().append(row);
        arguments.push_back(inner->addArgument(row.getType(), op.getLoc()));
      }
      OpBuilder b = OpBuilder::atBlockBegin(inner);
      Value made = region.build(b, arguments, value).front();
      inner->getArgument(i).replaceAllUsesWith(made);
      inner->eraseArgument(i);
      op.getRowsMutable().erase(i);
      region.eraseMembers();
      --i;
    }
  }
}

void LoopRaiser::rewrite() {
  OpBuilder b(loop);
  Location loc = loop->getLoc();
  Value limit = loop->getOperand(0), enter = loop->getOperand(1);
  if (isa<NoneType>(limit.getType()))
    limit = makeInts(b, loc, {}, std::numeric_limits<int64_t>::max());
  bool always = isa<NoneType>(enter.getType()) || constantNumber(enter).value_or(0.0) != 0.0;
  if (!always)
    limit = make(b, loc, "Where", limit.getType(), {enter, limit, makeInts(b, loc, {}, 0)});
  if (bound)
    limit = make(b, loc, "Min", limit.getType(), {limit, makeInts(b, loc, {}, *bound)});
  SmallVector<Value> init(loop->getOperands().drop_front(2));
  llvm::append_range(init, addedInit);
  auto op = HaltingLoopOp::create(b, loc, ValueRange(init).getTypes(), limit, init, byRows, /*dense=*/false,
                                  /*self_masked=*/true, atLeastOnce);
  SmallVector<Type> types{RankedTensorType::get({}, b.getI64Type())};
  llvm::append_range(types, ValueRange(init).getTypes());
  SmallVector<Location> locations(types.size(), loc);

  // What says who runs, in a region of its own.
  Block *running = b.createBlock(&op.getRunning(), {}, types, locations);
  IRMapping mapping;
  for (unsigned i = 0; i < init.size(); ++i)
    mapping.map(argument(i), running->getArgument(1 + i));
  std::function<Value(Value)> copy = [&](Value value) -> Value {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *definition = value.getDefiningOp();
    if (!definition || definition->getBlock() != body)
      return value;
    for (Value operand : definition->getOperands())
      copy(operand);
    b.clone(*definition, mapping);
    return mapping.lookup(value);
  };
  Value mask = copy(this->running);
  if (mask.getType() != rowType)
    mask = make(b, loc, "Unsqueeze", rowType, {mask, makeInts(b, loc, {1}, {rowType.getRank() - 1})});
  SmallVector<Value> tests{mask};
  if (proceed) {
    for (auto [argument, carried] : llvm::zip(test->getArguments(), running->getArguments().drop_front(1)))
      argument.replaceAllUsesWith(carried);
    running->getOperations().splice(running->end(), test->getOperations());
    tests.push_back(proceed);
  }
  YieldOp::create(b, loc, tests);

  Block *work = b.createBlock(&op.getBody(), {}, types, locations);
  body->getArgument(0).replaceAllUsesWith(work->getArgument(0));
  auto flag = RankedTensorType::get({}, b.getI1Type());
  if (!body->getArgument(1).use_empty())
    body->getArgument(1).replaceAllUsesWith(
        make(b, loc, "Constant", flag, {}, b.getNamedAttr("value", DenseElementsAttr::get(flag, true))));
  for (unsigned i = 0; i < init.size(); ++i)
    argument(i).replaceAllUsesWith(work->getArgument(1 + i));
  work->getOperations().splice(work->end(), body->getOperations());
  b.setInsertionPointToEnd(work);
  SmallVector<Value> yields(yield->getOperands().drop_front(1));
  yield->erase();
  YieldOp::create(b, loc, yields);
  if (Operation *test = this->running.getDefiningOp(); test && test->getBlock() == work)
    eraseUnused(test);

  made = op;
  b.setInsertionPointAfter(op);
  for (unsigned i = 0; i < loop->getNumResults() && i < numCarried(); ++i) {
    Value result = op.getResult(i);
    if (loop->getResult(i).getType() != result.getType() && !loop->getResult(i).use_empty())
      result = make(b, loc, "Identity", loop->getResult(i).getType(), result);
    loop->getResult(i).replaceAllUsesWith(result);
  }
  loop->erase();
}

Reason LoopRaiser::raise() {
  if (Reason why = check(); !why.empty())
    return why;
  hoistConstants();
  if (!findRunning())
    return Reason("no comparison of carried values leaves all that it carries as it is for a row that halts");
  if (Reason why = checkStop(); !why.empty())
    return why;
  carryContext();
  // The loop ends by itself when no row runs; what else ends it is a test by now.
  Operation *condition = yield->getOperand(0).getDefiningOp();
  yield->setOperand(0, running);
  if (condition && condition->getBlock() == body)
    eraseUnused(condition);
  maskAccumulators();
  absorb();
  rewrite();
  return {};
}

struct RaiseHaltingLoops : impl::RaiseHaltingLoopsBase<RaiseHaltingLoops> {
  void runOnOperation() override {
    SmallVector<Operation *> loops;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "Loop" && op->getNumRegions() == 1)
        loops.push_back(op);
    });
    for (Operation *loop : loops) {
      Location loc = loop->getLoc();
      LoopRaiser raiser(loop);
      if (Reason why = raiser.raise(); why.empty())
        remarkRaised(loc, raiser.made) << "ac.halting_loop";
      else
        remarkRefused(loop, "loop not raised to a halting loop", why);
    }
  }
};

} // namespace
} // namespace mlir::ac
