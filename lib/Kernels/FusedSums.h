//===- FusedSums.h - Sums of products, rounded once -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ACCORDION_KERNELS_FUSEDSUMS_H
#define ACCORDION_KERNELS_FUSEDSUMS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// `x + y`, or `x - y`, of vectors, rounded once where one of them is a product. LLVM fuses the two where they end up
/// in one block, which differs from tile to tile of a kernel: rows would get other bits with their number.
inline Value fusedSum(ImplicitLocOpBuilder &b, Value x, Value y, bool minus) {
  // Half floats are rounded after each operation: there is nothing for LLVM to fuse.
  if (getElementTypeOrSelf(x).getIntOrFloatBitWidth() < 32)
    return minus ? arith::SubFOp::create(b, x, y).getResult() : arith::AddFOp::create(b, x, y).getResult();
  auto negated = [&](Value value) -> Value { return minus ? arith::NegFOp::create(b, value).getResult() : value; };
  if (auto product = x.getDefiningOp<arith::MulFOp>())
    return vector::FMAOp::create(b, product.getLhs(), product.getRhs(), negated(y));
  if (auto product = y.getDefiningOp<arith::MulFOp>())
    return vector::FMAOp::create(b, negated(product.getLhs()), product.getRhs(), x);
  return minus ? arith::SubFOp::create(b, x, y).getResult() : arith::AddFOp::create(b, x, y).getResult();
}

/// The same for an operation on scalars whose operands are mapped to vectors; false if it is no sum.
inline bool emitFusedSum(ImplicitLocOpBuilder &b, Operation &sum, IRMapping &mapping) {
  bool minus = isa<arith::SubFOp>(sum);
  if (!minus && !isa<arith::AddFOp>(sum))
    return false;
  Value x = mapping.lookup(sum.getOperand(0)), y = mapping.lookup(sum.getOperand(1));
  mapping.map(sum.getResult(0), fusedSum(b, x, y, minus));
  return true;
}

} // namespace mlir::ac

#endif // ACCORDION_KERNELS_FUSEDSUMS_H
