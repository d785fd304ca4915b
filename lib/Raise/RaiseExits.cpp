//===- RaiseExits.cpp - Branches that end a computation early -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters write an early exit as `If(score > threshold)`: one branch answers, the other one holds the rest of the
// model, further exits included. It was a branch before and is one afterwards; what the name adds is the decision as a
// value, a counter, and a threshold that the user of the binary sets.
//
// Models that let single samples leave a batch pick the others by `NonZero(score <= threshold)` and go on with these.
// There the work follows the rows already, and only the threshold becomes a budget.
//
//===----------------------------------------------------------------------===//
#include "Raise/IfBranches.h"
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "Raise/Scores.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEEXITS
#include "Raise/Passes.h.inc"

namespace {

struct RaiseExits : impl::RaiseExitsBase<RaiseExits> {
  using Base::Base;

  /// Of what was rewritten; they may be among what is yet to be looked at.
  SmallVector<Operation *> conditions;

  void raise(Operation *branch, BudgetNames &names) {
    Region &thenRegion = branch->getRegion(0), &elseRegion = branch->getRegion(1);
    unsigned thenProducts = numProducts(thenRegion), elseProducts = numProducts(elseRegion);
    bool ends = endsComputation(branch);
    // A branch without work in either of its sides is no candidate, nor is a block that is passed by.
    if ((thenProducts == 0 && elseProducts == 0) || (!ends && (onlyForwards(thenRegion) || onlyForwards(elseRegion))))
      return;
    auto refuse = [&](const Twine &why) { remarkRefused(branch, "branch is no early exit", why); };
    if (thenProducts == elseProducts)
      return refuse("both branches hold " + Twine(thenProducts) + " matrix products");
    std::string why;
    if (!hasOneElement(branch->getOperand(0)))
      return refuse("its condition is not known to have one element");
    if (!conditionOf(branch->getOperand(0), why) || !haveTypesOfResults(branch, why))
      return refuse(why);

    bool earlyIsThen = thenProducts < elseProducts;
    Operation *condition = branch->getOperand(0).getDefiningOp();
    std::string told;
    Value stop = makeFlag(branch, branch->getOperand(0), /*negate=*/!earlyIsThen, "exit", names, told);
    OpBuilder b(branch);
    auto exit = ExitOp::create(b, branch->getLoc(), branch->getResultTypes(), stop, KVPolicy::None, dense);
    moveBranch(earlyIsThen ? thenRegion : elseRegion, exit.getEarly(), exit.getResultTypes());
    moveBranch(earlyIsThen ? elseRegion : thenRegion, exit.getRest(), exit.getResultTypes());
    remarkRaised(exit->getLoc(), exit) << "ac.exit" << told;
    branch->replaceAllUsesWith(exit->getResults());
    branch->erase();
    conditions.push_back(condition);
  }

  /// The threshold of a comparison that picks rows.
  void raisePicked(Operation *picks, BudgetNames &names) {
    Operation *op = throughMoves(picks->getOperand(0), true, false).getDefiningOp();
    while (op && operatorOf(op) == "Not")
      op = throughMoves(op->getOperand(0), true, false).getDefiningOp();
    auto comparison = op ? comparisonOf(op) : std::nullopt;
    if (!comparison)
      return;
    Score score = scoreOf(*comparison);
    if (score.rule == StopRule::Value)
      return; // Rows may be picked for other reasons than to stop.
    std::string why;
    if (auto budget = makeBudget(*comparison, score, names, "exit", op, why))
      picks->emitRemark("picked rows got the budget '") << *budget << "'";
    else
      remarkRefused(picks, "picked rows got no budget", Reason(why));
  }

  void runOnOperation() override {
    conditions.clear();
    BudgetNames names(getOperation());
    SmallVector<Operation *> branches, picks;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (operatorOf(op) == "If")
        branches.push_back(op);
      else if (operatorOf(op) == "NonZero")
        picks.push_back(op);
    });
    for (Operation *branch : branches)
      raise(branch, names);
    for (Operation *op : picks)
      raisePicked(op, names);
    eraseConditions(conditions);
  }
};

} // namespace
} // namespace mlir::ac
