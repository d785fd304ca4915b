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
#include "Optimize/DequantizedBytes.h"
#include "Optimize/Passes.h"
#include "Optimize/PlainProduct.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/TargetInfo.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEQUANTIZATION
#include "Optimize/Passes.h.inc"

namespace {

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
  auto left = DequantizedBytes::behind(plain->rows), weights = DequantizedBytes::behind(matrix);
  if (!left || !weights || !isConstant(weights->numbers) || !hasOneElement(left->scale))
    return;
  RankedTensorType type = rankedType(weights->numbers);
  int64_t depth = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
  if (depth > kDeepestExactSum || ShapedType::isDynamic(depth))
    return;
  if (!hasOneElement(weights->scale)) {
    int64_t axis = weights->axis + (weights->axis < 0 ? 2 : 0);
    if (rankedType(weights->scale).getRank() != 1 || axis != !transposed)
      return;
  }
  if (!left->scalesLike(*weights))
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
    SmallVector<Operation *> products, convolutions;
    getOperation().walk([&](Operation *op) {
      if (PlainProduct::of(op))
        products.push_back(op);
      else if (operatorOf(op) == "Conv")
        convolutions.push_back(op);
    });
    llvm::for_each(products, fuse);
    // Convolutions of floats are faster than those of bytes where nothing multiplies groups of bytes.
    if (TargetInfo::of(getOperation()).groupsColumns(IntegerType::get(&getContext(), 8)))
      llvm::for_each(convolutions, fuseQuantizedConvolution);
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, getOperation()->getRegions());
  }
};

} // namespace
} // namespace mlir::ac
