//===- Compaction.cpp - Rows that have work -------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "dialects/AC/IR/ACDialect.h"
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

//===----------------------------------------------------------------------===//
// Compaction
//===----------------------------------------------------------------------===//

Compaction Compaction::of(Emitter &emit, OpFoldResult numRows,
                          llvm::function_ref<Value(OpBuilder &, Location, Value)> isActive) {
  Value list = emit.empty({numRows}, emit.getIndexType());
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1);
  auto loop = scf::ForOp::create(emit, zero, emit.asValue(numRows), one, ValueRange{zero, list},
                                 [&](OpBuilder &b, Location loc, Value row, ValueRange carried) {
                                   Value active = isActive(b, loc, row);
                                   // Written whether active or not: the next active row overwrites the place.
                                   Value next = tensor::InsertOp::create(b, loc, row, carried[1], carried[0]);
                                   Value more = arith::AddIOp::create(b, loc, carried[0], one);
                                   Value count = arith::SelectOp::create(b, loc, active, more, carried[0]);
                                   scf::YieldOp::create(b, loc, ValueRange{count, next});
                                 });
  OpFoldResult count = loop.getResult(0);
  emit.withDims(loop.getResult(1), {numRows});
  return {emit.slice(loop.getResult(1), 0, emit.dimension(0), count), count};
}

Compaction Compaction::ofMask(Emitter &emit, Value mask, OpFoldResult numRows) {
  Value flat = emit.reshape(mask, {numRows});
  return of(emit, numRows, [&](OpBuilder &b, Location loc, Value row) {
    return isNotZero(b, loc, tensor::ExtractOp::create(b, loc, flat, row));
  });
}

Value Compaction::gather(Emitter &emit, Value rows) const {
  Dims dims{count, emit.dim(rows, 1)};
  Value init = emit.empty(dims, Emitter::elementType(rows));
  auto op = GatherRowsOp::create(emit, TypeRange{init.getType()}, rows, places, init);
  return emit.withDims(op.getResult(0), dims);
}

Value Compaction::scatter(Emitter &emit, Value rows, Value into, bool accumulate) const {
  Dims dims = emit.dims(into);
  auto op = ScatterRowsOp::create(emit, TypeRange{into.getType()}, rows, places, into, accumulate);
  return emit.withDims(op.getResult(0), dims);
}

//===----------------------------------------------------------------------===//
// RowOperands
//===----------------------------------------------------------------------===//

RowOperands::RowOperands(Emitter &emit, ArrayRef<Value> operands, ArrayRef<OpFoldResult> leading)
    : emit(emit), operands(operands), leading(leading), rows(emit.product(leading)) {
  proven = llvm::all_of(operands, [&](Value operand) {
    Dims own = emit.dims(operand);
    return !own.empty() && Emitter::same(ArrayRef(own).drop_back(), leading);
  });
}

Value RowOperands::flat(Value operand) const { return emit.reshape(operand, {rows, emit.dims(operand).back()}); }

Value RowOperands::whole(Value matrix) const {
  Dims dims = leading;
  dims.push_back(emit.dims(matrix).back());
  return emit.reshape(matrix, dims);
}

FailureOr<SmallVector<Value>> RowOperands::run(Node &node, unsigned number, const Compaction &list) const {
  SmallVector<Value> gathered;
  for (Value operand : operands) {
    // The region keeps the rank it was written for: [1, ..., count, width].
    Dims dims(leading.empty() ? 0 : leading.size() - 1, emit.dimension(1));
    dims.append({list.count, emit.dims(operand).back()});
    gathered.push_back(emit.reshape(list.gather(emit, flat(operand)), dims));
  }
  FailureOr<SmallVector<Value>> results = node.lowerRegion(number, gathered);
  if (failed(results))
    return failure();
  for (Value &result : *results)
    result = emit.reshape(result, {list.count, emit.dims(result).back()});
  return results;
}

FailureOr<SmallVector<Value>> RowOperands::runAll(Node &node, unsigned number) const {
  return node.lowerRegion(number, operands);
}
