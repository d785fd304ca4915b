//===- Strips.h - Parts of tensors along one dimension -----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_STRIPS_H
#define KERNELS_STRIPS_H

#include "Kernels/Passes.h"

namespace mlir::ac {

/// Elements [begin, begin + count) of a dimension of a tensor, and all of the others.
inline Value sliceAlong(ImplicitLocOpBuilder &b, Value tensor, int64_t axis, OpFoldResult begin, OpFoldResult count) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), tensor),
                            offsets(sizes.size(), b.getIndexAttr(0)), strides(sizes.size(), b.getIndexAttr(1));
  offsets[axis] = begin;
  sizes[axis] = count;
  return tensor::ExtractSliceOp::create(b, tensor, offsets, sizes, strides);
}

/// Whether an operand that is read by `map` can be cut along loop `dim`: it has that dimension as it is, or not at all.
inline bool canCut(AffineMap map, unsigned dim) {
  AffineExpr whole = getAffineDimExpr(dim, map.getContext());
  return llvm::all_of(map.getResults(), [&](AffineExpr expr) { return expr == whole || !expr.isFunctionOfDim(dim); });
}

/// The part of an operand that positions [begin, begin + count) of loop `dim` read by `map`.
inline Value cutAlong(ImplicitLocOpBuilder &b, Value operand, AffineMap map, unsigned dim, OpFoldResult begin,
                      OpFoldResult count) {
  for (auto [axis, expr] : llvm::enumerate(map.getResults()))
    if (expr == getAffineDimExpr(dim, map.getContext()))
      operand = sliceAlong(b, operand, axis, begin, count);
  return operand;
}

/// Writes a part to where it was cut from `whole`: `place` cut what was there.
inline Value insertBack(ImplicitLocOpBuilder &b, Value part, Value whole, Value place) {
  auto slice = place.getDefiningOp<tensor::ExtractSliceOp>();
  return tensor::InsertSliceOp::create(b, part, whole, slice.getMixedOffsets(), slice.getMixedSizes(),
                                       slice.getMixedStrides());
}

/// Makes the positions of loop `dim` in a body count from `offset` (index).
inline void moveLoop(ImplicitLocOpBuilder &b, linalg::GenericOp op, unsigned dim, Value offset) {
  OpBuilder::InsertionGuard guard(b);
  for (auto index : llvm::make_early_inc_range(op.getBody()->getOps<linalg::IndexOp>())) {
    if (index.getDim() != dim)
      continue;
    b.setInsertionPointAfter(index);
    Value moved = affine::AffineApplyOp::create(b, b.getAffineDimExpr(0) + b.getAffineSymbolExpr(0),
                                                ValueRange{index.getResult(), offset});
    index.getResult().replaceAllUsesExcept(moved, moved.getDefiningOp());
  }
}

} // namespace mlir::ac

#endif // KERNELS_STRIPS_H
