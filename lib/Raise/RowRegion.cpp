//===- RowRegion.cpp - Computations that treat rows independently ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// First every operation that could be a member is collected, then those go that must not be: an operation with a use
// outside, whose result would be needed for all rows anyway, and one that takes rows which stand at a border in another
// dimension than borders have them in.
//
//===----------------------------------------------------------------------===//
#include "Raise/RowRegion.h"
#include "Raise/Values.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {

RowRegion::RowRegion(Block *block, RankedTensorType like) : block(block), like(like) {
  int64_t count = 0;
  for (int64_t axis = 0; axis + 1 < like.getRank(); ++axis)
    if (like.getDimSize(axis) != 1) {
      single = axis;
      ++count;
    }
  if (count != 1)
    single = -1;
  else
    extent = like.getDimSize(single);
}

bool RowRegion::holdsRows(Type type, int64_t place) const {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return false;
  if (place == kLeading)
    return tensor.getRank() == like.getRank() && tensor.getShape().drop_back() == like.getShape().drop_back();
  return place >= 0 && place < tensor.getRank() && tensor.getDimSize(place) == extent;
}

/// Whether a value may cross the border of the region.
bool RowRegion::isBorder(Value value, int64_t place) const {
  auto type = rankedType(value);
  if (!type || place != borderPlace() || type.getRank() != like.getRank())
    return false;
  return wholeOf || type.getShape().drop_back() == like.getShape().drop_back();
}

void RowRegion::note(Operation *op, const Twine &reason) { obstacles.try_emplace(op, reason.str()); }

//===----------------------------------------------------------------------===//
// What operations do with rows
//===----------------------------------------------------------------------===//

bool isElementwise(StringRef name) {
  static const llvm::StringSet<> names = {
      "Abs",        "Add",         "And",     "Cast",      "Ceil",       "Celu",    "Clip",          "Cos",
      "Div",        "Elu",         "Equal",   "Erf",       "Exp",        "Floor",   "Gelu",          "Greater",
      "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log",
      "Max",        "Mean",        "Min",     "Mish",      "Mod",        "Mul",     "Neg",           "Not",
      "Or",         "PRelu",       "Pow",     "Reciprocal", "Relu",      "Round",   "Selu",          "Sigmoid",
      "Sign",       "Sin",         "Softplus", "Softsign", "Sqrt",       "Sub",     "Sum",           "Swish",
      "Tanh",       "ThresholdedRelu", "Where", "Xor"};
  return names.contains(name);
}

std::optional<SmallVector<int64_t>> RowRegion::elementwise(Operation *op, int64_t place) const {
  int64_t rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
  SmallVector<int64_t> result;
  bool any = false;
  for (Value operand : op->getOperands()) {
    if (isa<NoneType>(operand.getType())) {
      result.push_back(kShared);
      continue;
    }
    auto type = rankedType(operand);
    if (!type)
      return std::nullopt;
    ArrayRef<int64_t> shape = type.getShape();
    if (place == kLeading) {
      bool shared = llvm::all_of(shape.drop_back(shape.empty() ? 0 : 1), [](int64_t size) { return size == 1; });
      if (!shared && !holdsRows(type, kLeading))
        return std::nullopt;
      result.push_back(shared ? kShared : kLeading);
    } else {
      int64_t own = place - (rank - type.getRank());
      bool shared = own < 0 || shape[own] == 1;
      if (!shared && !holdsRows(type, own))
        return std::nullopt;
      result.push_back(shared ? kShared : own);
    }
    any |= result.back() != kShared;
  }
  return any ? std::optional(result) : std::nullopt;
}

/// The dimension of `from` that is dimension `place` of `to`: as many elements stand before it, and it has the same size.
std::optional<int64_t> RowRegion::throughReshape(RankedTensorType from, RankedTensorType to, int64_t place) const {
  auto before = [](RankedTensorType type, int64_t end) -> std::optional<int64_t> {
    int64_t product = 1;
    for (int64_t size : type.getShape().take_front(end)) {
      if (ShapedType::isDynamic(size) || size == 0)
        return std::nullopt;
      product *= size;
    }
    return product;
  };
  auto wanted = before(to, place);
  for (int64_t axis = 0; wanted && axis < from.getRank(); ++axis)
    if (from.getDimSize(axis) == extent && before(from, axis) == wanted)
      return axis;
  return std::nullopt;
}

/// Whether all dimensions but one are known.
static bool isStaticBut(RankedTensorType type, int64_t place) {
  for (auto [axis, size] : llvm::enumerate(type.getShape()))
    if (static_cast<int64_t>(axis) != place && (ShapedType::isDynamic(size) || size == 0))
      return false;
  return true;
}

std::optional<SmallVector<int64_t>> RowRegion::placesOf(Operation *op, unsigned number, int64_t place,
                                                        std::string &reason) const {
  auto refuse = [&](const Twine &why) -> std::optional<SmallVector<int64_t>> {
    reason = why.str();
    return std::nullopt;
  };
  auto type = rankedType(op->getResult(number));
  StringRef name = operatorOf(op);
  if (!type || op->getNumRegions() != 0 || op->getNumOperands() == 0 || !holdsRows(type, place))
    return refuse("does not make rows of its operands");
  for (Value operand : op->getOperands())
    if (!isa<NoneType>(operand.getType()) && !rankedType(operand))
      return refuse("has an operand of unknown rank");
  int64_t rank = type.getRank(), last = rank - 1;
  SmallVector<int64_t> shared(op->getNumOperands(), kShared);
  auto first = [&](int64_t at) -> std::optional<SmallVector<int64_t>> {
    if (!holdsRows(op->getOperand(0).getType(), at))
      return refuse("takes other rows than it makes");
    shared[0] = at;
    return shared;
  };
  auto inputRank = [&](unsigned i) { return rankedType(op->getOperand(i)).getRank(); };
  if (isElementwise(name)) {
    auto result = elementwise(op, place);
    return result ? result : refuse("broadcasts over rows");
  }
  if (name == "QuantizeLinear" || name == "DequantizeLinear") {
    // A scale for each index of an axis, which rows may not be; blocks have them in another form.
    int64_t axis = intOf(op, "axis", 1);
    axis += axis < 0 ? rank : 0;
    bool isOne = hasOneElement(op->getOperand(1));
    bool apart = isOne || (inputRank(1) == 1 && !intOf(op, "block_size", 0) &&
                           (place == kLeading ? axis == last : axis != place));
    return apart ? first(place) : refuse("has a scale for each row");
  }
  auto isOneForAllRows = [&](unsigned i) {
    return i >= op->getNumOperands() || isa<NoneType>(op->getOperand(i).getType()) || hasOneElement(op->getOperand(i));
  };
  if (name == "QLinearMatMul") {
    for (unsigned i : {1u, 2u, 6u, 7u})
      if (!isOneForAllRows(i))
        return refuse("has a scale for each row");
    if (inputRank(3) != 2)
      return refuse("multiplies rows by matrices of their own");
    if (place == last)
      return refuse("has its rows in columns");
    return first(place);
  }
  if (name == "MatMulInteger" && !isOneForAllRows(2))
    return refuse("has a zero point for each row");
  if (name == "MatMul" || name == "MatMulInteger" || name == "MatMulNBits") {
    if (place == kLeading)
      return inputRank(1) == 2 || name == "MatMulNBits" ? first(kLeading) : refuse("multiplies rows by matrices of their own");
    if (place == last)
      return refuse("has its rows in columns");
    int64_t own = place - (rank - inputRank(0));
    if (place == rank - 2)
      return own >= 0 ? first(own) : refuse("takes other rows than it makes");
    // A matrix for each row.
    int64_t other = place - (rank - inputRank(1));
    auto at = [&](unsigned i, int64_t axis) {
      bool same = axis < 0 || rankedType(op->getOperand(i)).getDimSize(axis) == 1;
      shared[i] = same ? kShared : axis;
      return same || holdsRows(op->getOperand(i).getType(), axis);
    };
    if (name != "MatMul" || !at(0, own) || !at(1, other) || (shared[0] == kShared && shared[1] == kShared))
      return refuse("takes other rows than it makes");
    return shared;
  }
  if (name == "Gemm") {
    auto bias = rankedType(op->getOperand(2));
    bool biasIsShared = !bias || bias.getRank() < 2 || bias.getDimSize(0) == 1;
    if (intOf(op, "transA", 0) || (place != 0 && place != kLeading) || !biasIsShared)
      return refuse("mixes rows");
    return first(place);
  }
  if (name == "Softmax" || name == "LogSoftmax") {
    int64_t axis = intOf(op, "axis", -1);
    axis += axis < 0 ? rank : 0;
    bool apart = place == kLeading ? axis == last : axis != place;
    return apart ? first(place) : refuse("normalises along rows");
  }
  if (name == "LayerNormalization" || name == "RMSNormalization" || name == "SimplifiedLayerNormalization") {
    int64_t axis = intOf(op, "axis", -1);
    axis += axis < 0 ? rank : 0;
    bool apart = place == kLeading ? axis == last : axis > place;
    if (!apart || number != 0)
      return refuse("normalises along rows");
    return first(place);
  }
  if (place == kLeading)
    return refuse("does not treat rows independently");

  // From here on, rows are one dimension, which may move.
  if (name == "Transpose") {
    auto perm = intsOf(op, "perm", ~0u);
    if (!perm) {
      perm = SmallVector<int64_t>();
      for (int64_t axis = last; axis >= 0; --axis)
        perm->push_back(axis);
    }
    return first((*perm)[place]);
  }
  if (name == "Reshape" || name == "Flatten" || name == "Squeeze" || name == "Unsqueeze" || name == "Expand") {
    auto from = rankedType(op->getOperand(0));
    std::optional<int64_t> at;
    if (name == "Expand")
      at = place - (rank - from.getRank());
    else
      at = throughReshape(from, type, place);
    if (!at || *at < 0 || !isStaticBut(type, place) || !isStaticBut(from, *at))
      return refuse("gives rows a shape that is not known");
    return first(*at);
  }
  if (name == "Concat") {
    int64_t axis = intOf(op, "axis", 0);
    axis += axis < 0 ? rank : 0;
    if (axis == place || llvm::any_of(op->getOperandTypes(), [&](Type t) { return !holdsRows(t, place); }))
      return refuse("joins other rows");
    return SmallVector<int64_t>(op->getNumOperands(), place);
  }
  if (name == "Split") {
    int64_t axis = intOf(op, "axis", 0);
    axis += axis < 0 ? rank : 0;
    return axis != place ? first(place) : refuse("takes rows apart");
  }
  if (name == "Slice") {
    auto axes = normalized(constantInts(op->getOperand(3)), rank);
    return axes && !llvm::is_contained(*axes, place) ? first(place) : refuse("may take rows apart");
  }
  if (name == "Gather") {
    int64_t dataRank = inputRank(0), indexRank = inputRank(1), axis = intOf(op, "axis", 0);
    axis += axis < 0 ? dataRank : 0;
    if (place >= axis && place < axis + indexRank)
      return refuse("picks rows");
    return first(place < axis ? place : place - indexRank + 1);
  }
  if (name.starts_with("Reduce") || name == "ArgMax" || name == "ArgMin") {
    int64_t from = inputRank(0);
    auto axes = name.starts_with("Arg") ? std::optional(SmallVector<int64_t>{intOf(op, "axis", 0)}) : intsOf(op, "axes", 1);
    axes = normalized(axes, from);
    if (!axes)
      return refuse("reduces rows");
    int64_t at = place;
    if (!intOf(op, "keepdims", 1)) {
      llvm::sort(*axes);
      for (int64_t axis : *axes)
        at += axis <= at;
    }
    return llvm::is_contained(*axes, at) ? refuse("reduces rows") : first(at);
  }
  return refuse("does not treat rows independently");
}

//===----------------------------------------------------------------------===//
// Growing
//===----------------------------------------------------------------------===//

void RowRegion::explore(Value value, int64_t place) {
  auto [known, isNew] = places.try_emplace(value, place);
  if (!isNew) {
    // Rows cannot be in two dimensions at once: whoever sees them elsewhere is not one of us.
    return;
  }
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != block || (wholeOf && wholeOf(value)))
    return;
  std::string reason;
  auto operands = placesOf(op, cast<OpResult>(value).getResultNumber(), place, reason);
  if (!operands) {
    note(op, reason);
    return;
  }
  candidates[op] = *operands;
  for (auto [operand, at] : llvm::zip(op->getOperands(), *operands))
    if (at != kShared)
      explore(operand, at);
}

/// Takes out what must not be a member; true if something was.
bool RowRegion::prune(ArrayRef<Root> roots) {
  auto isRootUse = [&](OpOperand &use) {
    return llvm::any_of(roots, [&](const Root &root) { return llvm::is_contained(root.uses, &use); });
  };
  SmallVector<Operation *> bad;
  for (auto &[op, operands] : candidates) {
    Operation *member = op;
    bool ok = true;
    for (OpOperand &use : member->getUses()) {
      if (wholeOf || isRootUse(use))
        continue;
      auto user = candidates.find(use.getOwner());
      // Who takes the value whole, such as keys for the queries of other rows, is outside in this respect.
      if (user == candidates.end() || user->second[use.getOperandNumber()] == kShared) {
        note(member, "has users that are not masked, such as " + describe(use.getOwner()));
        ok = false;
        break;
      }
    }
    for (auto [operand, at] : llvm::zip(member->getOperands(), operands)) {
      if (at == kShared) {
        // What is the same for all rows is not made inside.
        if (operand.getDefiningOp() && candidates.contains(operand.getDefiningOp())) {
          note(member, "uses rows of others");
          ok = wholeOf ? false : ok;
        }
        continue;
      }
      if (places.lookup(operand) != at) {
        note(member, "takes its rows in another dimension than others do");
        ok = false;
        continue;
      }
      bool inside = operand.getDefiningOp() && candidates.contains(operand.getDefiningOp());
      if (!inside && (!isBorder(operand, at) || (wholeOf && !wholeOf(operand)))) {
        Operation *maker = operand.getDefiningOp();
        note(member, "takes rows that do not stand apart" + (maker ? " from " + describe(maker) : std::string()));
        ok = false;
      }
    }
    if (!ok)
      bad.push_back(member);
  }
  for (Operation *op : bad)
    candidates.erase(op);
  return !bad.empty();
}

bool RowRegion::grow(ArrayRef<Root> roots) {
  for (const Root &root : roots)
    explore(root.value, borderPlace());
  while (prune(roots))
    ;
  // What is left may be cut off from the roots.
  llvm::SmallDenseSet<Operation *> reached;
  SmallVector<Value> open;
  for (const Root &root : roots) {
    Operation *op = root.value.getDefiningOp();
    if (!op || !candidates.contains(op)) {
      why = !op ? Reason("it is an input")
                : Reason(describe(op) + " " + (obstacles.contains(op) ? obstacles[op] : "is in another graph"), op);
      return false;
    }
    open.push_back(root.value);
  }
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *op = value.getDefiningOp();
    auto found = op ? candidates.find(op) : candidates.end();
    if (found == candidates.end() || !reached.insert(op).second)
      continue;
    for (auto [operand, at] : llvm::zip(op->getOperands(), found->second))
      if (at != kShared)
        open.push_back(operand);
  }
  for (Operation &op : *block)
    if (reached.contains(&op))
      ordered.push_back(&op);
  for (Operation *op : ordered)
    for (auto [operand, at] : llvm::zip(op->getOperands(), candidates[op])) {
      if (at == kShared || (operand.getDefiningOp() && reached.contains(operand.getDefiningOp())))
        continue;
      Value whole = wholeOf ? wholeOf(operand) : operand;
      rowOperands.insert(whole);
      operandFor[operand] = whole;
    }
  if (numProducts() == 0) {
    // The obstacle nearest to the roots.
    for (Operation &op : llvm::reverse(*block))
      if (auto found = obstacles.find(&op); found != obstacles.end()) {
        why = Reason(describe(&op) + " " + found->second, &op);
        return true;
      }
  }
  return true;
}

static bool multipliesRows(Operation *op) {
  StringRef name = operatorOf(op);
  return name.starts_with("MatMul") || name == "QLinearMatMul" || name == "Gemm";
}

unsigned RowRegion::numProducts() const { return llvm::count_if(ordered, multipliesRows); }

llvm::SmallDenseSet<Value> RowRegion::computedFrom(Value state) const {
  struct Found {
    int64_t place;
    bool product;
  };
  DenseMap<Value, Found> reached;
  reached[state] = {borderPlace(), false};
  llvm::SmallDenseSet<Value> result;
  for (Operation &op : *block)
    for (OpResult value : op.getResults()) {
      auto type = rankedType(value);
      int64_t first = borderPlace() == kLeading ? kLeading : 0, end = type && first == 0 ? type.getRank() : first + 1;
      for (int64_t place = first; type && place < end; ++place) {
        std::string reason;
        auto operands = placesOf(&op, value.getResultNumber(), place, reason);
        if (!operands)
          continue;
        bool fits = true, product = multipliesRows(&op), any = false;
        for (auto [operand, at] : llvm::zip(op.getOperands(), *operands)) {
          auto found = reached.find(operand);
          if (at == kShared) {
            fits &= operand.getParentBlock() != block;
            continue;
          }
          any = true;
          fits &= found != reached.end() && found->second.place == at;
          product |= fits && found->second.product;
        }
        if (!fits || !any)
          continue;
        reached[value] = {place, product};
        if (product && place == borderPlace() && type.getRank() == like.getRank() &&
            type.getShape().drop_back() == like.getShape().drop_back())
          result.insert(value);
        break;
      }
    }
  return result;
}

} // namespace mlir::ac
