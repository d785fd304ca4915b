//===- ContractKernel.cpp - The tiles of a matrix kernel ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/FusedSums.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

/// Lets denormal numbers be zero from here on, as `ac-flush-denormals` does to weights; returns where the former state
/// is kept, or null where denormals cost nothing. They do not change a sum unless all else in it is as small.
static Value flushDenormals(ImplicitLocOpBuilder &b, const TargetInfo &target) {
  if (!StringRef(target.triple).starts_with("x86_64"))
    return {};
  constexpr int32_t kFlushToZero = 1 << 15, kDenormalsAreZero = 1 << 6;
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto constant = [&](int32_t value) -> Value { return arith::ConstantOp::create(b, b.getI32IntegerAttr(value)); };
  Value former = LLVM::AllocaOp::create(b, pointer, b.getI32Type(), constant(1)),
        flushing = LLVM::AllocaOp::create(b, pointer, b.getI32Type(), constant(1));
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86.sse.stmxcsr"), ValueRange{former});
  Value state = LLVM::LoadOp::create(b, b.getI32Type(), former);
  LLVM::StoreOp::create(b, arith::OrIOp::create(b, state, constant(kFlushToZero | kDenormalsAreZero)), flushing);
  LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86.sse.ldmxcsr"), ValueRange{flushing});
  return former;
}

/// The function over a range of tasks. From here on, the members name its arguments.
void ContractEmitter::emitKernel(func::FuncOp kernel) {
  auto arguments = kernel.getArguments();
  lhs = arguments[0], rhs = arguments[1], result = arguments[2];
  extras.assign(arguments.begin() + 3, arguments.begin() + 3 + op.getExtras().size());
  arguments = arguments.drop_front(3 + extras.size());
  auto takeIf = [&](Value given) -> Value {
    if (!given)
      return {};
    Value argument = arguments.front();
    arguments = arguments.drop_front();
    return argument;
  };
  lhsRows = takeIf(op.getLhsRows()), outRows = takeIf(op.getOutRows()), rhsStarts = takeIf(op.getRhsStarts());
  scales = takeIf(op.getScales()), zeros = takeIf(op.getZeros()), offsets = takeIf(op.getOffsets());
  scratch = takeIf(usesScratch() ? result : Value());
  if (usesTiles()) {
    arranged = arguments.front();
    arguments = arguments.drop_front();
    configureTiles();
  }
  if (unpacksToTiles())
    clearUnpacked();
  for (auto [value, argument] : llvm::zip(captured, arguments))
    inside.map(value, argument);
  for (Operation *constant : constants)
    b.clone(*constant, inside);
  arguments = arguments.drop_front(captured.size());
  Value next = fetchesPanels() ? arguments.front() : Value();
  Value begin = kernel.getArguments().drop_back().back(), end = kernel.getArguments().back();
  int64_t panelSize = lanes * vectors;
  Value numRows = numRowsOf(lhsRows, outRows), numColumns = this->numColumns(), chunkRows = this->chunkRows(numRows);
  Value panels = arith::CeilDivSIOp::create(b, numColumns, index(panelSize)),
        chunks = arith::CeilDivSIOp::create(b, numRows, chunkRows);
  Value together = panelsOfTask(panels, dimOf(lhs, op.getLhsOrder(), 2));
  Value groups = arith::CeilDivSIOp::create(b, panels, together);
  Value several = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, together, index(1));
  Value rowStep = arith::SelectOp::create(b, several, index(2 * rows), chunkRows);
  if (unit == DotUnit::Tiles)
    rowStep = index(rows);
  // What small integers stand for is exact (ContractPanels.cpp), and so are sums of integers.
  Value former = op.isQuantized() || isa<IntegerType>(element) ? Value() : flushDenormals(b, target);
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  if (usesTiles())
    releaseTiles();
  if (former)
    LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86.sse.ldmxcsr"), ValueRange{former});
  func::ReturnOp::create(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  if (op.getTurned())
    return emitTurned(loop.getInductionVar());
  // Chunks run fastest, if nothing speaks for rows: the panel stays in the cache while the rows pass by.
  Value task = loop.getInductionVar(), chunk, group, rest;
  auto split = [&](Value &fast, Value fasts, Value &slow, Value slows) {
    fast = arith::RemUIOp::create(b, task, fasts);
    rest = arith::DivUIOp::create(b, task, fasts);
    slow = arith::RemUIOp::create(b, rest, slows);
    rest = arith::DivUIOp::create(b, rest, slows);
  };
  if (op.getRowsFirst())
    split(group, groups, chunk, chunks);
  else
    split(chunk, chunks, group, groups);
  Tile tile;
  Value firstPanel = arith::MulIOp::create(b, group, together);
  setMatrix(tile, rest);
  Value rowBegin = arith::MulIOp::create(b, chunk, chunkRows);
  Value rowEnd = arith::MinSIOp::create(b, numRows, arith::AddIOp::create(b, rowBegin, chunkRows));
  Value firstRow = rowBegin, chunkEnd = rowEnd;
  if (unit == DotUnit::Tiles) {
    tile.columns = addressOfPanel(b, rhs, tile.rhsBatch, firstPanel);
    loadFirstTiles(tile, firstRow);
  }
  auto rowLoop = scf::ForOp::create(b, rowBegin, rowEnd, rowStep);
  b.setInsertionPoint(rowLoop.getBody()->getTerminator());
  rowBegin = rowLoop.getInductionVar();
  rowEnd = arith::MinSIOp::create(b, rowEnd, arith::AddIOp::create(b, rowBegin, rowStep));
  Value lastPanel = arith::MinSIOp::create(b, panels, arith::AddIOp::create(b, firstPanel, together));
  auto panelLoop = scf::ForOp::create(b, firstPanel, lastPanel, index(1));
  b.setInsertionPoint(panelLoop.getBody()->getTerminator());
  tile.panel = panelLoop.getInductionVar();
  tile.column = arith::MulIOp::create(b, tile.panel, index(panelSize));
  if (next) {
    Value following = addIndex(tile.panel, 1);
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, following, panels);
    tile.fetched = arith::SelectOp::create(b, isLast, next, addressOfPanel(b, rhs, tile.rhsBatch, following));
  }
  if (unit == DotUnit::Tiles) {
    Value following = addIndex(tile.panel, 1);
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, following, lastPanel);
    Value after = arith::AddIOp::create(b, rowBegin, rowStep);
    Value isMore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, after, chunkEnd);
    // After the last block tiles are loaded in vain.
    Value rowAfter = arith::SelectOp::create(b, isMore, after, firstRow);
    Value nextPanel = arith::SelectOp::create(b, isLast, firstPanel, following);
    tile.columns = addressOfPanel(b, rhs, tile.rhsBatch, tile.panel);
    tile.nextColumns = addressOfPanel(b, rhs, tile.rhsBatch, nextPanel);
    tile.nextRow = arith::SelectOp::create(b, isLast, rowAfter, rowBegin);
  }
  Value columnsLeft = arith::SubIOp::create(b, numColumns, tile.column);
  if (entry.empty())
    emitPanel(tile, rowBegin, rowEnd, columnsLeft);
  else
    callPanel(tile, rowBegin, rowEnd, columnsLeft);
}

void ContractEmitter::setMatrix(Tile &tile, Value matrix) {
  tile.batch = matrix;
  if (op.hasImages()) {
    Value batches = dimOf(result, op.getOutOrder(), 0);
    tile.image = arith::DivUIOp::create(b, matrix, batches);
    tile.batch = arith::RemUIOp::create(b, matrix, batches);
  }
  tile.lhsBatch = applyBatch(op.getLhsBatch(), tile.batch);
  tile.rhsBatch = applyBatch(op.getRhsBatch(), tile.batch);
  if (op.hasImages()) {
    Value images = dimOf(result, op.getOutOrder(), 3);
    Value lines = arith::DivUIOp::create(b, memref::DimOp::create(b, rhs, 0), images);
    tile.rhsBatch = arith::AddIOp::create(b, tile.rhsBatch, arith::MulIOp::create(b, tile.image, lines));
  }
}

ContractEmitter::Remainder ContractEmitter::remainder() {
  int64_t panelSize = lanes * vectors;
  int64_t columns = op.getOutPanels()
                        ? cast<MemRefType>(op.getRhs().getType()).getDimSize(ContractOp::dimOf(op.getRhsOrder(), 2))
                        : cast<MemRefType>(op.getInit().getType()).getDimSize(op.getOutDim(2));
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

void ContractEmitter::setMasks(Value columnsLeft, unsigned count) {
  masks.clear();
  for (unsigned v = 0; v < count; ++v)
    masks.push_back(vector::CreateMaskOp::create(
        b, maskType, ValueRange{arith::SubIOp::create(b, columnsLeft, index(v * lanes)).getResult()}));
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
  setMasks(columnsLeft, left.vectors.back());
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
  if (op.isQuantized()) {
    Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
    // A row or a few use each number once, from registers; for more, it is computed once and kept in the cache.
    auto many = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, count, index(rows)),
                                  /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(many.thenBlock());
    if (unpacksToTiles()) {
      unpackToTiles(tile);
      emitUnpackedBlocks(tile, rowBegin, rowEnd);
    } else {
      unpackPanel(tile);
      isUnpacked = true;
      Value fullEnd = emitRowLoop(tile, rowBegin, rowEnd, rows, {});
      emitRowsLeft(tile, fullEnd, rowEnd, rows - 1);
      isUnpacked = false;
    }
    b.setInsertionPointToStart(many.elseBlock());
    return emitRowsLeft(tile, rowBegin, rowEnd, rows);
  }
  if (unit == DotUnit::Tiles)
    return emitTileBlocks(tile, rowBegin, rowEnd);
  if (op.getCopied())
    return emitCopiedBlocks(tile, rowBegin, rowEnd);
  if (unit == DotUnit::Vectors)
    sumColumns(tile);
  // Half of the vectors leave registers for twice the rows. With fewer, additions wait for each other.
  if (tile.vectors * 2 <= vectors && rows > 1)
    rowBegin = emitRowLoop(tile, rowBegin, rowEnd, 2 * rows, {fromAfar()});
  Value fullEnd;
  if (!op.getPacked()) {
    fullEnd = emitRowLoop(tile, rowBegin, rowEnd, rows, {});
  } else {
    Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
    Value pieces = arith::DivUIOp::create(b, count, index(rows)); // one for each tile
    // Of a row of the panel.
    int64_t group = static_cast<int64_t>(op.getGroup().value_or(1));
    int64_t stepBits = lanes * vectors * group * cast<MemRefType>(rhs.getType()).getElementTypeBitWidth();
    Value panelBytes = arith::MulIOp::create(b, memref::DimOp::create(b, rhs, 2), index(stepBits / 8));
    Value lines = arith::CeilDivUIOp::create(b, panelBytes, index(kLineBytes));
    Value piece = arith::CeilDivUIOp::create(b, lines, arith::MaxUIOp::create(b, pieces, index(1)));
    pieceBytes = arith::MulIOp::create(b, piece, index(kLineBytes));
    fullEnd = arith::SubIOp::create(b, rowEnd, arith::RemUIOp::create(b, count, index(rows)));
    // A panel of the sum's type has `vectors` lines for each of the steps of a tile.
    unsigned linesOfStep = llvm::divideCeil(stepBits, lanes * element.getIntOrFloatBitWidth());
    OpBuilder::InsertionGuard guard(b);
    for (unsigned lines = 1; lines <= kUnrolledSteps; lines *= 2) {
      Value enough = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, pieces,
                                           index(llvm::divideCeil(linesOfStep * kUnrolledSteps, lines)));
      auto choice = scf::IfOp::create(b, enough, /*withElseRegion=*/true);
      b.setInsertionPointToStart(choice.thenBlock());
      emitRowLoop(tile, rowBegin, fullEnd, rows, {Fetch::Panel, lines});
      b.setInsertionPointToStart(choice.elseBlock());
    }
    emitRowLoop(tile, rowBegin, fullEnd, rows, {fromAfar()});
  }
  emitRowsLeft(tile, fullEnd, rowEnd, rows - 1);
}

/// The first tile copies the panel on its way, where multiplications take longer than loads and stores. The others read
/// the copy.
void ContractEmitter::emitCopiedBlocks(const Tile &tile, Value rowBegin, Value rowEnd) {
  OpBuilder::InsertionGuard guard(b);
  Value second = addIndex(rowBegin, rows);
  Value isTile = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, second, rowEnd);
  auto choice = scf::IfOp::create(b, isTile, /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  isCopying = true;
  emitTile(tile, rowBegin, rows, {});
  isCopying = false;
  b.setInsertionPointToStart(choice.elseBlock());
  copyPanel(tile);
  b.setInsertionPointAfter(choice);
  Value row = arith::SelectOp::create(b, isTile, second, rowBegin);
  isUnpacked = true;
  if (tile.vectors * 2 <= vectors && rows > 1)
    row = emitRowLoop(tile, row, rowEnd, 2 * rows, {});
  Value fullEnd = emitRowLoop(tile, row, rowEnd, rows, {});
  emitRowsLeft(tile, fullEnd, rowEnd, rows - 1);
  isUnpacked = false;
}

void ContractEmitter::emitRowsLeft(const Tile &tile, Value row, Value rowEnd, int64_t most) {
  if (most == 0)
    return;
  Value left = arith::SubIOp::create(b, rowEnd, row);
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, most + 1));
  auto remainder = scf::IndexSwitchOp::create(b, TypeRange{}, left, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [i, numRows] : llvm::enumerate(cases)) {
    b.createBlock(&remainder.getCaseRegions()[i]);
    emitTile(tile, row, numRows, {isUnpacked ? Fetch::Nothing : fromAfar()});
    scf::YieldOp::create(b);
  }
  b.createBlock(&remainder.getDefaultRegion());
  scf::YieldOp::create(b);
}

/// Tiles of `tileRows` rows as long as they are whole; returns where what is left begins.
Value ContractEmitter::emitRowLoop(const Tile &tile, Value rowBegin, Value rowEnd, int64_t tileRows,
                                   Fetching fetching) {
  Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
  Value fullEnd = arith::SubIOp::create(b, rowEnd, arith::RemUIOp::create(b, count, index(tileRows)));
  auto loop = scf::ForOp::create(b, rowBegin, fullEnd, index(tileRows));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value row = loop.getInductionVar();
  if (fetching.what == Fetch::Panel) {
    Value number = arith::DivUIOp::create(b, arith::SubIOp::create(b, row, rowBegin), index(tileRows));
    fetching.piece = arith::AddIOp::create(b, tile.fetched, arith::MulIOp::create(b, number, pieceBytes));
  }
  emitTile(tile, row, tileRows, fetching);
  return fullEnd;
}

Value ContractEmitter::loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked) {
  if (!masked)
    return vector::LoadOp::create(b, type, buffer, indices);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
  return vector::MaskedLoadOp::create(b, type, buffer, indices, masks[vector], zero);
}

/// Fetches the lines of a piece that belong to the steps from `k` on.
void ContractEmitter::fetch(const Fetching &fetching, Value k) {
  Value offset = arith::MulIOp::create(b, k, index(fetching.lines * kLineBytes / kUnrolledSteps));
  Value first = arith::AddIOp::create(b, fetching.piece, offset);
  for (unsigned line = 0; line < fetching.lines; ++line) {
    Value address = arith::IndexCastOp::create(b, b.getI64Type(), addIndex(first, line * kLineBytes));
    Value pointer = LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address);
    LLVM::Prefetch::create(b, pointer, /*rw=*/0, /*hint=*/3, /*cache=*/1);
  }
}

void ContractEmitter::emitTile(const Tile &tile, Value row, unsigned numRows, const Fetching &fetching) {
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
  bool isPartial = false; // whether a group may reach past the depth
  auto multiply = [&](Value k, std::optional<bool>, ArrayRef<Value> panelRow, MutableArrayRef<Value> sum) {
    for (unsigned r = 0; r < numRows; ++r) {
      if (unit == DotUnit::Vectors) {
        Value group = loadGroup(tile, lhsRow[r], k, isPartial);
        for (unsigned v = 0; v < vectors; ++v)
          sum[r * vectors + v] = multiplyGroups(group, panelRow[v], sum[r * vectors + v]);
        continue;
      }
      Value scalar = memref::LoadOp::create(b, lhs, ordered(op.getLhsOrder(), {tile.lhsBatch, lhsRow[r], k}));
      Value broadcast = vector::BroadcastOp::create(b, vectorType, widen(scalar, op.getLhsUnsigned()));
      for (unsigned v = 0; v < vectors; ++v)
        sum[r * vectors + v] = multiplyAdd(broadcast, panelRow[v], sum[r * vectors + v]);
    }
  };
  SmallVector<Value> sum(perTile, zero);
  if (!starts.empty())
    for (auto [i, value] : llvm::enumerate(sum))
      value = starts[i % vectors];
  Value groups; // of the depth, the last of which may be partial
  if (unit == DotUnit::Vectors) {
    Value group = index(*op.getGroup());
    groups = arith::CeilDivUIOp::create(b, depth, group);
    depth = arith::DivUIOp::create(b, depth, group);
  }
  auto steps = [&](Value from, Value to, int64_t count) {
    auto body = [&](Value k, SmallVectorImpl<Value> &next) {
      if (fetching.what == Fetch::Panel && count == kUnrolledSteps)
        fetch(fetching, k);
      for (int64_t i = 0; i < count; ++i) {
        Value step = addIndex(k, i);
        if (fetching.what == Fetch::Stream)
          prefetchAhead(tile, step);
        multiply(step, {}, loadRow(tile, step), next);
      }
    };
    sum = emitLoop(from, to, sum, body, count);
  };
  Value begin = index(0);
  if (op.isQuantized() && !isUnpacked) {
    sum = walkBlocks(tile, sum, multiply);
  } else {
    // LLVM loads ahead what it can: with more rows, or stores between the loads, it would run out of registers and take
    // up to twice as long. Tiles of fewer rows matter where rows are few, which weights are packed for; elsewhere their
    // code would only make the function so large that LLVM does worse on all of it.
    if ((numRows == rows || (numRows < rows && op.getPacked())) && !isCopying) {
      Value unrolled =
          arith::MulIOp::create(b, arith::DivUIOp::create(b, depth, index(kUnrolledSteps)), index(kUnrolledSteps));
      steps(begin, unrolled, kUnrolledSteps);
      begin = unrolled;
    }
    steps(begin, depth, 1);
    if (groups) {
      isPartial = true;
      steps(depth, groups, 1);
    }
  }
  for (unsigned r = 0; r < numRows; ++r)
    for (unsigned v = 0; v < vectors; ++v)
      emitStore(sum[r * vectors + v], tile, rowIndex[r], outRow[r], v);
}

void ContractEmitter::emitStore(Value sum, const Tile &tile, Value row, Value outRow, unsigned v) {
  Value value = epilogue(sum, tile, row, v);
  SmallVector<Value> position =
      op.getOutPanels() ? SmallVector<Value>{tile.batch, tile.panel, outRow, index(v * lanes)}
                        : ordered(op.getOutOrder(), {tile.batch, outRow, addIndex(tile.column, v * lanes), tile.image});
  if (op.getAccumulate())
    value = fusedSum(b, loadVector(result, position, cast<VectorType>(value.getType()), v, tile.masked), value,
                     /*minus=*/false);
  if (tile.masked && !op.getOutPanels())
    vector::MaskedStoreOp::create(b, result, position, masks[v], value);
  else
    vector::StoreOp::create(b, value, result, position);
}

Value ContractEmitter::widen(Value loaded, bool isUnsigned) {
  Type type = isa<VectorType>(loaded.getType()) ? Type(vectorType) : element;
  if (loaded.getType() == type)
    return loaded;
  if (isa<FloatType>(element))
    return arith::ExtFOp::create(b, type, loaded);
  if (isUnsigned)
    return arith::ExtUIOp::create(b, type, loaded);
  return arith::ExtSIOp::create(b, type, loaded);
}

Value ContractEmitter::multiplyAdd(Value x, Value y, Value sum) {
  if (isa<FloatType>(element))
    return vector::FMAOp::create(b, x, y, sum);
  return arith::AddIOp::create(b, sum, arith::MulIOp::create(b, x, y));
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
    Value loaded =
        alongColumns(map)
            ? loadVector(extra, indices, vectorOf(scalar), vector, tile.masked)
            : vector::BroadcastOp::create(b, vectorOf(scalar), memref::LoadOp::create(b, extra, indices).getResult());
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
  return isa<VectorType>(yielded.getType())
             ? yielded
             : vector::BroadcastOp::create(b, vectorOf(yielded.getType()), yielded).getResult();
}

} // namespace mlir::ac
