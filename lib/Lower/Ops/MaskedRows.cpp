//===- MaskedRows.cpp - Lowering of ac.masked_rows ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compaction: the rows whose mask is not zero are numbered in order, gathered, and given to the body, which then has as
// many rows as there is work, none included. Results are not scattered: an elementwise operation asks for each row
// whether it was computed and where. It fuses with the product by the mask and the sum over learners or experts, so that
// only rows that were computed are read again.
//
//===----------------------------------------------------------------------===//
#include "Lower/NodeLowering.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

Value isNotZero(OpBuilder &b, Location loc, Value mask) {
  Value zero = arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(mask.getType())));
  return isa<FloatType>(mask.getType())
             ? arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, mask, zero).getResult()
             : arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, mask, zero).getResult();
}

/// Every row is computed; results of masked rows are replaced by zero.
LogicalResult lowerDense(Node &node, Value mask) {
  FailureOr<SmallVector<Value>> results = node.lowerRegion(0, node.inputs().empty() ? ValueRange() : ValueRange(node.inputs()).drop_front());
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results)) {
    Type element = Emitter::elementType(result);
    node.setOutput(i, node.emit.elementwise({mask, result}, element, [&](OpBuilder &b, Location loc, ValueRange v) {
      Value zero = arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(element)));
      return arith::SelectOp::create(b, loc, isNotZero(b, loc, v[0]), v[1], zero).getResult();
    }));
  }
  return success();
}

/// The places of the rows that have work, and for each row its place among them or -1.
struct Compaction {
  Value places;  // tensor<?xindex>, `count` entries used
  Value numbers; // tensor<?xindex>
  OpFoldResult count;
};

Compaction compact(Emitter &emit, Value mask, OpFoldResult numRows) {
  Type index = emit.getIndexType();
  Value flat = emit.reshape(mask, {numRows});
  Value places = emit.empty({numRows}, index), numbers = emit.empty({numRows}, index);
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1), none = emit.constantIndex(-1);
  auto loop = scf::ForOp::create(
      emit, zero, emit.asValue(numRows), one, ValueRange{zero, places, numbers},
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

LogicalResult lowerMaskedRows(Node &node) {
  Emitter &emit = node.emit;
  auto op = cast<MaskedRowsOp>(node.op);
  Value mask = node.input(0);
  SmallVector<Value> inputs = node.inputs();
  ArrayRef<Value> rows = ArrayRef(inputs).drop_front();
  // Rows must be proven to be those of the mask; a dimension of one may yet broadcast.
  Dims leading = emit.dims(mask);
  leading.pop_back();
  bool proven = llvm::all_of(rows, [&](Value row) {
    Dims own = emit.dims(row);
    own.pop_back();
    return Emitter::same(own, leading);
  });
  if (op.getDense() || !proven)
    return lowerDense(node, mask);

  OpFoldResult numRows = emit.product(leading);
  Compaction compaction = compact(emit, mask, numRows);
  // The body keeps the rank it was written for: [1, ..., count, width].
  auto withRank = [&](OpFoldResult width) {
    Dims dims(leading.size() - 1, emit.dimension(1));
    dims.push_back(compaction.count);
    dims.push_back(width);
    return dims;
  };
  SmallVector<Value> gathered;
  for (Value row : rows) {
    OpFoldResult width = emit.dims(row).back();
    Value flat = emit.reshape(row, {numRows, width});
    Value picked = emit.tabulate({compaction.count, width}, Emitter::elementType(row),
                                 [&](OpBuilder &b, Location loc, ValueRange at) {
                                   Value place = tensor::ExtractOp::create(b, loc, compaction.places, at[0]);
                                   return tensor::ExtractOp::create(b, loc, flat, ValueRange{place, at[1]}).getResult();
                                 });
    gathered.push_back(emit.reshape(picked, withRank(width)));
  }
  FailureOr<SmallVector<Value>> results = node.lowerRegion(0, gathered);
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results)) {
    OpFoldResult width = emit.dims(result).back();
    Type element = Emitter::elementType(result);
    Value flat = emit.reshape(result, {compaction.count, width});
    Dims dims = leading;
    dims.push_back(width);
    Value whole = emit.tabulate({numRows, width}, element, [&](OpBuilder &b, Location loc, ValueRange at) {
      Value number = tensor::ExtractOp::create(b, loc, compaction.numbers, at[0]);
      Value zero = arith::ConstantIndexOp::create(b, loc, 0);
      Value active = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, number, zero);
      // A branch, not a select: rows that were not computed have nothing to be read.
      auto choice = scf::IfOp::create(b, loc, TypeRange{element}, active, /*withElseRegion=*/true);
      OpBuilder inner = choice.getThenBodyBuilder();
      scf::YieldOp::create(inner, loc,
                           tensor::ExtractOp::create(inner, loc, flat, ValueRange{number, at[1]}).getResult());
      OpBuilder other = choice.getElseBodyBuilder();
      Value nothing = arith::ConstantOp::create(other, loc, cast<TypedAttr>(b.getZeroAttr(element)));
      scf::YieldOp::create(other, loc, nothing);
      return choice.getResult(0);
    });
    node.setOutput(i, emit.reshape(whole, dims));
  }
  return success();
}

} // namespace

void mlir::ac::populateMaskedRowsLowerings(LoweringTable &table) { table.add("ac.masked_rows", lowerMaskedRows); }
