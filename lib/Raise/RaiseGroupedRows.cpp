//===- RaiseGroupedRows.cpp - Rows sorted by expert, grouped products -----===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Choices are sorted by expert, each with a copy of its row; products take the rows of one expert after another; the
// answers are weighted, put back in the order of the choices and summed for each row. Proven are: that the order is a
// permutation, a TopK of all; that the groups end where the counts of the experts add up to; that what is put back is
// the inverse of the order. Then the sum over a row's choices is that of the experts it chose.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "Raise/RowRegion.h"
#include <cmath>

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEGROUPEDROWS
#include "Raise/Passes.h.inc"

namespace {

Value source(Value value) { return throughMoves(value, /*shapes=*/true, /*casts=*/true); }

/// The number that every element of a constant is, also if it was spread.
std::optional<double> numberOf(Value value) {
  value = throughMoves(value, /*shapes=*/true, /*casts=*/false);
  if (operatorOf(value) == "Expand")
    value = value.getDefiningOp()->getOperand(0);
  return constantNumber(value);
}

class GroupedRows {
public:
  GroupedRows(Operation *sum, bool dense) : sum(sum), dense(dense), b(sum) {}
  /// Whether `sum` adds up what was sorted and put back; then it has been replaced, or `why` says why not.
  bool raise();
  Reason why;

private:
  bool matchOrder();
  bool matchWeights();
  bool endsGroup(Value end, int64_t expert);
  bool countsExperts(Value ends);
  bool isExpertOf(Value value);
  bool isRowOf(Value index);
  bool neverHolds(Value flag);
  std::optional<double> evaluate(Value value, double expert);
  Operation *gathersBy(Value value, Value index);
  Value translate(Value value);
  Value groupedOperand(Value product);
  Value weights();
  bool refuse(Operation *at, const Twine &reason) {
    if (why.empty())
      why = Reason(describe(at) + " " + reason, at);
    return false;
  }

  Operation *sum;
  bool dense;
  OpBuilder b;
  int64_t numChoices = 0, numExperts = 0, numRows = 0;
  Value answers;                // sorted
  Value order, sorted, choices; // the permutation, the experts in it, [rows, choices]
  Value factor;                 // [rows, choices] or null
  Value x;                      // [rows, width]
  Value ends;                   // of the groups, once they are proven
  // While an expert is built.
  int64_t expert = 0;
  Value row;
  DenseMap<Value, Value> done;
};

/// The operation that picks by `index` along the first axis.
Operation *GroupedRows::gathersBy(Value value, Value index) {
  Operation *op = value.getDefiningOp();
  if (!op || (operatorOf(op) != "Gather" && operatorOf(op) != "GatherND") || intOf(op, "axis", 0) != 0 ||
      intOf(op, "batch_dims", 0) != 0)
    return nullptr;
  return !index || source(op->getOperand(1)) == index ? op : nullptr;
}

/// The sum over a row's choices of what was sorted, put back.
bool GroupedRows::matchOrder() {
  auto type = rankedType(sum->getOperand(0));
  auto axes = type ? normalized(intsOf(sum, "axes", 1), type.getRank()) : std::nullopt;
  if (!axes || type.getRank() != 3 || *axes != SmallVector<int64_t>{1} || type.isDynamicDim(1) ||
      type.isDynamicDim(2) || intOf(sum, "keepdims", 1))
    return false;
  numChoices = type.getDimSize(1);
  numRows = type.getDimSize(0);
  Value back = throughMoves(sum->getOperand(0), /*shapes=*/true, /*casts=*/false);
  Operation *gather = gathersBy(back, {});
  auto backType = rankedType(back);
  if (!gather || backType.getRank() != 2 || backType.getDimSize(1) != type.getDimSize(2))
    return false;
  answers = gather->getOperand(0);
  // The inverse of an order: i at the place order[i].
  Operation *inverse = source(gather->getOperand(1)).getDefiningOp();
  if (!inverse || (operatorOf(inverse) != "ScatterND" && operatorOf(inverse) != "ScatterElements"))
    return false;
  auto reduction = inverse->getAttrOfType<StringAttr>("reduction");
  Operation *range = source(inverse->getOperand(2)).getDefiningOp();
  order = source(inverse->getOperand(1));
  Operation *sort = order.getDefiningOp();
  if ((reduction && reduction.getValue() != "none") || !range || operatorOf(range) != "Range" || !sort ||
      operatorOf(sort) != "TopK" || cast<OpResult>(order).getResultNumber() != 1)
    return false;
  // From here on it is a candidate.
  if (numberOf(range->getOperand(0)) != 0.0 || numberOf(range->getOperand(2)) != 1.0)
    return refuse(range, "does not count from zero");
  auto isLengthOf = [&](Value value, ArrayRef<Value> lists) {
    Operation *shape = source(value).getDefiningOp();
    if (shape && operatorOf(shape) == "Gather")
      shape = source(shape->getOperand(0)).getDefiningOp();
    return shape && operatorOf(shape) == "Shape" && llvm::is_contained(lists, shape->getOperand(0));
  };
  sorted = sort->getResult(0);
  Value list = sort->getOperand(0);
  Operation *base = inverse->getOperand(0).getDefiningOp();
  Value baseShape = base && operatorOf(base) == "Expand"            ? base->getOperand(1)
                    : base && operatorOf(base) == "ConstantOfShape" ? base->getOperand(0)
                                                                    : Value();
  if (!baseShape || !isLengthOf(baseShape, {list, order, sorted}))
    return refuse(inverse, "puts back into a list of unknown length");
  if (rankedType(list).getRank() != 1 || intOf(sort, "largest", 1) || !intOf(sort, "sorted", 1) ||
      !isLengthOf(sort->getOperand(1), {list}))
    return refuse(sort, "does not sort all choices by expert");
  choices = source(list);
  auto choicesType = rankedType(choices);
  Operation *choice = choices.getDefiningOp();
  if (!choice || operatorOf(choice) != "TopK" || cast<OpResult>(choices).getResultNumber() != 1 || !choicesType ||
      choicesType.getRank() != 2 || choicesType.getDimSize(1) != numChoices ||
      (intOf(choice, "axis", -1) + 2) % 2 != 1 || rankedType(choice->getOperand(0)).isDynamicDim(1))
    return refuse(sort, "sorts what no TopK chose for each row");
  numRows = choicesType.getDimSize(0);
  numExperts = rankedType(choice->getOperand(0)).getDimSize(1);
  return true;
}

/// Takes the product with the weights of the choices off the answers.
bool GroupedRows::matchWeights() {
  Operation *product = answers.getDefiningOp();
  if (!product || operatorOf(product) != "Mul")
    return true;
  for (unsigned i : {0u, 1u}) {
    Operation *gather = gathersBy(throughMoves(product->getOperand(i), true, false), order);
    if (!gather)
      continue;
    Value list = gather->getOperand(0);
    auto isMatrix = [&](Value value) {
      auto type = rankedType(value);
      return type && type.getRank() == 2 && type.getDimSize(1) == numChoices;
    };
    while (!isMatrix(list) && operatorOf(list) == "Reshape")
      list = list.getDefiningOp()->getOperand(0);
    if (!isMatrix(list) || (numChoices == 1 && rankedType(list) != rankedType(choices)))
      continue;
    factor = list;
    answers = product->getOperand(1 - i);
    return true;
  }
  return true;
}

/// What a chain of conversions makes of an expert's number, as they are computed.
std::optional<double> GroupedRows::evaluate(Value value, double number) {
  if (value == sorted || source(value) == choices)
    return number;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return std::nullopt;
  StringRef name = operatorOf(op);
  auto x = evaluate(op->getOperand(0), number);
  if (!x)
    return std::nullopt;
  Type element = rankedType(value).getElementType();
  bool isFloat = element.isF32() || element.isF64();
  auto rounded = [&](double y) { return element.isF32() ? static_cast<double>(static_cast<float>(y)) : y; };
  if (name == "Identity" || name == "Reshape" || name == "Squeeze" || name == "Unsqueeze")
    return x;
  if (name == "Cast" && (isFloat || element.isInteger(64) || element.isInteger(32)))
    return isFloat ? rounded(*x) : std::trunc(*x);
  auto operand = [&](unsigned i) {
    return i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType()) ? numberOf(op->getOperand(i))
                                                                                   : std::nullopt;
  };
  auto y = operand(1), z = operand(2);
  if (name == "Clip" && op->getNumOperands() == 3 && y && z)
    return std::min(std::max(*x, *y), *z);
  if (!isFloat || !y)
    return std::nullopt;
  if (name == "Div")
    return rounded(*x / *y);
  if (name == "Mul")
    return rounded(*x * *y);
  return name == "Add"   ? std::optional(rounded(*x + *y))
         : name == "Sub" ? std::optional(rounded(*x - *y))
                         : std::nullopt;
}

/// Whether a value is the expert of each choice, by whatever conversions.
bool GroupedRows::isExpertOf(Value value) {
  for (int64_t e = 0; e < numExperts; ++e)
    if (evaluate(value, static_cast<double>(e)) != static_cast<double>(e))
      return false;
  return true;
}

/// Whether a list of numbers adds up how often each expert was chosen.
bool GroupedRows::countsExperts(Value list) {
  Operation *cumulated = source(list).getDefiningOp();
  if (!cumulated || operatorOf(cumulated) != "CumSum" || intOf(cumulated, "exclusive", 0) ||
      intOf(cumulated, "reverse", 0))
    return false;
  Operation *count = source(cumulated->getOperand(0)).getDefiningOp();
  auto reduction = count ? count->getAttrOfType<StringAttr>("reduction") : StringAttr();
  if (!count || (operatorOf(count) != "ScatterElements" && operatorOf(count) != "ScatterND") || !reduction ||
      reduction.getValue() != "add" || !isZero(count->getOperand(0)) || numberOf(count->getOperand(2)) != 1.0)
    return false;
  auto type = rankedType(count->getResult(0));
  return type && type.getShape() == ArrayRef<int64_t>{numExperts} &&
         isExpertOf(throughMoves(count->getOperand(1), true, false));
}

/// Whether a number is where the rows of an expert end.
bool GroupedRows::endsGroup(Value end, int64_t number) {
  auto column = columnOf(source(end));
  if (!column || column->index != number || rankedType(column->source).getRank() != 1)
    return false;
  if (!ends && countsExperts(column->source))
    ends = column->source;
  return ends && ends == column->source;
}

/// Whether a flag is never set if the places in the order are not negative.
bool GroupedRows::neverHolds(Value flag) {
  flag = source(flag);
  Operation *op = flag.getDefiningOp();
  if (!op || op->getNumOperands() != 2)
    return false;
  StringRef name = operatorOf(op);
  if (name == "Less")
    return source(op->getOperand(0)) == order && numberOf(op->getOperand(1)) == 0.0;
  if (name == "And")
    return neverHolds(op->getOperand(0)) || neverHolds(op->getOperand(1));
  auto number = numberOf(op->getOperand(1));
  return name == "Equal" && number && *number != 0.0 && neverHolds(op->getOperand(0));
}

/// Whether an index is the row of each choice in the order: its place by the choices of a row, rounded down.
bool GroupedRows::isRowOf(Value index) {
  Operation *op = source(index).getDefiningOp();
  if (op && operatorOf(op) == "Sub" && neverHolds(op->getOperand(1)))
    op = source(op->getOperand(0)).getDefiningOp();
  return op && operatorOf(op) == "Div" && source(op->getOperand(0)) == order &&
         rankedType(op->getResult(0)).getElementType().isInteger() &&
         numberOf(op->getOperand(1)) == static_cast<double>(numChoices);
}

/// The rows that a grouped product multiplies, each group by its expert's matrix; null if it is none.
Value GroupedRows::groupedOperand(Value product) {
  Operation *concat = product.getDefiningOp();
  if (concat->getNumOperands() != static_cast<unsigned>(numExperts) || intOf(concat, "axis", 0) != 0)
    return {};
  Value rows;
  for (auto [e, part] : llvm::enumerate(concat->getOperands())) {
    Operation *own = part.getDefiningOp();
    Operation *gather = own && operatorOf(own) == "MatMul" ? gathersBy(own->getOperand(0), {}) : nullptr;
    Operation *range = gather ? source(gather->getOperand(1)).getDefiningOp() : nullptr;
    auto matrix = own && own->getNumOperands() == 2 ? rankedType(own->getOperand(1)) : RankedTensorType();
    if (!range || operatorOf(range) != "Range" || numberOf(range->getOperand(2)) != 1.0 || !matrix ||
        matrix.getRank() != 2 || (rows && gather->getOperand(0) != rows))
      return {};
    rows = gather->getOperand(0);
    bool begins = e == 0 ? numberOf(range->getOperand(0)) == 0.0 : endsGroup(range->getOperand(0), e - 1);
    if (!begins || !endsGroup(range->getOperand(1), e))
      return {};
    // The same for all rows.
    Value weight = throughMoves(own->getOperand(1), true, false);
    auto column = columnOf(weight);
    if (StringRef made = operatorOf(column ? column->source : weight); !made.empty() && made != "Constant")
      return {};
  }
  return rows;
}

/// What a value of the sorted rows is for the rows of the current expert.
Value GroupedRows::translate(Value value) {
  if (Value known = done.lookup(value))
    return known;
  auto type = rankedType(value);
  Operation *op = value.getDefiningOp();
  if (!type)
    return {};
  // A number or a vector, the same for all rows.
  if ((type.getRank() <= 1 && (!op || operatorOf(op) == "Constant")) || operatorOf(value) == "Constant")
    return type.getRank() <= 1 || hasOneElement(value) ? value : Value();
  if (!op || op->getNumRegions() != 0 || type.getRank() != 2 || type.isDynamicDim(1)) {
    refuse(op ? op : sum, "does not make a row for each choice");
    return {};
  }
  auto rowsOf = [&](Type of) {
    auto from = cast<RankedTensorType>(of);
    return RankedTensorType::get({numRows, from.getDimSize(1)}, from.getElementType());
  };
  StringRef name = operatorOf(op);
  Value result;
  if (Operation *gather = gathersBy(value, {}); gather && isRowOf(gather->getOperand(1))) {
    Value whole = gather->getOperand(0);
    if (rankedType(whole) != rowsOf(type) || (x && x != whole)) {
      refuse(op, "picks from other rows than choices were made for");
      return {};
    }
    x = whole;
    result = row;
  } else if (Value rows = name == "Concat" ? groupedOperand(value) : Value()) {
    Value in = translate(rows);
    if (!in)
      return {};
    Operation *own = op->getOperand(expert).getDefiningOp();
    result = make(b, op->getLoc(), "MatMul", rowsOf(type), {in, own->getOperand(1)});
  } else {
    bool alongRow = name == "Split" && (intOf(op, "axis", 0) + 2) % 2 == 1;
    if (!isElementwise(name) && !alongRow) {
      refuse(op, name == "Concat" ? "is no product of each expert's rows" : "does not treat rows independently");
      return {};
    }
    SmallVector<Value> operands;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      bool isList = isa<NoneType>(operand.getType()) || (alongRow && i > 0);
      Value own = isList ? operand : translate(operand);
      if (!own) {
        refuse(op, "takes something else than rows");
        return {};
      }
      operands.push_back(own);
    }
    OperationState state(op->getLoc(), op->getName(), operands, TypeRange(), op->getAttrs());
    for (Type made : op->getResultTypes())
      state.addTypes(rowsOf(made));
    Operation *made = b.create(state);
    for (auto [from, to] : llvm::zip(op->getResults(), made->getResults()))
      done[from] = to;
    return done.lookup(value);
  }
  done[value] = result;
  return result;
}

/// The weight of each expert for each row, [rows, experts]: the sum over the choices that are the expert.
Value GroupedRows::weights() {
  Location loc = sum->getLoc();
  Type element = factor ? rankedType(factor).getElementType() : rankedType(sum->getResult(0)).getElementType();
  SmallVector<int64_t> numbers = llvm::to_vector(llvm::seq<int64_t>(0, numExperts));
  auto column = [&](Value value) {
    return make(b, loc, "Unsqueeze",
                RankedTensorType::get({numRows, numChoices, 1}, rankedType(value).getElementType()),
                {value, makeInts(b, loc, {1}, {2})});
  };
  SmallVector<int64_t> shape{numRows, numChoices, numExperts};
  Value chosen = make(b, loc, "Equal", RankedTensorType::get(shape, b.getI1Type()),
                      {column(makeCast(b, loc, choices, b.getI64Type())), makeInts(b, loc, {numExperts}, numbers)});
  auto scalar = RankedTensorType::get({}, element);
  Value zero = make(b, loc, "Constant", scalar, {},
                    b.getNamedAttr("value", DenseElementsAttr::get(scalar, b.getZeroAttr(element))));
  Value each = factor ? make(b, loc, "Where", RankedTensorType::get(shape, element), {chosen, column(factor), zero})
                      : makeCast(b, loc, chosen, element);
  return make(b, loc, "ReduceSum", RankedTensorType::get({numRows, numExperts}, element),
              {each, makeInts(b, loc, {1}, {1})}, intAttribute(b, "keepdims", 0));
}

bool GroupedRows::raise() {
  if (!matchOrder() || !matchWeights())
    return !why.empty();
  // Every expert in a block of its own first, so that nothing is left if one cannot be.
  SmallVector<std::unique_ptr<Block>> blocks;
  for (expert = 0; expert < numExperts; ++expert) {
    Block *block = blocks.emplace_back(std::make_unique<Block>()).get();
    // The type of the rows is known once they are found.
    row = block->addArgument(x ? x.getType() : sum->getResult(0).getType(), sum->getLoc());
    done.clear();
    b.setInsertionPointToEnd(block);
    Value result = translate(answers);
    if (result && !x)
      refuse(sum, "does not depend on rows");
    if (!result || !x)
      return !why.empty() || !refuse(sum, "sums what is not known to be answers of experts");
    row.setType(x.getType());
    YieldOp::create(b, sum->getLoc(), result);
  }
  b.setInsertionPoint(sum);
  Value scale = weights();
  auto dispatch = MoeDispatchOp::create(b, sum->getLoc(), blocks.front()->getTerminator()->getOperand(0).getType(),
                                        scale, x, dense, numExperts);
  for (auto [region, block] : llvm::zip(dispatch.getExperts(), blocks))
    region.push_back(block.release());
  remarkRaised(sum->getLoc(), dispatch) << "ac.moe_dispatch of " << numExperts << " experts";
  Value result = dispatch.getResult();
  if (result.getType() != sum->getResult(0).getType())
    result = make(b, sum->getLoc(), "Identity", sum->getResult(0).getType(), result);
  sum->getResult(0).replaceAllUsesWith(result);
  eraseUnused(sum);
  return true;
}

struct RaiseGroupedRows : impl::RaiseGroupedRowsBase<RaiseGroupedRows> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Operation *> sums;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "ReduceSum")
        sums.push_back(op);
    });
    // From the front: what is erased with one stands before it.
    for (Operation *op : sums) {
      GroupedRows rows(op, dense);
      if (rows.raise() && !rows.why.empty())
        remarkRefused(op, "grouped rows not raised", rows.why);
    }
  }
};

} // namespace
} // namespace mlir::ac
