//===- RaiseStackedRows.cpp - Answers that are stacked, masked and summed -===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `torch.stack([f(x) for f in learners], -2)` times a mask, summed: every learner stands under its own slice of the
// mask, but a walk from the product sees only the stack. The sum is written out, term by term in the order of the
// stack.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "mlir/IR/Builders.h"
#include <optional>

namespace mlir::ac {
#define GEN_PASS_DEF_RAISESTACKEDROWS
#include "Raise/Passes.h.inc"

namespace {

/// The single axis in attribute `axes` or operand 1, non-negative for this rank.
std::optional<int64_t> singleAxis(Operation *op, int64_t rank) {
  auto axes = normalized(intsOf(op, "axes", 1), rank);
  return axes && axes->size() == 1 ? std::optional(axes->front()) : std::nullopt;
}

/// Whether a matrix product is among what makes this value and nothing else.
bool holdsProduct(Value value, int depth = 24) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (isProduct(op))
    return true;
  return llvm::any_of(op->getOperands(), [&](Value operand) { return holdsProduct(operand, depth - 1); });
}

struct RaiseStackedRows : impl::RaiseStackedRowsBase<RaiseStackedRows> {
  using Base::Base;

  void raise(Operation *sum) {
    Operation *masking = sum->getOperand(0).getDefiningOp();
    if (!masking)
      return;
    StringRef name = operatorOf(masking);
    bool isWhere = name == "Where" && masking->getNumOperands() == 3;
    if (!isWhere && !(name == "Mul" && masking->getNumOperands() == 2))
      return;
    // The operand that is stacked: either one of a product, the one taken where the condition holds.
    Operation *stack = nullptr;
    Value mask;
    for (unsigned i = isWhere; i < 2; ++i) {
      Operation *made = masking->getOperand(i).getDefiningOp();
      if (made && operatorOf(made) == "Concat") {
        stack = made;
        mask = masking->getOperand(isWhere ? 0 : 1 - i);
        break;
      }
    }
    auto type = stack ? dyn_cast<RankedTensorType>(stack->getResult(0).getType()) : RankedTensorType();
    if (!type || type.getRank() < 3)
      return;
    int64_t rank = type.getRank(), count = stack->getNumOperands();
    std::optional<int64_t> axis = singleAxis(sum, rank);
    auto along = stack->getAttrOfType<IntegerAttr>("axis");
    if (!axis || !along || (along.getInt() + rank) % rank != *axis || *axis == rank - 1)
      return;
    SmallVector<Value> answers;
    for (Value piece : stack->getOperands()) {
      Operation *made = piece.getDefiningOp();
      if (!made || operatorOf(made) != "Unsqueeze" || singleAxis(made, rank) != axis)
        return;
      answers.push_back(made->getOperand(0));
    }

    // From here on it is a candidate, and what is in the way is told.
    auto refuse = [&](const Twine &why) { remarkRefused(sum, "stack of rows not taken apart", why); };
    auto maskType = dyn_cast<RankedTensorType>(mask.getType());
    SmallVector<int64_t> want(type.getShape());
    want.back() = 1;
    if (!maskType || maskType.getShape() != ArrayRef(want) || type.getDimSize(*axis) != count)
      return refuse("the mask does not have one value for each row and each of what is stacked");
    if (isWhere ? !isZero(masking->getOperand(2)) : !canBeZero(mask))
      return refuse(isWhere ? "what is taken elsewhere is not the constant zero" : "the mask is never exactly zero");
    if (!masking->getResult(0).hasOneUse() || !stack->getResult(0).hasOneUse())
      return refuse("the stack has other users");
    for (auto [answer, piece] : llvm::zip(answers, stack->getOperands())) {
      if (!answer.hasOneUse() || !piece.hasOneUse())
        return refuse("what is stacked has other users");
      if (!isa<RankedTensorType>(answer.getType()))
        return refuse("what is stacked has an unknown rank");
    }
    if (llvm::none_of(answers, [](Value answer) { return holdsProduct(answer); }))
      return refuse("no matrix product is in the stack");

    OpBuilder b(sum);
    SmallVector<int64_t> rowShape(want);
    rowShape.erase(rowShape.begin() + *axis);
    auto rowType = RankedTensorType::get(rowShape, maskType.getElementType());
    NamedAttribute gatherAxis = b.getNamedAttr("axis", b.getIntegerAttr(b.getIntegerType(64), *axis));
    Value total;
    for (auto [n, answer] : llvm::enumerate(answers)) {
      Location loc = masking->getLoc();
      Value own = make(b, loc, "Gather", rowType, {mask, makeInts(b, loc, {}, static_cast<int64_t>(n))}, gatherAxis);
      Value term = isWhere ? make(b, loc, "Where", answer.getType(), {own, answer, masking->getOperand(2)})
                           : make(b, loc, "Mul", answer.getType(), {answer, own});
      total = total ? make(b, sum->getLoc(), "Add", term.getType(), {total, term}) : term;
    }
    auto keep = sum->getAttrOfType<IntegerAttr>("keepdims");
    if (!keep || keep.getInt())
      total = make(b, sum->getLoc(), "Unsqueeze", sum->getResult(0).getType(),
                   {total, makeInts(b, sum->getLoc(), {1}, *axis)});
    remarkRaised(sum->getLoc()) << "a sum of " << count << " masked terms";
    sum->getResult(0).replaceAllUsesWith(total);
    sum->erase();
    masking->erase();
    SmallVector<Operation *> pieces;
    for (Value piece : stack->getOperands())
      pieces.push_back(piece.getDefiningOp());
    stack->erase();
    for (Operation *piece : pieces)
      piece->erase();
  }

  void runOnOperation() override {
    SmallVector<Operation *> sums;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "ReduceSum")
        sums.push_back(op);
    });
    for (Operation *sum : sums)
      raise(sum);
  }
};

} // namespace
} // namespace mlir::ac
