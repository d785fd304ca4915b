//===- Masks.cpp - What the passes of the raise stage know of masks -------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {

bool canBeZero(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  StringRef name = operatorOf(op);
  if (name == "Cast") {
    auto from = rankedType(op->getOperand(0));
    return (from && from.getElementType().isInteger()) || canBeZero(op->getOperand(0), depth - 1);
  }
  if (name == "OneHot" || name == "ac.route")
    return true;
  if (name == "Where")
    return isZero(op->getOperand(1)) || isZero(op->getOperand(2));
  if (name == "ScatterElements" || name == "ScatterND" || name == "Scatter")
    return isZero(op->getOperand(0));
  if (name == "Mul")
    return canBeZero(op->getOperand(0), depth - 1) || canBeZero(op->getOperand(1), depth - 1);
  static const llvm::StringSet<> moves = {"Identity",  "Reshape", "Unsqueeze", "Squeeze",   "Gather", "Slice",
                                          "Transpose", "Split",   "Flatten",   "ReduceSum", "Div",    "Relu"};
  return name == "Relu" || (moves.contains(name) && canBeZero(op->getOperand(0), depth - 1));
}

bool isMaskOf(Value mask, Value value) {
  auto type = rankedType(value), maskType = rankedType(mask);
  return type && maskType && type.getRank() >= 2 && maskType.getRank() == type.getRank() &&
         maskType.getShape().back() == 1 && type.getShape().back() != 1 &&
         maskType.getShape().drop_back() == type.getShape().drop_back();
}

std::optional<Column> columnOf(Value value) {
  Operation *op = value.getDefiningOp();
  auto source = op && op->getNumOperands() ? rankedType(op->getOperand(0)) : RankedTensorType();
  if (!source)
    return std::nullopt;
  StringRef name = operatorOf(op);
  int64_t rank = source.getRank(), axis = intOf(op, "axis", 0), index = 0;
  axis += axis < 0 ? rank : 0;
  if (name == "Gather") {
    auto picked = constantInts(op->getOperand(1));
    if (!picked || picked->size() != 1)
      return std::nullopt;
    index = picked->front();
  } else if (name == "Slice") {
    auto starts = intsOf(op, "starts", 1), ends = intsOf(op, "ends", 2);
    auto axes = isa<NoneType>(op->getOperand(3).getType()) ? std::optional(SmallVector<int64_t>{0})
                                                           : normalized(intsOf(op, "axes", 3), rank);
    if (!starts || !ends || !axes || starts->size() != 1 || ends->size() != 1 || axes->size() != 1)
      return std::nullopt;
    axis = axes->front();
    index = starts->front();
    // The last one is [-1, end) or [-1, huge).
    bool isOne = ends->front() == index + 1 || (index == -1 && ends->front() >= source.getDimSize(axis)) ||
                 (index >= 0 && index == source.getDimSize(axis) - 1 && ends->front() > index);
    if (!isOne)
      return std::nullopt;
  } else if (name == "Split") {
    auto result = rankedType(value);
    if (!result || result.getDimSize(axis) != 1 || source.getDimSize(axis) != op->getNumResults())
      return std::nullopt;
    index = cast<OpResult>(value).getResultNumber();
  } else {
    return std::nullopt;
  }
  if (index < 0) {
    if (source.isDynamicDim(axis))
      return std::nullopt;
    index += source.getDimSize(axis);
  }
  return Column{op->getOperand(0), axis, index};
}

/// The integer that a count of integers was cast from.
static Value integersOf(Value value) {
  Value source = throughMoves(value, /*shapes=*/false, /*casts=*/true);
  auto type = rankedType(source);
  return type && type.getElementType().isInteger() && !type.getElementType().isInteger(1) ? source : Value();
}

std::optional<Threshold> thresholdOf(Value mask) {
  std::optional<int64_t> index;
  for (Value value = mask; Operation *op = value.getDefiningOp();) {
    StringRef name = operatorOf(op);
    if (name == "Identity" || name == "Squeeze" || name == "Unsqueeze" || name == "Reshape" || name == "Cast") {
      value = op->getOperand(0);
      continue;
    }
    if (auto column = columnOf(value)) {
      if (index)
        return std::nullopt;
      index = column->index;
      value = column->source;
      continue;
    }
    bool greater = name == "Greater", less = name == "Less", atLeast = name == "GreaterOrEqual",
         atMost = name == "LessOrEqual";
    if (!greater && !less && !atLeast && !atMost)
      return std::nullopt;
    for (unsigned constantSide : {0u, 1u}) {
      auto bounds = constantInts(throughMoves(op->getOperand(constantSide), true, true));
      Value k = integersOf(op->getOperand(1 - constantSide));
      if (!bounds || !k)
        continue;
      // The side that varies with the index is the constant's, or there is no index at all.
      bool fits = index ? *index >= 0 && *index < static_cast<int64_t>(bounds->size()) && bounds->size() > 1
                        : bounds->size() == 1;
      bool isUpper = constantSide == 0 ? less || atMost : greater || atLeast; // k is above the constant
      if (!fits || !isUpper)
        return std::nullopt;
      int64_t bound = (*bounds)[index.value_or(0)];
      return Threshold{k, atLeast || atMost ? bound - 1 : bound};
    }
    return std::nullopt;
  }
  return std::nullopt;
}

} // namespace mlir::ac
