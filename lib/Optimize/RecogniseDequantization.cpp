//===- RecogniseDequantization.cpp - Weights written as casts and scales --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters without an operator for it write a matrix of bytes as `Mul(Cast(w), scale)`, or with a zero point taken off
// before: `Mul(Sub(Cast(w), zero), scale)`, `Mul(Cast(Sub(Cast(w), zero)), scale)`. That is `DequantizeLinear` to the
// bit: differences of bytes are exact in f32 and in i32, and the product is rounded once in both.
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/Weights.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RECOGNISEDEQUANTIZATION
#include "Optimize/Passes.h.inc"

namespace {

/// How a parameter is spread over a matrix: one for all of it, for each column, or for each row.
enum class Spread { All, Columns, Rows };

std::optional<Spread> spreadOver(RankedTensorType matrix, Value parameter) {
  RankedTensorType type = rankedType(parameter);
  if (!type || !type.hasStaticShape() || type.getRank() > 2 || !isConstant(parameter))
    return std::nullopt;
  if (type.getNumElements() == 1)
    return Spread::All;
  int64_t rows = matrix.getDimSize(0), columns = matrix.getDimSize(1);
  if (type.getShape() == ArrayRef<int64_t>{columns} || type.getShape() == ArrayRef<int64_t>{1, columns})
    return Spread::Columns;
  if (type.getShape() == ArrayRef<int64_t>{rows, 1})
    return Spread::Rows;
  return std::nullopt;
}

ElementsAttr elementsOf(Value constant) {
  return withRawElements(constant.getDefiningOp()->getAttrOfType<ElementsAttr>("value"));
}

/// The constant in front of casts that keep every number of eight bits.
Value throughWideCasts(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && operatorOf(op) == "Cast") {
    RankedTensorType type = rankedType(value);
    bool isWide = type && (type.getElementType().isF32() ||
                           (isa<IntegerType>(type.getElementType()) && type.getElementTypeBitWidth() >= 16));
    if (!isWide)
      return value;
    value = op->getOperand(0);
    op = value.getDefiningOp();
  }
  return value;
}

/// The elements of a constant as whole numbers that bytes of this type hold; nothing if one is not.
std::optional<SmallVector<char>> asBytes(ElementsAttr value, IntegerType type) {
  if (!value)
    return std::nullopt;
  SmallVector<char> bytes;
  ArrayRef<char> raw = getRawElements(value);
  Type element = value.getElementType();
  size_t size = element.getIntOrFloatBitWidth() / 8;
  if (!(element.isF32() || (isa<IntegerType>(element) && size <= 4)))
    return std::nullopt;
  for (size_t at = 0; at < raw.size(); at += size) {
    double number;
    if (element.isF32()) {
      float bits;
      std::memcpy(&bits, raw.data() + at, size);
      number = bits;
    } else {
      uint64_t bits = 0;
      std::memcpy(&bits, raw.data() + at, size);
      number = element.isUnsignedInteger() ? double(bits) : double(llvm::SignExtend64(bits, 8 * size));
    }
    double least = type.isUnsigned() ? 0 : -128;
    if (!(number >= least && number <= least + 255) || number != std::trunc(number))
      return std::nullopt;
    bytes.push_back(static_cast<char>(static_cast<int>(number)));
  }
  return bytes;
}

/// The same element `count` times.
SmallVector<char> repeat(ArrayRef<char> element, int64_t count) {
  SmallVector<char> bytes;
  for (int64_t i = 0; i < count; ++i)
    bytes.append(element.begin(), element.end());
  return bytes;
}

struct RecogniseDequantization : impl::RecogniseDequantizationBase<RecogniseDequantization> {
  /// `scaled` times `scale`, in place of the Mul `op`.
  static bool rewrite(Operation *op, Value scaled, Value scale) {
    RankedTensorType result = rankedType(op->getResult(0));
    Value numbers = throughWideCasts(scaled), zero;
    if (Operation *sub = numbers.getDefiningOp(); sub && operatorOf(sub) == "Sub") {
      Type wide = rankedType(numbers) ? rankedType(numbers).getElementType() : Type();
      if (!wide || !(wide.isF32() || wide.isSignlessInteger(32)))
        return false; // of bytes, which wrap
      zero = throughWideCasts(sub->getOperand(1));
      numbers = throughWideCasts(sub->getOperand(0));
    } else if (numbers == scaled) {
      return false;
    }
    RankedTensorType matrix = rankedType(numbers);
    auto integer = matrix ? dyn_cast<IntegerType>(matrix.getElementType()) : IntegerType();
    if (!integer || integer.getWidth() != 8 || !isConstant(numbers) || matrix.getRank() != 2 ||
        !matrix.hasStaticShape() || matrix.getNumElements() == 0 || !result || !result.getElementType().isF32() ||
        result.getShape() != matrix.getShape() || !rankedType(scale).getElementType().isF32())
      return false;
    std::optional<Spread> spread = spreadOver(matrix, scale), zeroSpread = Spread::All;
    if (zero)
      zeroSpread = spreadOver(matrix, zero);
    if (!spread || !zeroSpread || (*spread != *zeroSpread && *spread != Spread::All && *zeroSpread != Spread::All))
      return false;
    ElementsAttr scales = elementsOf(scale);
    std::optional<SmallVector<char>> zeros;
    if (zero && !(zeros = asBytes(elementsOf(zero), integer)))
      return false;
    if (!scales)
      return false;

    Spread wider = *spread == Spread::All ? *zeroSpread : *spread;
    OpBuilder b(op);
    SmallVector<int64_t> shape;
    SmallVector<NamedAttribute> attributes;
    if (wider == Spread::Columns) {
      shape = {matrix.getDimSize(1)};
      attributes.push_back(intAttribute(b, "axis", 1));
    } else if (wider == Spread::Rows) { // one block of each row
      shape = {matrix.getDimSize(0), 1};
      attributes.push_back(intAttribute(b, "axis", 1));
      attributes.push_back(intAttribute(b, "block_size", matrix.getDimSize(1)));
    }
    auto constant = [&](ArrayRef<char> elements, Type element) {
      auto type = RankedTensorType::get(shape, element);
      int64_t count = type.getNumElements(), size = element.getIntOrFloatBitWidth() / 8;
      SmallVector<char> all =
          static_cast<int64_t>(elements.size()) == count * size ? SmallVector<char>(elements) : repeat(elements, count);
      ElementsAttr value = makeWeight(type, "scales", [&](MutableArrayRef<char> to) { llvm::copy(all, to.begin()); });
      return make(b, op->getLoc(), "Constant", type, {}, b.getNamedAttr("value", value));
    };
    Value none = zeros ? constant(*zeros, integer) : make(b, op->getLoc(), "NoValue", b.getNoneType(), {});
    Value made = make(b, op->getLoc(), "DequantizeLinear", result,
                      {numbers, constant(getRawElements(scales), b.getF32Type()), none}, attributes);
    op->getResult(0).replaceAllUsesWith(made);
    op->erase();
    return true;
  }

  void runOnOperation() override {
    SmallVector<Operation *> products;
    getOperation().walk([&](Operation *op) {
      if (isa<onnx::ONNXDialect>(op->getDialect()) && operatorOf(op) == "Mul")
        products.push_back(op);
    });
    for (Operation *op : products)
      for (unsigned side : {0u, 1u})
        if (isConstant(op->getOperand(side)) && rewrite(op, op->getOperand(1 - side), op->getOperand(side)))
          break;
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, getOperation()->getRegions());
  }
};

} // namespace
} // namespace mlir::ac
