//===- DequantizedBytes.cpp - Bytes with scales and zero points -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/DequantizedBytes.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/Weights.h"

using namespace mlir;
using namespace mlir::ac;

/// The least and the greatest magnitude of constant scales of f32; nothing if there are none or not all are normal.
static std::optional<std::pair<double, double>> rangeOf(Value scale) {
  Operation *op = isConstant(scale) ? scale.getDefiningOp() : nullptr;
  ElementsAttr value = op ? withRawElements(op->getAttrOfType<ElementsAttr>("value")) : ElementsAttr();
  if (!value || !value.getElementType().isF32() || value.getNumElements() == 0)
    return std::nullopt;
  ArrayRef<char> raw = getRawElements(value);
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (size_t at = 0; at < raw.size(); at += sizeof(float)) {
    float number;
    std::memcpy(&number, raw.data() + at, sizeof(float));
    if (!std::isnormal(number))
      return std::nullopt;
    least = std::min<double>(least, std::abs(number));
    most = std::max<double>(most, std::abs(number));
  }
  return std::pair(least, most);
}

std::optional<DequantizedBytes> DequantizedBytes::behind(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || operatorOf(op) != "DequantizeLinear" || intOf(op, "block_size", 0))
    return std::nullopt;
  RankedTensorType numbers = rankedType(op->getOperand(0)), result = rankedType(value);
  auto range = rangeOf(op->getOperand(1));
  if (!numbers || !numbers.getElementType().isInteger(8) || !result || !result.getElementType().isF32() || !range)
    return std::nullopt;
  bool hasZero = op->getNumOperands() > 2 && !isa<NoneType>(op->getOperand(2).getType());
  return DequantizedBytes{op->getOperand(0), op->getOperand(1), hasZero ? op->getOperand(2) : Value(),
                          range->first,      range->second,     intOf(op, "axis", 1)};
}
