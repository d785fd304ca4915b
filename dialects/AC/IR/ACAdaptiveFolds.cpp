//===- ACAdaptiveFolds.cpp - What is known of a decision while compiling --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Work that hangs on a constant decision is done always or never. What is done always becomes ordinary operations; what
// is done never goes away. Decisions are constants of the `onnx` dialect. Operations that ask for their reference form
// are left alone, since that is for comparison, and so is what would need a tensor of zeros of unknown size.
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include <optional>

using namespace mlir;
using namespace mlir::ac;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Larger decisions are left to run time.
static constexpr int64_t kMaxDecisions = 1 << 20;

/// The elements of an integer or floating-point constant; a NaN stays one.
static std::optional<SmallVector<double>> constantElements(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getName().getStringRef() != "onnx.Constant")
    return std::nullopt;
  auto attr = op->getAttrOfType<ElementsAttr>("value");
  if (!attr || attr.getNumElements() > kMaxDecisions)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    bool isSplat;
    if (!blob || !DenseElementsAttr::isValidRawBuffer(resource.getType(), blob->getData(), isSplat))
      return std::nullopt;
    attr = DenseElementsAttr::getFromRawBuffer(resource.getType(), blob->getData());
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense)
    return std::nullopt;
  SmallVector<double> result;
  Type element = dense.getElementType();
  if (isa<FloatType>(element)) {
    for (APFloat number : dense.getValues<APFloat>())
      result.push_back(number.convertToDouble());
    return result;
  }
  if (!isa<IntegerType>(element))
    return std::nullopt;
  bool isSigned = !element.isUnsignedInteger() && !element.isInteger(1);
  for (APInt number : dense.getValues<APInt>())
    result.push_back(isSigned ? double(number.getSExtValue()) : double(number.getZExtValue()));
  return result;
}

static std::optional<bool> constantFlag(Value value) {
  auto elements = constantElements(value);
  if (!elements || elements->size() != 1)
    return std::nullopt;
  return elements->front() != 0;
}

/// Whether operations of the `onnx` dialect can be made.
static bool hasOnnx(Operation *op) { return OperationName("onnx.Constant", op->getContext()).isRegistered(); }

static Value makeConstant(PatternRewriter &rewriter, Location loc, ElementsAttr value) {
  OperationState state(loc, "onnx.Constant");
  state.addAttribute("value", value);
  state.addTypes(value.getType());
  return rewriter.create(state)->getResult(0);
}

/// Zeros, or null if the size is not known.
static Value makeZeros(PatternRewriter &rewriter, Operation *op, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (!tensor.hasStaticShape() || !hasOnnx(op))
    return {};
  return makeConstant(rewriter, op->getLoc(),
                      DenseElementsAttr::get(tensor, rewriter.getZeroAttr(tensor.getElementType())));
}

/// Moves a region's operations in front of `op`; gives what it yields.
static SmallVector<Value> inlineRegion(PatternRewriter &rewriter, Operation *op, Region &region, ValueRange arguments) {
  Block &block = region.front();
  Operation *yield = block.getTerminator();
  SmallVector<Value> results;
  // Arguments that are yielded as they are.
  for (Value value : yield->getOperands()) {
    auto argument = dyn_cast<BlockArgument>(value);
    results.push_back(argument && argument.getOwner() == &block ? arguments[argument.getArgNumber()] : value);
  }
  rewriter.eraseOp(yield);
  rewriter.inlineBlockBefore(&block, op, arguments);
  return results;
}

static void moveRegion(PatternRewriter &rewriter, Region &from, Region &to) {
  rewriter.inlineRegionBefore(from, to, to.end());
}

/// The dimensions of rows, all but the last, are those of the decision and known.
static bool haveRowsOf(TypeRange rows, Value decision) {
  auto type = cast<RankedTensorType>(decision.getType());
  return type.hasStaticShape() && llvm::all_of(rows, [&](Type row) {
           return cast<RankedTensorType>(row).getShape().drop_back() == type.getShape().drop_back();
         });
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

namespace {

/// All rows or none.
struct FoldMaskedRows : OpRewritePattern<MaskedRowsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MaskedRowsOp op, PatternRewriter &rewriter) const override {
    auto mask = constantElements(op.getMask());
    if (op.getDense() || !mask || !haveRowsOf(op.getRows().getTypes(), op.getMask()) ||
        !haveRowsOf(op.getResultTypes(), op.getMask()))
      return failure();
    if (llvm::all_of(*mask, [](double element) { return element != 0; })) {
      rewriter.replaceOp(op, inlineRegion(rewriter, op, op.getBody(), op.getRows()));
      return success();
    }
    if (llvm::any_of(*mask, [](double element) { return element != 0; }))
      return failure();
    if (!op.getOtherwise().empty()) {
      if (!haveRowsOf(op.getOtherwise().getTypes(), op.getMask()))
        return failure();
      rewriter.replaceOp(op, op.getOtherwise());
      return success();
    }
    if (llvm::any_of(op.getResultTypes(), [](Type type) { return !cast<RankedTensorType>(type).hasStaticShape(); }) ||
        !hasOnnx(op))
      return failure();
    SmallVector<Value> zeros;
    for (Type type : op.getResultTypes())
      zeros.push_back(makeZeros(rewriter, op, type));
    rewriter.replaceOp(op, zeros);
    return success();
  }
};

/// Learners that no row reaches go away; if all rows have the same number, so does the chain.
struct FoldLearnerChain : OpRewritePattern<LearnerChainOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LearnerChainOp op, PatternRewriter &rewriter) const override {
    auto counts = constantElements(op.getK());
    if (op.getDense() || !counts || counts->empty())
      return failure();
    auto numLearners = static_cast<int64_t>(op.getLearners().size()), minK = static_cast<int64_t>(op.getMinK());
    auto clamp = [&](double k) { return int64_t(std::clamp(k, double(minK), double(numLearners))); };
    int64_t least = clamp(*llvm::min_element(*counts)), most = clamp(*llvm::max_element(*counts));
    if (least == most && haveRowsOf(op.getRows().getTypes(), op.getK()) &&
        haveRowsOf(op.getResult().getType(), op.getK()))
      return runFirst(op, most, rewriter);
    // One learner must remain.
    most = std::max<int64_t>(most, 1);
    if (most == numLearners)
      return failure();
    auto shorter = LearnerChainOp::create(rewriter, op.getLoc(), op.getResult().getType(), op.getK(), op.getRows(),
                                          op.getResidual(), rewriter.getI64IntegerAttr(minK), UnitAttr(), most);
    shorter->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    for (int64_t n = 0; n < most; ++n)
      moveRegion(rewriter, op.getLearners()[n], shorter.getLearners()[n]);
    rewriter.replaceOp(op, shorter);
    return success();
  }

  /// The residual and the first `count` learners, for all rows.
  static LogicalResult runFirst(LearnerChainOp op, int64_t count, PatternRewriter &rewriter) {
    Value sum = op.getResidual();
    if (count == 0 && !sum)
      sum = makeZeros(rewriter, op, op.getResult().getType());
    if (!hasOnnx(op) || (count == 0 && !sum))
      return failure();
    for (int64_t n = 0; n < count; ++n) {
      Value term = inlineRegion(rewriter, op, op.getLearners()[n], op.getRows()).front();
      if (!sum) {
        sum = term;
        continue;
      }
      OperationState state(op.getLoc(), "onnx.Add");
      state.addOperands({sum, term});
      state.addTypes(op.getResult().getType());
      sum = rewriter.create(state)->getResult(0);
    }
    rewriter.replaceOp(op, sum);
    return success();
  }
};

/// Experts that no row takes go away; so does the dispatch to a single one that all rows take as it is.
struct FoldMoeDispatch : OpRewritePattern<MoeDispatchOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MoeDispatchOp op, PatternRewriter &rewriter) const override {
    auto weights = constantElements(op.getWeights());
    if (op.getDense() || !weights || weights->empty())
      return failure();
    size_t numExperts = op.getExperts().size();
    if (numExperts == 1 && llvm::all_of(*weights, [](double weight) { return weight == 1; }) &&
        haveRowsOf(op.getRows().getTypes(), op.getWeights()) && haveRowsOf(op.getResult().getType(), op.getWeights())) {
      rewriter.replaceOp(op, inlineRegion(rewriter, op, op.getExperts().front(), op.getRows()));
      return success();
    }
    SmallVector<unsigned> used;
    for (unsigned expert = 0; expert < numExperts; ++expert)
      for (size_t i = expert; i < weights->size(); i += numExperts)
        if ((*weights)[i] != 0) {
          used.push_back(expert);
          break;
        }
    if (used.size() == numExperts)
      return failure();
    if (used.empty()) {
      Value zeros = makeZeros(rewriter, op, op.getResult().getType());
      if (!zeros)
        return failure();
      rewriter.replaceOp(op, zeros);
      return success();
    }
    if (!hasOnnx(op))
      return failure();
    // The columns of those that are left.
    auto type = cast<RankedTensorType>(op.getWeights().getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = used.size();
    auto element = cast<FloatType>(type.getElementType());
    SmallVector<APFloat> kept;
    for (size_t row = 0; row < weights->size(); row += numExperts)
      for (unsigned expert : used) {
        APFloat number((*weights)[row + expert]);
        bool losesInfo;
        number.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
        kept.push_back(number);
      }
    Value constant = makeConstant(rewriter, op.getWeights().getLoc(),
                                  DenseElementsAttr::get(RankedTensorType::get(shape, element), kept));
    auto fewer = MoeDispatchOp::create(rewriter, op.getLoc(), op.getResult().getType(), constant, op.getRows(),
                                       UnitAttr(), used.size());
    fewer->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    for (auto [to, from] : llvm::enumerate(used))
      moveRegion(rewriter, op.getExperts()[from], fewer.getExperts()[to]);
    rewriter.replaceOp(op, fewer);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Blocks and iterations
//===----------------------------------------------------------------------===//

struct FoldExit : OpRewritePattern<ExitOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ExitOp op, PatternRewriter &rewriter) const override {
    std::optional<bool> stop = op.mayExit() ? constantFlag(op.getStop()) : false;
    if (op.getDense() || !stop)
      return failure();
    rewriter.replaceOp(op, inlineRegion(rewriter, op, *stop ? op.getEarly() : op.getRest(), {}));
    return success();
  }
};

struct FoldSkip : OpRewritePattern<SkipOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(SkipOp op, PatternRewriter &rewriter) const override {
    auto active = constantFlag(op.getActive());
    if (op.getDense() || !active)
      return failure();
    if (*active)
      rewriter.replaceOp(op, inlineRegion(rewriter, op, op.getBody(), {}));
    else
      rewriter.replaceOp(op, op.getOtherwise());
    return success();
  }
};

/// A loop that never begins, or begins once for all rows.
struct FoldHaltingLoop : OpRewritePattern<HaltingLoopOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(HaltingLoopOp op, PatternRewriter &rewriter) const override {
    if (op.getDense())
      return failure();
    auto limit = constantElements(op.getLimit());
    auto mask = constantElements(op.getRunning().front().getTerminator()->getOperand(0));
    bool noRowRuns = mask && llvm::all_of(*mask, [](double runs) { return runs == 0; });
    if ((limit && limit->front() <= 0) || (noRowRuns && !op.getAtLeastOnce())) {
      rewriter.replaceOp(op, op.getInit());
      return success();
    }
    if (!limit || limit->front() != 1 || !mask || llvm::is_contained(*mask, 0.0) || !hasOnnx(op))
      return failure();
    auto scalar = RankedTensorType::get({}, rewriter.getI64Type());
    SmallVector<Value> arguments{
        makeConstant(rewriter, op.getLoc(), DenseElementsAttr::get(scalar, rewriter.getI64IntegerAttr(0)))};
    llvm::append_range(arguments, op.getInit());
    rewriter.replaceOp(op, inlineRegion(rewriter, op, op.getBody(), arguments));
    return success();
  }
};

} // namespace

void MaskedRowsOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldMaskedRows>(context);
}
void LearnerChainOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldLearnerChain>(context);
}
void MoeDispatchOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldMoeDispatch>(context);
}
void ExitOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldExit>(context);
}
void SkipOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldSkip>(context);
}
void HaltingLoopOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FoldHaltingLoop>(context);
}
