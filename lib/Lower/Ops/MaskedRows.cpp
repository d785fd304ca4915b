//===- MaskedRows.cpp - Lowering of ac.masked_rows ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "Lower/Ops/Counters.h"
#include "Support/Costs.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// The operands of each kind, lowered.
struct Operands {
  explicit Operands(Node &node) {
    auto op = cast<MaskedRowsOp>(node.op);
    SmallVector<Value> all = node.inputs();
    mask = all.front();
    rows = llvm::to_vector(ArrayRef(all).slice(1, op.getRows().size()));
    otherwise = llvm::to_vector(ArrayRef(all).drop_front(1 + rows.size()));
  }
  Value mask;
  SmallVector<Value> rows, otherwise;
};

/// Every row is computed; those under the mask are then selected.
LogicalResult lowerDense(Node &node, const Operands &operands, const RowOperands &rows) {
  FailureOr<SmallVector<Value>> results = rows.runAll(node, 0);
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results)) {
    Type element = Emitter::elementType(result);
    SmallVector<Value> given{operands.mask, result};
    if (!operands.otherwise.empty())
      given.push_back(operands.otherwise[i]);
    node.setOutput(i, node.emit.elementwise(given, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value other = v.size() == 3 ? v[2]
                                  : arith::ConstantOp::create(b, loc, cast<TypedAttr>(b.getZeroAttr(element))).getResult();
      return arith::SelectOp::create(b, loc, isNotZero(b, loc, v[0]), v[1], other);
    }));
  }
  return success();
}

LogicalResult lowerMaskedRows(Node &node) {
  Emitter &emit = node.emit;
  auto op = cast<MaskedRowsOp>(node.op);
  Operands operands(node);
  Dims leading = emit.dims(operands.mask);
  leading.pop_back();
  SmallVector<Value> all = operands.rows;
  llvm::append_range(all, operands.otherwise);
  bool proven = RowOperands(emit, all, leading).areProven();
  RowOperands rows(emit, operands.rows, leading);
  // A halting loop counts what is done for the rows that run.
  auto loop = dyn_cast<HaltingLoopOp>(op->getParentOp());
  bool counts = !loop || !loop.getSelfMasked();
  Counters counters(node, "masked_rows");
  counters.add("rows");
  counters.add("active", flopsPerRow(op.getBody()));
  if (counts)
    counters.count(0, rows.numRows());
  if (op.getDense() || !proven) {
    if (counts)
      counters.count(1, rows.numRows());
    return lowerDense(node, operands, rows);
  }

  Compaction list = Compaction::ofMask(emit, operands.mask, rows.numRows());
  if (counts)
    counters.count(1, list.count);
  FailureOr<SmallVector<Value>> results = rows.run(node, 0, list);
  if (failed(results))
    return failure();
  for (auto [i, result] : llvm::enumerate(*results)) {
    Type element = Emitter::elementType(result);
    Value into = operands.otherwise.empty()
                     ? emit.fill({rows.numRows(), emit.dim(result, 1)}, emit.constant(element, 0))
                     : rows.flat(operands.otherwise[i]);
    node.setOutput(i, rows.whole(list.scatter(emit, result, into, /*accumulate=*/false)));
  }
  return success();
}

} // namespace

void mlir::ac::populateMaskedRowsLowerings(LoweringTable &table) {
  table.add("ac.masked_rows", lowerMaskedRows);
  table.add("com.microsoft.MoE", lowerMixtureOfExperts);
}
