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
  explicit LoopRaiser(Operation *loop)
      : loop(loop), body(&loop->getRegion(0).front()), yield(body->getTerminator()) {}

  /// Empty if the loop became `ac.halting_loop`, else the first thing in the way.
  std::string raise();

private:
  std::string check();
  bool findRunning();
  bool countsIdleSteps();
  bool stopsWithRows();
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
  Value running;            // i1, one for each row
  RankedTensorType rowType; // [rows..., 1]
  SmallVector<bool> byRows; // carried values that stay as they are for rows that do not run
  SmallVector<Value> addedInit;
};

std::string LoopRaiser::check() {
  if (loop->getNumResults() > numCarried())
    for (Value stacked : loop->getResults().drop_front(numCarried()))
      if (!stacked.use_empty())
        return "it stacks a value of each iteration";
  for (unsigned i = 0; i < numCarried(); ++i)
    if (!rankedType(argument(i)) || loop->getOperand(2 + i).getType() != argument(i).getType() ||
        next(i).getType() != argument(i).getType())
      return "carried value " + std::to_string(i) + " changes its type";
  return "";
}

/// Looks for a comparison that freezes every carried value that has rows.
bool LoopRaiser::findRunning() {
  for (Operation &op : *body) {
    StringRef name = operatorOf(&op);
    if (name != "Less" && name != "LessOrEqual" && name != "Greater" && name != "GreaterOrEqual" && name != "Not")
      continue;
    auto type = rankedType(op.getResult(0));
    if (!type || type.getRank() == 0)
      continue;
    HaltedRows halted(body, op.getResult(0));
    if (!halted.dependsOnStateAlone())
      continue;
    SmallVector<bool> frozen;
    bool any = false, all = true;
    for (unsigned i = 0; i < numCarried(); ++i) {
      frozen.push_back(halted.isUnchanged(next(i), argument(i)));
      any |= frozen.back();
      // What has no rows, such as a count of iterations, goes on until the loop ends.
      auto own = rankedType(argument(i));
      all &= frozen.back() || own.getRank() == 0 || (own.hasStaticShape() && own.getNumElements() == 1);
    }
    if (!any || !all || !halted.stateIs(frozen))
      continue;
    running = op.getResult(0);
    byRows = frozen;
    SmallVector<int64_t> shape(type.getShape());
    if (shape.back() != 1)
      shape.push_back(1);
    rowType = RankedTensorType::get(shape, type.getElementType());
    return true;
  }
  return false;
}

/// Whether a value that counts iterations is handed on: the loop's first runs whether rows do or not.
bool LoopRaiser::countsIdleSteps() {
  for (unsigned i = 0; i < numCarried(); ++i)
    if (!byRows[i] && next(i) != argument(i) && !loop->getResult(i).use_empty())
      return true;
  return false;
}

/// Whether the loop goes on as long as some row runs, or to its limit.
bool LoopRaiser::stopsWithRows() {
  auto isTrue = [&](Value value) {
    value = throughMoves(value, true, true);
    auto number = constantNumber(value);
    return value == body->getArgument(1) || (number && *number != 0.0);
  };
  Value condition = throughMoves(yield->getOperand(0), true, true);
  if (isTrue(condition)) {
    // It would go on without changing anything.
    return !isa<NoneType>(loop->getOperand(0).getType());
  }
  if (operatorOf(condition) == "And")
    for (unsigned i : {0u, 1u})
      if (isTrue(condition.getDefiningOp()->getOperand(i))) {
        condition = throughMoves(condition.getDefiningOp()->getOperand(1 - i), true, true);
        break;
      }
  Operation *test = condition.getDefiningOp();
  if (test && operatorOf(test) == "Greater") {
    auto bound = constantNumber(test->getOperand(1));
    Operation *sum = test->getOperand(0).getDefiningOp();
    if (!bound || *bound != 0.0 || !sum || operatorOf(sum) != "ReduceSum")
      return false;
    test = sum;
  } else if (!test || operatorOf(test) != "ReduceMax") {
    return false;
  }
  return isSameAfterStep(throughMoves(test->getOperand(0), true, true), running, body);
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

/// Carries along what is computed row by row from a carried state with matrix products, and is then needed for all rows:
/// of a row that does not run, neither the state nor this changes.
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
    llvm::SmallDenseSet<Value> computed;
    for (Operation &op : *body)
      for (Value value : op.getResults()) {
        auto type = rankedType(value);
        if (type && type.getRank() == rowType.getRank() &&
            type.getShape().drop_back() == rowType.getShape().drop_back() && regionFor(value))
          computed.insert(value);
      }
    for (Operation &op : *body)
      for (Value value : op.getResults()) {
        // Only where it leaves the rows: for rows alone it is computed with them.
        bool leaves = llvm::any_of(value.getUses(), [&](OpOperand &use) {
          Operation *user = use.getOwner();
          if (auto rows = dyn_cast<MaskedRowsOp>(user))
            return !llvm::is_contained(rows.getRows(), value);
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
    addedInit.append(initial);
    SmallVector<Value> yields(yield->getOperands());
    llvm::append_range(yields, update.getResults());
    yield->setOperands(yields);
    region->eraseMembers();
  }
}

/// Carried values that are computed for all rows, and are what they were for those that do not run.
void LoopRaiser::maskAccumulators() {
  for (unsigned i = 0, e = byRows.size(); i < e; ++i) {
    Value value = next(i);
    if (!byRows[i] || value == argument(i) || rankedType(value).getRank() != rowType.getRank() ||
        value.getDefiningOp<MaskedRowsOp>())
      continue;
    RowRegion region(body, cast<RankedTensorType>(value.getType()));
    OpOperand &use = yield->getOpOperand(1 + i);
    RowRegion::Root root{value, {&use}};
    if (!region.grow(root))
      continue;
    OpBuilder b(yield);
    MaskedRowsOp update = region.buildMaskedRows(b, loop->getLoc(), value.getType(), maskAt(b), region.rows(),
                                                 ValueRange(argument(i)), value, /*dense=*/false);
    use.set(update.getResult(0));
    region.eraseMembers();
  }
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
  SmallVector<Value> init(loop->getOperands().drop_front(2));
  llvm::append_range(init, addedInit);
  auto op = HaltingLoopOp::create(b, loc, ValueRange(init).getTypes(), limit, init, byRows, /*dense=*/false,
                                  /*self_masked=*/true);
  SmallVector<Type> types{RankedTensorType::get({}, b.getI64Type())};
  llvm::append_range(types, ValueRange(init).getTypes());
  SmallVector<Location> locations(types.size(), loc);

  // What says who runs, in a region of its own.
  Block *test = b.createBlock(&op.getRunning(), {}, types, locations);
  IRMapping mapping;
  for (unsigned i = 0; i < init.size(); ++i)
    mapping.map(argument(i), test->getArgument(1 + i));
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
  Value mask = copy(running);
  if (mask.getType() != rowType)
    mask = make(b, loc, "Unsqueeze", rowType, {mask, makeInts(b, loc, {1}, {rowType.getRank() - 1})});
  YieldOp::create(b, loc, mask);

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
  Operation *condition = yield->getOperand(0).getDefiningOp();
  yield->erase();
  YieldOp::create(b, loc, yields);
  if (condition && condition->getBlock() == work)
    eraseUnused(condition);

  b.setInsertionPointAfter(op);
  for (unsigned i = 0; i < loop->getNumResults() && i < numCarried(); ++i) {
    Value result = op.getResult(i);
    if (loop->getResult(i).getType() != result.getType() && !loop->getResult(i).use_empty())
      result = make(b, loc, "Identity", loop->getResult(i).getType(), result);
    loop->getResult(i).replaceAllUsesWith(result);
  }
  loop->erase();
}

std::string LoopRaiser::raise() {
  if (std::string why = check(); !why.empty())
    return why;
  hoistConstants();
  if (!findRunning())
    return "no comparison of carried values leaves all that it carries as it is for a row that halts";
  if (countsIdleSteps())
    return "a value without rows, which changes even if no row runs, is used behind it";
  if (!stopsWithRows())
    return "it ends by another condition than that no row runs";
  carryContext();
  maskAccumulators();
  absorb();
  rewrite();
  return "";
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
      if (std::string why = raiser.raise(); why.empty())
        emitRemark(loc) << "became ac.halting_loop";
      else
        loop->emitRemark("loop not raised to a halting loop: ") << why;
    }
  }
};

} // namespace
} // namespace mlir::ac
