//===- RaiseSkips.cpp - Blocks that run or are passed by ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `If` with a branch that gives what is there already passes a block by. So does `Where` with a condition for the whole
// tensor, as exporters write it from code without branches: there both sides are computed, and what only the chosen one
// needs becomes the body. The two sides of a `Where` must have the same shape, or it would broadcast: both are one type
// without unknown dimensions, or the rows of one can be followed through the operations of the body to the other.
//
//===----------------------------------------------------------------------===//
#include "Raise/IfBranches.h"
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "Raise/Scores.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISESKIPS
#include "Raise/Passes.h.inc"

namespace {

/// Whether the rows of `value`, its dimensions but the last, are those of `like`.
bool hasRowsOf(Value value, Value like, int depth = 64) {
  if (value == like)
    return true;
  Operation *op = value.getDefiningOp();
  auto type = rankedType(value), whole = rankedType(like);
  if (!op || !type || type.getRank() != whole.getRank() || type.getRank() < 2 || depth == 0 ||
      type.getShape().drop_back() != whole.getShape().drop_back())
    return false;
  static const llvm::StringSet<> keepRows = {
      "Identity", "Relu", "Gelu", "Sigmoid", "Tanh", "Softmax", "Neg",       "Abs",    "Exp", "LayerNormalization",
      "Erf",      "Sqrt", "Cast", "Clip",    "Add",  "Sub",     "Mul",       "Div",    "Max", "RMSNormalization",
      "Min",      "Sum",  "Pow",  "Elu",     "Silu", "Swish",   "LeakyRelu", "MatMul", "Gemm"};
  StringRef name = operatorOf(op);
  if (!keepRows.contains(name) || (name == "Gemm" && intOf(op, "transA", 0) != 0))
    return false;
  bool any = false;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (isa<NoneType>(operand.getType()))
      continue;
    if (hasRowsOf(operand, like, depth - 1)) {
      any = true;
      continue;
    }
    // What is left must not stretch the rows.
    auto other = rankedType(operand);
    bool isMatrix = i == 1 && (name == "MatMul" || name == "Gemm") && other && other.getRank() == 2;
    if (!isMatrix && (!other || (other.getRank() > 1 &&
                                 llvm::any_of(other.getShape().drop_back(), [](int64_t size) { return size != 1; }))))
      return false;
  }
  return any;
}

struct RaiseSkips : impl::RaiseSkipsBase<RaiseSkips> {
  using Base::Base;

  /// Of what was rewritten; they may be among what is yet to be looked at.
  SmallVector<Operation *> conditions;

  void raiseIf(Operation *branch, BudgetNames &names) {
    Region &thenRegion = branch->getRegion(0), &elseRegion = branch->getRegion(1);
    bool thenForwards = onlyForwards(thenRegion), elseForwards = onlyForwards(elseRegion);
    if (thenForwards == elseForwards || endsComputation(branch))
      return;
    Region &body = thenForwards ? elseRegion : thenRegion, &forwards = thenForwards ? thenRegion : elseRegion;
    unsigned products = numProducts(body);
    if (products == 0)
      return;
    auto refuse = [&](const Twine &why) { remarkRefused(branch, "block is not skipped", why); };
    std::string why;
    if (!hasOneElement(branch->getOperand(0)))
      return refuse("its condition is not known to have one element");
    if (!haveTypesOfResults(branch, why))
      return refuse(why);

    Operation *condition = branch->getOperand(0).getDefiningOp();
    std::string told;
    Value active = makeFlag(branch, branch->getOperand(0), /*negate=*/thenForwards, "skip", names, told);
    // What is there already stands in front, constants included.
    OpBuilder b(branch);
    Block &block = forwards.front();
    Operation *yield = block.getTerminator();
    SmallVector<Value> otherwise;
    for (auto [value, type] : llvm::zip_equal(yield->getOperands(), branch->getResultTypes())) {
      Value source = throughMoves(value, /*shapes=*/false, /*casts=*/false);
      if (Operation *constant = source.getDefiningOp(); constant && constant->getBlock() == &block)
        constant->moveBefore(branch);
      otherwise.push_back(source.getType() == type ? source : make(b, branch->getLoc(), "Identity", type, source));
    }
    auto skip = SkipOp::create(b, branch->getLoc(), branch->getResultTypes(), active, otherwise, dense);
    moveBranch(body, skip.getBody(), skip.getResultTypes());
    remarkRaised(skip->getLoc(), skip) << "ac.skip of " << products << " matrix products" << told;
    branch->replaceAllUsesWith(skip->getResults());
    branch->erase();
    conditions.push_back(condition);
  }

  /// What only `where` needs of operand `chosen`, last first.
  static llvm::SetVector<Operation *> onlyFor(Operation *where, unsigned chosen) {
    llvm::SetVector<Operation *> members;
    for (Operation *op = where->getPrevNode(); op; op = op->getPrevNode()) {
      bool isUsed = !op->use_empty() && llvm::all_of(op->getUses(), [&](OpOperand &use) {
        // Subgraphs read values of the block, too.
        Operation *user = where->getBlock()->findAncestorOpInBlock(*use.getOwner());
        return user && (members.contains(user) || (user == where && use.getOperandNumber() == chosen));
      });
      if (isUsed && isMemoryEffectFree(op) && operatorOf(op) != "Constant" && operatorOf(op) != "NoValue")
        members.insert(op);
    }
    return members;
  }

  void raiseWhere(Operation *where, BudgetNames &names) {
    if (!hasOneElement(where->getOperand(0)))
      return;
    Type type = where->getResult(0).getType();
    for (unsigned chosen : {1u, 2u}) {
      Value value = where->getOperand(chosen), other = where->getOperand(3 - chosen);
      llvm::SetVector<Operation *> members = onlyFor(where, chosen);
      unsigned products = 0;
      for (Operation *op : members) {
        products += isProduct(op);
        for (Region &region : op->getRegions())
          products += numProducts(region);
      }
      if (products == 0)
        continue;
      auto refuse = [&](const Twine &why) { remarkRefused(where, "block is not skipped", why); };
      auto ranked = dyn_cast<RankedTensorType>(type);
      if (!ranked || value.getType() != type || other.getType() != type)
        return refuse("its sides are not of one type of known rank");
      if (rankedType(where->getOperand(0)).getRank() > ranked.getRank())
        return refuse("its condition has more dimensions than its sides");
      if (!ranked.hasStaticShape() &&
          (ranked.getRank() == 0 || ranked.isDynamicDim(ranked.getRank() - 1) || !hasRowsOf(value, other)))
        return refuse("its sides are not known to have one shape");

      Operation *condition = where->getOperand(0).getDefiningOp();
      std::string told;
      Value active = makeFlag(where, where->getOperand(0), /*negate=*/chosen == 2, "skip", names, told);
      OpBuilder b(where);
      auto skip = SkipOp::create(b, where->getLoc(), TypeRange{type}, active, other, dense);
      Block *body = b.createBlock(&skip.getBody());
      for (Operation *member : llvm::reverse(members.getArrayRef()))
        member->moveBefore(body, body->end());
      b.setInsertionPointToEnd(body);
      YieldOp::create(b, where->getLoc(), value);
      remarkRaised(skip->getLoc(), skip) << "ac.skip of " << products << " matrix products" << told;
      where->replaceAllUsesWith(skip->getResults());
      where->erase();
      conditions.push_back(condition);
      return;
    }
  }

  void runOnOperation() override {
    conditions.clear();
    BudgetNames names(getOperation());
    SmallVector<Operation *> candidates;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (operatorOf(op) == "If" || operatorOf(op) == "Where")
        candidates.push_back(op);
    });
    for (Operation *op : candidates)
      operatorOf(op) == "If" ? raiseIf(op, names) : raiseWhere(op, names);
    eraseConditions(conditions);
  }
};

} // namespace
} // namespace mlir::ac
