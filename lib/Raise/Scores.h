//===- Scores.h - Comparisons that decide -----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A condition of an exported model is mostly `score > threshold`, where the score is a confidence, a margin, an entropy
// or a number, of one row or the least of all rows. `ac.decide` says the same in one operation; its threshold, where it
// was a constant, becomes an `ac.budget`. What is written is what the model computes, to the bit and for NaN: where no
// rule of `ac.decide` is exactly that, the rule `value` compares the score as the model computes it.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_SCORES_H
#define RAISE_SCORES_H

#include "Raise/Values.h"
#include "dialects/AC/IR/ACDialect.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {

/// A comparison of floating-point numbers, or of a count with a constant.
struct ScoreComparison {
  Operation *op;
  /// Which operand is the score; the other one is the threshold.
  unsigned score;
  /// The score is to be large, rather than small; and more (less) than the threshold, rather than as large.
  bool large, strict;

  Value scoreValue() const { return op->getOperand(score); }
  Value threshold() const { return op->getOperand(1 - score); }
};
/// The comparison that `op` is.
std::optional<ScoreComparison> comparisonOf(Operation *op);

/// The comparison with a constant that `op` is of a count of what the model computes: heads that agree, not sizes.
std::optional<ScoreComparison> countComparisonOf(Operation *op);

/// A condition that is a comparison or the negation of one, seen through moves, or whether a comparison holds for all
/// rows.
struct ScoreCondition {
  ScoreComparison comparison;
  bool negated;
  bool ofAllRows;
};
/// Nothing, with the reason in `why`, if `condition` is none.
std::optional<ScoreCondition> conditionOf(Value condition, std::string &why);

/// What a score is, as far as it can be told.
struct Score {
  StopRule rule = StopRule::Value;
  /// `ac.decide` has this rule for `scores`, exactly; else it is the name of the score only.
  bool exact = false;
  Value scores;
  Granularity granularity = Granularity::Row;
  /// The range in which thresholds of it make sense.
  double least, most;
};
/// The score that is compared, for one row or, also if the comparison is, for all.
Score scoreOf(const ScoreComparison &comparison, bool ofAllRows = false);

/// The names of budgets in a module.
class BudgetNames {
public:
  explicit BudgetNames(Operation *module);
  /// `prefix.node.suffix` without what a name may not hold, made unique.
  std::string make(StringRef prefix, Operation *node, StringRef suffix);

private:
  llvm::StringSet<> used;
  unsigned count = 0;
};

/// Makes the threshold of a comparison a budget, if it is a constant. Returns the budget's name, or nothing with the
/// reason in `why`.
std::optional<std::string> makeBudget(const ScoreComparison &comparison, const Score &score, BudgetNames &names,
                                      StringRef prefix, Operation *node, std::string &why);

/// An `ac.decide` that holds where the comparison does, in front of it: one element.
Value makeDecision(const ScoreComparison &comparison, const Score &score);

/// The condition of `node`, as a flag with one element: a decision if it is a comparison with one, with a budget if its
/// threshold is a constant, else the condition as it is. `negate` gives its negation. `told` is a text for the remark.
Value makeFlag(Operation *node, Value condition, bool negate, StringRef prefix, BudgetNames &names, std::string &told);

/// Erases these operations (or null) and what they alone used, if nothing uses them.
void eraseConditions(ArrayRef<Operation *> conditions);

} // namespace mlir::ac

#endif // RAISE_SCORES_H
