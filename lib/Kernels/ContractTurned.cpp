//===- ContractTurned.cpp - Products of vectors of rows -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows of a small image are shorter than a panel, or than a vector, and so are columns that are copied to panels
// for few rows to read not worth the copy. A convolution's channels are constants, and many. So here vectors hold rows:
// a step of a tile loads a line of the packed lhs and broadcasts one element of each of a few columns, which it reads
// where they are.
//
// The sums come out column by column, and go to memory of the task. From there, sixteen columns at a time are turned
// over for the epilogue and the result, which are as they would be without.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/TransposeLoops.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

/// Lines of the next panel that the steps which are emitted one after another fetch. Where more tiles share the panel,
/// they ask for most lines more than once.
static constexpr unsigned kFetchedLines = 2;
/// Bytes of a panel of which the next one has room beside it in a second-level cache of two megabytes.
static constexpr int64_t kMostFetchedBytes = 3 << 18;
/// Steps after which the next tile has its turn: their part of a panel stays in the cache while the next one arrives.
static constexpr int64_t kBlockSteps = 1024;

std::pair<Value, Value> ContractEmitter::turnedTasks() {
  Value panels = arith::CeilDivSIOp::create(b, numRowsOf({}, {}), index(lanes * vectors));
  return {panels, arith::CeilDivSIOp::create(b, numColumns(), index(kTurnedColumns))};
}

void ContractEmitter::emitTurned(Value task) {
  int64_t panelSize = lanes * vectors;
  auto [panels, chunks] = turnedTasks();
  // Chunks and matrices run faster than panels, which stay in the cache.
  Value chunk = arith::RemUIOp::create(b, task, chunks), rest = arith::DivUIOp::create(b, task, chunks);
  Value matrices = dimOf(result, op.getOutOrder(), 0);
  if (op.hasImages())
    matrices = arith::MulIOp::create(b, matrices, dimOf(result, op.getOutOrder(), 3));
  Tile tile;
  setMatrix(tile, arith::RemUIOp::create(b, rest, matrices));
  tile.panel = arith::DivUIOp::create(b, rest, matrices);
  tile.numTasks = arith::MulIOp::create(b, chunks, matrices);
  tile.task = arith::RemUIOp::create(b, task, tile.numTasks);
  Value last = addIndex(panels, -1);
  tile.end = addressOfPanel(b, lhs, tile.lhsBatch, panels);
  tile.fetched = addressOfPanel(b, lhs, tile.lhsBatch, arith::MinUIOp::create(b, addIndex(tile.panel, 1), last));
  Value perChunk = arith::CeilDivUIOp::create(b, numColumns(), chunks);
  Value first = arith::MulIOp::create(b, chunk, perChunk);
  Value count = arith::MinUIOp::create(b, perChunk, arith::SubIOp::create(b, numColumns(), first));

  auto emitPanel = [&](int64_t numRows) {
    tile.vectors = llvm::divideCeil(numRows, lanes);
    emitTurnedTiles(tile, first, count);
    emitTurnedRows(tile, first, count, numRows);
  };
  int64_t numRows = cast<MemRefType>(op.getInit().getType()).getDimSize(op.getOutDim(1)), left = numRows % panelSize;
  if (left == 0)
    return emitPanel(panelSize);
  if (numRows < panelSize)
    return emitPanel(numRows);
  Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, tile.panel, index(numRows / panelSize));
  auto choice = scf::IfOp::create(b, isWhole, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  emitPanel(panelSize);
  b.setInsertionPointToStart(choice.elseBlock());
  emitPanel(left);
}

void ContractEmitter::emitTurnedTiles(Tile tile, Value first, Value count) {
  // As many columns in each as can be: a tile of one or two would wait for the panel.
  Value tiles = arith::CeilDivUIOp::create(b, count, index(rows));
  Value height = arith::DivUIOp::create(b, count, tiles), higher = arith::RemUIOp::create(b, count, tiles);
  Value depth = dimOf(lhs, op.getLhsOrder(), 2);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
  auto clearLoop = scf::ForOp::create(b, index(0), count, index(1));
  auto blockLoop = scf::ForOp::create(b, index(0), depth, index(kBlockSteps));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(clearLoop.getBody()->getTerminator());
  for (unsigned v = 0; v < tile.vectors; ++v)
    vector::StoreOp::create(b, zero, scratch, ValueRange{clearLoop.getInductionVar(), index(v * lanes)});
  b.setInsertionPoint(blockLoop.getBody()->getTerminator());
  tile.firstStep = blockLoop.getInductionVar();
  tile.stepEnd = arith::MinUIOp::create(b, depth, addIndex(tile.firstStep, kBlockSteps));
  auto loop = scf::ForOp::create(b, index(0), tiles, index(1));
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value number = loop.getInductionVar();
  setFetched(tile, tiles, number);
  Value isHigher = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, number, higher);
  Value numColumns = arith::SelectOp::create(b, isHigher, addIndex(height, 1), height);
  Value place =
      arith::AddIOp::create(b, arith::MulIOp::create(b, number, height), arith::MinUIOp::create(b, number, higher));
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, rows + 1));
  auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, numColumns, cases, cases.size());
  for (auto [i, columns] : llvm::enumerate(cases)) {
    b.createBlock(&choice.getCaseRegions()[i]);
    emitTurnedTile(tile, arith::AddIOp::create(b, first, place), place, columns);
    scf::YieldOp::create(b);
  }
  b.createBlock(&choice.getDefaultRegion());
  scf::YieldOp::create(b);
}

/// What a tile fetches. The one task of a panel fetches the next block of steps, which may be of the next panel; many
/// tasks of one fetch the next panel together.
void ContractEmitter::setFetched(Tile &tile, Value tiles, Value number) {
  int64_t bytesOfLine = lanes * vectors * sizeof(float);
  auto bytes = [&](Value steps) -> Value { return arith::MulIOp::create(b, steps, index(bytesOfLine)); };
  auto share = [&](Value all, Value parts) -> Value { return arith::CeilDivUIOp::create(b, all, parts); };
  Value depth = dimOf(lhs, op.getLhsOrder(), 2), panelBytes = bytes(depth);
  Value steps = arith::SubIOp::create(b, tile.stepEnd, tile.firstStep);
  Value isAlone = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, tile.numTasks, index(1));
  // Two panels that are too large would push each other out.
  Value isSmall = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, panelBytes, index(kMostFetchedBytes));
  Value ofMany = share(panelBytes, arith::MulIOp::create(b, tile.numTasks, tiles));
  ofMany = arith::SelectOp::create(b, isSmall, share(ofMany, depth), index(0));
  tile.fetchedOfStep = arith::SelectOp::create(b, isAlone, share(share(bytes(steps), tiles), steps), ofMany);
  // Where the part of this tile begins.
  Value tileNumber = arith::AddIOp::create(b, arith::MulIOp::create(b, tile.task, tiles), number);
  Value stepsBefore = arith::AddIOp::create(b, arith::MulIOp::create(b, tileNumber, depth), tile.firstStep);
  Value stepsAlone = arith::MulIOp::create(b, number, steps);
  Value before =
      arith::MulIOp::create(b, arith::SelectOp::create(b, isAlone, stepsAlone, stepsBefore), tile.fetchedOfStep);
  // Behind the last panel there may be no memory, which takes longer to find out than to fetch what there is.
  Value nextBlock = arith::AddIOp::create(b, addressOfPanel(b, lhs, tile.lhsBatch, tile.panel), bytes(tile.stepEnd));
  Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, nextBlock, tile.end);
  nextBlock = arith::SelectOp::create(b, isLast, tile.fetched, nextBlock);
  Value from = arith::SelectOp::create(b, isAlone, nextBlock, tile.fetched);
  tile.fetched = arith::AddIOp::create(b, from, before);
}

void ContractEmitter::emitTurnedTile(const Tile &tile, Value column, Value place, unsigned numColumns) {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  auto metadata = memref::ExtractStridedMetadataOp::create(b, rhs);
  // Columns follow each other, in a line too: one address does for all.
  Value address = arith::AddIOp::create(b, addressOfPanel(b, rhs, tile.rhsBatch, index(0)),
                                        arith::MulIOp::create(b, column, index(sizeof(float))));
  Value columns =
      LLVM::IntToPtrOp::create(b, pointer, arith::IndexCastOp::create(b, b.getI64Type(), address).getResult());
  unsigned numVectors = tile.vectors;
  auto step = [&](Value k, MutableArrayRef<Value> sum) {
    Value offset = rhsStarts ? memref::LoadOp::create(b, rhsStarts, k).getResult()
                             : arith::MulIOp::create(b, k, metadata.getStrides()[1]).getResult();
    offset = arith::IndexCastOp::create(b, b.getI64Type(), offset);
    Value first = LLVM::GEPOp::create(b, pointer, element, columns, SmallVector<LLVM::GEPArg>{offset});
    SmallVector<Value> line;
    for (unsigned v = 0; v < numVectors; ++v)
      line.push_back(
          vector::LoadOp::create(b, vectorType, lhs, ValueRange{tile.lhsBatch, tile.panel, k, index(v * lanes)}));
    for (unsigned c = 0; c < numColumns; ++c) {
      Value place = LLVM::GEPOp::create(b, pointer, element, first, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(c)});
      Value broadcast = vector::BroadcastOp::create(b, vectorType, LLVM::LoadOp::create(b, element, place).getResult());
      for (unsigned v = 0; v < numVectors; ++v)
        sum[c * numVectors + v] = multiplyAdd(broadcast, line[v], sum[c * numVectors + v]);
    }
  };
  SmallVector<Value> sum;
  for (unsigned c = 0; c < numColumns; ++c)
    for (unsigned v = 0; v < numVectors; ++v)
      sum.push_back(vector::LoadOp::create(b, vectorType, scratch, ValueRange{addIndex(place, c), index(v * lanes)}));
  auto steps = [&](Value from, Value to, int64_t together) {
    auto body = [&](Value k, SmallVectorImpl<Value> &next) {
      if (together == kUnrolledSteps) {
        Value done = arith::SubIOp::create(b, k, tile.firstStep);
        Value offset = arith::MulIOp::create(b, done, tile.fetchedOfStep);
        fetch({Fetch::Panel, kFetchedLines, arith::AddIOp::create(b, tile.fetched, offset)}, index(0));
      }
      for (int64_t i = 0; i < together; ++i)
        step(addIndex(k, i), next);
    };
    sum = emitLoop(from, to, sum, body, together);
  };
  Value numSteps = arith::SubIOp::create(b, tile.stepEnd, tile.firstStep);
  Value unrolled = arith::SubIOp::create(b, tile.stepEnd, arith::RemUIOp::create(b, numSteps, index(kUnrolledSteps)));
  steps(tile.firstStep, unrolled, kUnrolledSteps);
  steps(unrolled, tile.stepEnd, 1);
  for (unsigned c = 0; c < numColumns; ++c)
    for (unsigned v = 0; v < numVectors; ++v)
      vector::StoreOp::create(b, sum[c * numVectors + v], scratch, ValueRange{addIndex(place, c), index(v * lanes)});
}

void ContractEmitter::emitTurnedRows(Tile tile, Value first, Value count, int64_t numRows) {
  auto loop = scf::ForOp::create(b, index(0), count, index(lanes));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value place = loop.getInductionVar();
  tile.column = arith::AddIOp::create(b, first, place);
  tile.masked = true;
  setMasks(arith::SubIOp::create(b, count, place), 1);
  Value panelRow = arith::MulIOp::create(b, tile.panel, index(lanes * vectors));
  auto emitRows = [&](Value lane, int64_t numRows) {
    SmallVector<Value> square;
    for (unsigned i = 0; i < lanes; ++i)
      square.push_back(vector::LoadOp::create(b, vectorType, scratch, ValueRange{addIndex(place, i), lane}));
    turnOver(b, square);
    Value row = arith::AddIOp::create(b, panelRow, lane);
    for (int64_t i = 0; i < numRows; ++i)
      emitStore(square[i], tile, addIndex(row, i), addIndex(row, i), 0);
  };
  int64_t whole = numRows / lanes * lanes;
  if (whole) {
    auto vectorLoop = scf::ForOp::create(b, index(0), index(whole), index(lanes));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(vectorLoop.getBody()->getTerminator());
    emitRows(vectorLoop.getInductionVar(), lanes);
  }
  if (numRows > whole)
    emitRows(index(whole), numRows - whole);
}

} // namespace mlir::ac
