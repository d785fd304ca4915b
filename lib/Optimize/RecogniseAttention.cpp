//===- RecogniseAttention.cpp - Attention that was written out ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From a softmax, the scores are followed back to the product that made them: through a mask first, then through scale
// and softcap. Transposes of heads on all sides become orders of the operation.
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "Raise/Values.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RECOGNISEATTENTION
#include "Optimize/Passes.h.inc"

namespace {

using Order = SmallVector<int64_t>;

/// An operand as it was before scale and transposes.
struct Factor {
  Value value;
  Order order;
};

class Match {
public:
  Match(Operation *softmax, bool dense) : softmax(softmax), b(softmax), dense(dense) {}
  /// Replaces the attention around the softmax; false, and nothing, if it is none.
  bool replace();
  /// Of the weights with the values; after `replace`.
  Operation *getProduct() const { return product; }

private:
  bool findProduct();
  bool findScores();
  bool findMask(Operation *op, Value &rest);
  bool takeScale(Value &value);
  bool fitsTogether();
  Factor unwrap(Value value, Order order, bool columnsLast, bool takesScale);
  Value squeezed(Value value, int64_t axis);
  bool reshapeGroups();
  bool alignMask();

  Operation *softmax, *product = nullptr, *scores = nullptr;
  OpBuilder b;
  bool dense;
  int64_t rank = 0;
  double scale = 1;
  std::optional<double> softcap, fill;
  Value mask;
  bool isInverted = false, nanIsZero = false;
  Factor query, key, value;
};

/// The number that a scalar constant, or one whose elements are all the same and that does not broadcast, holds.
std::optional<double> scalarOf(Value value) {
  auto type = rankedType(value);
  return type && hasOneElement(value) && isa<FloatType>(type.getElementType()) ? constantNumber(value) : std::nullopt;
}

/// Whether multiplying `other` by a number of this rank keeps its rank.
bool keepsRank(Value number, Value other) {
  auto type = rankedType(other);
  return type && rankedType(number).getRank() <= type.getRank();
}

/// Takes a multiplication with a constant off `value` and into `scale`.
bool Match::takeScale(Value &value) {
  Operation *op = value.getDefiningOp();
  StringRef name = operatorOf(value);
  if (!op || (name != "Mul" && name != "Div"))
    return false;
  for (unsigned i : {1, 0}) {
    if (name == "Div" && i == 0)
      break;
    auto number = scalarOf(op->getOperand(i));
    if (!number || *number == 0 || !keepsRank(op->getOperand(i), op->getOperand(1 - i)))
      continue;
    scale = name == "Mul" ? scale * *number : scale / *number;
    value = op->getOperand(1 - i);
    return true;
  }
  return false;
}

/// Whether scores come out of here: scaled products, capped or not.
bool leadsToProduct(Value value) {
  for (int depth = 0; depth < 8; ++depth) {
    Operation *op = value.getDefiningOp();
    StringRef name = operatorOf(value);
    if (name == "MatMul")
      return true;
    if (name == "Identity" || name == "Tanh" || name == "Div")
      value = op->getOperand(0);
    else if (name == "Mul")
      value = op->getOperand(scalarOf(op->getOperand(0)) ? 1 : 0);
    else
      return false;
  }
  return false;
}

bool Match::findMask(Operation *op, Value &rest) {
  StringRef name = operatorOf(op);
  if (name == "Add") {
    bool second = leadsToProduct(op->getOperand(1));
    if (leadsToProduct(op->getOperand(0)) == second)
      return false;
    rest = op->getOperand(second);
    mask = op->getOperand(!second);
    return true;
  }
  if (name != "Where")
    return false;
  for (unsigned i : {1, 2}) {
    auto number = scalarOf(op->getOperand(3 - i));
    if (!number || !leadsToProduct(op->getOperand(i)))
      continue;
    rest = op->getOperand(i);
    mask = op->getOperand(0);
    isInverted = i == 2;
    if (*number != -std::numeric_limits<double>::infinity())
      fill = *number;
    return true;
  }
  return false;
}

/// The product that takes the softmax, or what is left of it where rows of NaN become zero: what they are that see
/// nothing.
bool Match::findProduct() {
  Value weights = softmax->getResult(0);
  if (!weights.hasOneUse()) {
    Operation *question = nullptr, *choice = nullptr;
    for (Operation *user : weights.getUsers())
      (operatorOf(user) == "IsNaN" ? question : choice) = user;
    bool isChoice = question && choice && llvm::range_size(weights.getUses()) == 2 && operatorOf(choice) == "Where" &&
                    question->hasOneUse() && choice->getOperand(0) == question->getResult(0) &&
                    choice->getOperand(2) == weights && scalarOf(choice->getOperand(1)) == 0.0 &&
                    choice->getResult(0).getType() == weights.getType();
    if (!isChoice)
      return false;
    nanIsZero = true;
    weights = choice->getResult(0);
    if (!weights.hasOneUse())
      return false;
  }
  product = *weights.user_begin();
  return operatorOf(product) == "MatMul" && product->getOperand(0) == weights && product->getOperand(1) != weights;
}

bool Match::findScores() {
  auto type = rankedType(softmax->getResult(0));
  // Which dimension is meant without an axis depends on the opset.
  auto given = softmax->getAttrOfType<IntegerAttr>("axis");
  auto axis = type && given ? normalized(SmallVector<int64_t>{given.getInt()}, type.getRank()) : std::nullopt;
  if (!axis || axis->front() != type.getRank() - 1 || !(type.getElementType().isF32() || type.getElementType().isF16()))
    return false;
  rank = type.getRank();
  // Before opset 13, a softmax goes over all dimensions from the axis on: here that is the last as well.
  if (!findProduct())
    return false;
  Value at = softmax->getOperand(0);
  bool mayMask = true;
  while (at.hasOneUse() && at.getDefiningOp()) {
    Operation *op = at.getDefiningOp();
    // Masks must not make more scores than there were.
    if (rankedType(at) != type)
      return false;
    if (operatorOf(op) == "MatMul") {
      scores = op;
      return true;
    }
    Value rest;
    if (operatorOf(op) == "Identity") {
      at = op->getOperand(0);
    } else if (mayMask && findMask(op, rest)) {
      at = rest;
      mayMask = false;
    } else if (operatorOf(op) == "Tanh" && !softcap && scale > 0) {
      // What has been multiplied with the tangent so far is the cap.
      softcap = scale;
      at = op->getOperand(0);
      mayMask = false;
    } else if (takeScale(at)) {
      mayMask = false;
    } else {
      return false;
    }
  }
  return false;
}

Factor Match::unwrap(Value value, Order order, bool columnsLast, bool takesScale) {
  while (Operation *op = value.getDefiningOp()) {
    if (operatorOf(op) == "Identity") {
      value = op->getOperand(0);
      continue;
    }
    if (takesScale && takeScale(value))
      continue;
    auto perm = operatorOf(op) == "Transpose" ? intsOf(op, "perm", ~0u) : std::nullopt;
    if (!perm || perm->size() != order.size())
      break;
    Order before(order.size());
    for (auto [i, from] : llvm::enumerate(*perm))
      before[from] = order[i];
    if (columnsLast && before.back() != AttentionOp::Column)
      break;
    order = before;
    value = op->getOperand(0);
  }
  return {value, order};
}

/// Sizes that batched products would have repeated must not differ; those that agree are known, or unknown, on both
/// sides.
bool Match::fitsTogether() {
  auto size = [](const Factor &factor, int64_t dim) {
    auto place = llvm::find(factor.order, dim) - factor.order.begin();
    return rankedType(factor.value).getDimSize(place);
  };
  for (int64_t dim : {AttentionOp::Batch, AttentionOp::Head}) {
    if (!llvm::is_contained(query.order, dim))
      continue;
    int64_t queries = size(query, dim), keys = size(key, dim);
    bool mayShare = dim == AttentionOp::Head && queries > 0 && keys > 0 && rank == 5;
    if (keys != size(value, dim) || (queries != keys && !(mayShare && queries % keys == 0)))
      return false;
  }
  return true;
}

Value Match::squeezed(Value value, int64_t axis) {
  SmallVector<int64_t> shape(rankedType(value).getShape());
  shape.erase(shape.begin() + axis);
  Value axes = makeInts(b, softmax->getLoc(), {1}, {axis});
  return make(b, softmax->getLoc(), "Squeeze", rankedType(value).clone(shape), {value, axes});
}

/// Five dimensions: [batch, key heads, sharing, rows, columns], of which keys and values have one for all that share.
bool Match::reshapeGroups() {
  Factor *shared[] = {&key, &value};
  constexpr int64_t kSharing = 4; // in orders of five dimensions
  for (Factor *factor : shared) {
    int64_t axis = llvm::find(factor->order, kSharing) - factor->order.begin();
    if (rankedType(factor->value).getDimSize(axis) != 1)
      return false;
  }
  // The query's heads stand together, as they do in the scores.
  ArrayRef<int64_t> shape = rankedType(query.value).getShape();
  Order plain{AttentionOp::Batch, AttentionOp::Head, kSharing, AttentionOp::Row, AttentionOp::Column};
  if (query.order != plain || ShapedType::isDynamic(shape[1]) || ShapedType::isDynamic(shape[2]) ||
      ShapedType::isDynamic(shape[4]) || shape[1] * shape[2] * shape[4] == 0)
    return false;
  for (Factor *factor : shared) {
    int64_t axis = llvm::find(factor->order, kSharing) - factor->order.begin();
    factor->value = squeezed(factor->value, axis);
    factor->order.erase(factor->order.begin() + axis);
  }
  SmallVector<int64_t> heads{shape[0], shape[1] * shape[2], shape[3], shape[4]};
  Value wanted =
      makeInts(b, softmax->getLoc(), {4}, {0, heads[1], ShapedType::isDynamic(heads[2]) ? -1 : heads[2], heads[3]});
  query.value = make(b, softmax->getLoc(), "Reshape", rankedType(query.value).clone(heads), {query.value, wanted});
  query.order = {AttentionOp::Batch, AttentionOp::Head, AttentionOp::Row, AttentionOp::Column};
  return true;
}

/// Gives the mask the dimensions of [batch, heads, rows, keys], from the last on; false if it has others.
bool Match::alignMask() {
  if (!mask)
    return true;
  auto type = rankedType(mask);
  if (!type || type.getRank() == 0 || type.getRank() > rank ||
      (!type.getElementType().isInteger(1) && type.getElementType() != rankedType(query.value).getElementType()))
    return false;
  auto shape = type.getShape();
  int64_t own = type.getRank();
  if (own > 2 && rank == 3) { // [batch, rows, keys]
    SmallVector<int64_t> more{shape[0], 1, shape[1], shape[2]};
    mask = make(b, softmax->getLoc(), "Unsqueeze", type.clone(more), {mask, makeInts(b, softmax->getLoc(), {1}, {1})});
  } else if (own > 2 && rank == 5) {
    for (int64_t axis = std::max<int64_t>(own - 4, 0); axis < own - 2; ++axis)
      if (shape[axis] != 1)
        return false;
    mask = squeezed(mask, own - 3);
  }
  if (isInverted)
    mask = make(b, softmax->getLoc(), "Not", mask.getType(), mask);
  return true;
}

bool Match::replace() {
  if (!findScores() || rank < 2 || rank > 5)
    return false;
  for (Operation *op : {scores, product})
    for (Value operand : op->getOperands())
      if (!rankedType(operand) || rankedType(operand).getRank() != rank ||
          rankedType(operand).getElementType() != rankedType(softmax->getResult(0)).getElementType())
        return false;
  auto resultType = rankedType(product->getResult(0));
  if (!resultType || resultType.getRank() != rank)
    return false;
  Order rows;
  if (rank > 2)
    rows.push_back(AttentionOp::Batch);
  if (rank > 3)
    rows.push_back(AttentionOp::Head);
  if (rank > 4)
    rows.push_back(4);
  Order turned(rows);
  rows.append({AttentionOp::Row, AttentionOp::Column});
  turned.append({AttentionOp::Column, AttentionOp::Row});
  query = unwrap(scores->getOperand(0), rows, false, /*takesScale=*/true);
  key = unwrap(scores->getOperand(1), turned, false, /*takesScale=*/true);
  value = unwrap(product->getOperand(1), rows, /*columnsLast=*/true, /*takesScale=*/false);
  if (!fitsTogether())
    return false;
  b.setInsertionPoint(product);
  // What is made on trial goes away unused.
  if ((rank == 5 && !reshapeGroups()) || !alignMask())
    return false;

  // A transpose of the result becomes its order.
  Order order(rank == 5 ? Order{0, 1, 2, 3} : rows);
  Value result = product->getResult(0);
  SmallVector<int64_t> shape(resultType.getShape());
  if (rank == 5)
    shape = {shape[0], rankedType(query.value).getDimSize(1), shape[3], shape[4]};
  if (result.hasOneUse() && rank != 5) {
    Operation *user = *result.user_begin();
    auto perm = operatorOf(user) == "Transpose" ? intsOf(user, "perm", ~0u) : std::nullopt;
    if (perm && perm->size() == order.size() && order[perm->back()] == AttentionOp::Column) {
      order = llvm::map_to_vector(*perm, [&](int64_t i) { return rows[i]; });
      shape = llvm::map_to_vector(*perm, [&](int64_t i) { return resultType.getDimSize(i); });
      result = user->getResult(0);
    }
  }
  auto number = [&](std::optional<double> value) { return value ? b.getF64FloatAttr(*value) : FloatAttr(); };
  auto attention = AttentionOp::create(
      b, product->getLoc(), TypeRange{resultType.clone(shape)}, query.value, key.value, value.value, mask,
      /*offsets=*/Value(), /*lengths=*/Value(), /*sinks=*/Value(), /*init=*/Value(),
      b.getDenseI64ArrayAttr(query.order), b.getDenseI64ArrayAttr(key.order), b.getDenseI64ArrayAttr(value.order),
      b.getDenseI64ArrayAttr(order), b.getF64FloatAttr(scale), number(softcap), number(fill), /*before=*/IntegerAttr(),
      /*after=*/IntegerAttr(),
      /*empty_is_zero=*/UnitAttr(), nanIsZero ? b.getUnitAttr() : UnitAttr(), dense ? b.getUnitAttr() : UnitAttr());
  Value found = attention->getResult(0);
  if (rank == 5) {
    ArrayRef<int64_t> groups = resultType.getShape();
    Value wanted = makeInts(b, softmax->getLoc(), {5},
                            {0, groups[1], groups[2], ShapedType::isDynamic(groups[3]) ? -1 : groups[3], groups[4]});
    found = make(b, softmax->getLoc(), "Reshape", resultType, {found, wanted});
  }
  result.replaceAllUsesWith(found);
  return true;
}

struct RecogniseAttention : impl::RecogniseAttentionBase<RecogniseAttention> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Operation *> candidates;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "Softmax")
        candidates.push_back(op);
    });
    for (Operation *softmax : candidates) {
      Match match(softmax, dense);
      if (!match.replace())
        continue;
      Operation *product = match.getProduct();
      // The product goes, or its transpose with it, and what nobody uses then.
      Operation *last = product;
      if (!product->use_empty())
        last = *product->getResult(0).user_begin();
      eraseUnused(last);
    }
  }
};

} // namespace
} // namespace mlir::ac
