//===- MaskedRows.cpp - Lowering of ac.masked_rows ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body is given the rows whose mask is not zero. For its results an elementwise operation asks for each row whether
// it was computed and where; it fuses with the product by the mask and the sum over learners or experts, so that only
// rows that were computed are read again.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// Every row is computed; results of masked rows are replaced by zero.
LogicalResult lowerDense(Node &node, Value mask) {
  FailureOr<SmallVector<Value>> results =
      node.lowerRegion(0, node.inputs().empty() ? ValueRange() : ValueRange(node.inputs()).drop_front());
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
  Compaction compaction = Compaction::of(emit, mask, numRows);
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
    gathered.push_back(emit.reshape(compaction.gather(emit, flat), withRank(width)));
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
      Value nothing = arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(element)));
      return compaction.ifComputed(b, loc, at[0], nothing, [&](OpBuilder &inner, Value number) -> Value {
        return tensor::ExtractOp::create(inner, loc, flat, ValueRange{number, at[1]});
      });
    });
    node.setOutput(i, emit.reshape(whole, dims));
  }
  return success();
}

} // namespace

void mlir::ac::populateMaskedRowsLowerings(LoweringTable &table) {
  table.add("ac.masked_rows", lowerMaskedRows);
  table.add("com.microsoft.MoE", lowerMixtureOfExperts);
}
