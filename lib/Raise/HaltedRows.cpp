//===- HaltedRows.cpp - What a loop does to a row that has halted ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/HaltedRows.h"
#include "dialects/AC/IR/ACDialect.h"

namespace mlir::ac {

HaltedRows::HaltedRows(Block *body, Value running) : body(body), running(running) {
  auto type = rankedType(running);
  numRowDims = type.getRank();
  // [rows..., 1] and [rows...] say the same.
  if (type.getRank() > 1 && type.getShape().back() == 1)
    --numRowDims;
}

bool HaltedRows::dependsOnStateAlone() {
  SmallVector<Value> open{running};
  llvm::SmallDenseSet<Value> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == body) {
      if (argument.getArgNumber() < 2)
        return false;
      state.push_back(argument.getArgNumber() - 2);
      continue;
    }
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != body)
      continue;
    if (op->getNumRegions())
      return false;
    llvm::append_range(open, op->getOperands());
  }
  return !state.empty();
}

bool HaltedRows::stateIs(ArrayRef<bool> carried) {
  return llvm::all_of(state, [&](unsigned i) { return carried[i]; });
}

bool HaltedRows::isUnchanged(Value next, Value before) {
  // Who runs may itself be carried.
  return hasRows(before) && of(next) == (before == running ? Known{Known::Zero, {}} : Known{Known::Same, before});
}

bool HaltedRows::hasRows(Value value) const {
  auto type = rankedType(value), rows = rankedType(running);
  return type && type.getRank() >= numRowDims &&
         type.getShape().take_front(numRowDims) == rows.getShape().take_front(numRowDims);
}

HaltedRows::Known HaltedRows::of(Value value) {
  auto [found, isNew] = known.try_emplace(value, Known());
  if (!isNew)
    return found->second;
  Known result = compute(value);
  known[value] = result;
  return result;
}

/// Of an operand that meets others elementwise: its rows must be where theirs are, or it is the same for all.
HaltedRows::Known HaltedRows::ofOperand(Operation *op, unsigned i) {
  Value operand = op->getOperand(i);
  auto type = rankedType(operand), result = rankedType(op->getResult(0));
  if (!type || !result)
    return {};
  if (type.getRank() == result.getRank())
    return of(operand);
  auto number = constantNumber(operand);
  if (number && (*number == 0.0 || *number == 1.0))
    return {*number == 0.0 ? Known::Zero : Known::One, {}};
  return {};
}

HaltedRows::Known HaltedRows::compute(Value value) {
  const Known nothing, zero{Known::Zero, {}}, one{Known::One, {}};
  if (value == running)
    return zero;
  if (Operation *test = running.getDefiningOp(); test && operatorOf(test) == "Not" && value == test->getOperand(0))
    return one;
  if (auto number = constantNumber(value))
    return *number == 0.0 ? zero : *number == 1.0 ? one : nothing;
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != body)
    return hasRows(value) && isa<BlockArgument>(value) && value.getParentBlock() == body ? Known{Known::Same, value}
                                                                                         : nothing;
  if (auto rows = dyn_cast<MaskedRowsOp>(op)) {
    if (of(rows.getMask()) == zero)
      return rows.getOtherwise().empty() ? zero : of(rows.getOtherwise()[cast<OpResult>(value).getResultNumber()]);
    return nothing;
  }
  // The same comparison made once more.
  if (Operation *test = running.getDefiningOp(); test && op != test && op->getName() == test->getName() &&
                                                 op->getOperands() == test->getOperands() &&
                                                 op->getAttrDictionary() == test->getAttrDictionary())
    return zero;
  if (!hasRows(value))
    return nothing;
  StringRef name = operatorOf(op);
  auto at = [&](unsigned i) { return ofOperand(op, i); };
  auto same = [&] { return Known{Known::Same, value}; };
  if (name == "Identity")
    return of(op->getOperand(0));
  if (name == "Cast") {
    // Truth values and numbers; other numbers may be rounded.
    Known from = of(op->getOperand(0));
    return from.kind == Known::Zero || from.kind == Known::One ? from : nothing;
  }
  if (name == "Unsqueeze" || name == "Squeeze" || name == "Reshape") {
    // The value itself has other dimensions now; what is zero or one in each row stays so.
    if (!hasRows(op->getOperand(0)))
      return nothing;
    Known from = of(op->getOperand(0));
    return from.kind == Known::Zero || from.kind == Known::One ? from : same();
  }
  if (op->getNumOperands() == 1 && name == "Not") {
    Known from = at(0);
    return from == zero ? one : from == one ? zero : nothing;
  }
  if (name == "Where") {
    Known condition = at(0);
    if (condition == zero)
      return at(2);
    if (condition == one)
      return at(1);
    Known first = at(1), second = at(2);
    return first == second && first.kind != Known::Nothing ? first : nothing;
  }
  if (op->getNumOperands() != 2)
    return nothing;
  Known x = at(0), y = at(1);
  if (name == "Less" || name == "LessOrEqual" || name == "Greater" || name == "GreaterOrEqual" || name == "Equal") {
    auto number = [&](unsigned i, Known k) {
      return k.kind == Known::Zero  ? std::optional(0.0)
             : k.kind == Known::One ? std::optional(1.0)
                                    : constantNumber(op->getOperand(i));
    };
    auto a = number(0, x), b = number(1, y);
    if (!a || !b)
      return nothing;
    bool holds = name == "Less"             ? *a < *b
                 : name == "LessOrEqual"    ? *a <= *b
                 : name == "Greater"        ? *a > *b
                 : name == "GreaterOrEqual" ? *a >= *b
                                            : *a == *b;
    return holds ? one : zero;
  }
  // A value of another shape is not the result, whatever is added to it.
  auto whole = [&](unsigned i, Known k) {
    return k.kind == Known::Same && op->getOperand(i).getType() != value.getType() ? nothing : k;
  };
  if (name == "Mul" || name == "And") {
    if (x == zero || y == zero)
      return zero;
    return x == one ? whole(1, y) : y == one ? whole(0, x) : nothing;
  }
  if (name == "Add" || name == "Or")
    return x == zero ? whole(1, y) : y == zero ? whole(0, x) : nothing;
  if (name == "Sub") {
    if (y == zero)
      return whole(0, x);
    return x.kind == Known::One && y.kind == Known::One ? zero : nothing;
  }
  return nothing;
}

bool isSameAfterStep(Value after, Value before, Block *body, int depth) {
  Operation *yield = body->getTerminator();
  auto plain = [](Value value) { return throughMoves(value, /*shapes=*/false, /*casts=*/false); };
  after = plain(after);
  before = plain(before);
  if (auto argument = dyn_cast<BlockArgument>(before); argument && argument.getOwner() == body)
    return argument.getArgNumber() >= 2 && after == plain(yield->getOperand(argument.getArgNumber() - 1));
  Operation *x = after.getDefiningOp(), *y = before.getDefiningOp();
  if (!y || y->getBlock() != body) {
    if (after == before)
      return true;
    auto a = constantNumber(after), b = constantNumber(before);
    return a && b && *a == *b && after.getType() == before.getType();
  }
  if (!x || depth == 0 || x->getName() != y->getName() || x->getNumOperands() != y->getNumOperands() ||
      x->getAttrDictionary() != y->getAttrDictionary() || x->getNumRegions())
    return false;
  return llvm::all_of(llvm::zip(x->getOperands(), y->getOperands()), [&](auto pair) {
    return isSameAfterStep(std::get<0>(pair), std::get<1>(pair), body, depth - 1);
  });
}

} // namespace mlir::ac
