//===- FuseQuantization.cpp - Products of dequantised numbers -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product of two dequantised operands is a product of small integers, times both scales:
//
//   sum over k of (x - zx) sx * (w - zw) sw = sx sw * sum over k of (x - zx) (w - zw)
//
// The sum on the right is exact as long as 32 bits hold it, which the depth tells. Three roundings are left: to f32 of
// the sum, of the product of the scales, and of the product of both. The float form rounds each term and each addition,
// so its error bound grows with the depth and ours does not: the two differ by no more than the bound of the float
// form.
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "Optimize/PlainProduct.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/Weights.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEQUANTIZATION
#include "Optimize/Passes.h.inc"

namespace {

/// Differences of bytes are at most 255: products of so many of them stay below 2^31.
constexpr int64_t kDeepest = 33025;

using Range = std::pair<double, double>;

/// What a value is dequantised from.
struct Bytes {
  Value numbers, scale, zeroPoint; // zeroPoint: null for none
  Range range;                     // of the scale
};

/// The least and the greatest magnitude of constant scales of f32; nothing if there are none or not all are normal.
std::optional<Range> rangeOf(Value scale) {
  Operation *op = isConstant(scale) ? scale.getDefiningOp() : nullptr;
  ElementsAttr value = op ? withRawElements(op->getAttrOfType<ElementsAttr>("value")) : ElementsAttr();
  if (!value || !value.getElementType().isF32() || value.getNumElements() == 0)
    return std::nullopt;
  ArrayRef<char> raw = getRawElements(value);
  double least = std::numeric_limits<double>::infinity(), greatest = 0;
  for (size_t at = 0; at < raw.size(); at += sizeof(float)) {
    float number;
    std::memcpy(&number, raw.data() + at, sizeof(float));
    if (!std::isnormal(number))
      return std::nullopt;
    least = std::min<double>(least, std::abs(number));
    greatest = std::max<double>(greatest, std::abs(number));
  }
  return Range(least, greatest);
}

std::optional<Bytes> bytesBehind(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || operatorOf(op) != "DequantizeLinear" || intOf(op, "block_size", 0))
    return std::nullopt;
  RankedTensorType numbers = rankedType(op->getOperand(0)), result = rankedType(value);
  std::optional<Range> range = rangeOf(op->getOperand(1));
  if (!numbers || !numbers.getElementType().isInteger(8) || !result || !result.getElementType().isF32() || !range)
    return std::nullopt;
  bool hasZero = op->getNumOperands() > 2 && !isa<NoneType>(op->getOperand(2).getType());
  return Bytes{op->getOperand(0), op->getOperand(1), hasZero ? op->getOperand(2) : Value(), *range};
}

void fuse(Operation *op) {
  std::optional<PlainProduct> plain = PlainProduct::of(op);
  RankedTensorType result = rankedType(op->getResult(0));
  if (!plain || !result)
    return;
  Value matrix = plain->matrix;
  bool transposed = plain->transposed;
  if (Operation *transpose = matrix.getDefiningOp(); transpose && operatorOf(transpose) == "Transpose") {
    transposed = !transposed; // of two dimensions
    matrix = transpose->getOperand(0);
  }
  std::optional<Bytes> left = bytesBehind(plain->rows), weights = bytesBehind(matrix);
  if (!left || !weights || !isConstant(weights->numbers) || !hasOneElement(left->scale))
    return;
  RankedTensorType type = rankedType(weights->numbers);
  int64_t depth = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
  if (depth > kDeepest || ShapedType::isDynamic(depth))
    return;
  if (!hasOneElement(weights->scale)) {
    int64_t axis = intOf(matrix.getDefiningOp(), "axis", 1);
    axis += axis < 0 ? 2 : 0;
    if (rankedType(weights->scale).getRank() != 1 || axis != !transposed)
      return;
  }
  // Products of scales that f32 does not hold would round otherwise.
  auto [leastLeft, mostLeft] = left->range;
  auto [leastRight, mostRight] = weights->range;
  if (leastLeft * leastRight < 0x1p-126 || mostLeft * mostRight > 0x1p100)
    return;

  OpBuilder b(op);
  Location loc = op->getLoc();
  Value numbers = weights->numbers;
  if (transposed)
    numbers = make(b, loc, "Transpose", RankedTensorType::get({depth, columns}, type.getElementType()), {numbers},
                   b.getNamedAttr("perm", b.getDenseI64ArrayAttr({1, 0})));
  Value none;
  auto orNone = [&](Value value) {
    if (!value && !none)
      none = make(b, loc, "NoValue", b.getNoneType(), {});
    return value ? value : none;
  };
  Type whole = b.getI32Type();
  Value sum = make(b, loc, "MatMulInteger", result.clone(whole),
                   {left->numbers, numbers, orNone(left->zeroPoint), orNone(weights->zeroPoint)});
  auto factors = rankedType(hasOneElement(weights->scale) ? left->scale : weights->scale);
  if (rankedType(weights->scale).getRank() > factors.getRank())
    factors = rankedType(weights->scale);
  Value scale = make(b, loc, "Mul", factors, {left->scale, weights->scale});
  Value product = make(b, loc, "Mul", result, {makeCast(b, loc, sum, b.getF32Type()), scale});
  if (plain->bias)
    product = make(b, loc, "Add", result, {product, plain->bias});
  op->getResult(0).replaceAllUsesWith(product);
  op->erase();
}

struct FuseQuantization : impl::FuseQuantizationBase<FuseQuantization> {
  void runOnOperation() override {
    SmallVector<Operation *> products;
    getOperation().walk([&](Operation *op) {
      if (PlainProduct::of(op))
        products.push_back(op);
    });
    llvm::for_each(products, fuse);
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, getOperation()->getRegions());
  }
};

} // namespace
} // namespace mlir::ac
