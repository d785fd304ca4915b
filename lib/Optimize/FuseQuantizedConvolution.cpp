//===- FuseQuantizedConvolution.cpp - Convolutions of dequantised bytes ---===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two forms of the same exact sum. Where the result is quantised, and the bias was of i32 in the scale of the sums, all
// is one `QLinearConv`, with one rounding of the sum to f32, two of the scales, and two of the result where the float
// form has one for each product and addition and two for the division. What bounds the numbers in between bounds the
// bytes as well, because rounding keeps their order. Else a `ConvInteger` is scaled.
//
//===----------------------------------------------------------------------===//
#include "Optimize/DequantizedBytes.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/Weights.h"
#include <cmath>

using namespace mlir;
using namespace mlir::ac;

namespace {
/// The end of a chain that quantises a convolution's result.
struct Requantization {
  Operation *quantize;                             // QuantizeLinear
  SmallVector<Operation *> between;                // Relu and Clip
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};
} // namespace

static ElementsAttr rawConstant(Value value) {
  if (!value || isa<NoneType>(value.getType()) || !isConstant(value))
    return {};
  return withRawElements(value.getDefiningOp()->getAttrOfType<ElementsAttr>("value"));
}

template <typename T> static T elementOf(ElementsAttr value, int64_t i) {
  T number;
  std::memcpy(&number, getRawElements(value).data() + i * sizeof(T), sizeof(T));
  return number;
}

static bool isPresent(Operation *op, unsigned i) {
  return i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType());
}

/// A bound of Clip, in its input or attribute; nothing if it is not known.
static std::optional<double> boundOf(Operation *clip, unsigned input, StringRef attribute, double otherwise) {
  if (auto given = clip->getAttrOfType<FloatAttr>(attribute))
    return given.getValueAsDouble();
  return isPresent(clip, input) ? constantNumber(clip->getOperand(input)) : std::optional(otherwise);
}

static std::optional<Requantization> requantizationOf(Operation *conv) {
  Requantization result{};
  Value value = conv->getResult(0);
  while (value.hasOneUse()) {
    Operation *user = *value.getUsers().begin();
    StringRef name = operatorOf(user);
    if (user->getBlock() != conv->getBlock() || user->getOperand(0) != value)
      return std::nullopt;
    if (name == "QuantizeLinear") {
      RankedTensorType type = rankedType(user->getResult(0));
      ElementsAttr scale = rawConstant(user->getOperand(1));
      bool isKnown = scale && scale.getElementType().isF32() && hasOneElement(user->getOperand(1)) &&
                     std::isnormal(elementOf<float>(scale, 0)) && elementOf<float>(scale, 0) > 0;
      if (!type || !type.getElementType().isInteger(8) || !isKnown ||
          (isPresent(user, 2) && !rawConstant(user->getOperand(2))))
        return std::nullopt;
      result.quantize = user;
      return result;
    }
    std::optional<double> low, high = std::numeric_limits<double>::infinity();
    if (name == "Relu")
      low = 0.0;
    else if (name.starts_with("Clip")) {
      low = boundOf(user, 1, "min", -*high);
      high = boundOf(user, 2, "max", *high);
    }
    // Of bounds that cross, the later one of a Clip wins; of several, the last.
    if (!low || !high || !(*low <= *high))
      return std::nullopt;
    result.low = std::clamp(result.low, *low, *high);
    result.high = std::clamp(result.high, *low, *high);
    result.between.push_back(user);
    value = user->getResult(0);
  }
  return std::nullopt;
}

/// The bias in the scale of the sums: i32 that is dequantised with the products of both scales, which may be off by as
/// much as their rounding. Null for none; nothing if it is another one.
static std::optional<Value> wholeBias(Operation *conv, ArrayRef<float> scales) {
  if (!isPresent(conv, 2))
    return Value();
  Operation *op = conv->getOperand(2).getDefiningOp();
  if (!op || operatorOf(op) != "DequantizeLinear" || intOf(op, "block_size", 0))
    return std::nullopt;
  ElementsAttr numbers = rawConstant(op->getOperand(0)), own = rawConstant(op->getOperand(1));
  if (!numbers || !own || !numbers.getElementType().isSignlessInteger(32) || !own.getElementType().isF32() ||
      cast<ShapedType>(numbers.getType()).getRank() != 1 || (isPresent(op, 2) && !isZero(op->getOperand(2))))
    return std::nullopt;
  int64_t count = numbers.size();
  if ((own.size() != 1 && own.size() != count) || (scales.size() != 1 && int64_t(scales.size()) != count))
    return std::nullopt;
  for (int64_t i = 0; i < count; ++i) {
    double wanted = scales[scales.size() == 1 ? 0 : i], given = elementOf<float>(own, own.size() == 1 ? 0 : i);
    if (std::abs(given - wanted) > std::abs(wanted) * 0x1p-22)
      return std::nullopt;
  }
  return op->getOperand(0);
}

void mlir::ac::fuseQuantizedConvolution(Operation *conv) {
  auto image = DequantizedBytes::behind(conv->getOperand(0)), weights = DequantizedBytes::behind(conv->getOperand(1));
  RankedTensorType result = rankedType(conv->getResult(0));
  if (!image || !weights || !result || !isConstant(weights->numbers) || !hasOneElement(image->scale) ||
      !image->scalesLike(*weights))
    return;
  RankedTensorType type = rankedType(weights->numbers);
  bool hasScales = !hasOneElement(weights->scale);
  if (type.getRank() < 3 || type.getNumElements() == 0 ||
      (hasScales && (rankedType(weights->scale).getRank() != 1 ||
                     weights->axis + (weights->axis < 0 ? type.getRank() : 0) != 0)))
    return;
  int64_t outputs = type.getDimSize(0);
  bool isDepthwise = type.getDimSize(1) == 1 && intOf(conv, "group", 1) > 1;
  if (type.getNumElements() / outputs > kDeepestExactSum)
    return;
  ElementsAttr imageScale = rawConstant(image->scale), weightScales = rawConstant(weights->scale);
  SmallVector<float> scales;
  for (int64_t i = 0; i < weightScales.size(); ++i)
    scales.push_back(elementOf<float>(imageScale, 0) * elementOf<float>(weightScales, i));

  OpBuilder b(conv);
  Location loc = conv->getLoc();
  Value none;
  auto orNone = [&](Value value) {
    if (!value && !none)
      none = make(b, loc, "NoValue", b.getNoneType(), {});
    return value ? value : none;
  };
  SmallVector<NamedAttribute> attributes(conv->getAttrs());
  std::optional<Requantization> end = requantizationOf(conv);
  std::optional<Value> bias = wholeBias(conv, scales);
  if (end && bias) {
    Operation *quantize = end->quantize;
    RankedTensorType bytes = rankedType(quantize->getResult(0));
    Value scale = quantize->getOperand(1), zero = isPresent(quantize, 2) ? quantize->getOperand(2) : Value();
    b.setInsertionPoint(quantize);
    loc = b.getFusedLoc({conv->getLoc(), quantize->getLoc()});
    Value y = make(b, loc, "QLinearConv", bytes,
                   {image->numbers, image->scale, orNone(image->zeroPoint), weights->numbers, weights->scale,
                    orNone(weights->zeroPoint), scale, orNone(zero), orNone(*bias)},
                   attributes);
    bool isUnsigned = bytes.getElementType().isUnsignedInteger();
    int64_t least = isUnsigned ? 0 : -128, most = isUnsigned ? 255 : 127, zeroPoint = 0;
    if (zero)
      zeroPoint = isUnsigned ? int64_t(elementOf<uint8_t>(rawConstant(zero), 0)) : elementOf<int8_t>(rawConstant(zero), 0);
    auto limit = [&](StringRef name, double bound, int64_t idle) {
      float quotient = static_cast<float>(bound) / elementOf<float>(rawConstant(scale), 0);
      auto byte = int64_t(std::clamp<double>(std::nearbyint(quotient) + double(zeroPoint), least, most));
      if (byte == idle)
        return;
      auto scalar = RankedTensorType::get({}, bytes.getElementType());
      auto value = DenseElementsAttr::get(scalar, b.getIntegerAttr(bytes.getElementType(), byte).getValue());
      Value constant = make(b, loc, "Constant", scalar, {}, b.getNamedAttr("value", value));
      y = make(b, loc, name, bytes, {y, constant});
    };
    limit("Max", end->low, least);
    limit("Min", end->high, most);
    quantize->getResult(0).replaceAllUsesWith(y);
    quantize->erase();
    for (Operation *op : llvm::reverse(end->between))
      op->erase();
    conv->erase();
    return;
  }
  if (isDepthwise) // is summed in floats anyway
    return;
  Value sum = make(b, loc, "ConvInteger", result.clone(b.getI32Type()),
                   {image->numbers, weights->numbers, orNone(image->zeroPoint), orNone(weights->zeroPoint)}, attributes);
  SmallVector<int64_t> shape(result.getRank() - 1, 1);
  shape[0] = scales.size();
  auto scaleType = RankedTensorType::get(shape, b.getF32Type());
  ElementsAttr value = makeWeight(scaleType, "scales", [&](MutableArrayRef<char> to) {
    std::memcpy(to.data(), scales.data(), to.size());
  });
  Value scale = make(b, loc, "Constant", scaleType, {}, b.getNamedAttr("value", value));
  Value y = make(b, loc, "Mul", result, {makeCast(b, loc, sum, b.getF32Type()), scale});
  if (isPresent(conv, 2)) {
    shape[0] = outputs;
    Value added = make(b, loc, "Reshape", RankedTensorType::get(shape, b.getF32Type()),
                       {conv->getOperand(2), makeInts(b, loc, {int64_t(shape.size())}, shape)});
    y = make(b, loc, "Add", result, {y, added});
  }
  conv->getResult(0).replaceAllUsesWith(y);
  conv->erase();
}
