//===- ApproximateMath.cpp - Math functions that vectorise ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream's approximations serve the functions that ElementaryFunctions has not. Those that both have differ in what
// upstream's leave out: denormals (exp, log), arguments beyond some thousands and the sign of zero (sin, cos), and
// units in the last place (atan by 40).
//
//===----------------------------------------------------------------------===//
#include "Codegen/ElementaryFunctions.h"
#include "Codegen/Passes.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ac {
#define GEN_PASS_DEF_APPROXIMATEMATH
#include "Codegen/Passes.h.inc"

namespace {

constexpr StringLiteral kTable = "ac_two_over_pi";

bool isSingle(Operation *op) {
  Type type = op->getResult(0).getType();
  auto vector = dyn_cast<VectorType>(type);
  return getElementTypeOrSelf(type).isF32() && !(vector && vector.isScalable());
}

template <typename Op, Value (ElementaryFunctions::*function)(Value)> struct Approximate : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!isSingle(op))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ElementaryFunctions f(b, op.getType());
    rewriter.replaceOp(op, (f.*function)(op.getOperand()));
    return success();
  }
};

/// Differences to a largest element are told by an attribute.
struct ApproximateExp : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpOp op, PatternRewriter &rewriter) const override {
    if (!isSingle(op))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    ElementaryFunctions f(b, op.getType());
    rewriter.replaceOp(op,
                       op->hasAttr(kAtMostZeroAttribute) ? f.expAtMostZero(op.getOperand()) : f.exp(op.getOperand()));
    return success();
  }
};

template <typename Op, Value (ElementaryFunctions::*function)(Value, Value)>
struct ApproximateByTable : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!isSingle(op))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto module = op->template getParentOfType<ModuleOp>();
    auto table = module.template lookupSymbol<memref::GlobalOp>(kTable);
    if (!table) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(module.getBody());
      SmallVector<double> values = ElementaryFunctions::twoOverPi();
      auto size = static_cast<int64_t>(values.size());
      auto attr = DenseElementsAttr::get(RankedTensorType::get({size}, b.getF64Type()), ArrayRef<double>(values));
      table = memref::GlobalOp::create(rewriter, op.getLoc(), kTable, b.getStringAttr("private"),
                                       MemRefType::get({size}, b.getF64Type()), attr, /*constant=*/true,
                                       /*alignment=*/nullptr);
    }
    ElementaryFunctions f(b, op.getType());
    Value digits = memref::GetGlobalOp::create(b, table.getType(), kTable);
    rewriter.replaceOp(op, (f.*function)(op.getOperand(), digits));
    return success();
  }
};

/// The argument of GELU is divided by the root of two, which takes as long as all of the rest.
struct ApproximateErf : OpRewritePattern<math::ErfOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ErfOp op, PatternRewriter &rewriter) const override {
    if (!isSingle(op))
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value x = op.getOperand();
    if (auto division = x.getDefiningOp<arith::DivFOp>()) {
      FloatAttr divisor;
      DenseFPElementsAttr splat;
      if (matchPattern(division.getRhs(), m_Constant(&splat)) && splat.isSplat())
        divisor = splat.getSplatValue<FloatAttr>();
      else
        matchPattern(division.getRhs(), m_Constant(&divisor));
      if (divisor && std::isnormal(1.0f / divisor.getValue().convertToFloat())) {
        TypedAttr factor = b.getF32FloatAttr(1.0f / divisor.getValue().convertToFloat());
        if (auto vector = dyn_cast<VectorType>(op.getType()))
          factor = DenseElementsAttr::get(vector, Attribute(factor));
        x = arith::MulFOp::create(b, division.getLhs(), arith::ConstantOp::create(b, factor));
      }
    }
    rewriter.replaceOp(op, ElementaryFunctions(b, op.getType()).erf(x));
    return success();
  }
};

/// The exponential in `value` = 1 + e^x, if both are made in `block`: elsewhere it may be computed less often.
Value exponentOfOnePlus(Value value, Block *block) {
  auto sum = value.getDefiningOp<arith::AddFOp>();
  if (!sum || sum->getBlock() != block)
    return {};
  Value power = sum.getLhs();
  if (!matchPattern(sum.getRhs(), m_OneFloat())) {
    if (!matchPattern(power, m_OneFloat()))
      return {};
    power = sum.getRhs();
  }
  auto exp = power.getDefiningOp<math::ExpOp>();
  return exp && exp->getBlock() == block ? exp.getOperand() : Value();
}

/// a / (1 + e^-x)
void approximateSigmoid(arith::DivFOp op) {
  Value exponent = isSingle(op) ? exponentOfOnePlus(op.getRhs(), op->getBlock()) : Value();
  if (!exponent)
    return;
  OpBuilder builder(op);
  ImplicitLocOpBuilder b(op.getLoc(), builder);
  auto negation = exponent.getDefiningOp<arith::NegFOp>();
  Value x = negation ? negation.getOperand() : arith::NegFOp::create(b, exponent).getResult();
  op.replaceAllUsesWith(ElementaryFunctions(b, op.getType()).sigmoidTimes(op.getLhs(), x));
  op.erase();
}

/// a * tanh(log1p(e^x)), which is Mish with a = x.
void approximateMish(arith::MulFOp op) {
  if (!isSingle(op))
    return;
  auto gate = [&](Value value) -> Value {
    auto tanh = value.getDefiningOp<math::TanhOp>();
    auto log = tanh ? tanh.getOperand().getDefiningOp<math::Log1pOp>() : math::Log1pOp();
    auto exp = log ? log.getOperand().getDefiningOp<math::ExpOp>() : math::ExpOp();
    return exp && exp->getBlock() == op->getBlock() ? exp.getOperand() : Value();
  };
  Value a = op.getLhs(), x = gate(op.getRhs());
  if (!x) {
    a = op.getRhs();
    x = gate(op.getLhs());
  }
  if (!x)
    return;
  OpBuilder builder(op);
  ImplicitLocOpBuilder b(op.getLoc(), builder);
  op.replaceAllUsesWith(ElementaryFunctions(b, op.getType()).tanhOfSoftplusTimes(a, x));
  op.erase();
}

/// e^x - 1 of f64, which upstream's conversion would compute as it is written: with u = e^x, (u - 1) * x / log(u),
/// where the errors of both differences cancel.
struct ExpandExpM1 : OpRewritePattern<math::ExpM1Op> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(math::ExpM1Op op, PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF64())
      return failure();
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    auto is = [&](Value value, double number) -> Value {
      TypedAttr attr = b.getF64FloatAttr(number);
      if (auto vector = dyn_cast<VectorType>(type))
        attr = DenseElementsAttr::get(vector, Attribute(attr));
      return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, value, arith::ConstantOp::create(b, attr));
    };
    TypedAttr one = b.getF64FloatAttr(1);
    if (auto vector = dyn_cast<VectorType>(type))
      one = DenseElementsAttr::get(vector, Attribute(one));
    Value x = op.getOperand(), power = math::ExpOp::create(b, x);
    Value difference = arith::SubFOp::create(b, power, arith::ConstantOp::create(b, one));
    Value factor = arith::DivFOp::create(b, x, math::LogOp::create(b, power));
    Value result = arith::MulFOp::create(b, difference, factor);
    Value isEnd = arith::OrIOp::create(b, is(difference, -1), is(power, std::numeric_limits<double>::infinity()));
    result = arith::SelectOp::create(b, isEnd, difference, result);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, is(power, 1), x, result);
    return success();
  }
};

struct ApproximateMath : impl::ApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    // Formulas that are more precise as a whole, before their parts are replaced.
    getOperation()->walk([](arith::DivFOp op) { approximateSigmoid(op); });
    getOperation()->walk([](arith::MulFOp op) { approximateMish(op); });
    RewritePatternSet patterns(&getContext());
    using F = ElementaryFunctions;
    patterns.add<ApproximateExp, Approximate<math::ExpM1Op, &F::expm1>, Approximate<math::LogOp, &F::log>,
                 Approximate<math::Log1pOp, &F::log1p>, Approximate<math::TanhOp, &F::tanh>,
                 Approximate<math::AsinOp, &F::asin>, Approximate<math::AtanOp, &F::atan>,
                 Approximate<math::SinhOp, &F::sinh>, Approximate<math::CoshOp, &F::cosh>,
                 Approximate<math::AsinhOp, &F::asinh>, Approximate<math::AcoshOp, &F::acosh>,
                 Approximate<math::AtanhOp, &F::atanh>, ApproximateByTable<math::SinOp, &F::sin>,
                 ApproximateByTable<math::CosOp, &F::cos>, ApproximateByTable<math::TanOp, &F::tan>, ApproximateErf,
                 ExpandExpM1>(&getContext(), /*benefit=*/2);
    populateMathPolynomialApproximationPatterns(patterns, MathPolynomialApproximationOptions{});
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
} // namespace mlir::ac
