//===- FuseElementwise.cpp - Fuse chains of elementwise operations --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEELEMENTWISE
#include "Kernels/Passes.h.inc"

namespace {

/// Whether the user visits each element of the operand once, so that the producer is not computed again.
bool visitsOnce(OpOperand *operand) {
  auto user = cast<linalg::LinalgOp>(operand->getOwner());
  AffineMap map = user.getMatchingIndexingMap(operand);
  return map.isPermutation();
}

/// A body that costs about as much as the load it replaces.
bool isCheap(linalg::GenericOp op) {
  int64_t operations = 0;
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (!isa<arith::ArithDialect>(inner.getDialect()) || isa<arith::DivFOp, arith::RemFOp, arith::DivSIOp>(inner))
      return false;
    operations += !isa<arith::ConstantOp>(inner);
  }
  return operations <= 2;
}

bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  if (!producer || !producer->hasOneUse() || producer->getBlock() != operand->getOwner()->getBlock())
    return false;
  return visitsOnce(operand) || isCheap(producer);
}

struct FuseElementwise : impl::FuseElementwiseBase<FuseElementwise> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    GreedyRewriteConfig config;
    config.setUseTopDownTraversal(true);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
} // namespace mlir::ac
