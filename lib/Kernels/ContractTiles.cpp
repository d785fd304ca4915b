//===- ContractTiles.cpp - Products on tile registers ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile register (AMX) has sixteen rows of 64 bytes. One instruction multiplies sixteen rows of the lhs, 64 bytes
// deep, by as many steps of sixteen columns, and adds to sixteen by sixteen sums. Two tiles of rows and two of columns
// make four tiles of sums, so that each that is loaded is used twice; more do not fit the eight registers. The sums go
// through memory to the epilogue, which works on vectors: one tile after the other through the same kilobyte, because
// loads wait for stores before them whose addresses have the same last twelve bits, and four kilobytes have them all.
//
// Tiles are loaded one step ahead, also from one block to the next. A task has several panels, as many as stay in the
// second-level cache, through which the rows pass block by block: the rows then stay in the first-level cache, and what
// is stored runs along the rows of the result.
//
// The rows of the lhs are arranged in tiles first, once for all columns: [batch, block, step, 32 rows of 64 bytes].
// This is where rows that stand apart are gathered and the depth is filled up with zeros, and tiles then arrive in one
// piece. What stands in the rows past the last is computed and not stored: a tile takes no longer for it, and another
// configuration of the registers would cost more.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

namespace {
constexpr int64_t kTileBytes = kTileRows * kLineBytes;
/// Registers: sums of row tile r and column tile c are 2 * r + c.
constexpr int64_t kFirstRows = 4, kFirstColumns = 6, kNumRegisters = 8;

/// The configuration of all registers to sixteen rows of 64 bytes, as `ldtilecfg` reads it.
DenseElementsAttr configuration(VectorType type) {
  SmallVector<int8_t> bytes(kLineBytes, 0);
  bytes[0] = 1; // the palette
  for (int64_t i = 0; i < kNumRegisters; ++i) {
    bytes[16 + 2 * i] = kLineBytes;
    bytes[48 + i] = kTileRows;
  }
  return DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes));
}

struct TileBuilder {
  ImplicitLocOpBuilder &b;

  Value pointer(Value address) {
    Value integer = arith::IndexCastOp::create(b, b.getI64Type(), address);
    return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), integer);
  }
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value address(Value base, int64_t bytes) { return arith::AddIOp::create(b, base, index(bytes)); }
  void call(StringRef name, ArrayRef<int64_t> registers, ValueRange more = {}) {
    SmallVector<Value> operands;
    for (int64_t number : registers)
      operands.push_back(arith::ConstantOp::create(b, b.getI8IntegerAttr(number)));
    llvm::append_range(operands, more);
    LLVM::CallIntrinsicOp::create(b, b.getStringAttr(("llvm.x86." + name).str()), operands);
  }
  /// Loads or stores a register whose rows stand `stride` bytes apart in memory.
  void move(StringRef name, int64_t number, Value from, int64_t stride) {
    call(name, {number}, {pointer(from), arith::ConstantOp::create(b, b.getI64IntegerAttr(stride))});
  }
};
} // namespace

void ContractEmitter::configureTiles() {
  TileBuilder tiles{b};
  auto bytes = VectorType::get({kLineBytes}, b.getI8Type());
  Value memory =
      memref::AllocaOp::create(b, MemRefType::get({kLineBytes}, b.getI8Type()), b.getI64IntegerAttr(kLineBytes));
  vector::StoreOp::create(b, arith::ConstantOp::create(b, configuration(bytes)), memory, ValueRange{index(0)});
  tiles.call("ldtilecfg", {}, tiles.pointer(memref::ExtractAlignedPointerAsIndexOp::create(b, memory)));
  auto type = MemRefType::get({kTileRows, kTileRows}, element);
  tileSums = memref::AllocaOp::create(b, type, b.getI64IntegerAttr(kLineBytes));
}

void ContractEmitter::releaseTiles() { TileBuilder{b}.call("tilerelease", {}); }

/// The address of the block of rows that begins with `row`.
Value ContractEmitter::addressOfRows(const Tile &tile, Value row) {
  auto multiply = [&](Value x, Value y) { return arith::MulIOp::create(b, x, y).getResult(); };
  Value steps = memref::DimOp::create(b, arranged, 2), blocks = memref::DimOp::create(b, arranged, 1);
  Value block = arith::AddIOp::create(b, multiply(tile.lhsBatch, blocks), arith::DivUIOp::create(b, row, index(kBlockRows)));
  return arith::AddIOp::create(b, memref::ExtractAlignedPointerAsIndexOp::create(b, arranged),
                               multiply(multiply(block, steps), index(2 * kTileBytes)));
}

void ContractEmitter::loadFirstTiles(const Tile &tile, Value row) {
  Value isAny = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, memref::DimOp::create(b, arranged, 2), index(0));
  auto any = scf::IfOp::create(b, isAny, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(any.thenBlock());
  TileBuilder tiles{b};
  Value firstRows = addressOfRows(tile, row);
  for (int64_t i : {0, 1}) {
    tiles.move("tileloadd64", kFirstRows + i, tiles.address(firstRows, i * kTileBytes), kLineBytes);
    tiles.move("tileloadd64", kFirstColumns + i, tiles.address(tile.columns, i * kLineBytes), kColumnStride);
  }
}

/// A block of `rowTiles` tiles of rows, of which those before `rowEnd` are stored. Its first tiles have been loaded;
/// those of the next one are loaded before its own sums are stored, so that they do not wait for the stores.
void ContractEmitter::emitTileBlock(const Tile &tile, Value row, Value rowEnd, unsigned rowTiles) {
  TileBuilder tiles{b};
  auto add = [&](Value x, Value y) { return arith::AddIOp::create(b, x, y).getResult(); };
  auto multiply = [&](Value x, Value y) { return arith::MulIOp::create(b, x, y).getResult(); };
  Value steps = memref::DimOp::create(b, arranged, 2);
  Value firstRows = addressOfRows(tile, row), nextRows = addressOfRows(tile, tile.nextRow);
  auto sign = [](bool isUnsigned) { return isUnsigned ? "u" : "s"; };
  std::string dot = isa<FloatType>(element)
                        ? "tdpbf16ps"
                        : std::string("tdpb") + sign(op.getLhsUnsigned()) + sign(op.getRhsUnsigned()) + "d";
  for (unsigned r = 0; r < rowTiles; ++r)
    for (unsigned c = 0; c < tile.vectors; ++c)
      tiles.call("tilezero", {2 * r + c});
  auto loop = scf::ForOp::create(b, index(0), steps, index(1));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value step = loop.getInductionVar(), following = addIndex(step, 1);
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, following, steps);
    auto next = [&](Value first, Value afterwards, int64_t bytes) -> Value {
      return arith::SelectOp::create(b, isLast, afterwards, add(first, multiply(following, index(bytes))));
    };
    Value columns = next(tile.columns, tile.nextColumns, kColumnStride * kTileRows);
    Value rowsThere = next(firstRows, nextRows, 2 * kTileBytes);
    auto loadColumns = [&](unsigned c) {
      tiles.move("tileloadd64", kFirstColumns + c, tiles.address(columns, c * kLineBytes), kColumnStride);
    };
    auto loadRows = [&](unsigned r) {
      tiles.move("tileloadd64", kFirstRows + r, tiles.address(rowsThere, r * kTileBytes), kLineBytes);
    };
    auto multiplyTiles = [&](unsigned r, unsigned c) {
      if (r < rowTiles && c < tile.vectors)
        tiles.call(dot, {2 * r + c, kFirstRows + r, kFirstColumns + c});
    };
    // Each tile is loaded anew as soon as it has been used.
    multiplyTiles(0, 0);
    multiplyTiles(0, 1);
    loadRows(0);
    multiplyTiles(1, 0);
    loadColumns(0);
    multiplyTiles(1, 1);
    loadColumns(1);
    loadRows(1);
  }
  Value sums = memref::ExtractAlignedPointerAsIndexOp::create(b, tileSums);
  for (unsigned r = 0; r < rowTiles; ++r) {
    Value first = addIndex(row, r * kTileRows);
    Value count = arith::MinUIOp::create(b, arith::SubIOp::create(b, rowEnd, first), index(kTileRows));
    for (unsigned c = 0; c < tile.vectors; ++c) {
      tiles.move("tilestored64", 2 * r + c, sums, kLineBytes);
      auto each = scf::ForOp::create(b, index(0), count, index(1));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(each.getBody()->getTerminator());
      Value inTile = each.getInductionVar(), rowIndex = add(first, inTile);
      Value outRow = outRows ? memref::LoadOp::create(b, outRows, rowIndex).getResult() : rowIndex;
      emitStore(vector::LoadOp::create(b, vectorType, tileSums, ValueRange{inTile, index(0)}), tile, rowIndex, outRow,
                tile.firstVector + c);
    }
  }
}

void ContractEmitter::emitTileBlocks(const Tile &tile, Value rowBegin, Value rowEnd) {
  Value isMore =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, arith::SubIOp::create(b, rowEnd, rowBegin), index(kTileRows));
  auto choice = scf::IfOp::create(b, isMore, /*withElseRegion=*/true);
  for (auto [rowTiles, place] : {std::pair{2u, choice.thenBlock()}, std::pair{1u, choice.elseBlock()}}) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(place);
    emitTileBlock(tile, rowBegin, rowEnd, rowTiles);
  }
}

} // namespace mlir::ac
