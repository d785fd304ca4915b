//===- ContractUnpack.cpp - Small integers to tiles -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product of rows of bf16 and a matrix of small integers, on a target that multiplies tiles of bf16: for more rows than
// one register tile has, each panel becomes bf16 in tiles once, and blocks of rows pass by as they do with weights that
// are kept so. A panel has four vectors of columns, which is twice what stands side by side in tiles, so it is unpacked in
// halves: [half, group of two steps, columns of two tiles].
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

void ContractEmitter::clearUnpacked() {
  auto type = VectorType::get({kLineBytes}, b.getBF16Type());
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(b.getBF16Type())));
  int64_t halves = vectors / kBlockVectors;
  Value groups = arith::DivUIOp::create(b, memref::DimOp::create(b, scratch, 0), index(halves));
  Value filled = arith::CeilDivUIOp::create(b, dimOf(lhs, op.getLhsOrder(), 2), index(2));
  emitLoop(filled, groups, {}, [&](Value group, SmallVectorImpl<Value> &) {
    for (int64_t half = 0; half < halves; ++half) {
      Value place = arith::AddIOp::create(b, arith::MulIOp::create(b, groups, index(half)), group);
      vector::StoreOp::create(b, zero, scratch, ValueRange{place, index(0)});
    }
  });
}

void ContractEmitter::unpackToTiles(const Tile &tile) {
  Type small = b.getBF16Type();
  auto pairsType = VectorType::get({2 * static_cast<int64_t>(lanes)}, small);
  auto wordsType = VectorType::get({static_cast<int64_t>(lanes)}, b.getI32Type());
  Value groups = arith::DivUIOp::create(b, memref::DimOp::create(b, scratch, 0), index(vectors / kBlockVectors));
  auto round = [&](Value numbers) -> Value {
    return arith::TruncFOp::create(b, VectorType::get({static_cast<int64_t>(lanes)}, small), numbers);
  };
  auto placeOf = [&](Value k, unsigned v) -> SmallVector<Value> {
    Value group = arith::DivUIOp::create(b, k, index(2));
    Value half = arith::MulIOp::create(b, groups, index(v / kBlockVectors));
    return {arith::AddIOp::create(b, half, group), index(v % kBlockVectors * pairsType.getNumElements())};
  };
  SmallVector<Value> even; // the row before
  walkBlocks(tile, {}, [&](Value k, std::optional<bool> isOdd, ArrayRef<Value> panelRow, MutableArrayRef<Value>) {
    if (isOdd && !*isOdd) {
      even.assign(panelRow.begin(), panelRow.end());
      return;
    }
    for (auto [v, numbers] : llvm::enumerate(panelRow)) {
      Value pairs;
      if (isOdd) {
        // Rounds both, the second operand to the lower half.
        Value halves = LLVM::CallIntrinsicOp::create(b, pairsType,
                                                     b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16.512"),
                                                     ValueRange{numbers, even[v]})
                           .getResults();
        SmallVector<int64_t> inTurn;
        for (int64_t lane = 0; lane < static_cast<int64_t>(lanes); ++lane)
          inTurn.append({lane, lane + lanes});
        pairs = vector::ShuffleOp::create(b, halves, halves, inTurn);
      } else {
        // One of the two: an odd row joins the even one that stands there.
        Value odd = arith::RemUIOp::create(b, k, index(2));
        Value there = vector::BitCastOp::create(
            b, wordsType, vector::LoadOp::create(b, pairsType, scratch, placeOf(k, v)).getResult());
        Value none = arith::ConstantOp::create(b, b.getZeroAttr(wordsType));
        Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, odd, index(0));
        there = arith::SelectOp::create(b, isFirst, none, there);
        auto halfWords = VectorType::get(wordsType.getShape(), b.getI16Type());
        Value bits = arith::ExtUIOp::create(b, wordsType, arith::BitcastOp::create(b, halfWords, round(numbers)));
        Value shift = arith::IndexCastOp::create(b, b.getI32Type(), arith::MulIOp::create(b, odd, index(16)));
        bits = arith::ShLIOp::create(b, bits, vector::BroadcastOp::create(b, wordsType, shift));
        pairs = vector::BitCastOp::create(b, pairsType, arith::OrIOp::create(b, there, bits));
      }
      vector::StoreOp::create(b, pairs, scratch, placeOf(k, v));
    }
  });
}

/// The rows pass by each half of the panel.
void ContractEmitter::emitUnpackedBlocks(Tile tile, Value rowBegin, Value rowEnd) {
  unsigned filled = tile.vectors;
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, scratch);
  Value halfBytes = arith::MulIOp::create(b, memref::DimOp::create(b, scratch, 0),
                                          index(kColumnStride * kBlockVectors / vectors));
  for (unsigned first = 0; first < filled; first += kBlockVectors) {
    tile.firstVector = first;
    tile.vectors = std::min<unsigned>(filled - first, kBlockVectors);
    Value offset = arith::MulIOp::create(b, halfBytes, index(first / kBlockVectors));
    tile.columns = tile.nextColumns = arith::AddIOp::create(b, address, offset);
    loadFirstTiles(tile, rowBegin);
    auto loop = scf::ForOp::create(b, rowBegin, rowEnd, index(kBlockRows));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value row = loop.getInductionVar(), after = addIndex(row, kBlockRows);
    Value isMore = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, after, rowEnd);
    // After the last block tiles are loaded in vain.
    tile.nextRow = arith::SelectOp::create(b, isMore, after, rowBegin);
    emitTileBlocks(tile, row, arith::MinUIOp::create(b, after, rowEnd));
  }
}

} // namespace mlir::ac
