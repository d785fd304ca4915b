//===- ApproximateMath.cpp - Math functions that vectorise ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ac {
#define GEN_PASS_DEF_APPROXIMATEMATH
#include "Codegen/Passes.h.inc"

namespace {
/// `erf(x) = x * P(x^2) / Q(x^2)` in single precision, to five units in the last place; upstream's has as many, and
/// chooses between four pairs of polynomials. Fitted to the relative error on |x| <= 3.92, behind which the result is
/// one.
struct ApproximateErf : OpRewritePattern<math::ErfOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ErfOp op, PatternRewriter &rewriter) const override {
    constexpr float kNumerator[] = {1.1283791f,     0.19990739f,     0.05057098f,   0.0037008214f,
                                    0.00014182716f, -1.9576582e-06f, 1.9923123e-08f};
    constexpr float kDenominator[] = {1.0f, 0.51049495f, 0.11499125f, 0.01435167f, 0.0009558331f};
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto constant = [&](float value) -> Value {
      TypedAttr attr = b.getF32FloatAttr(value);
      if (auto vector = dyn_cast<VectorType>(type))
        attr = DenseElementsAttr::get(vector, attr);
      return arith::ConstantOp::create(b, type, attr);
    };
    // Comparisons that do not hold for NaN, so that it passes.
    auto clamp = [&](Value value, float limit) -> Value {
      Value high = constant(limit), low = constant(-limit);
      Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, high, value);
      value = arith::SelectOp::create(b, above, high, value);
      Value below = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, low, value);
      return arith::SelectOp::create(b, below, low, value);
    };
    Value x = op.getOperand();
    // The argument of GELU is divided by the root of two, which takes as long as all of the rest.
    if (auto division = x.getDefiningOp<arith::DivFOp>()) {
      FloatAttr divisor;
      DenseFPElementsAttr splat;
      if (matchPattern(division.getRhs(), m_Constant(&splat)) && splat.isSplat())
        divisor = splat.getSplatValue<FloatAttr>();
      else
        matchPattern(division.getRhs(), m_Constant(&divisor));
      if (divisor && std::isnormal(1.0f / divisor.getValue().convertToFloat()))
        x = arith::MulFOp::create(b, division.getLhs(), constant(1.0f / divisor.getValue().convertToFloat()));
    }
    x = clamp(x, 3.92f);
    Value square = arith::MulFOp::create(b, x, x);
    auto polynomial = [&](ArrayRef<float> coefficients) {
      Value sum = constant(coefficients.back());
      for (float coefficient : llvm::reverse(coefficients.drop_back()))
        sum = math::FmaOp::create(b, sum, square, constant(coefficient));
      return sum;
    };
    Value numerator = arith::MulFOp::create(b, x, polynomial(kNumerator));
    rewriter.replaceOp(op, clamp(arith::DivFOp::create(b, numerator, polynomial(kDenominator)), 1.0f));
    return success();
  }
};

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ApproximateErf>(&getContext(), /*benefit=*/2);
    populateMathPolynomialApproximationPatterns(patterns, MathPolynomialApproximationOptions{});
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace mlir::ac
