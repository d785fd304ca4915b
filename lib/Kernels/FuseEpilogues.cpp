//===- FuseEpilogues.cpp - Elementwise work on accumulators ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between a contraction, whose result has the dimensions batch, row and column, and the elementwise operation that uses
// it stand reshapes: [1, B*S, N] becomes [B, S, N], [B, O, H*W] becomes [B, O, H, W]. They are followed, and each final
// dimension is assigned to the matrix dimensions it came from. Another operand of the elementwise operation can be read
// in the epilogue if, for each group of final dimensions, it has all of them or none of them.
//
//===----------------------------------------------------------------------===//
#include "Kernels/KernelDescription.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "Kernels/Passes.h.inc"

namespace {

/// Final dimensions [begin, end) hold the matrix dimension `matrixDim` (0 batch, 1 row, 2 column, 3 image), or -1 for
/// several, or -2 for none: they have a size of one.
struct Group {
  int64_t begin, end;
  int64_t matrixDim;
};

/// The result of a contraction seen through reshapes.
struct View {
  ContractOp contract;
  SmallVector<Group> groups;
};

/// One step from [groups over source dims] through a collapse: neighbours merge.
bool through(tensor::CollapseShapeOp op, SmallVectorImpl<Group> &groups) {
  auto source = cast<RankedTensorType>(op.getSrcType());
  SmallVector<Group> result;
  for (auto [position, indices] : llvm::enumerate(op.getReassociationIndices())) {
    int64_t at = position, matrixDim = -2;
    for (int64_t index : indices) {
      const Group *group = llvm::find_if(groups, [&](const Group &g) { return g.begin <= index && index < g.end; });
      bool unit = source.getDimSize(index) == 1;
      if (group->end - group->begin != 1)
        return false;
      if (unit && indices.size() > 1)
        continue;
      matrixDim = matrixDim == -2 ? group->matrixDim : -1;
    }
    result.push_back({at, at + 1, matrixDim});
  }
  groups.assign(result.begin(), result.end());
  return true;
}

bool through(tensor::ExpandShapeOp op, SmallVectorImpl<Group> &groups) {
  SmallVector<Group> result;
  for (auto [position, indices] : llvm::enumerate(op.getReassociationIndices())) {
    const Group *group =
        llvm::find_if(groups, [&](const Group &g) { return g.begin == static_cast<int64_t>(position); });
    if (group == groups.end() || group->end - group->begin != 1)
      return false;
    // Dimensions of one around a single other are of no matrix dimension.
    auto isUnit = [&](int64_t index) { return op.getResultType().getDimSize(index) == 1; };
    if (llvm::count_if(indices, isUnit) + 1 == static_cast<int64_t>(indices.size())) {
      for (int64_t index : indices)
        result.push_back({index, index + 1, isUnit(index) ? -2 : group->matrixDim});
      continue;
    }
    result.push_back({indices.front(), indices.back() + 1, group->matrixDim});
  }
  groups.assign(result.begin(), result.end());
  return true;
}

std::optional<View> findContract(Value value) {
  SmallVector<Operation *> chain;
  while (Operation *op = value.getDefiningOp()) {
    if (!op->hasOneUse())
      return std::nullopt;
    if (auto contract = dyn_cast<ContractOp>(op)) {
      // What is written to places, or added, is not the element that the user sees.
      if (contract.readsInit())
        return std::nullopt;
      View view{contract, {}};
      for (int64_t dim = 0; dim < contract.getNumMatrixDims(); ++dim)
        view.groups.push_back({dim, dim + 1, contract.getOutOrder() ? (*contract.getOutOrder())[dim] : dim});
      for (Operation *step : llvm::reverse(chain)) {
        bool ok = isa<tensor::CastOp>(step) ||
                  (isa<tensor::CollapseShapeOp>(step) && through(cast<tensor::CollapseShapeOp>(step), view.groups)) ||
                  (isa<tensor::ExpandShapeOp>(step) && through(cast<tensor::ExpandShapeOp>(step), view.groups));
        if (!ok)
          return std::nullopt;
      }
      return view;
    }
    if (!isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      return std::nullopt;
    chain.push_back(op);
    value = op->getOperand(0);
  }
  return std::nullopt;
}

/// How an operand is read in the epilogue: collapsed by `groups`, then by `map`.
struct ExtraAccess {
  SmallVector<ReassociationIndices> reassociation;
  AffineMap map;
};

std::optional<ExtraAccess> planExtra(View &view, AffineMap map, RankedTensorType type) {
  MLIRContext *context = map.getContext();
  ExtraAccess access;
  SmallVector<AffineExpr> exprs;
  auto results = map.getResults();
  size_t next = 0;
  while (next < results.size()) {
    if (auto constant = dyn_cast<AffineConstantExpr>(results[next])) {
      access.reassociation.push_back({static_cast<int64_t>(next)});
      exprs.push_back(constant);
      ++next;
      continue;
    }
    auto dim = dyn_cast<AffineDimExpr>(results[next]);
    if (!dim)
      return std::nullopt;
    int64_t position = dim.getPosition();
    const Group *group =
        llvm::find_if(view.groups, [&](const Group &g) { return g.begin <= position && position < g.end; });
    if (group == view.groups.end() || group->matrixDim == -1 || position != group->begin)
      return std::nullopt;
    ReassociationIndices indices;
    for (int64_t inside = group->begin; inside < group->end; ++inside, ++next) {
      auto expected = next < results.size() ? dyn_cast<AffineDimExpr>(results[next]) : AffineDimExpr(nullptr);
      if (!expected || static_cast<int64_t>(expected.getPosition()) != inside)
        return std::nullopt;
      indices.push_back(next);
    }
    access.reassociation.push_back(indices);
    exprs.push_back(group->matrixDim == -2 ? getAffineConstantExpr(0, context)
                                           : getAffineDimExpr(group->matrixDim, context));
  }
  // Vectors run along the columns: they must be the last dimension of what is read.
  for (auto [i, expr] : llvm::enumerate(exprs))
    if (expr == getAffineDimExpr(2, context) && i + 1 != exprs.size())
      return std::nullopt;
  access.map = AffineMap::get(view.contract.getNumMatrixDims(), 0, exprs, context);
  return access;
}

} // namespace

bool isElementwise(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || op.getNumParallelLoops() != op.getNumLoops() || op.hasIndexSemantics() ||
      !op.getIndexingMapsArray().back().isIdentity())
    return false;
  if (op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)))
    return false;
  return llvm::all_of(op.getBody()->without_terminator(), [](Operation &inner) {
    return inner.getNumRegions() == 0 && inner.getNumResults() == 1 &&
           (isa<arith::ConstantOp>(inner) || OpTrait::hasElementwiseMappableTraits(&inner));
  });
}

namespace {

/// Whether the epilogue of `contract` may compute elements of this type: as vectors of as many lanes as its sum has.
bool canYield(ContractOp contract, Type element) {
  if (element == contract.getResultElementType())
    return true;
  Type sum = contract.getElementType();
  unsigned width = element.getIntOrFloatBitWidth();
  return width >= 8 && width <= sum.getIntOrFloatBitWidth() &&
         (isa<IntegerType>(element) || element.isF32() || element.isF16() || element.isBF16());
}

LogicalResult fuse(linalg::GenericOp op, IRRewriter &rewriter) {
  if (!isElementwise(op))
    return failure();
  for (OpOperand *operand : op.getDpsInputOperands()) {
    AffineMap own = op.getMatchingIndexingMap(operand);
    auto ownType = dyn_cast<RankedTensorType>(operand->get().getType());
    if (!ownType || !own.isIdentity())
      continue;
    std::optional<View> view = findContract(operand->get());
    if (!view || view->contract->getBlock() != op->getBlock())
      continue;
    Type element = cast<RankedTensorType>(op.getResult(0).getType()).getElementType();
    if (!canYield(view->contract, element))
      continue;
    SmallVector<ExtraAccess> accesses;
    bool possible = true;
    for (OpOperand *other : op.getDpsInputOperands()) {
      if (other == operand)
        continue;
      auto type = dyn_cast<RankedTensorType>(other->get().getType());
      std::optional<ExtraAccess> access;
      if (type && other->get() != operand->get())
        access = planExtra(*view, op.getMatchingIndexingMap(other), type);
      if (!access) {
        possible = false;
        break;
      }
      accesses.push_back(*access);
    }
    if (!possible)
      continue;
    ContractOp contract = view->contract;
    rewriter.setInsertionPoint(op);
    SmallVector<Value> extras(contract.getExtras());
    SmallVector<AffineMap> maps(contract.getExtraMaps().getAsValueRange<AffineMapAttr>());
    size_t at = 0;
    SmallVector<OpOperand *> others;
    for (OpOperand *other : op.getDpsInputOperands()) {
      if (other == operand)
        continue;
      const ExtraAccess &access = accesses[at++];
      Value value = other->get();
      if (static_cast<int64_t>(access.reassociation.size()) != cast<RankedTensorType>(value.getType()).getRank())
        value = tensor::CollapseShapeOp::create(rewriter, op.getLoc(), value, access.reassociation);
      extras.push_back(value);
      maps.push_back(access.map);
      others.push_back(other);
    }
    Value init = contract.getInit();
    if (element != contract.getResultElementType())
      init =
          tensor::EmptyOp::create(rewriter, op.getLoc(), tensor::getMixedSizes(rewriter, op.getLoc(), init), element);
    auto fused = ContractOp::create(
        rewriter, rewriter.getFusedLoc({contract.getLoc(), op.getLoc()}), init.getType(), contract.getLhs(),
        contract.getRhs(), contract.getScales(), contract.getZeros(), contract.getOffsets(), extras,
        contract.getLhsRows(), contract.getOutRows(), contract.getRhsStarts(), init, contract.getLhsBatchAttr(),
        contract.getRhsBatchAttr(), rewriter.getAffineMapArrayAttr(maps), contract.getLhsOrderAttr(),
        contract.getRhsOrderAttr(), contract.getOutOrderAttr(), contract.getBlockSizeAttr(), contract.getLeastAttr(),
        contract.getGroupAttr(), contract.getPackedAttr(), contract.getAccumulateAttr(), contract.getLhsUnsignedAttr(),
        contract.getRhsUnsignedAttr(), contract.getCopiedAttr(), contract.getOutPanelsAttr(),
        contract.getRowsFirstAttr(), contract.getTurnedAttr());
    // Epilogue: the old one, then the elementwise body on what it yields.
    fused.getEpilogue().takeBody(contract.getEpilogue());
    Block *body = fused.getEpilogueBody();
    IRMapping mapping;
    mapping.map(op.getBody()->getArgument(operand->getOperandNumber()), body->getTerminator()->getOperand(0));
    for (OpOperand *other : others)
      mapping.map(op.getBody()->getArgument(other->getOperandNumber()),
                  body->addArgument(getElementTypeOrSelf(other->get().getType()), op.getLoc()));
    Operation *yield = body->getTerminator();
    rewriter.setInsertionPoint(yield);
    for (Operation &inner : op.getBody()->without_terminator())
      rewriter.clone(inner, mapping);
    yield->setOperand(0, mapping.lookupOrDefault(op.getBody()->getTerminator()->getOperand(0)));
    // The reshapes now take the new contraction's result to where the elementwise one was.
    rewriter.setInsertionPointAfter(fused);
    rewriter.replaceAllUsesWith(contract.getResult(0), fused.getResult(0));
    // The chain may stand before the fused operation: move it after.
    SmallVector<Operation *> chain;
    for (Value value = operand->get(); value != fused.getResult(0); value = value.getDefiningOp()->getOperand(0))
      chain.push_back(value.getDefiningOp());
    for (Operation *step : chain) {
      step->moveAfter(fused);
      step->getResult(0).setType(cast<RankedTensorType>(step->getResult(0).getType()).clone(element));
    }
    Value result = operand->get();
    if (result.getType() != op.getResult(0).getType()) {
      rewriter.setInsertionPointAfterValue(result);
      result = tensor::CastOp::create(rewriter, op.getLoc(), op.getResult(0).getType(), result);
    }
    rewriter.replaceOp(op, result);
    rewriter.eraseOp(contract);
    return success();
  }
  return failure();
}

struct FuseEpilogues : impl::FuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) { ops.push_back(op); });
    for (linalg::GenericOp op : ops)
      if (failed(fuse(op, rewriter)))
        (void)fuseIntoDepthwise(op, rewriter);
  }
};

} // namespace
} // namespace mlir::ac
