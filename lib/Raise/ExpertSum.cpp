//===- ExpertSum.cpp - Experts that stand along an axis -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"
#include "Raise/Masks.h"
#include "dialects/AC/IR/ACDialect.h"

namespace mlir::ac {

bool ExpertSum::refuse(const Reason &reason) {
  if (why.empty())
    why = reason;
  return false;
}

ExpertSum::~ExpertSum() {
  // What was made for nothing.
  for (Operation *op = root->getPrevNode(); op && op != before;) {
    Operation *next = op->getPrevNode();
    if (op->use_empty())
      op->erase();
    op = next;
  }
}

/// What picks experts, seen through what keeps numbers and their order.
static Value choiceOf(Value indices) {
  while (Operation *op = indices.getDefiningOp()) {
    StringRef name = operatorOf(op);
    if (name != "Cast" && name != "Identity" && name != "Reshape" && name != "Squeeze" && name != "Unsqueeze" &&
        name != "Flatten")
      break;
    indices = op->getOperand(0);
  }
  return indices;
}

/// Whether all numbers are those of experts by how they are made.
static bool areExperts(Value value, int64_t count) {
  StringRef name = operatorOf(value);
  if (name == "Gather")
    return areIntsBelow(value.getDefiningOp()->getOperand(0), count);
  if (name != "ArgMax" && (name != "TopK" || cast<OpResult>(value).getResultNumber() != 1))
    return false;
  // Indices lie within the axis.
  Operation *op = value.getDefiningOp();
  auto type = rankedType(op->getOperand(0));
  int64_t rank = type ? type.getRank() : 0, axis = intOf(op, "axis", name == "TopK" ? -1 : 0);
  axis += axis < 0 ? rank : 0;
  return axis >= 0 && axis < rank && !type.isDynamicDim(axis) && type.getDimSize(axis) <= count;
}

//===----------------------------------------------------------------------===//
// What is summed
//===----------------------------------------------------------------------===//

/// Whether a product of matrices that differ along a dimension is among what makes a value, as far as moves,
/// elementwise operations and products go.
static bool holdsBatchedProduct(Value value, int depth = 12) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  StringRef name = operatorOf(op);
  if (name == "MatMul" || name == "Einsum")
    for (Value operand : op->getOperands()) {
      Value source = throughMoves(operand, /*shapes=*/true, /*casts=*/true);
      while (operatorOf(source) == "Transpose")
        source = throughMoves(source.getDefiningOp()->getOperand(0), true, true);
      auto type = rankedType(source);
      StringRef made = operatorOf(source);
      if (type && type.getRank() >= 3 &&
          (!source.getDefiningOp() || made == "Constant" || made == "Gather" || made == "GatherND"))
        return true;
    }
  return op->getNumRegions() == 0 &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return holdsBatchedProduct(operand, depth - 1); });
}

bool ExpertSum::findRoot() {
  StringRef name = operatorOf(root);
  auto result = root->getNumResults() ? rankedType(root->getResult(0)) : RankedTensorType();
  if (!result || result.getRank() < 2 || !isa<FloatType>(result.getElementType()))
    return false;
  // The layout of the terms, all rows' dimensions in front of the features.
  auto assign = [&](RankedTensorType type, int64_t sum, int64_t feature) {
    for (auto [dim, size] : llvm::enumerate(type.getShape())) {
      if (static_cast<int64_t>(dim) == sum) {
        answersLayout.push_back({kSum});
      } else if (static_cast<int64_t>(dim) == feature) {
        answersLayout.push_back({kFeature});
      } else {
        answersLayout.push_back({static_cast<int>(rowSizes.size())});
        rowSizes.push_back(size);
      }
    }
    sumSize = type.getDimSize(sum);
  };
  if (name == "ReduceSum") {
    answers = root->getOperand(0);
    auto type = rankedType(answers);
    auto axes = type ? normalized(intsOf(root, "axes", 1), type.getRank()) : std::nullopt;
    if (!axes || axes->size() != 1 || type.getRank() < 3)
      return false;
    sumAxis = axes->front();
    assign(type, sumAxis, sumAxis == type.getRank() - 1 ? type.getRank() - 2 : type.getRank() - 1);
  } else if (name == "MatMul") {
    // [rows, 1, K] x [rows, K, width]: a row of weights.
    factor = root->getOperand(0);
    answers = root->getOperand(1);
    auto type = rankedType(answers), weightsType = rankedType(factor);
    if (!type || !weightsType || type.getRank() < 3 || weightsType.getRank() != type.getRank() ||
        weightsType.getDimSize(type.getRank() - 2) != 1)
      return false;
    sumAxis = type.getRank() - 2;
    assign(type, sumAxis, type.getRank() - 1);
    for (unsigned row = 0; row < rowSizes.size(); ++row)
      factorLayout.push_back({static_cast<int>(row)});
    factorLayout.append({Axes(), Axes{kSum}});
  } else if (name == "Einsum") {
    // 'te,etd->td' in any order.
    std::string text = equationOfTwo(root);
    if (text.empty())
      return false;
    auto [inputs, output] = StringRef(text).split("->");
    auto [first, second] = inputs.split(',');
    if (output.size() < 2 || StringRef(text).contains('.'))
      return false;
    char feature = output.back();
    bool answersFirst = first.contains(feature);
    StringRef terms = answersFirst ? first : second, weights = answersFirst ? second : first;
    answers = root->getOperand(answersFirst ? 0 : 1);
    factor = root->getOperand(answersFirst ? 1 : 0);
    auto type = rankedType(answers), weightsType = rankedType(factor);
    if (!weights.contains(feature) && terms.size() == output.size() + 1 && weights.size() == output.size() + 1 &&
        holdsBatchedProduct(answers)) {
      // Experts and their places are summed over.
      kind = Kind::Slots;
      slotEquation = text;
      factor = root->getOperand(answersFirst ? 1 : 0);
      return true;
    }
    if (weights.contains(feature) || terms.size() != output.size() + 1 || weights.size() != output.size() || !type ||
        !weightsType)
      return false;
    for (auto [dim, letter] : llvm::enumerate(output.drop_back()))
      rowSizes.push_back(result.getDimSize(dim));
    auto axisOf = [&](char letter) -> Axes {
      size_t at = output.find(letter);
      return {letter == feature ? int(kFeature) : at == StringRef::npos ? int(kSum) : static_cast<int>(at)};
    };
    for (auto [dim, letter] : llvm::enumerate(terms)) {
      answersLayout.push_back(axisOf(letter));
      if (!output.contains(letter))
        sumSize = type.getDimSize(dim);
    }
    for (char letter : weights)
      factorLayout.push_back(axisOf(letter));
    if (!holds(answersLayout, kSum) || !holds(factorLayout, kSum))
      return false;
  } else {
    return false;
  }
  return !ShapedType::isDynamic(sumSize) && sumSize > 1 && holdsBatchedProduct(answers);
}

bool ExpertSum::match() {
  if (!findRoot())
    return kind != Kind::Unknown;
  if (kind == Kind::Slots)
    return matchSlots();
  followMoves();
  if (auto first = buildExpert(0))
    return matchChain();
  // Other sums are none of ours; one over choices or experts is.
  return kind != Kind::Unknown;
}

/// Follows the answers through moves and the product with the weights, which stand between the sum and the experts.
void ExpertSum::followMoves() {
  chain.insert(root);
  while (Operation *op = answers.getDefiningOp()) {
    if (op->getBlock() != root->getBlock())
      break;
    if (operatorOf(op) == "Mul" && !factor) {
      auto layoutOf = [&](unsigned i) { return broadcast(answersLayout, rankedType(op->getOperand(i))); };
      if (!rankedType(op->getOperand(0)) || !rankedType(op->getOperand(1)))
        break;
      unsigned by = holds(layoutOf(1), kFeature) ? 0 : 1;
      if (holds(layoutOf(by), kFeature) || !holds(layoutOf(by), kSum))
        break;
      factor = op->getOperand(by);
      factorLayout = layoutOf(by);
      answers = op->getOperand(1 - by);
      answersLayout = broadcast(answersLayout, rankedType(answers));
      chain.insert(op);
      continue;
    }
    auto before = operatorOf(op) == "Cast" ? std::nullopt : throughMove(op, answersLayout);
    if (!before)
      break;
    chain.insert(op);
    answersLayout = *before;
    answers = op->getOperand(0);
  }
}

/// Whether a value is made of what a single choice picked.
bool ExpertSum::isPicked(Value value) {
  auto [known, isNew] = picked.try_emplace(value, false);
  Operation *op = value.getDefiningOp();
  if (!isNew || !op || op->getBlock() != root->getBlock() || op->getNumRegions() != 0)
    return known->second;
  StringRef name = operatorOf(op);
  bool picks = (name == "Gather" || name == "GatherND") && choiceOf(op->getOperand(1)) == singleChoice;
  bool result = picks || llvm::any_of(op->getOperands(), [&](Value operand) { return isPicked(operand); });
  return picked[value] = result;
}

bool ExpertSum::matchSingle() {
  StringRef name = operatorOf(root);
  if ((name != "MatMul" && name != "Einsum") || root->getNumOperands() != 2)
    return false;
  for (Value operand : root->getOperands()) {
    Value source = throughMoves(operand, /*shapes=*/true, /*casts=*/true);
    while (operatorOf(source) == "Transpose")
      source = throughMoves(source.getDefiningOp()->getOperand(0), true, true);
    StringRef made = operatorOf(source);
    auto type =
        made == "Gather" || made == "GatherND" ? rankedType(source.getDefiningOp()->getOperand(0)) : RankedTensorType();
    if (!type || type.getRank() != 3 || type.isDynamicDim(0))
      continue;
    Value choice = choiceOf(source.getDefiningOp()->getOperand(1));
    singleChoice = areExperts(choice, type.getDimSize(0)) ? choice : Value();
  }
  if (!singleChoice)
    return false;
  // Biases are picked by the same choice.
  for (Operation *next = root; next->getResult(0).hasOneUse();) {
    next = *next->getResult(0).user_begin();
    StringRef user = operatorOf(next);
    bool moves = user == "Squeeze" || user == "Reshape" || user == "Unsqueeze" || user == "Identity";
    if (next->getBlock() != root->getBlock() || (!moves && user != "Add") || next->getNumResults() != 1)
      break;
    if (user != "Add")
      continue;
    bool both = llvm::all_of(next->getOperands(), [&](Value operand) { return isPicked(operand); });
    if (!both)
      break;
    root = next;
    picked.clear();
  }
  answers = root->getResult(0);
  auto type = rankedType(answers);
  if (!type || type.getRank() < 2 || !isa<FloatType>(type.getElementType()))
    return false;
  int64_t features = type.getRank() - 1;
  while (features > 0 && type.getDimSize(features) == 1)
    --features;
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    if (static_cast<int64_t>(dim) == features) {
      answersLayout.push_back({kFeature});
    } else if (size == 1) {
      answersLayout.push_back({});
    } else {
      answersLayout.push_back({static_cast<int>(rowSizes.size())});
      rowSizes.push_back(size);
    }
  }
  outside.setInsertionPoint(root);
  before = root->getPrevNode();
  if (rowSizes.empty())
    return false;
  // Rows that are the same for several choices are summed later, or are none of ours.
  auto isWhole = [&](Value rows) { return rankedType(rows).getShape().drop_back() == ArrayRef<int64_t>(rowSizes); };
  return buildExpert(0) && kind == Kind::Choices && llvm::all_of(rowOperands, isWhole) && matchChain();
}

/// What must hold besides that each expert could be written down.
bool ExpertSum::matchChain() {
  if (kind == Kind::Unknown)
    return false;
  if (kind == Kind::Experts) {
    numExperts = sumSize;
    if (!factor || !canBeZero(factor))
      refuse(Reason("no weight of an expert is ever exactly zero"));
  }
  if (rowOperands.empty())
    refuse(Reason("what is computed does not depend on the rows"));
  for (Operation *op : chain)
    for (Operation *user : op->getUsers())
      if (op != root && !chain.contains(user) && operatorOf(user) != "Shape")
        refuse(Reason(describe(op) + " has users outside, such as " + describe(user), op));
  return true;
}

//===----------------------------------------------------------------------===//
// Choices and weights
//===----------------------------------------------------------------------===//

bool ExpertSum::isChoice(Value indices, const Layout &layout, int64_t count) {
  // All choices in order, row by row.
  SmallVector<int> axes;
  for (const Axes &own : layout)
    axes.append(own.begin(), own.end());
  SmallVector<int> wanted;
  for (unsigned row = 0; row < rowSizes.size(); ++row)
    wanted.push_back(row);
  if (!singleChoice)
    wanted.push_back(kSum);
  if (axes != wanted)
    return refuse(Reason("experts are not picked for each row and choice in order"));
  Value source = choiceOf(indices);
  if (choices)
    return source == choices || refuse(Reason("experts are picked by different choices"));
  auto type = rankedType(source);
  if (!type || !areExperts(source, count))
    return refuse(Reason("what picks experts is made by no TopK or ArgMax, nor looked up in a table of experts"));
  // [rows..., choices]; of a single choice the last dimension may be missing.
  int64_t rank = type.getRank(), rows = rowSizes.size();
  bool isLast = rank == rows + 1 && type.getDimSize(rank - 1) == (singleChoice ? 1 : sumSize);
  if (operatorOf(source) == "TopK")
    isLast &= (intOf(source.getDefiningOp(), "axis", -1) + rank) % rank == rank - 1;
  if (!isLast && !(singleChoice && rank == rows))
    return refuse(Reason(describe(source.getDefiningOp()) + " does not choose for each row", source.getDefiningOp()));
  choices = source;
  return true;
}

/// [rows..., experts]
Value ExpertSum::weights() {
  if (kind == Kind::Slots)
    return slots->weights(outside, rankedType(root->getResult(0)).getElementType());
  SmallVector<int> axes;
  for (unsigned row = 0; row < rowSizes.size(); ++row)
    axes.push_back(row);
  axes.push_back(kSum);
  Value own = factor ? arrange(outside, factor, factorLayout, axes) : Value();
  if (factor && !own)
    return {};
  if (kind == Kind::Experts)
    return own;
  // The sum over a row's choices of the weight where the choice is the expert.
  Value choices = this->choices;
  if (auto type = rankedType(choices); singleChoice && type.getRank() == static_cast<int64_t>(rowSizes.size())) {
    SmallVector<int64_t> shape(type.getShape());
    shape.push_back(1);
    choices = make(outside, loc, "Unsqueeze", RankedTensorType::get(shape, type.getElementType()),
                   {choices, makeInts(outside, loc, {1}, type.getRank())});
  }
  auto type = rankedType(choices);
  Type element = own ? rankedType(own).getElementType() : rankedType(root->getResult(0)).getElementType();
  int64_t rank = type.getRank();
  SmallVector<int64_t> shape(type.getShape()), unit(shape), numbers;
  shape.push_back(numExperts);
  unit.push_back(1);
  for (int64_t e = 0; e < numExperts; ++e)
    numbers.push_back(e);
  Value last = makeInts(outside, loc, {1}, rank);
  auto column = [&](Value value) {
    return make(outside, loc, "Unsqueeze", RankedTensorType::get(unit, rankedType(value).getElementType()),
                {value, last});
  };
  Value number = makeInts(outside, loc, {numExperts}, numbers);
  Value chosen = make(outside, loc, "Equal", RankedTensorType::get(shape, outside.getI1Type()),
                      {column(makeCast(outside, loc, choices, outside.getI64Type())), number});
  auto wide = RankedTensorType::get(shape, element);
  Value each;
  if (own) {
    auto scalar = RankedTensorType::get({}, element);
    Value zero =
        make(outside, loc, "Constant", scalar, {},
             outside.getNamedAttr("value", DenseElementsAttr::get(scalar, outside.getFloatAttr(element, 0.0))));
    each = make(outside, loc, "Where", wide, {chosen, column(own), zero});
  } else {
    each = makeCast(outside, loc, chosen, element);
  }
  shape.erase(shape.end() - 2);
  return make(outside, loc, "ReduceSum", RankedTensorType::get(shape, element),
              {each, makeInts(outside, loc, {1}, rank - 1)}, intAttribute(outside, "keepdims", 0));
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

std::unique_ptr<Block> ExpertSum::buildExpert(int64_t number) {
  expert = number;
  done.clear();
  auto block = std::make_unique<Block>();
  body = block.get();
  for (Value rows : rowOperands)
    body->addArgument(rows.getType(), root->getLoc());
  Value result = translate(answers, answersLayout, Frame::Rows);
  if (!result)
    return nullptr;
  OpBuilder b = inside();
  YieldOp::create(b, root->getLoc(), result);
  return block;
}

bool ExpertSum::rewrite(bool dense) {
  Value scale = weights();
  if (!scale)
    return refuse(Reason("weights have a shape that is not known"));
  // Arranged for the first expert, in the order in which all ask for them.
  SmallVector<std::unique_ptr<Block>> blocks;
  for (int64_t number = 0; number < numExperts; ++number)
    blocks.push_back(buildExpert(number));
  Type type = blocks.front()->getTerminator()->getOperand(0).getType();
  auto dispatch = MoeDispatchOp::create(outside, loc, type, scale, rowOperands.getArrayRef(), dense, numExperts);
  for (auto [region, block] : llvm::zip(dispatch.getExperts(), blocks))
    region.push_back(block.release());
  made = dispatch;
  Value sum = dispatch.getResult();
  Type wanted = root->getResult(0).getType();
  SmallVector<int64_t> units;
  for (auto [dim, own] : llvm::enumerate(answersLayout))
    if (own.empty())
      units.push_back(dim);
  if (!singleChoice && operatorOf(root) == "ReduceSum" && intOf(root, "keepdims", 1))
    sum = make(outside, loc, "Unsqueeze", wanted, {sum, makeInts(outside, loc, {1}, sumAxis)});
  else if (!singleChoice && operatorOf(root) == "MatMul")
    sum = make(outside, loc, "Unsqueeze", wanted, {sum, makeInts(outside, loc, {1}, sumAxis)});
  else if (singleChoice && rankedType(sum).getRank() != cast<RankedTensorType>(wanted).getRank())
    sum = make(outside, loc, "Unsqueeze", wanted,
               {sum, makeInts(outside, loc, {static_cast<int64_t>(units.size())}, units)});
  if (sum.getType() != wanted)
    sum = make(outside, loc, "Identity", wanted, sum);
  root->getResult(0).replaceAllUsesWith(sum);
  return true;
}

void raiseExpertSums(Operation *scope, ExpertSum::Kind kind, StringRef what, bool dense) {
  SmallVector<Operation *> sums, roots;
  scope->walk([&](Operation *op) {
    if (operatorOf(op) == "ReduceSum" || operatorOf(op) == "MatMul" || operatorOf(op) == "Einsum")
      sums.push_back(op);
  });
  llvm::SmallPtrSet<Operation *, 32> replaced;
  for (Operation *op : llvm::reverse(sums)) {
    if (replaced.contains(op))
      continue;
    ExpertSum all(op), single(op);
    bool isSum = all.match();
    if (!isSum && (kind != ExpertSum::Kind::Choices || !single.matchSingle()))
      continue;
    ExpertSum &sum = isSum ? all : single;
    if (sum.kind != kind)
      continue;
    op = sum.rootOperation();
    if (!sum.why.empty() || !sum.rewrite(dense)) {
      remarkRefused(op, what + " not raised", sum.why);
      continue;
    }
    remarkRaised(op->getLoc(), sum.made) << "ac.moe_dispatch of " << sum.numExperts << " experts";
    replaced.insert(sum.members().begin(), sum.members().end());
    roots.push_back(op);
  }
  for (Operation *op : roots)
    eraseUnused(op);
}

} // namespace mlir::ac
