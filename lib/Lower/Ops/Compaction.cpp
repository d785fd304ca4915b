//===- Compaction.cpp - Rows that have work -------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ac;

Value mlir::ac::isNotZero(OpBuilder &b, Location loc, Value scalar) {
  Value zero = arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(scalar.getType())));
  return isa<FloatType>(scalar.getType())
             ? arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, scalar, zero).getResult()
             : arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, scalar, zero).getResult();
}

Compaction Compaction::of(Emitter &emit, Value mask, OpFoldResult numRows) {
  Type index = emit.getIndexType();
  Value flat = emit.reshape(mask, {numRows});
  Value places = emit.empty({numRows}, index), numbers = emit.empty({numRows}, index);
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1), none = emit.constantIndex(-1);
  auto loop = scf::ForOp::create(emit, zero, emit.asValue(numRows), one, ValueRange{zero, places, numbers},
                                 [&](OpBuilder &b, Location loc, Value row, ValueRange carried) {
                                   Value value = tensor::ExtractOp::create(b, loc, flat, row);
                                   Value active = isNotZero(b, loc, value);
                                   // Written whether active or not: the next active row overwrites the place.
                                   Value newPlaces = tensor::InsertOp::create(b, loc, row, carried[1], carried[0]);
                                   Value number = arith::SelectOp::create(b, loc, active, carried[0], none);
                                   Value newNumbers = tensor::InsertOp::create(b, loc, number, carried[2], row);
                                   Value next = arith::AddIOp::create(b, loc, carried[0], one);
                                   Value count = arith::SelectOp::create(b, loc, active, next, carried[0]);
                                   scf::YieldOp::create(b, loc, ValueRange{count, newPlaces, newNumbers});
                                 });
  emit.withDims(loop.getResult(1), {numRows});
  emit.withDims(loop.getResult(2), {numRows});
  return {loop.getResult(1), loop.getResult(2), loop.getResult(0)};
}

Value Compaction::gather(Emitter &emit, Value rows) const {
  return emit.tabulate({count, emit.dim(rows, 1)}, Emitter::elementType(rows),
                       [&](OpBuilder &b, Location loc, ValueRange at) {
                         Value place = tensor::ExtractOp::create(b, loc, places, at[0]);
                         return tensor::ExtractOp::create(b, loc, rows, ValueRange{place, at[1]}).getResult();
                       });
}

Value Compaction::ifComputed(OpBuilder &b, Location loc, Value row, Value otherwise,
                             llvm::function_ref<Value(OpBuilder &, Value)> read) const {
  Value number = tensor::ExtractOp::create(b, loc, numbers, row);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value active = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, number, zero);
  auto choice = scf::IfOp::create(b, loc, TypeRange{otherwise.getType()}, active, /*withElseRegion=*/true);
  OpBuilder inner = choice.getThenBodyBuilder();
  scf::YieldOp::create(inner, loc, read(inner, number));
  OpBuilder other = choice.getElseBodyBuilder();
  scf::YieldOp::create(other, loc, otherwise);
  return choice.getResult(0);
}
