//===- ContractPanels.cpp - How the rows of a panel become numbers --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step of a tile multiplies by one row of a panel. Floats are loaded. Small integers become the floats they stand for
// in registers, with one rounding or two where computing the matrix beforehand has them: the product is the same to the
// bit. Blocks are an outer loop, so that their scales are loaded once.
//
// Four bits: a word of a lane holds eight steps. Where sixteen floats fit a register they are looked up there, the low
// four bits of a lane being the index; other targets mask and convert.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

/// Rows of a panel between the request for one and its use: as many lines as a core can wait for.
static constexpr int64_t kStepsAhead = 24;
/// Steps in a word of four-bit elements.
static constexpr int64_t kStepsPerWord = 8;

void ContractEmitter::prefetchAhead(const Tile &tile, Value k) {
  Value later = addIndex(k, kStepsAhead); // past the end of the panel the next one begins
  int64_t elementBytes = cast<MemRefType>(rhs.getType()).getElementTypeBitWidth() / 8;
  int64_t inRow = lanes * tile.vectors * static_cast<int64_t>(op.getGroup().value_or(1));
  for (int64_t at = 0; at < inRow; at += kLineBytes / elementBytes)
    memref::PrefetchOp::create(b, rhs, ValueRange{tile.rhsBatch, tile.panel, later, index(at)}, /*isWrite=*/false,
                               /*localityHint=*/2, /*isDataCache=*/true);
}

SmallVector<Value> ContractEmitter::emitLoop(Value begin, Value end, ValueRange start,
                                             llvm::function_ref<void(Value, SmallVectorImpl<Value> &)> body,
                                             int64_t step) {
  auto loop = scf::ForOp::create(b, begin, end, index(step), start);
  OpBuilder::InsertionGuard guard(b);
  if (start.empty())
    b.setInsertionPoint(loop.getBody()->getTerminator());
  else
    b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> carried(loop.getRegionIterArgs());
  body(loop.getInductionVar(), carried);
  if (!start.empty())
    scf::YieldOp::create(b, carried);
  return llvm::to_vector_of<Value>(loop.getResults());
}

SmallVector<Value> ContractEmitter::loadRow(const Tile &tile, Value k) {
  if (op.getGroup())
    return loadGroups(tile, k);
  SmallVector<Value> row;
  for (unsigned v = 0; v < tile.vectors; ++v) {
    row.push_back(isUnpacked ? vector::LoadOp::create(b, vectorType, scratch, ValueRange{k, index(v * lanes)})
                             : widen(loadPanel(rhs, tile, k, v), op.getRhsUnsigned()));
    if (isCopying)
      vector::StoreOp::create(b, row.back(), scratch, ValueRange{k, index(v * lanes)});
  }
  return row;
}

/// A vector of row `k` of the panel, of the rhs or of what is laid out like it.
Value ContractEmitter::loadPanel(Value buffer, const Tile &tile, Value k, unsigned vector) {
  auto type = VectorType::get({static_cast<int64_t>(lanes)}, cast<MemRefType>(buffer.getType()).getElementType());
  // The padding of a packed panel is zero: no mask is needed.
  if (op.getPacked())
    return loadVector(buffer, {tile.rhsBatch, tile.panel, k, index(vector * lanes)}, type, vector, false);
  if (rhsStarts) { // past the end of a line the next one begins
    Value column = arith::AddIOp::create(b, memref::LoadOp::create(b, rhsStarts, k), tile.column);
    return loadVector(buffer, {tile.rhsBatch, addIndex(column, vector * lanes)}, type, vector, tile.masked);
  }
  return loadVector(buffer, ordered(op.getRhsOrder(), {tile.rhsBatch, k, addIndex(tile.column, vector * lanes)}), type,
                    vector, tile.masked);
}

ContractEmitter::BlockParameters ContractEmitter::loadBlock(const Tile &tile, Value block) {
  BlockParameters parameters;
  for (auto [buffer, values] : {std::pair{scales, &parameters.scales}, std::pair{zeros, &parameters.zeros},
                                std::pair{offsets, &parameters.offsets}}) {
    for (unsigned v = 0; v < tile.vectors; ++v) {
      Value loaded = buffer ? loadPanel(buffer, tile, block, v) : Value();
      if (buffer && getElementTypeOrSelf(loaded).isF16())
        loaded = arith::ExtFOp::create(b, vectorType, loaded);
      else if (buffer && getElementTypeOrSelf(loaded).isInteger(8))
        loaded = arith::SIToFPOp::create(b, vectorType, loaded);
      values->push_back(loaded);
    }
  }
  return parameters;
}

/// The numbers that whole ones, given as floats, stand for.
Value ContractEmitter::dequantize(Value whole, const BlockParameters &parameters, unsigned vector) {
  if (Value zero = parameters.zeros[vector])
    whole = arith::SubFOp::create(b, whole, zero);
  if (Value offset = parameters.offsets[vector])
    return vector::FMAOp::create(b, whole, parameters.scales[vector], offset);
  return arith::MulFOp::create(b, whole, parameters.scales[vector]);
}

Value ContractEmitter::fourBits(Value words, Value shift) {
  auto wordType = cast<VectorType>(words.getType());
  Value low = arith::ShRUIOp::create(b, words, shift);
  int64_t least = *op.getLeast();
  if (hasTables) {
    SmallVector<float> numbers;
    for (int64_t number = least; number < least + 16; ++number)
      numbers.push_back(number);
    Value table = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, ArrayRef<float>(numbers)));
    return LLVM::CallIntrinsicOp::create(b, vectorType, b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
                                         ValueRange{table, low})
        .getResults();
  }
  auto splat = [&](int64_t number) -> Value {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(wordType, b.getIntegerAttr(wordType.getElementType(), number)));
  };
  Value number = arith::AddIOp::create(b, arith::AndIOp::create(b, low, splat(15)), splat(least));
  return arith::SIToFPOp::create(b, vectorType, number);
}

SmallVector<Value> ContractEmitter::walkBlocks(const Tile &tile, ValueRange start, Step step) {
  Value depth = dimOf(lhs, op.getLhsOrder(), 2);
  bool isWords = op.getLeast().has_value();
  // Tiles take steps in twos.
  int64_t steps = isWords ? kStepsPerWord : unpacksToTiles() && *op.getBlockSize() % 2 == 0 ? 2 : 1;
  // Rows of the panel: words, of which the last may be left incomplete, or a few single elements.
  Value rowsOfPanel = arith::DivUIOp::create(b, depth, index(steps));
  int64_t blockRows = llvm::divideCeil(static_cast<int64_t>(*op.getBlockSize()), steps);
  Value numBlocks = arith::CeilDivSIOp::create(b, depth, index(*op.getBlockSize()));
  auto splat = [&](Value scalar) -> Value {
    return vector::BroadcastOp::create(b, VectorType::get({static_cast<int64_t>(lanes)}, scalar.getType()), scalar);
  };
  auto load = [&](Value row) {
    SmallVector<Value> integers;
    for (unsigned v = 0; v < tile.vectors; ++v)
      integers.push_back(loadPanel(rhs, tile, row, v));
    return integers;
  };
  auto stepWith = [&](Value k, std::optional<bool> isOdd, ArrayRef<Value> integers, Value shift,
                      const BlockParameters &parameters, SmallVectorImpl<Value> &carried) {
    SmallVector<Value> panelRow;
    for (auto [v, integer] : llvm::enumerate(integers)) {
      Value whole =
          isWords ? fourBits(integer, splat(shift)) : arith::SIToFPOp::create(b, vectorType, integer).getResult();
      panelRow.push_back(dequantize(whole, parameters, v));
    }
    step(k, isOdd, panelRow, carried);
  };
  auto shiftOf = [&](Value place) -> Value {
    Value bits = arith::MulIOp::create(b, place, index(4));
    return arith::IndexCastOp::create(b, b.getI32Type(), bits);
  };
  SmallVector<Value> carried = emitLoop(index(0), numBlocks, start, [&](Value block, SmallVectorImpl<Value> &sums) {
    BlockParameters parameters = loadBlock(tile, block);
    Value begin = arith::MulIOp::create(b, block, index(blockRows));
    Value end = arith::MinUIOp::create(b, addIndex(begin, blockRows), rowsOfPanel);
    sums = emitLoop(begin, end, sums, [&](Value row, SmallVectorImpl<Value> &inner) {
      Value first = arith::MulIOp::create(b, row, index(steps));
      SmallVector<Value> words = isWords ? load(row) : SmallVector<Value>();
      if (op.getPacked())
        prefetchAhead(tile, isWords ? row : first);
      for (int64_t i = 0; i < steps; ++i) {
        Value k = addIndex(first, i);
        stepWith(k, steps > 1 ? std::optional(i % 2 == 1) : std::nullopt, isWords ? words : load(k),
                 isWords ? shiftOf(index(i)) : Value(), parameters, inner);
      }
    });
  });
  if (steps == 1)
    return carried;
  // What is left are the first elements of one more word or pair.
  Value first = arith::MulIOp::create(b, rowsOfPanel, index(steps));
  return emitLoop(first, depth, carried, [&](Value k, SmallVectorImpl<Value> &sums) {
    Value shift = shiftOf(arith::SubIOp::create(b, k, first));
    stepWith(k, {}, load(isWords ? rowsOfPanel : k), shift, loadBlock(tile, addIndex(numBlocks, -1)), sums);
  });
}

void ContractEmitter::copyPanel(const Tile &tile) {
  isCopying = true;
  emitLoop(index(0), dimOf(lhs, op.getLhsOrder(), 2), {}, [&](Value k, SmallVectorImpl<Value> &) { loadRow(tile, k); });
  isCopying = false;
}

void ContractEmitter::unpackPanel(const Tile &tile) {
  walkBlocks(tile, {}, [&](Value k, std::optional<bool>, ArrayRef<Value> panelRow, MutableArrayRef<Value>) {
    for (auto [v, numbers] : llvm::enumerate(panelRow))
      vector::StoreOp::create(b, numbers, scratch, ValueRange{k, index(v * lanes)});
  });
}

} // namespace mlir::ac
