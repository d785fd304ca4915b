//===- Scores.cpp - Comparisons that decide -------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/Scores.h"
#include "Raise/Masks.h"
#include "Support/NodeName.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

namespace mlir::ac {

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

static bool isFloatTensor(Value value) {
  auto type = rankedType(value);
  return type && isa<FloatType>(type.getElementType());
}

std::optional<ScoreComparison> comparisonOf(Operation *op) {
  StringRef name = op ? operatorOf(op) : "";
  bool greater = name == "Greater" || name == "GreaterOrEqual", less = name == "Less" || name == "LessOrEqual";
  if ((!greater && !less) || !isFloatTensor(op->getOperand(0)) || !isFloatTensor(op->getOperand(1)))
    return std::nullopt;
  // The threshold is a constant, else what has one element, else what stands behind.
  auto isConstant = [&](unsigned i) {
    return constantNumber(throughMoves(op->getOperand(i), true, false)).has_value();
  };
  unsigned threshold = 1;
  if (!isConstant(1) && (isConstant(0) || (hasOneElement(op->getOperand(0)) && !hasOneElement(op->getOperand(1)))))
    threshold = 0;
  if (!hasOneElement(op->getOperand(threshold)))
    return std::nullopt;
  // Greater(threshold, score) asks for a small one.
  bool large = greater == (threshold == 1);
  return ScoreComparison{op, 1 - threshold, large, !name.ends_with("OrEqual")};
}

/// Whether integers are computed from floating-point numbers, sizes aside.
static bool comesFromFloats(Value value, llvm::SmallPtrSetImpl<Operation *> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() != 0 || operatorOf(op) == "Shape" || operatorOf(op) == "Size" ||
      operatorOf(op) == "Constant" || !seen.insert(op).second)
    return false;
  return llvm::any_of(op->getOperands(),
                      [&](Value operand) { return isFloatTensor(operand) || comesFromFloats(operand, seen); });
}

std::optional<ScoreComparison> countComparisonOf(Operation *op) {
  StringRef name = op ? operatorOf(op) : "";
  bool greater = name == "Greater" || name == "GreaterOrEqual", less = name == "Less" || name == "LessOrEqual";
  if (!greater && !less)
    return std::nullopt;
  for (unsigned threshold : {1u, 0u}) {
    auto number = constantInts(throughMoves(op->getOperand(threshold), true, false));
    auto type = rankedType(op->getOperand(1 - threshold));
    llvm::SmallPtrSet<Operation *, 16> seen;
    if (number && number->size() == 1 && hasOneElement(op->getOperand(threshold)) && type &&
        (type.getElementType().isInteger(64) || type.getElementType().isInteger(32)) &&
        comesFromFloats(op->getOperand(1 - threshold), seen))
      return ScoreComparison{op, 1 - threshold, greater == (threshold == 1), !name.ends_with("OrEqual")};
  }
  return std::nullopt;
}

/// Whether a Cast keeps what flags say: integers that are not zero are true.
static bool keepsTruth(Operation *cast) {
  auto from = rankedType(cast->getOperand(0)), to = rankedType(cast->getResult(0));
  return from && to && from.getElementType().isInteger() && to.getElementType().isInteger() &&
         (from.getElementType().isInteger(1) || to.getElementType().isInteger(1));
}

std::optional<ScoreCondition> conditionOf(Value condition, std::string &why) {
  bool negated = false;
  // How flags of several rows were joined on the way, and whether what was joined is negated since.
  Operation *join = nullptr;
  bool negatedBefore = false;
  while (Operation *op = condition.getDefiningOp()) {
    StringRef name = operatorOf(op);
    auto comparison = comparisonOf(op);
    if (auto count = comparison ? std::nullopt : countComparisonOf(op)) {
      // That a count is small is that it is not large.
      comparison = count;
      if (!count->large) {
        comparison->large = true;
        comparison->strict = !count->strict;
        negated = !negated;
      }
    }
    if (comparison) {
      // The least of flags is whether all of them hold. The sum is whether any does, and that not any does not is all
      // again.
      bool areAll = !join || (operatorOf(join) == "ReduceMin" ? !negated : negated);
      if (!join && !hasOneElement(condition)) {
        why = describe(op) + " compares more than one score";
        return std::nullopt;
      }
      if (!areAll) {
        why = describe(join) + " asks whether one row does, not all";
        return std::nullopt;
      }
      bool isSum = join && operatorOf(join) == "ReduceSum";
      return ScoreCondition{*comparison, join ? negatedBefore != isSum : negated, join != nullptr};
    }
    bool isFlag = rankedType(op->getResult(0)) && rankedType(op->getResult(0)).getElementType().isInteger();
    bool joins = !join && (name == "ReduceMin" || name == "ReduceSum") && isFlag && hasOneElement(op->getResult(0));
    bool moves = name == "Identity" || name == "Squeeze" || name == "Unsqueeze" || name == "Reshape" ||
                 name == "Flatten" || (name == "Cast" && keepsTruth(op));
    if (name != "Not" && !moves && !joins) {
      why = describe(op) + " does not compare a score with a threshold of one element";
      return std::nullopt;
    }
    if (joins) {
      join = op;
      negatedBefore = std::exchange(negated, false);
    }
    negated ^= name == "Not";
    condition = op->getOperand(0);
  }
  why = "the condition is not computed here";
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Whether a reduction is along the last axis, or along axes of which only the last is not one.
static bool reducesLast(Operation *op) {
  auto type = rankedType(op->getOperand(0));
  if (!type || type.getRank() == 0)
    return false;
  int64_t rank = type.getRank();
  auto axes = normalized(intsOf(op, "axes", 1), rank);
  if (!axes || axes->empty()) {
    bool given = op->getNumOperands() > 1 && !isa<NoneType>(op->getOperand(1).getType());
    if ((given && !axes) || intOf(op, "noop_with_empty_axes", 0))
      return false;
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  return llvm::is_contained(*axes, rank - 1) &&
         llvm::all_of(*axes, [&](int64_t axis) { return axis == rank - 1 || type.getDimSize(axis) == 1; });
}

/// The sum or mean over the last axis of this operation, seen through moves.
static Operation *lastReduction(Value value, StringRef name) {
  Operation *op = throughMoves(value, true, false).getDefiningOp();
  return op && operatorOf(op) == name && isFloatTensor(op->getOperand(0)) && reducesLast(op) ? op : nullptr;
}

/// The scores of which `value` is the number `place` in descending order: of the last axis.
static Value rankedOf(Value value, int64_t place) {
  auto column = columnOf(throughMoves(value, true, false));
  Operation *sort = column ? throughMoves(column->source, false, false).getDefiningOp() : nullptr;
  if (!sort || operatorOf(sort) != "TopK" || column->source != sort->getResult(0) || column->index != place)
    return {};
  auto type = rankedType(sort->getOperand(0));
  if (!type || !isa<FloatType>(type.getElementType()) || intOf(sort, "largest", 1) == 0 ||
      intOf(sort, "sorted", 1) == 0)
    return {};
  int64_t axis = intOf(sort, "axis", -1), last = type.getRank() - 1;
  return (axis == -1 || axis == last) && column->axis == last ? sort->getOperand(0) : Value();
}

/// `p log p`, and whether it is zero where p is.
static Value entropyTerms(Value value, bool &guarded) {
  guarded = false;
  Operation *op = throughMoves(value, false, false).getDefiningOp();
  if (op && operatorOf(op) == "Where" && isZero(op->getOperand(1))) {
    Operation *test = op->getOperand(0).getDefiningOp();
    Value terms = op->getOperand(2);
    bool ignored;
    Value p = entropyTerms(terms, ignored);
    if (!p || !test || operatorOf(test) != "Equal" || test->getOperand(0) != p || !isZero(test->getOperand(1)))
      return {};
    guarded = true;
    return p;
  }
  if (!op || operatorOf(op) != "Mul")
    return {};
  for (unsigned i : {0u, 1u}) {
    Operation *log = throughMoves(op->getOperand(i), false, false).getDefiningOp();
    Value p = op->getOperand(1 - i);
    if (!log || operatorOf(log) != "Log")
      continue;
    // Log(p), or Log(p + small), Log(Clip(p)), which are entropies all the same but for how they round.
    Value inside = log->getOperand(0);
    Operation *kept = inside.getDefiningOp();
    if (inside != p && kept && (operatorOf(kept) == "Add" || operatorOf(kept) == "Clip" || operatorOf(kept) == "Max")) {
      if (kept->getOperand(0) == p)
        return p;
    }
    if (inside == p)
      return p;
  }
  return {};
}

/// Whether the numbers are between zero and one by how they are made.
static bool areProbabilities(Value value) {
  StringRef name = operatorOf(throughMoves(value, true, false));
  return name == "Softmax" || name == "Sigmoid";
}

/// What each row's score is; the granularity is left open.
static Score rowScoreOf(Value value, bool large) {
  double infinity = std::numeric_limits<double>::infinity();
  auto ofProbabilities = [&](StopRule rule, bool exact, Value scores) {
    bool bounded = areProbabilities(scores);
    return Score{rule, exact, scores, Granularity::Row, bounded ? 0.0 : -infinity, bounded ? 1.0 : infinity};
  };
  auto isWide = [](Value scores) { return cast<FloatType>(rankedType(scores).getElementType()).getWidth() >= 32; };
  // ReduceMax and TopK give NaN where there is one, as ac.decide has it.
  if (Operation *op = lastReduction(value, "ReduceMax"))
    return ofProbabilities(StopRule::Confidence, large, op->getOperand(0));
  if (Value scores = rankedOf(value, 0))
    return ofProbabilities(StopRule::Confidence, large, scores);
  Operation *op = throughMoves(value, true, false).getDefiningOp();
  if (op && operatorOf(op) == "Sub") {
    Value scores = rankedOf(op->getOperand(0), 0);
    // In 16 bits the model rounds the difference, which ac.decide does not.
    if (scores && rankedOf(op->getOperand(1), 1) == scores)
      return ofProbabilities(StopRule::Margin, large && isWide(scores), scores);
  }
  // Negated before or behind the sum.
  bool negated = op && operatorOf(op) == "Neg";
  if (Operation *sum = lastReduction(negated ? op->getOperand(0) : value, "ReduceSum")) {
    Operation *inner = sum->getOperand(0).getDefiningOp();
    bool negatedInside = inner && operatorOf(inner) == "Neg", guarded;
    Value scores = entropyTerms(negatedInside ? inner->getOperand(0) : sum->getOperand(0), guarded);
    if (scores && negated != negatedInside && isFloatTensor(scores)) {
      Score score{StopRule::Entropy, guarded && negated && !large && isWide(scores), scores, Granularity::Row, 0.0,
                  infinity};
      int64_t classes = rankedType(scores).getRank() ? rankedType(scores).getShape().back() : ShapedType::kDynamic;
      if (areProbabilities(scores) && !ShapedType::isDynamic(classes) && classes > 0)
        score.most = std::log(double(classes));
      return score;
    }
  }
  return ofProbabilities(StopRule::Value, false, value);
}

/// Whether all rows of `scores` are one.
static bool isOneRow(Value scores) {
  return llvm::all_of(rankedType(scores).getShape().drop_back(), [](int64_t size) { return size == 1; });
}

Score scoreOf(const ScoreComparison &comparison, bool ofAllRows) {
  Value value = comparison.scoreValue();
  if (!isFloatTensor(value))
    return Score{StopRule::Value, false, value, ofAllRows ? Granularity::Batch : Granularity::Row, 0.0, 1 << 30};
  if (ofAllRows) {
    Score score = rowScoreOf(value, comparison.large);
    score.granularity = Granularity::Batch;
    if (!score.exact)
      score.scores = value;
    return score;
  }
  Operation *op = throughMoves(value, true, false).getDefiningOp();
  StringRef name = op ? operatorOf(op) : "";
  if ((name == "ReduceMin" || name == "ReduceMax") && hasOneElement(op->getResult(0)) &&
      isFloatTensor(op->getOperand(0)) && rankedType(op->getOperand(0)).getRank() > 0) {
    Value rows = op->getOperand(0);
    Score score = rowScoreOf(rows, comparison.large);
    if (score.rule != StopRule::Value) {
      // The least of all rows is large where all rows are: they decide together. For the largest there is no rule.
      bool together = name == (comparison.large ? "ReduceMin" : "ReduceMax");
      score.exact &= together;
      score.granularity = together ? Granularity::Batch : Granularity::Row;
      if (!score.exact)
        score.scores = together ? rows : value;
      return score;
    }
  }
  Score score = rowScoreOf(value, comparison.large);
  score.exact = score.exact && isOneRow(score.scores);
  if (!score.exact)
    score.scores = value;
  return score;
}

//===----------------------------------------------------------------------===//
// Budgets
//===----------------------------------------------------------------------===//

BudgetNames::BudgetNames(Operation *module) {
  module->walk([&](Operation *op) {
    if (auto budget = dyn_cast<BudgetOp>(op))
      used.insert(budget.getName());
  });
}

std::string BudgetNames::make(StringRef prefix, Operation *node, StringRef suffix) {
  ++count;
  std::string place;
  for (char c : nodeNameOf(node->getLoc()))
    place += llvm::isAlnum(c) || StringRef("._-/:").contains(c) ? c : '_';
  if (place.empty())
    place = std::to_string(count);
  std::string name = (prefix + "." + place + "." + suffix).str(), unique = name;
  for (unsigned i = 2; !used.insert(unique).second; ++i)
    unique = name + "." + std::to_string(i);
  return unique;
}

/// The number with the fewest digits that is the same in single precision, so that users read 0.9.
static double shortest(float number) {
  for (int digits = 1; digits < std::numeric_limits<float>::max_digits10; ++digits) {
    char text[32];
    snprintf(text, sizeof text, "%.*g", digits, double(number));
    double value = std::strtod(text, nullptr);
    if (float(value) == number)
      return value;
  }
  return number;
}

std::optional<std::string> makeBudget(const ScoreComparison &comparison, const Score &score, BudgetNames &names,
                                      StringRef prefix, Operation *node, std::string &why) {
  Value threshold = throughMoves(comparison.threshold(), true, false);
  if (auto known = threshold.getDefiningOp<BudgetOp>())
    return known.getName().str();
  auto number = constantNumber(threshold);
  if (!number) {
    why = "its threshold is not a constant";
    return std::nullopt;
  }
  if (!std::isfinite(*number) || double(float(*number)) != *number) {
    why = "its threshold is not a finite number of single precision";
    return std::nullopt;
  }
  auto type = rankedType(comparison.threshold());
  OpBuilder b(comparison.op);
  bool isCount = type.getElementType().isInteger();
  std::string name = names.make(prefix, node, isCount ? "count" : stringifyStopRule(score.rule));
  double initial = shortest(float(*number));
  Location loc = node->getLoc();
  Type element = isCount ? Type(b.getI64Type()) : b.getF32Type();
  Value budget = BudgetOp::create(b, loc, RankedTensorType::get(type.getShape(), element), b.getStringAttr(name),
                                  b.getF64FloatAttr(initial), b.getF64FloatAttr(std::min(score.least, initial)),
                                  b.getF64FloatAttr(std::max(score.most, initial)));
  comparison.op->setOperand(1 - comparison.score, makeCast(b, loc, budget, type.getElementType()));
  return name;
}

//===----------------------------------------------------------------------===//
// Decisions
//===----------------------------------------------------------------------===//

Value makeDecision(const ScoreComparison &comparison, const Score &score) {
  OpBuilder b(comparison.op);
  Location loc = comparison.op->getLoc();
  Value scores = score.scores, threshold = comparison.threshold();
  StopRule rule = score.exact ? score.rule : StopRule::Value;
  if (!score.exact) {
    auto type = rankedType(scores);
    // One score for each row: a last dimension of one.
    if (type.getRank() == 0 || type.getShape().back() != 1) {
      SmallVector<int64_t> shape(type.getShape());
      shape.push_back(1);
      Value axis = makeInts(b, loc, {1}, {type.getRank()});
      scores = make(b, loc, "Unsqueeze", RankedTensorType::get(shape, type.getElementType()), {scores, axis});
    }
    // A small score is a large one of the other sign; negation is exact.
    if (!comparison.large) {
      scores = make(b, loc, "Neg", scores.getType(), scores);
      threshold = make(b, loc, "Neg", threshold.getType(), threshold);
    }
  }
  SmallVector<int64_t> shape(rankedType(scores).getRank(), 1);
  auto type = RankedTensorType::get(shape, b.getI1Type());
  return DecideOp::create(b, loc, type, scores, threshold, Value(), rule, score.granularity, comparison.strict);
}

Value makeFlag(Operation *node, Value condition, bool negate, StringRef prefix, BudgetNames &names, std::string &told) {
  Value flag = condition;
  std::string why;
  if (auto found = conditionOf(condition, why)) {
    const ScoreComparison &comparison = found->comparison;
    Score score = scoreOf(comparison, found->ofAllRows);
    auto budget = makeBudget(comparison, score, names, prefix, node, why);
    flag = makeDecision(comparison, score);
    negate ^= found->negated;
    StopRule rule = score.exact ? score.rule : StopRule::Value;
    told = (Twine(" with ac.decide ") + stringifyStopRule(rule) + " per " + stringifyGranularity(score.granularity) +
            (budget ? ", budget '" + *budget + "'" : ", without a budget: " + why))
               .str();
  } else {
    told = ", by the condition as it is: " + why;
  }
  if (negate) {
    OpBuilder b(node);
    flag = make(b, node->getLoc(), "Not", flag.getType(), flag);
  }
  return flag;
}

void eraseConditions(ArrayRef<Operation *> conditions) {
  // All that is unused is found before anything is erased: conditions may share what they are made from.
  llvm::SetVector<Operation *> unused;
  SmallVector<Operation *> open(conditions);
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (!op || unused.contains(op) || op->getNumRegions() != 0 || !isMemoryEffectFree(op) ||
        !llvm::all_of(op->getUsers(), [&](Operation *user) { return unused.contains(user); }))
      continue;
    unused.insert(op);
    for (Value operand : op->getOperands())
      open.push_back(operand.getDefiningOp());
  }
  for (Operation *op : unused)
    op->dropAllReferences();
  for (Operation *op : unused)
    op->erase();
}

} // namespace mlir::ac
