//===- UnrolledLoop.cpp - Steps of a loop that was written out ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/UnrolledLoop.h"
#include "Raise/Values.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {

bool areAlike(Operation *a, Operation *b) {
  return a->getName() == b->getName() && a->getAttrDictionary() == b->getAttrDictionary() &&
         a->getNumOperands() == b->getNumOperands() && a->getResultTypes() == b->getResultTypes();
}

static bool isConstant(Value value) { return operatorOf(value) == "Constant"; }

/// What reads `value`, seen through Identity, in the order of the block.
static SmallVector<OpOperand *> usesOf(Value value) {
  SmallVector<OpOperand *> uses;
  SmallVector<Value> open{value};
  while (!open.empty())
    for (OpOperand &use : open.pop_back_val().getUses()) {
      Operation *user = use.getOwner();
      if (operatorOf(user) == "Identity" && stripIdentity(user->getResult(0)) != user->getResult(0))
        open.push_back(user->getResult(0));
      else
        uses.push_back(&use);
    }
  llvm::sort(uses, [](OpOperand *a, OpOperand *b) {
    Operation *first = a->getOwner(), *second = b->getOwner();
    if (first == second)
      return a->getOperandNumber() < b->getOperandNumber();
    return first->getBlock() == second->getBlock() && first->isBeforeInBlock(second);
  });
  return uses;
}

UnrolledLoop::UnrolledLoop(Block &block, ValueClasses &classes, const llvm::DenseSet<Operation *> &live,
                           ArrayRef<Operation *> seed, const llvm::DenseSet<Operation *> &apart)
    : block(block), classes(classes), live(live), apart(apart), steps(seed.size()) {
  addRow(seed);
  auto collect = [](Operation *from, llvm::DenseSet<Operation *> &beyond) {
    beyond.insert(from);
    for (Operation *op = from->getNextNode(); op; op = op->getNextNode())
      if (llvm::any_of(op->getOperands(), [&](Value operand) { return beyond.contains(operand.getDefiningOp()); }))
        beyond.insert(op);
  };
  collect(seed[0], beyondZeroth);
  collect(seed[1], beyondFirst);
}

int UnrolledLoop::stepOf(Operation *op) const {
  auto found = where.find(op);
  return found == where.end() ? -1 : static_cast<int>(found->second.second);
}

llvm::DenseMap<Operation *, int> UnrolledLoop::takeSteps() const {
  llvm::DenseMap<Operation *, int> all;
  for (auto [op, place] : where)
    all[op] = place.second;
  return all;
}

bool UnrolledLoop::isFree(Operation *op) const {
  return op->getBlock() == &block && !where.contains(op) && !apart.contains(op) && live.contains(op) &&
         op->getNumRegions() == 0 && isa<onnx::ONNXDialect>(op->getDialect()) && isPure(op) &&
         operatorOf(op) != "Constant" && operatorOf(op) != "NoValue" && !op->hasTrait<OpTrait::IsTerminator>();
}

void UnrolledLoop::place(unsigned row, unsigned step, Operation *op) {
  rows[row][step] = op;
  where[op] = {row, step};
  changed = true;
}

unsigned UnrolledLoop::addRow(ArrayRef<Operation *> ops) {
  rows.emplace_back(steps, nullptr);
  for (auto [step, op] : llvm::enumerate(ops))
    place(rows.size() - 1, step, op);
  return rows.size() - 1;
}

/// The first reason is the one that is told: others follow from it.
bool UnrolledLoop::refuse(const Twine &reason) {
  if (why.empty())
    why = reason.str();
  return false;
}

static std::string describe(Value value) {
  if (Operation *op = value.getDefiningOp())
    return describe(op);
  return ("argument " + Twine(cast<BlockArgument>(value).getArgNumber())).str();
}

/// Whether `values` are what `row` gives in these steps, the first `distance` of them aside. A counterpart that the row
/// lacked so far joins it.
bool UnrolledLoop::follows(unsigned row, unsigned result, ArrayRef<Value> values, unsigned distance) {
  for (unsigned step = distance; step < values.size(); ++step) {
    Operation *op = values[step].getDefiningOp();
    Operation *expected = rows[row][step - distance];
    if (op && !expected && step - distance == present(row) && isFree(op) && areAlike(op, rows[row].front())) {
      place(row, step - distance, op);
      expected = op;
    }
    if (!expected || values[step] != expected->getResult(result))
      return refuse("step " + Twine(step) + " reads " + describe(values[step]) + " where another one reads " +
                    describe(values[step == 1 ? std::min<size_t>(2, values.size() - 1) : 1]));
  }
  return true;
}

UnrolledLoop::Source UnrolledLoop::resolve(unsigned row, unsigned operand) {
  SmallVector<Value> values;
  for (unsigned step = 0; step < present(row); ++step)
    values.push_back(stripIdentity(rows[row][step]->getOperand(operand)));
  auto is = [&](Value value) { return classes.of(value) == classes.of(values[1]); };
  if (llvm::all_of(values, is))
    return {Source::Invariant, 0, 0, values[0], {}};
  auto isSuch = [&](Value value) {
    auto type = rankedType(value);
    return isConstant(value) && value.getType() == values[1].getType() && type &&
           type.getElementType().isIntOrFloat() &&
           (type.getElementTypeBitWidth() == 1 || type.getElementTypeBitWidth() % 8 == 0);
  };
  if (llvm::all_of(values, isSuch)) {
    if (isProduct(rows[row][0])) {
      refuse("the weight of " + describe(rows[row][1]) + " is not that of " + describe(rows[row][0]));
      return {};
    }
    return {Source::Constants, 0, 0, {}, values};
  }

  // What belongs to a row already.
  for (unsigned step = 1; step < values.size(); ++step) {
    auto found = where.find(values[step].getDefiningOp());
    if (found == where.end())
      continue;
    unsigned from = found->second.first, result = cast<OpResult>(values[step]).getResultNumber();
    unsigned distance = step - found->second.second;
    if (distance > 1) {
      refuse(describe(rows[row][step]) + " reads " + describe(values[step]) + ", which is " + Twine(int(distance)) +
             " steps apart");
      return {};
    }
    if (!follows(from, result, values, distance))
      return {};
    if (distance == 0)
      return {Source::Same, from, result, {}, {}};
    if (where.contains(values[0].getDefiningOp())) {
      refuse("the first step reads " + describe(values[0]) + " as a carried value");
      return {};
    }
    initials[{from, result}] = values[0];
    return {Source::Carried, from, result, values[0], {}};
  }

  // A new row: of this step, or of the one before if the first step reads something else.
  for (unsigned step = 1; step < values.size(); ++step) {
    auto result = dyn_cast<OpResult>(values[step]), first = dyn_cast<OpResult>(values[1]);
    if (!result || !first || !isFree(values[step]) || !areAlike(result.getOwner(), first.getOwner()) ||
        result.getResultNumber() != first.getResultNumber()) {
      refuse("step " + Twine(step) + " reads " + describe(values[step]) + " where another one reads " +
             describe(values[step == 1 ? 0 : 1]));
      return {};
    }
  }
  SmallVector<Operation *> ops;
  for (Value value : values)
    ops.push_back(value.getDefiningOp());
  unsigned result = cast<OpResult>(values[1]).getResultNumber();
  if (isFree(values[0]) && areAlike(ops[0], ops[1]) && cast<OpResult>(values[0]).getResultNumber() == result)
    return {Source::Same, addRow(ops), result, {}, {}};
  if (beyondFirst.contains(ops[1]) || ops.size() < 3) {
    refuse("the first step reads " + describe(values[0]) + " where another one reads " + describe(values[1]));
    return {};
  }
  unsigned from = addRow(ArrayRef(ops).drop_front());
  initials[{from, result}] = values[0];
  return {Source::Carried, from, result, values[0], {}};
}

/// What reads `from` as `like`, an operation of the second step, reads its counterpart `distance` steps before. Where a
/// row that it reads lacks this step so far, it might be one of several; `certain` asks for one that cannot be. What no
/// step has made, such as a row of a table, is found only from what reads it.
Operation *UnrolledLoop::counterpart(Value from, unsigned operand, Operation *like, int distance, bool certain) {
  Operation *best = nullptr;
  unsigned bestScore = 0;
  for (OpOperand *use : usesOf(from)) {
    Operation *op = use->getOwner();
    if (use->getOperandNumber() != operand || !isFree(op) || !areAlike(op, like))
      continue;
    unsigned score = 1;
    bool fits = true;
    for (unsigned i = 0; i < op->getNumOperands() && fits; ++i) {
      Value wanted = stripIdentity(like->getOperand(i)), found = stripIdentity(op->getOperand(i));
      auto place = where.find(wanted.getDefiningOp());
      if (place != where.end()) {
        int step = static_cast<int>(place->second.second) + distance;
        Operation *expected = step >= 0 && step < static_cast<int>(steps) ? rows[place->second.first][step] : nullptr;
        if (expected)
          fits = found == expected->getResult(cast<OpResult>(wanted).getResultNumber()), ++score;
        else
          fits = !where.contains(found.getDefiningOp()) &&
                 (step < 0 || !certain || !beyondZeroth.contains(rows[place->second.first][1]));
      } else if (classes.of(wanted) == classes.of(found)) {
        ++score;
      } else {
        fits = (isConstant(wanted) && isConstant(found) && wanted.getType() == found.getType()) ||
               (!isConstant(wanted) && !where.contains(found.getDefiningOp()));
      }
    }
    if (fits && score > bestScore)
      best = op, bestScore = score;
  }
  return best;
}

void UnrolledLoop::growBackward() {
  for (unsigned row = 0; row < rows.size(); ++row)
    for (unsigned operand = 0; operand < rows[row][0]->getNumOperands(); ++operand)
      resolve(row, operand);
}

/// Makes a row of something that reads this one. `known`: only of what reads nothing else that a step may have made, of
/// which it is certain in which step it is.
bool UnrolledLoop::growForward(unsigned row, bool known) {
  if (!rows[row][1])
    return false;
  for (OpResult value : rows[row][1]->getResults())
    for (OpOperand *use : usesOf(value)) {
      Operation *like = use->getOwner();
      unsigned operand = use->getOperandNumber(), result = value.getResultNumber();
      if (!isFree(like) || llvm::any_of(like->getOperands(), [&](Value input) {
            Operation *maker = stripIdentity(input).getDefiningOp();
            return stepOf(maker) > 1 || (known && maker && beyondZeroth.contains(maker) && isFree(maker));
          }))
        continue;
      SmallVector<Operation *> ops;
      // Where what the value begins as is read in the same way, it is the next step that reads this one.
      Value initial = initials.lookup({row, result});
      if (Operation *op = initial ? counterpart(initial, operand, like, -2, known) : nullptr)
        ops.push_back(op);
      for (unsigned step = 0; step < steps && rows[row][step] && ops.size() < steps; ++step) {
        Operation *op = step == 1 ? like
                                  : counterpart(rows[row][step]->getResult(result), operand, like,
                                                static_cast<int>(step) - 1, known);
        if (!op || llvm::is_contained(ops, op))
          break;
        ops.push_back(op);
      }
      if (ops.size() >= std::max<size_t>(2, steps - 2) && llvm::is_contained(ops, like)) {
        addRow(ops);
        return true;
      }
    }
  return false;
}

/// Looks for the counterparts that a row lacks in the last steps.
void UnrolledLoop::extend(unsigned row) {
  Operation *like = rows[row][1];
  for (size_t step = present(row); like && step < steps; ++step) {
    Operation *found = nullptr;
    for (unsigned operand = 0; operand < like->getNumOperands() && !found; ++operand) {
      Value input = stripIdentity(like->getOperand(operand));
      auto place = where.find(input.getDefiningOp());
      if (place == where.end())
        continue;
      size_t from = place->second.second + step - 1;
      Operation *op = from < steps ? rows[place->second.first][from] : nullptr;
      if (op)
        found = counterpart(op->getResult(cast<OpResult>(input).getResultNumber()), operand, like,
                            static_cast<int>(step) - 1, /*certain=*/true);
    }
    if (!found)
      return;
    place(row, step, found);
  }
}

/// A row that alone reads what it reads of the step before, and goes on behind the last step, belongs to the end of
/// that step: what the loop begins with was made in the same way as what it carries.
void UnrolledLoop::settle(unsigned row) {
  Operation *like = rows[row][1];
  if (present(row) < steps)
    return;
  std::optional<std::pair<unsigned, Value>> from;
  bool saves = false;
  for (unsigned operand = 0; operand < like->getNumOperands(); ++operand) {
    Value input = stripIdentity(like->getOperand(operand));
    auto place = where.find(input.getDefiningOp());
    if (place == where.end())
      continue;
    Operation *last = rows[place->second.first][steps - 1];
    if (place->second.second != 0 || !last)
      return;
    saves |= llvm::all_of(usesOf(input), [&](OpOperand *use) {
      return use->getOwner() == like || stepOf(use->getOwner()) == 0 || !live.contains(use->getOwner());
    });
    from = {operand, last->getResult(cast<OpResult>(input).getResultNumber())};
  }
  Operation *behind =
      saves ? counterpart(from->second, from->first, like, static_cast<int>(steps) - 1, /*certain=*/true) : nullptr;
  if (!behind)
    return;
  SmallVector<Operation *> ops(rows[row]);
  where.erase(ops.front());
  ops.erase(ops.begin());
  ops.push_back(behind);
  for (auto [step, op] : llvm::enumerate(ops))
    place(row, step, op);
}

bool UnrolledLoop::find() {
  // Reasons count only once all is found that can be.
  do {
    changed = false;
    growBackward();
    for (bool known : {true, false})
      for (unsigned row = 0; row < rows.size() && !(changed && !known); ++row) {
        extend(row);
        while (growForward(row, known))
          growBackward();
      }
    for (unsigned row = 0; row < rows.size() && !changed; ++row)
      settle(row);
  } while (changed);
  why.clear();
  return checkOperands() && checkUses() && checkOrder();
}

unsigned UnrolledLoop::slotOf(const Source &source) {
  for (auto [number, slot] : llvm::enumerate(slots))
    if (slot.row == source.row && slot.result == source.result && slot.initial &&
        classes.of(slot.initial) == classes.of(source.value))
      return number;
  slots.push_back({source.row, source.result, source.value});
  return slots.size() - 1;
}

std::optional<unsigned> UnrolledLoop::slotWithResult(unsigned row, unsigned result) const {
  for (auto [number, slot] : llvm::enumerate(slots))
    if (slot.row == row && slot.result == result)
      return number;
  return std::nullopt;
}

bool UnrolledLoop::checkOperands() {
  for (unsigned row = 0; row < rows.size(); ++row) {
    if (present(row) < 2)
      return refuse(describe(rows[row][0]) + " has no counterpart in the second step");
    for (unsigned operand = 0; operand < rows[row][0]->getNumOperands(); ++operand) {
      Source source = resolve(row, operand);
      if (source.kind == Source::Unknown)
        return refuse(describe(rows[row][0]) + " reads something else in each step");
      if (source.kind != Source::Carried)
        continue;
      Type type = rows[source.row][0]->getResult(source.result).getType();
      if (source.value.getType() != type) {
        std::string text;
        llvm::raw_string_ostream(text) << source.value.getType() << " and goes on as " << type;
        return refuse("the value that " + describe(rows[source.row][0]) + " carries begins as " + text);
      }
      slotOf(source);
    }
  }
  return true;
}

/// What reads a member from outside may see the last step, or all of them side by side.
bool UnrolledLoop::checkUses() {
  for (unsigned row = 0; row < rows.size(); ++row)
    for (unsigned result = 0; result < rows[row][0]->getNumResults(); ++result) {
      bool afterLast = false;
      llvm::SetVector<Operation *> concats;
      for (unsigned step = 0; step < present(row); ++step)
        for (OpOperand *use : usesOf(rows[row][step]->getResult(result))) {
          Operation *user = block.findAncestorOpInBlock(*use->getOwner());
          if (!live.contains(user) || isMember(user))
            continue;
          if (user == use->getOwner() && operatorOf(user) == "Concat" && rankedType(use->get())) {
            concats.insert(user);
            continue;
          }
          if (step + 1 < steps)
            return refuse(describe(rows[row][step]) + " of step " + Twine(step) + " is used by " + describe(user));
          afterLast = true;
        }
      for (Operation *concat : concats) {
        SmallVector<Value> pieces;
        for (Value piece : concat->getOperands())
          pieces.push_back(stripIdentity(piece));
        unsigned begin = llvm::find(pieces, rows[row][0]->getResult(result)) - pieces.begin();
        size_t inOrder = 0;
        while (inOrder < present(row) && begin + inOrder < pieces.size() &&
               pieces[begin + inOrder] == rows[row][inOrder]->getResult(result))
          ++inOrder;
        auto isPiece = [&](Value piece) {
          return piece.getDefiningOp() && llvm::is_contained(rows[row], piece.getDefiningOp());
        };
        Operation *last = rows[row][steps - 1];
        if (llvm::count_if(pieces, isPiece) == 1 && last && llvm::is_contained(pieces, last->getResult(result))) {
          afterLast = true;
          continue;
        }
        if (inOrder < steps || llvm::count_if(pieces, isPiece) != static_cast<int64_t>(steps))
          return refuse(describe(concat) + " takes results of some steps, or not in their order");
        int64_t rank = rankedType(concat->getResult(0)) ? rankedType(concat->getResult(0)).getRank() : 0;
        auto axis = normalized(SmallVector<int64_t>{intOf(concat, "axis", 0)}, rank);
        if (!axis || rankedType(rows[row][0]->getResult(result)).getDimSize(axis->front()) != 1)
          return refuse(describe(concat) + " takes more than one row of each step");
        stacks.push_back({row, result, concat, begin});
      }
      if (!afterLast || slotWithResult(row, result))
        continue;
      auto type = rankedType(rows[row][0]->getResult(result));
      if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat())
        return refuse(describe(rows[row][steps - 1]) +
                      " is used after the last step but is not carried, and its shape is not known");
      slots.push_back({row, result, {}});
    }
  return true;
}

/// What the loop reads must be there before it.
bool UnrolledLoop::checkOrder() {
  llvm::DenseSet<Operation *> behind;
  for (Operation &op : block) {
    bool depends = isMember(&op);
    op.walk([&](Operation *inner) {
      depends |= llvm::any_of(inner->getOperands(), [&](Value v) { return behind.contains(v.getDefiningOp()); });
    });
    if (depends)
      behind.insert(&op);
  }
  for (unsigned row = 0; row < rows.size(); ++row)
    for (unsigned operand = 0; operand < rows[row][0]->getNumOperands(); ++operand) {
      Source source = resolve(row, operand);
      if (source.value && behind.contains(source.value.getDefiningOp()))
        return refuse(describe(source.value.getDefiningOp()) + " stands between steps: it reads one and feeds another");
    }
  return true;
}

} // namespace mlir::ac
