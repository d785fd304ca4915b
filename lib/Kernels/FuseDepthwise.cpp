//===- FuseDepthwise.cpp - Elementwise work on sums of windows ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/KernelDescription.h"

namespace mlir::ac {

LogicalResult fuseIntoDepthwise(linalg::GenericOp op, RewriterBase &rewriter) {
  if (!isElementwise(op))
    return failure();
  OpOperand *joint = nullptr;
  DepthwiseOp depthwise;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    auto source = operand->get().getDefiningOp<DepthwiseOp>();
    if (source && source->hasOneUse() && source->getBlock() == op->getBlock() &&
        op.getMatchingIndexingMap(operand).isIdentity() && operand->get().getType() == op.getResult(0).getType()) {
      joint = operand;
      depthwise = source;
    }
  }
  if (!joint)
    return failure();
  SmallVector<Value> extras(depthwise.getExtras());
  SmallVector<AffineMap> maps(depthwise.getExtraMaps().getAsValueRange<AffineMapAttr>());
  SmallVector<OpOperand *> others;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    if (operand == joint)
      continue;
    if (!isa<RankedTensorType>(operand->get().getType()))
      return failure();
    extras.push_back(operand->get());
    maps.push_back(op.getMatchingIndexingMap(operand));
    others.push_back(operand);
  }
  rewriter.setInsertionPoint(op);
  auto fused =
      DepthwiseOp::create(rewriter, rewriter.getFusedLoc({depthwise.getLoc(), op.getLoc()}),
                          depthwise->getResultTypes(), depthwise.getInput(), depthwise.getWeights(), extras, /*instead=*/Value(),
                          depthwise.getInit(), depthwise.getKernelAttr(), depthwise.getStridesAttr(),
                          depthwise.getDilationsAttr(), depthwise.getLowAttr(), rewriter.getAffineMapArrayAttr(maps));
  // The old epilogue, then the elementwise body on what it yields.
  IRMapping mapping;
  rewriter.cloneRegionBefore(depthwise.getEpilogue(), fused.getEpilogue(), fused.getEpilogue().end(), mapping);
  Block *body = fused.getEpilogueBody();
  Operation *yield = body->getTerminator();
  mapping.map(op.getBody()->getArgument(joint->getOperandNumber()), yield->getOperand(0));
  for (OpOperand *operand : others)
    mapping.map(op.getBody()->getArgument(operand->getOperandNumber()),
                body->addArgument(getElementTypeOrSelf(operand->get().getType()), op.getLoc()));
  rewriter.setInsertionPoint(yield);
  for (Operation &inner : op.getBody()->without_terminator())
    rewriter.clone(inner, mapping);
  yield->setOperand(0, mapping.lookupOrDefault(op.getBody()->getTerminator()->getOperand(0)));
  if (!describeKernel(fused, TargetInfo::of(op->getParentOfType<ModuleOp>()))) {
    rewriter.eraseOp(fused);
    return failure();
  }
  rewriter.replaceOp(op, fused.getResult(0));
  rewriter.eraseOp(depthwise);
  return success();
}

} // namespace mlir::ac
