//===- ContractKernel.cpp - The tiles of a matrix kernel ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/FusedSums.h"

namespace mlir::ac {

/// Steps between the request for a row of a panel and its use: as many lines as a core can wait for.
static constexpr int64_t kStepsAhead = 24;

/// The function over a range of tasks. From here on, the members name its arguments.
void ContractEmitter::emitKernel(func::FuncOp kernel, ValueRange captured, ArrayRef<Operation *> constants) {
  auto arguments = kernel.getArguments();
  lhs = arguments[0], rhs = arguments[1], result = arguments[2];
  extras.assign(arguments.begin() + 3, arguments.begin() + 3 + op.getExtras().size());
  arguments = arguments.drop_front(3 + extras.size());
  for (auto [given, list] : {std::pair{op.getLhsRows(), &lhsRows}, std::pair{op.getOutRows(), &outRows},
                             std::pair{op.getRhsStarts(), &rhsStarts}}) {
    if (!given)
      continue;
    *list = arguments.front();
    arguments = arguments.drop_front();
  }
  for (auto [value, argument] : llvm::zip(captured, arguments))
    inside.map(value, argument);
  for (Operation *constant : constants)
    b.clone(*constant, inside);
  Value begin = kernel.getArguments().drop_back().back(), end = kernel.getArguments().back();
  int64_t panelSize = lanes * vectors, chunkRows = rows * kTilesPerTask;
  Value numRows = numRowsOf(lhsRows, outRows), numColumns = dimOf(result, op.getOutOrder(), 2);
  Value panels = arith::CeilDivSIOp::create(b, numColumns, index(panelSize)),
        chunks = arith::CeilDivSIOp::create(b, numRows, index(chunkRows));
  Value together = panelsOfTask(panels, dimOf(lhs, op.getLhsOrder(), 2));
  Value groups = arith::CeilDivSIOp::create(b, panels, together);
  Value several = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, together, index(1));
  Value rowStep = arith::SelectOp::create(b, several, index(2 * rows), index(chunkRows));
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  func::ReturnOp::create(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  // Chunks run fastest: the panel stays in the cache while the rows pass by.
  Value chunk = arith::RemUIOp::create(b, loop.getInductionVar(), chunks);
  Value rest = arith::DivUIOp::create(b, loop.getInductionVar(), chunks);
  Tile tile;
  Value firstPanel = arith::MulIOp::create(b, arith::RemUIOp::create(b, rest, groups), together);
  tile.batch = arith::DivUIOp::create(b, rest, groups);
  if (op.hasImages()) {
    Value batches = dimOf(result, op.getOutOrder(), 0);
    tile.image = arith::DivUIOp::create(b, tile.batch, batches);
    tile.batch = arith::RemUIOp::create(b, tile.batch, batches);
  }
  tile.lhsBatch = applyBatch(op.getLhsBatch(), tile.batch);
  tile.rhsBatch = applyBatch(op.getRhsBatch(), tile.batch);
  if (op.hasImages()) {
    Value images = dimOf(result, op.getOutOrder(), 3);
    Value lines = arith::DivUIOp::create(b, memref::DimOp::create(b, rhs, 0), images);
    tile.rhsBatch = arith::AddIOp::create(b, tile.rhsBatch, arith::MulIOp::create(b, tile.image, lines));
  }
  Value rowBegin = arith::MulIOp::create(b, chunk, index(chunkRows));
  Value rowEnd = arith::MinSIOp::create(b, numRows, addIndex(rowBegin, chunkRows));
  auto rowLoop = scf::ForOp::create(b, rowBegin, rowEnd, rowStep);
  b.setInsertionPoint(rowLoop.getBody()->getTerminator());
  rowBegin = rowLoop.getInductionVar();
  rowEnd = arith::MinSIOp::create(b, rowEnd, arith::AddIOp::create(b, rowBegin, rowStep));
  Value lastPanel = arith::MinSIOp::create(b, panels, arith::AddIOp::create(b, firstPanel, together));
  auto panelLoop = scf::ForOp::create(b, firstPanel, lastPanel, index(1));
  b.setInsertionPoint(panelLoop.getBody()->getTerminator());
  tile.panel = panelLoop.getInductionVar();
  tile.column = arith::MulIOp::create(b, tile.panel, index(panelSize));
  Value columnsLeft = arith::SubIOp::create(b, numColumns, tile.column);
  emitPanel(tile, rowBegin, rowEnd, columnsLeft);
}

ContractEmitter::Remainder ContractEmitter::remainder() {
  int64_t panelSize = lanes * vectors;
  int64_t columns = cast<MemRefType>(op.getInit().getType()).getDimSize(ContractOp::dimOf(op.getOutOrder(), 2));
  if (!ShapedType::isDynamic(columns)) {
    Remainder left{columns >= panelSize, {}};
    if (columns % panelSize)
      left.vectors.push_back(llvm::divideCeil(columns % panelSize, lanes));
    return left;
  }
  // Not known: halves of the panel, down to one vector. Where masks are cheap, whole panels are the last of them too.
  Remainder left{!hasMasks, {}};
  for (unsigned few = 1; few < vectors; few *= 2)
    left.vectors.push_back(few);
  left.vectors.push_back(vectors);
  return left;
}

/// Chooses how many vectors of the panel are computed.
void ContractEmitter::emitPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft) {
  OpBuilder::InsertionGuard guard(b);
  Remainder left = remainder();
  auto ifColumns = [&](arith::CmpIPredicate predicate, int64_t count) {
    Value holds = arith::CmpIOp::create(b, predicate, columnsLeft, index(count));
    auto choice = scf::IfOp::create(b, holds, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.thenBlock());
    return choice;
  };
  tile.masked = false;
  tile.vectors = vectors;
  if (left.vectors.empty())
    return emitRowBlocks(tile, rowBegin, rowEnd);
  if (left.mayBeWhole) {
    auto choice = ifColumns(arith::CmpIPredicate::sge, lanes * vectors);
    emitRowBlocks(tile, rowBegin, rowEnd);
    b.setInsertionPointToStart(choice.elseBlock());
  }
  tile.masked = true;
  masks.clear();
  for (unsigned v = 0; v < left.vectors.back(); ++v)
    masks.push_back(vector::CreateMaskOp::create(
        b, maskType, ValueRange{arith::SubIOp::create(b, columnsLeft, index(v * lanes)).getResult()}));
  for (unsigned few : ArrayRef(left.vectors).drop_back()) {
    tile.vectors = few;
    auto choice = ifColumns(arith::CmpIPredicate::sle, lanes * few);
    emitRowBlocks(tile, rowBegin, rowEnd);
    b.setInsertionPointToStart(choice.elseBlock());
  }
  tile.vectors = left.vectors.back();
  emitRowBlocks(tile, rowBegin, rowEnd);
}

void ContractEmitter::emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd) {
  // Half of the vectors leave registers for twice the rows. With fewer, additions wait for each other.
  if (tile.vectors * 2 <= vectors && rows > 1)
    rowBegin = emitRowLoop(tile, rowBegin, rowEnd, 2 * rows, op.getPacked() ? Fetch::Stream : Fetch::Nothing);
  Value fullEnd;
  if (!op.getPacked()) {
    fullEnd = emitRowLoop(tile, rowBegin, rowEnd, rows, Fetch::Nothing);
  } else {
    Value tiles = arith::DivUIOp::create(b, arith::SubIOp::create(b, rowEnd, rowBegin), index(rows));
    auto atLeast = [&](int64_t number) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tiles, index(number));
    };
    // One line a step, each of them twice or four times where there are tiles enough.
    auto doubled = [&](int64_t times) {
      return arith::SelectOp::create(b, atLeast(vectors * times), index(1), index(0));
    };
    aheadShift = arith::AddIOp::create(b, doubled(2), doubled(4));
    auto many = scf::IfOp::create(b, b.getIndexType(), atLeast(vectors), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    for (Fetch fetch : {Fetch::Panel, Fetch::Stream}) {
      b.setInsertionPointToStart(fetch == Fetch::Panel ? many.thenBlock() : many.elseBlock());
      scf::YieldOp::create(b, emitRowLoop(tile, rowBegin, rowEnd, rows, fetch));
    }
    fullEnd = many.getResult(0);
  }
  if (rows == 1)
    return;
  Value left = arith::SubIOp::create(b, rowEnd, fullEnd);
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, rows));
  auto remainder = scf::IndexSwitchOp::create(b, TypeRange{}, left, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [i, numRows] : llvm::enumerate(cases)) {
    b.createBlock(&remainder.getCaseRegions()[i]);
    emitTile(tile, fullEnd, numRows, op.getPacked() ? Fetch::Stream : Fetch::Nothing);
    scf::YieldOp::create(b);
  }
  b.createBlock(&remainder.getDefaultRegion());
  scf::YieldOp::create(b);
}

/// Tiles of `tileRows` rows as long as they are whole; returns where what is left begins.
Value ContractEmitter::emitRowLoop(const Tile &tile, Value rowBegin, Value rowEnd, int64_t tileRows, Fetch fetch) {
  Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
  Value fullEnd = arith::SubIOp::create(b, rowEnd, arith::RemUIOp::create(b, count, index(tileRows)));
  auto loop = scf::ForOp::create(b, rowBegin, fullEnd, index(tileRows));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value number = arith::DivUIOp::create(b, arith::SubIOp::create(b, loop.getInductionVar(), rowBegin), index(tileRows));
  emitTile(tile, loop.getInductionVar(), tileRows, fetch, number);
  return fullEnd;
}

Value ContractEmitter::loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked) {
  if (!masked)
    return vector::LoadOp::create(b, type, buffer, indices);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
  return vector::MaskedLoadOp::create(b, type, buffer, indices, masks[vector], zero);
}

Value ContractEmitter::loadRhs(const Tile &tile, Value k, unsigned vector) {
  // A packed panel is there to its end: no mask is needed.
  if (op.getPacked())
    return loadVector(rhs, {tile.rhsBatch, tile.panel, k, index(vector * lanes)}, vectorType, vector, false);
  if (rhsStarts) { // past the end of a line the next one begins
    Value column = arith::AddIOp::create(b, memref::LoadOp::create(b, rhsStarts, k), tile.column);
    return loadVector(rhs, {tile.rhsBatch, addIndex(column, vector * lanes)}, vectorType, vector, tile.masked);
  }
  return loadVector(rhs, ordered(op.getRhsOrder(), {tile.rhsBatch, k, addIndex(tile.column, vector * lanes)}),
                    vectorType, vector, tile.masked);
}

void ContractEmitter::emitTile(const Tile &tile, Value row, unsigned numRows, Fetch fetch, Value tileNumber) {
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
  Value depth = dimOf(lhs, op.getLhsOrder(), 2);
  unsigned vectors = tile.vectors;
  SmallVector<Value> rowIndex, lhsRow, outRow;
  for (unsigned r = 0; r < numRows; ++r) {
    rowIndex.push_back(addIndex(row, r));
    auto place = [&](Value places) -> Value {
      return places ? memref::LoadOp::create(b, places, rowIndex[r]).getResult() : rowIndex[r];
    };
    lhsRow.push_back(place(lhsRows));
    outRow.push_back(place(outRows));
  }
  // One sum over the whole depth whatever the tile: what a row is computed to does not depend on its neighbours.
  unsigned perTile = numRows * vectors;
  Value nextPanel, firstStep;
  if (fetch == Fetch::Panel) {
    nextPanel = addIndex(tile.panel, 1);
    firstStep = arith::MulIOp::create(b, tileNumber, depth);
  }
  auto prefetch = [&](Value panel, Value k, Value column) {
    memref::PrefetchOp::create(b, rhs, ValueRange{tile.rhsBatch, panel, k, column}, /*isWrite=*/false,
                               /*localityHint=*/2, /*isDataCache=*/true);
  };
  auto step = [&](Value k, MutableArrayRef<Value> sum) {
    if (fetch == Fetch::Panel) {
      // Lines of the panel one after another, spread over the tiles.
      Value line = arith::ShRUIOp::create(b, arith::AddIOp::create(b, firstStep, k), aheadShift);
      prefetch(nextPanel, index(0), arith::MulIOp::create(b, line, index(lanes)));
    } else if (fetch == Fetch::Stream) {
      Value later = addIndex(k, kStepsAhead); // past the end of the panel the next one begins
      for (unsigned v = 0; v < vectors; ++v)
        prefetch(tile.panel, later, index(v * lanes));
    }
    SmallVector<Value> panelRow;
    for (unsigned v = 0; v < vectors; ++v)
      panelRow.push_back(loadRhs(tile, k, v));
    for (unsigned r = 0; r < numRows; ++r) {
      Value scalar = memref::LoadOp::create(b, lhs, ordered(op.getLhsOrder(), {tile.lhsBatch, lhsRow[r], k}));
      Value broadcast = vector::BroadcastOp::create(b, vectorType, scalar);
      for (unsigned v = 0; v < vectors; ++v)
        sum[r * vectors + v] = vector::FMAOp::create(b, broadcast, panelRow[v], sum[r * vectors + v]);
    }
  };
  auto loop = scf::ForOp::create(b, index(0), depth, index(1), SmallVector<Value>(perTile, zero));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> next(loop.getRegionIterArgs());
    step(loop.getInductionVar(), next);
    scf::YieldOp::create(b, next);
  }
  SmallVector<Value> sum(loop.getResults());
  for (unsigned r = 0; r < numRows; ++r) {
    for (unsigned v = 0; v < vectors; ++v) {
      Value value = epilogue(sum[r * vectors + v], tile, rowIndex[r], v);
      SmallVector<Value> position =
          ordered(op.getOutOrder(), {tile.batch, outRow[r], addIndex(tile.column, v * lanes), tile.image});
      if (op.getAccumulate())
        value = fusedSum(b, loadVector(result, position, vectorType, v, tile.masked), value, /*minus=*/false);
      if (tile.masked)
        vector::MaskedStoreOp::create(b, result, position, masks[v], value);
      else
        vector::StoreOp::create(b, value, result, position);
    }
  }
}

/// Runs the epilogue's scalar operations on vectors.
Value ContractEmitter::epilogue(Value sum, const Tile &tile, Value row, unsigned vector) {
  Block *body = op.getEpilogueBody();
  IRMapping mapping = inside;
  mapping.map(body->getArgument(0), sum);
  Value column = addIndex(tile.column, vector * lanes);
  auto vectorOf = [&](Type scalar) { return VectorType::get({static_cast<int64_t>(lanes)}, scalar); };
  for (auto [i, extra] : llvm::enumerate(extras)) {
    AffineMap map = cast<AffineMapAttr>(op.getExtraMaps()[i]).getValue();
    Type scalar = cast<MemRefType>(extra.getType()).getElementType();
    SmallVector<Value> indices;
    SmallVector<OpFoldResult> coordinates{tile.batch, row, column};
    if (tile.image)
      coordinates.push_back(tile.image);
    for (AffineExpr expr : map.getResults())
      indices.push_back(
          affine::makeComposedAffineApply(b, b.getLoc(), AffineMap::get(map.getNumDims(), 0, expr), coordinates));
    Value loaded = alongColumns(map)
                       ? loadVector(extra, indices, vectorOf(scalar), vector, tile.masked)
                       : vector::BroadcastOp::create(b, vectorOf(scalar),
                                                     memref::LoadOp::create(b, extra, indices).getResult());
    mapping.map(body->getArgument(i + 1), loaded);
  }
  for (Operation &scalarOp : body->without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(scalarOp)) {
      auto splat = DenseElementsAttr::get(vectorOf(constant.getType()), constant.getValue());
      mapping.map(constant.getResult(), arith::ConstantOp::create(b, splat).getResult());
      continue;
    }
    for (Value operand : scalarOp.getOperands()) {
      Value known = mapping.lookupOrDefault(operand);
      if (!isa<VectorType>(known.getType())) // captured
        mapping.map(operand, vector::BroadcastOp::create(b, vectorOf(known.getType()), known).getResult());
    }
    if (emitFusedSum(b, scalarOp, mapping))
      continue;
    Operation *clone = b.clone(scalarOp, mapping);
    for (OpResult value : clone->getResults())
      value.setType(vectorOf(value.getType()));
  }
  Value yielded = mapping.lookup(body->getTerminator()->getOperand(0));
  return isa<VectorType>(yielded.getType()) ? yielded
                                             : vector::BroadcastOp::create(b, vectorType, yielded).getResult();
}

} // namespace mlir::ac
