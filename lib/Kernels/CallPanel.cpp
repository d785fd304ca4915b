//===- CallPanel.cpp - Panels of products by kernels from elsewhere -------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/HalideCall.h"

namespace mlir::ac {

void ContractEmitter::callPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft) {
  if (op.getCopied()) {
    tile.vectors = vectors, tile.masked = true;
    setMasks(columnsLeft, vectors);
    copyPanel(tile);
    isUnpacked = true;
    callProduct(entry, tile, rowBegin, rowEnd, columnsLeft);
    isUnpacked = false;
    return;
  }
  if (!op.isQuantized())
    return callProduct(entry, tile, rowBegin, rowEnd, columnsLeft);
  // For many rows each number is computed once, as for kernels of our own.
  Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
  auto many = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, count, index(rows)),
                                /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(many.thenBlock());
  tile.vectors = vectors, tile.masked = false;
  unpackPanel(tile);
  isUnpacked = true;
  callProduct(unpackedEntry, tile, rowBegin, rowEnd, columnsLeft);
  isUnpacked = false;
  b.setInsertionPointToStart(many.elseBlock());
  callProduct(entry, tile, rowBegin, rowEnd, columnsLeft);
}

void ContractEmitter::callProduct(StringRef function, const Tile &tile, Value rowBegin, Value rowEnd,
                                  Value columnsLeft) {
  auto multiply = [&](Value x, Value y) { return arith::MulIOp::create(b, x, y).getResult(); };
  auto add = [&](Value x, Value y) { return arith::AddIOp::create(b, x, y).getResult(); };
  auto stridesOf = [&](Value buffer) { return memref::ExtractStridedMetadataOp::create(b, buffer); };
  // The element at these coordinates, from the first of the memory on.
  auto placeOf = [&](memref::ExtractStridedMetadataOp view, ArrayRef<Value> coordinates) {
    Value place = view.getOffset();
    for (auto [coordinate, stride] : llvm::zip_equal(coordinates, view.getStrides()))
      place = add(place, multiply(coordinate, stride));
    return place;
  };
  int64_t width = lanes * vectors;
  Value zero = index(0), one = index(1), rowCount = arith::SubIOp::create(b, rowEnd, rowBegin),
        depth = dimOf(lhs, op.getLhsOrder(), 2), columns = arith::MinSIOp::create(b, columnsLeft, index(width));
  using Dimension = HalideCall::Dimension;
  HalideCall call(b);
  call.addNumber(rowCount);
  if (op.isQuantized() && !isUnpacked)
    call.addNumber(index(*op.getBlockSize()));

  auto view = stridesOf(lhs);
  int64_t rowDim = ContractOp::dimOf(op.getLhsOrder(), 1), depthDim = ContractOp::dimOf(op.getLhsOrder(), 2);
  Value lhsRowCount = lhsRows ? memref::DimOp::create(b, lhs, rowDim).getResult() : rowCount;
  call.addBuffer(lhs, placeOf(view, ordered(op.getLhsOrder(), {tile.lhsBatch, lhsRows ? zero : rowBegin, zero})),
                 {Dimension{depth, view.getStrides()[depthDim]}, Dimension{lhsRowCount, view.getStrides()[rowDim]}});
  // Groups are a dimension of their own; rows of a panel are words, groups, blocks or steps.
  auto addPanel = [&](Value buffer, Value offset, Value length, int64_t group) {
    SmallVector<Dimension> dimensions{{index(width), index(group)}, {length, index(width * group)}};
    if (group > 1)
      dimensions.insert(dimensions.begin(), {index(group), one});
    call.addBuffer(buffer, offset, dimensions);
  };
  auto panelOf = [&](Value buffer, int64_t group) {
    addPanel(buffer, placeOf(stridesOf(buffer), {tile.rhsBatch, tile.panel, zero, zero}),
             memref::DimOp::create(b, buffer, 2), group);
  };
  if (isUnpacked) {
    addPanel(scratch, stridesOf(scratch).getOffset(), depth, 1);
  } else {
    panelOf(rhs, op.getGroup().value_or(1));
    for (Value parameters : {scales, zeros})
      if (parameters)
        panelOf(parameters, 1);
  }
  if (lhsRows) {
    view = stridesOf(lhsRows);
    call.addBuffer(lhsRows, placeOf(view, {rowBegin}), {Dimension{rowCount, view.getStrides()[0]}});
  }
  for (auto [i, extra] : llvm::enumerate(extras)) {
    AffineMap map = cast<AffineMapAttr>(op.getExtraMaps()[i]).getValue();
    view = stridesOf(extra);
    SmallVector<Value> first;
    SmallVector<Dimension> dimensions;
    for (AffineExpr expr : map.getResults())
      first.push_back(affine::makeComposedAffineApply(
          b, b.getLoc(), AffineMap::get(3, 0, expr),
          {OpFoldResult(tile.batch), OpFoldResult(rowBegin), OpFoldResult(tile.column)}));
    for (auto [dim, extent] : {std::pair{2, columns}, std::pair{1, rowCount}})
      for (auto [axis, expr] : llvm::enumerate(map.getResults()))
        if (expr == b.getAffineDimExpr(dim))
          dimensions.push_back({extent, view.getStrides()[axis]});
    call.addBuffer(extra, placeOf(view, first), dimensions);
  }
  view = stridesOf(result);
  SmallVector<Value> place = op.getOutPanels() ? SmallVector<Value>{tile.batch, tile.panel, rowBegin, zero}
                                               : ordered(op.getOutOrder(), {tile.batch, rowBegin, tile.column});
  call.addBuffer(result, placeOf(view, place),
                 {Dimension{columns, one}, Dimension{rowCount, view.getStrides()[op.getOutDim(1)]}});
  call.create(function);
}

} // namespace mlir::ac
