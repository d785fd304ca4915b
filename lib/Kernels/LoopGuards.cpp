//===- LoopGuards.cpp - Bounds checks that a loop can be split by ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/LoopGuards.h"
#include "mlir/Analysis/FlatLinearValueConstraints.h"

using namespace mlir;
using namespace mlir::ac;

LoopGuards::LoopGuards(linalg::LinalgOp op, unsigned dim) {
  Block *body = op.getBlock();
  auto isOutside = [&](Value value) { return value.getParentBlock() != body; };
  for (auto compare : body->getOps<arith::CmpIOp>()) {
    if (compare.getPredicate() != arith::CmpIPredicate::ult || !compare.getLhs().getType().isIndex())
      continue;
    // The size stands outside, or is a constant.
    Value size = compare.getRhs();
    if (!isOutside(size) && !getConstantIntValue(size))
      continue;
    Guard guard{compare, AffineMap::getMultiDimIdentityMap(1, op.getContext()), {compare.getLhs()}, 0};
    if (auto apply = compare.getLhs().getDefiningOp<affine::AffineApplyOp>()) {
      guard.index = apply.getAffineMap();
      guard.operands.assign(apply.getMapOperands().begin(), apply.getMapOperands().end());
    }
    SmallVector<int64_t> flat;
    AffineExpr expr = guard.index.getResult(0);
    if (!expr.isPureAffine() ||
        failed(getFlattenedAffineExpr(expr, guard.index.getNumDims(), guard.index.getNumSymbols(), &flat)) ||
        flat.size() != guard.index.getNumInputs() + 1) // the rest would be divisions
      continue;
    bool known = true;
    for (auto [operand, factor] : llvm::zip(guard.operands, flat)) {
      auto where = operand.getDefiningOp<linalg::IndexOp>();
      if (where && where->getBlock() == body)
        guard.step += where.getDim() == dim ? factor : 0;
      else
        known &= isOutside(operand);
    }
    if (known && guard.step >= 0)
      (guard.step ? inner : outer).push_back(guard);
  }
}

Value LoopGuards::indexAt(ImplicitLocOpBuilder &b, const Guard &guard, ArrayRef<Value> position) const {
  SmallVector<OpFoldResult> operands;
  for (Value operand : guard.operands) {
    auto where = operand.getDefiningOp<linalg::IndexOp>();
    operands.push_back(where ? position[where.getDim()] : operand);
  }
  return getValueOrCreateConstantIndexOp(b, b.getLoc(),
                                         affine::makeComposedFoldedAffineApply(b, b.getLoc(), guard.index, operands));
}

static Value sizeOf(ImplicitLocOpBuilder &b, Value size) {
  auto constant = getConstantIntValue(size);
  return constant ? arith::ConstantIndexOp::create(b, *constant).getResult() : size;
}

std::pair<Value, Value> LoopGuards::interval(ImplicitLocOpBuilder &b, ArrayRef<Value> position, Value begin,
                                             Value end) const {
  Value low = begin, high = end;
  for (const Guard &guard : inner) {
    // 0 <= first + step * i < size
    Value first = indexAt(b, guard, position), size = sizeOf(b, guard.compare->getOperand(1));
    AffineExpr from, limit;
    bindDims(b.getContext(), from, limit);
    auto apply = [&](AffineExpr expr) {
      return getValueOrCreateConstantIndexOp(b, b.getLoc(),
                                             affine::makeComposedFoldedAffineApply(b, b.getLoc(),
                                                                                   AffineMap::get(2, 0, expr),
                                                                                   {OpFoldResult(first), size}));
    };
    low = b.createOrFold<arith::MaxSIOp>(low, apply((-from).ceilDiv(guard.step)));
    high = b.createOrFold<arith::MinSIOp>(high, apply((limit - from).ceilDiv(guard.step)));
  }
  low = b.createOrFold<arith::MinSIOp>(low, end);
  return {low, b.createOrFold<arith::MaxSIOp>(high, low)};
}

Value LoopGuards::outerHold(ImplicitLocOpBuilder &b, ArrayRef<Value> position) const {
  Value all;
  for (const Guard &guard : outer) {
    Value holds = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ult, indexAt(b, guard, position),
                                                sizeOf(b, guard.compare->getOperand(1)));
    all = all ? b.createOrFold<arith::AndIOp>(all, holds) : holds;
  }
  return all;
}
