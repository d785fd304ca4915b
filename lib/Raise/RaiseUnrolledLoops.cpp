//===- RaiseUnrolledLoops.cpp - Roll up loops that were written out -------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop can stop early; a hundred layers in a row cannot. The body is the second step, since the first may have been
// simplified by what it began with. Every operation of a step has a counterpart in the others, or is one that a last
// step lacks because nothing reads it, so that the loop executes the operations of the model on the same values.
//
//===----------------------------------------------------------------------===//
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "Raise/UnrolledLoop.h"
#include "Raise/Values.h"
#include "Support/Weights.h"
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include <map>

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEUNROLLEDLOOPS
#include "Raise/Passes.h.inc"

namespace {

constexpr size_t kFewestSteps = 3;
/// Steps that may stay outside at either end.
constexpr size_t kMostPeeled = 2;
/// How often a step may use the weight that it is found by.
constexpr size_t kMostUses = 3;

/// Constants of one type along a new first axis.
ElementsAttr stack(ArrayRef<Value> constants) {
  auto type = cast<RankedTensorType>(constants[0].getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin(), constants.size());
  auto stacked = RankedTensorType::get(shape, type.getElementType());
  auto attributeOf = [](Value value) { return value.getDefiningOp()->getAttrOfType<ElementsAttr>("value"); };
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> values;
    for (Value constant : constants)
      llvm::append_range(values, attributeOf(constant).getValues<bool>());
    return DenseElementsAttr::get(stacked, values);
  }
  return makeWeight(stacked, "steps", [&](MutableArrayRef<char> to) {
    size_t bytes = to.size() / constants.size();
    for (auto [step, constant] : llvm::enumerate(constants)) {
      ElementsAttr value = attributeOf(constant);
      auto dense = dyn_cast<DenseElementsAttr>(value);
      ArrayRef<char> from = dense ? dense.getRawData() : getRawElements(value);
      for (size_t at = 0; at < bytes; at += from.size())
        llvm::copy(from, to.begin() + step * bytes + at);
    }
  });
}

/// Writes the loop that was found.
class Builder {
public:
  Builder(Block &block, ValueClasses &classes, UnrolledLoop &found) : block(block), classes(classes), found(found) {}
  Operation *build();

private:
  Value constantOf(Location loc, SmallVector<Value> constants);
  void fillBody(Block *body);
  void replaceUses(Operation *loop);
  RankedTensorType stackedType(const UnrolledLoop::Stacked &stacked) {
    auto type = cast<RankedTensorType>(found.getRows()[stacked.row][0]->getResult(stacked.result).getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin(), found.numSteps());
    return RankedTensorType::get(shape, type.getElementType());
  }
  Type slotType(const UnrolledLoop::Slot &slot) {
    return found.getRows()[slot.row][0]->getResult(slot.result).getType();
  }

  Block &block;
  ValueClasses &classes;
  UnrolledLoop &found;
  OpBuilder before{block.getParent()->getContext()}, inside{block.getParent()->getContext()};
  Value iteration;
  std::map<SmallVector<unsigned>, Value> differing; // what differs from step to step, by its classes
};

/// What is another constant in each step.
Value Builder::constantOf(Location loc, SmallVector<Value> constants) {
  // Steps that lack the reader read anything.
  constants.resize(found.numSteps(), constants.back());
  SmallVector<unsigned> key;
  for (Value constant : constants)
    key.push_back(classes.of(constant));
  Value &value = differing[key];
  if (value)
    return value;
  auto type = cast<RankedTensorType>(constants[0].getType());
  if (type.getElementType().isInteger(64) && type.getNumElements() == 1) {
    SmallVector<int64_t> numbers;
    for (Value constant : constants)
      numbers.push_back(constantInts(constant)->front());
    int64_t slope = numbers[1] - numbers[0];
    bool affine = llvm::all_of(llvm::enumerate(numbers), [&](auto number) {
      return number.value() == numbers[0] + slope * static_cast<int64_t>(number.index());
    });
    if (affine) {
      Type scalar = iteration.getType();
      value = iteration;
      if (slope != 1)
        value = make(inside, loc, "Mul", scalar, {value, makeInts(inside, loc, {}, slope)});
      if (numbers[0] != 0)
        value = make(inside, loc, "Add", scalar, {value, makeInts(inside, loc, {}, numbers[0])});
      if (int64_t rank = type.getRank())
        value = make(inside, loc, "Unsqueeze", type,
                     {value, makeInts(inside, loc, {rank}, llvm::to_vector(llvm::seq<int64_t>(0, rank)))});
      return value;
    }
  }
  ElementsAttr table = stack(constants);
  Value rows = make(before, loc, "Constant", table.getType(), {}, before.getNamedAttr("value", table));
  return value = make(inside, loc, "Gather", type, {rows, iteration}, intAttribute(inside, "axis", 0));
}

void Builder::fillBody(Block *body) {
  inside.setInsertionPointToStart(body);
  ArrayRef<SmallVector<Operation *>> rows = found.getRows();
  SmallVector<unsigned> order = llvm::to_vector(llvm::seq<unsigned>(0, rows.size()));
  llvm::sort(order, [&](unsigned a, unsigned b) { return rows[a][1]->isBeforeInBlock(rows[b][1]); });
  SmallVector<Operation *> made(rows.size());
  for (unsigned row : order) {
    Operation *step = rows[row][1];
    SmallVector<Value> operands;
    for (unsigned operand = 0; operand < step->getNumOperands(); ++operand) {
      UnrolledLoop::Source source = found.sourceOf(row, operand);
      if (source.kind == UnrolledLoop::Source::Invariant)
        operands.push_back(source.value);
      else if (source.kind == UnrolledLoop::Source::Constants)
        operands.push_back(constantOf(step->getLoc(), source.constants));
      else if (source.kind == UnrolledLoop::Source::Same)
        operands.push_back(made[source.row]->getResult(source.result));
      else
        operands.push_back(body->getArgument(2 + found.slotOf(source)));
    }
    made[row] = inside.clone(*step);
    made[row]->setOperands(operands);
  }
  Location loc = body->getParentOp()->getLoc();
  auto boolean = RankedTensorType::get({}, inside.getI1Type());
  SmallVector<Value> yields{
      make(inside, loc, "Constant", boolean, {}, inside.getNamedAttr("value", DenseElementsAttr::get(boolean, true)))};
  for (const UnrolledLoop::Slot &slot : found.slots)
    yields.push_back(made[slot.row]->getResult(slot.result));
  for (const UnrolledLoop::Stacked &stacked : found.stacks)
    yields.push_back(made[stacked.row]->getResult(stacked.result));
  OperationState state(loc, "onnx.Yield");
  state.addOperands(yields);
  inside.create(state);
}

void Builder::replaceUses(Operation *loop) {
  OpBuilder b(loop->getContext());
  b.setInsertionPointAfter(loop);
  ArrayRef<SmallVector<Operation *>> rows = found.getRows();
  for (auto [number, stacked] : llvm::enumerate(found.stacks)) {
    Value all = loop->getResult(found.slots.size() + number);
    auto type = cast<RankedTensorType>(all.getType());
    int64_t axis = intOf(stacked.concat, "axis", 0);
    if (axis < 0)
      axis += type.getRank() - 1;
    Location loc = stacked.concat->getLoc();
    // One row of each step: its axis gives way to that of the steps.
    SmallVector<int64_t> shape(type.getShape());
    shape.erase(shape.begin() + 1 + axis);
    all = make(b, loc, "Squeeze", RankedTensorType::get(shape, type.getElementType()),
               {all, makeInts(b, loc, {1}, axis + 1)});
    if (axis != 0) {
      auto perm = llvm::to_vector(llvm::seq<int64_t>(1, axis + 1));
      perm.push_back(0);
      llvm::append_range(perm, llvm::seq<int64_t>(axis + 1, type.getRank() - 1));
      std::rotate(shape.begin(), shape.begin() + 1, shape.begin() + axis + 1);
      all = make(b, loc, "Transpose", RankedTensorType::get(shape, type.getElementType()), all,
                 b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
    }
    Value first = rows[stacked.row][0]->getResult(stacked.result);
    SmallVector<Value> pieces;
    for (unsigned i = 0; i < stacked.concat->getNumOperands(); ++i) {
      Value piece = stacked.concat->getOperand(i);
      if (stripIdentity(piece) == first) {
        pieces.push_back(all);
        i += found.numSteps() - 1;
      } else {
        pieces.push_back(piece);
      }
    }
    stacked.concat->setOperands(pieces);
    if (pieces.size() == 1 && all.getType() == stacked.concat->getResult(0).getType())
      stacked.concat->getResult(0).replaceAllUsesWith(all);
  }
  for (auto [number, slot] : llvm::enumerate(found.slots))
    if (Operation *last = rows[slot.row].back())
      last->getResult(slot.result).replaceUsesWithIf(loop->getResult(number), [&](OpOperand &use) {
        Operation *user = block.findAncestorOpInBlock(*use.getOwner());
        return user != loop && !found.isMember(user);
      });
}

Operation *Builder::build() {
  ArrayRef<SmallVector<Operation *>> rows = found.getRows();
  Operation *last = rows[0][0];
  for (ArrayRef<Operation *> row : rows)
    for (Operation *op : row)
      if (op && last->isBeforeInBlock(op))
        last = op;
  before.setInsertionPointAfter(last);
  Location loc = rows[0][0]->getLoc();
  Type boolean = RankedTensorType::get({}, before.getI1Type());
  OperationState state(loc, "onnx.Loop");
  auto always = DenseElementsAttr::get(cast<ShapedType>(boolean), true);
  state.addOperands({makeInts(before, loc, {}, static_cast<int64_t>(found.numSteps())),
                     make(before, loc, "Constant", boolean, {}, before.getNamedAttr("value", always))});
  for (const UnrolledLoop::Slot &slot : found.slots) {
    Value initial = slot.initial;
    if (!initial) {
      // Only the last step's is wanted: it begins as anything.
      auto type = cast<RankedTensorType>(slotType(slot));
      auto zero = DenseElementsAttr::get(type, before.getZeroAttr(type.getElementType()));
      initial = make(before, loc, "Constant", type, {}, before.getNamedAttr("value", zero));
    }
    state.addOperands(initial);
    state.addTypes(slotType(slot));
  }
  for (const UnrolledLoop::Stacked &stacked : found.stacks)
    state.addTypes(stackedType(stacked));
  Region *region = state.addRegion();
  Block *body = new Block;
  region->push_back(body);
  iteration = body->addArgument(RankedTensorType::get({}, before.getI64Type()), loc);
  body->addArgument(boolean, loc);
  for (const UnrolledLoop::Slot &slot : found.slots)
    body->addArgument(slotType(slot), rows[slot.row][0]->getLoc());
  Operation *loop = before.create(state);
  before.setInsertionPoint(loop);
  fillBody(body);
  replaceUses(loop);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (op.use_empty() && isPure(&op) && !op.hasTrait<OpTrait::IsTerminator>())
      op.erase();
  // What stood between the steps and what it reads may now stand on the wrong side of the loop.
  sortTopologically(&block);
  return loop;
}

struct RaiseUnrolledLoops : impl::RaiseUnrolledLoopsBase<RaiseUnrolledLoops> {
  using Base::Base;

  /// Operations that a result or an effect depends on.
  static llvm::DenseSet<Operation *> liveIn(Block &block) {
    llvm::DenseSet<Operation *> live;
    for (Operation &op : llvm::reverse(block))
      if (!isPure(&op) || op.hasTrait<OpTrait::IsTerminator>() || llvm::any_of(op.getUsers(), [&](Operation *user) {
            return live.contains(block.findAncestorOpInBlock(*user));
          }))
        live.insert(&op);
    return live;
  }

  /// Products that share an operand and depend on one another, most repeated ones first.
  static SmallVector<SmallVector<Operation *>> seedsIn(Block &block, ValueClasses &classes,
                                                       const llvm::DenseSet<Operation *> &live) {
    llvm::MapVector<std::pair<unsigned, unsigned>, SmallVector<Operation *>> groups;
    for (Operation &op : block)
      if (isProduct(&op) && live.contains(&op))
        for (auto [number, operand] : llvm::enumerate(op.getOperands()))
          if (!isa<NoneType>(operand.getType())) {
            auto &group = groups[{classes.of(operand), static_cast<unsigned>(number)}];
            if (group.empty() || areAlike(group.front(), &op))
              group.push_back(&op);
          }
    SmallVector<SmallVector<Operation *>> seeds;
    for (auto &[key, group] : groups) {
      SmallVector<Operation *> chain = chainOf(group);
      // A step may use a weight more than once.
      for (size_t stride = 1; stride <= kMostUses && chain.size() >= kFewestSteps * stride; ++stride) {
        SmallVector<Operation *> &seed = seeds.emplace_back();
        for (size_t i = 0; i < chain.size(); i += stride)
          seed.push_back(chain[i]);
      }
    }
    llvm::stable_sort(seeds, [](auto &a, auto &b) { return a.size() > b.size(); });
    return seeds;
  }

  /// Those of `ops`, in their order, that depend on one another.
  static SmallVector<Operation *> chainOf(ArrayRef<Operation *> ops) {
    SmallVector<Operation *> chain;
    if (ops.size() < kFewestSteps)
      return chain;
    llvm::DenseSet<Operation *> behind;
    size_t next = 0;
    for (Operation *op = ops[0]; op && next < ops.size(); op = op->getNextNode()) {
      bool depends = llvm::any_of(op->getOperands(), [&](Value v) { return behind.contains(v.getDefiningOp()); });
      if (op == ops[next]) {
        ++next;
        if (chain.empty() || depends) {
          chain.push_back(op);
          behind.clear();
          behind.insert(op);
        }
      } else if (depends) {
        behind.insert(op);
      }
    }
    return chain;
  }

  /// Rolls up the steps of one seed, or says why not.
  bool roll(Block &block, ValueClasses &classes, const llvm::DenseSet<Operation *> &live, ArrayRef<Operation *> seed) {
    llvm::DenseMap<Operation *, int> steps;
    std::string why;
    for (size_t peeled = 0; peeled <= 2 * kMostPeeled && peeled + kFewestSteps <= seed.size(); ++peeled)
      for (size_t first = peeled <= kMostPeeled ? peeled : kMostPeeled; peeled - first <= kMostPeeled; --first) {
        // Steps that stay outside are told from others by what was found with them.
        llvm::DenseSet<Operation *> apart;
        int end = static_cast<int>(seed.size() - (peeled - first));
        for (auto [op, step] : steps)
          if (step < static_cast<int>(first) || step >= end)
            apart.insert(op);
        UnrolledLoop found(block, classes, live, seed.slice(first, seed.size() - peeled), apart);
        if (found.find()) {
          unsigned products = llvm::count_if(found.getRows(), [](auto &row) { return isProduct(row[0]); });
          for (auto [op, step] : found.takeSteps())
            tried.erase(op);
          failing.clear();
          size_t carried = found.slots.size(), stacked = found.stacks.size();
          Operation *loop = Builder(block, classes, found).build();
          InFlightDiagnostic remark = remarkRaised(loop->getLoc()) << "a loop of "
                                      << found.numSteps() << " steps with " << products << " products each, " << carried
                                      << " values carried, " << stacked << " stacked";
          if (peeled)
            remark << "; " << first << " steps before it and " << (peeled - first)
                   << " behind it are not alike: " << why;
          return true;
        }
        if (peeled == 0) {
          steps = found.takeSteps();
          why = found.why;
        }
        if (first == 0)
          break;
      }
    if (!tried.contains(seed[0]))
      remarkRefused(seed[0], "repeated " + Twine(seed.size()) + " times, but not a loop", Reason(why));
    for (auto [op, step] : steps)
      tried.insert(op);
    return false;
  }

  bool roll(Block &block) {
    ValueClasses classes(block);
    llvm::DenseSet<Operation *> live = liveIn(block);
    for (ArrayRef<Operation *> seed : seedsIn(block, classes, live))
      if (!failing.contains({seed[0], seed.size()})) {
        if (roll(block, classes, live, seed))
          return true;
        failing.insert({seed[0], seed.size()});
      }
    return false;
  }

  void runOnOperation() override {
    tried.clear();
    failing.clear();
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) { blocks.push_back(block); });
    for (Block *block : blocks)
      if (isa<func::FuncOp>(block->getParentOp()) || isa<onnx::ONNXDialect>(block->getParentOp()->getDialect()))
        while (roll(*block))
          ;
  }

  llvm::DenseSet<Operation *> tried;                      // what a remark was about
  llvm::DenseSet<std::pair<Operation *, size_t>> failing; // seeds that need not be tried again
};

} // namespace
} // namespace mlir::ac
