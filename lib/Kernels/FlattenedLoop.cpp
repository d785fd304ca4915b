//===- FlattenedLoop.cpp - Several dimensions in one loop -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/FlattenedLoop.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

/// The place in each dimension is worked out where the range begins and then counted on: a division for each row costs
/// more than a short row.
void mlir::ac::emitFlattenedLoop(ImplicitLocOpBuilder &b, ValueRange sizes, Value begin, Value end,
                                 llvm::function_ref<void(ValueRange place)> body) {
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  SmallVector<Value> first(sizes.size());
  Value rest = begin;
  for (size_t i = sizes.size(); i-- > 1;) {
    first[i] = arith::RemUIOp::create(b, rest, sizes[i]);
    rest = arith::DivUIOp::create(b, rest, sizes[i]);
  }
  first[0] = rest;
  auto loop = scf::ForOp::create(b, begin, end, index(1), first);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> place(loop.getRegionIterArgs()), next(sizes.size());
  body(place);
  Value carry = index(1);
  for (size_t i = sizes.size(); i-- > 0;) {
    next[i] = arith::AddIOp::create(b, place[i], carry);
    if (i == 0)
      break;
    Value wraps = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, next[i], sizes[i]);
    next[i] = arith::SelectOp::create(b, wraps, index(0), next[i]);
    carry = arith::SelectOp::create(b, wraps, index(1), index(0));
  }
  scf::YieldOp::create(b, next);
}
