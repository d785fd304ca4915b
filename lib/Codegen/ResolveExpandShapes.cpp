//===- ResolveExpandShapes.cpp - Unfold dimensions of unknown sizes -------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RESOLVEEXPANDSHAPES
#include "Codegen/Passes.h.inc"

namespace {

OpFoldResult product(OpBuilder &b, Location loc, OpFoldResult x, OpFoldResult y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy)
    return b.getIndexAttr(*cx * *cy);
  if (cx == 1)
    return y;
  if (cy == 1)
    return x;
  auto value = [&](OpFoldResult size) { return getValueOrCreateConstantIndexOp(b, loc, size); };
  return arith::MulIOp::create(b, loc, value(x), value(y)).getResult();
}

void resolve(memref::ExpandShapeOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, op.getSrc());
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape(), strides(sizes.size());
  SmallVector<OpFoldResult> sourceStrides = metadata.getConstifiedMixedStrides();
  for (auto [group, sourceStride] : llvm::zip(op.getReassociationIndices(), sourceStrides)) {
    OpFoldResult stride = sourceStride;
    for (int64_t axis : llvm::reverse(group)) {
      strides[axis] = stride;
      stride = product(b, loc, stride, sizes[axis]);
    }
  }
  // What the type knows is taken from it, so that the operation and its type agree.
  auto type = cast<MemRefType>(op.getType());
  auto [typeStrides, typeOffset] = type.getStridesAndOffset();
  for (auto [axis, stride] : llvm::enumerate(typeStrides))
    if (ShapedType::isDynamic(stride))
      strides[axis] = getValueOrCreateConstantIndexOp(b, loc, strides[axis]);
    else
      strides[axis] = b.getIndexAttr(stride);
  for (auto [axis, size] : llvm::enumerate(sizes))
    if (type.isDynamicDim(axis))
      size = getValueOrCreateConstantIndexOp(b, loc, size);
  OpFoldResult offset =
      ShapedType::isDynamic(typeOffset) ? OpFoldResult(metadata.getOffset()) : OpFoldResult(b.getIndexAttr(typeOffset));
  Value result = memref::ReinterpretCastOp::create(b, loc, type, metadata.getBaseBuffer(), offset, sizes, strides);
  op.getResult().replaceAllUsesWith(result);
  op.erase();
}

/// Whether a dimension unfolds into several of unknown size.
bool unfoldsUnknown(memref::ExpandShapeOp op) {
  auto type = cast<MemRefType>(op.getType());
  return llvm::any_of(op.getReassociationIndices(), [&](const ReassociationIndices &group) {
    return llvm::count_if(group, [&](int64_t axis) { return type.isDynamicDim(axis); }) > 1;
  });
}

struct ResolveExpandShapes : impl::ResolveExpandShapesBase<ResolveExpandShapes> {
  void runOnOperation() override {
    SmallVector<memref::ExpandShapeOp> found;
    getOperation()->walk([&](memref::ExpandShapeOp op) {
      if (unfoldsUnknown(op))
        found.push_back(op);
    });
    for (memref::ExpandShapeOp op : found)
      resolve(op);
  }
};
} // namespace
} // namespace mlir::ac
