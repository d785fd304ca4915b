//===- AttentionEmitter.h - Kernels of attention -----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_ATTENTIONEMITTER_H
#define KERNELS_ATTENTIONEMITTER_H

#include "Kernels/Passes.h"
#include "Kernels/VectorMath.h"
#include "Support/TargetInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::ac {

/// Keys that a tile of rows is multiplied with before its weights are added up. What a row becomes depends on this
/// number, and on nothing else that is chosen here.
constexpr int64_t kBlockKeys = 512;
/// Rows of a task, in tiles: the keys and values of a block stay in the second-level cache until all of them are done.
constexpr int64_t kTaskTiles = 16;

/// Emits the loops of an `ac.attention` on buffers (EmitAttention.cpp), its kernels (AttentionKernel.cpp), and what
/// their rows see (AttentionMask.cpp).
class AttentionEmitter {
public:
  AttentionEmitter(AttentionOp op, const TargetInfo &target);
  void emit(llvm::StringMap<func::FuncOp> &kernels);

private:
  using Dim = AttentionOp::Dim;
  /// What a kernel reads and writes.
  struct Operands {
    Value query, key, value, mask, offsets, lengths, sinks, ranges, result, stats;
    template <typename Fn> void forEach(Fn fn) {
      for (Value *operand : {&query, &key, &value, &mask, &offsets, &lengths, &sinks, &ranges, &result, &stats})
        if (*operand)
          fn(*operand);
    }
  };
  struct Sizes {
    Value batches, heads, keyHeads, sharing, rows, keys, depth, columns;
  };
  /// A query of a tile: where it is, and the keys that it may see, [begin, end). With ranges, `isPlain` is not zero
  /// where the mask adds nothing to these.
  struct Row {
    Value batch, head, position, begin, end, isPlain;
  };
  /// Where a row's columns go, and its largest score and the sum of its weights: `stats[slot, 0]` and `stats[slot, 1]`.
  struct Sink {
    Value buffer;
    std::function<SmallVector<Value>(Value column)> at;
    Value stats, slot;
  };
  /// At most `rows` queries, the number in the task of the first, and whether a block of keys is the first that they
  /// meet.
  struct Tile {
    Value slot, isFirst;
    SmallVector<Row> rows;
    SmallVector<Sink> sinks;
  };
  /// Keys [begin, begin + count), at most kBlockKeys, that a tile is multiplied with at one time.
  struct KeyBlock {
    Value batch, head, begin, count;
    /// A vector of keys from place `start` of a panel on.
    std::function<Value(Value panel, Value start)> loadKeys;
  };
  using Kernels = llvm::StringMap<func::FuncOp>;

  // The surroundings of the kernels.
  int64_t staticSize(Value operand, ArrayRef<int64_t> order, Dim dim);
  /// Queries that share a head of keys, if that is known.
  int64_t staticRows();
  bool hasFewColumns();
  Sizes sizesOf(const Operands &operands);
  Value packedKeys();
  /// Values whose rows follow each other, in the order `valueOrder`.
  Value rowsOfValues();
  /// Whether the mask is one for all heads and can hide keys, so that it is looked at before.
  bool hasRanges();
  /// For each row of the mask, [batch or 1, rows or 1, 3]: see emitMaskRow.
  Value maskRanges();
  SmallVector<Value> emitMaskRow(ArrayRef<Value> place);
  void emitWhole(Kernels &kernels);
  void emitSplit(Kernels &kernels);
  void emitCombination(Value parts, Value stats);
  void callKernel(Kernels &kernels, bool isSplit, Operands given, Value numTasks, Value grain);

  // The kernels.
  void emitWholeTasks(Value begin, Value end);
  void emitSplitTasks(Value begin, Value end);
  void emitPanel(Value batch, Value head, Value firstKey, llvm::function_ref<void(Value, Value d, int64_t)> store);
  void emitTiles(Value begin, Value end, llvm::function_ref<void(Value row, int64_t numRows)> tile);
  void emitTile(const Tile &tile, const KeyBlock &block, bool isPart);
  void fetch(Value buffer, ValueRange place, bool isWrite, int64_t level);
  void emitFetchRows(const Tile &tile);
  void emitFetchKeys(const Tile &tile, const KeyBlock &block, Value step);
  void emitQuery(const Tile &tile, int64_t number);
  Value queryPlace(const Tile &tile, int64_t row, Value d);
  /// Column `d` of the query of a tile's row.
  Value loadQuery(const Tile &tile, int64_t row, Value d);
  /// What products are multiplied with to become scores, or what a softcap bends.
  double scoreFactor();
  /// `numSums` vectors of sums over steps [begin, end), each of which adds to them: step `i` behind `first`. Addresses
  /// are worked out for the first, and the others lie at constant distances.
  SmallVector<Value> emitSteps(Value begin, Value end, int64_t numSums,
                               llvm::function_ref<void(Value first, int64_t i, MutableArrayRef<Value> sums)> step);
  SmallVector<Value> emitScores(const Tile &tile, const KeyBlock &block, Value vector, int64_t width);
  SmallVector<Value> emitMasked(ArrayRef<Row> rows, Value firstKey, SmallVector<Value> scores, bool isPart);
  SmallVector<Value> emitProduct(int64_t numRows, const KeyBlock &block, Value begin, Value end, Value column,
                                 int64_t numVectors, ArrayRef<Value> masks);
  Row rowAt(Value batch, Value head, Value position);
  /// Whether rows may see less than all keys.
  bool hasLimits() { return op.hasStructure() || operands.ranges; }
  /// Whether rows may see nothing of the first keys.
  bool hasBegins() { return op.getBefore() || operands.ranges; }
  /// The keys [begin, end) that some of the rows may see. Rows that ascend see keys that ascend, by structure alone.
  std::pair<Value, Value> seenBy(ArrayRef<Row> rows, bool ascend);
  std::pair<Value, Value> seenByTask(Value batch, Value head, Value rowBegin, Value rowEnd);
  SmallVector<Value> emitAdded(ArrayRef<Row> rows, Value firstKey, SmallVector<Value> scores, double scale);
  void emitEmpty(const Sink &sink, Value head);
  /// How an older and a newer part of a row are weighted; the row's stats become those of both.
  std::pair<Value, Value> emitFold(const Sink &sink, Value newMax, Value newSum);
  void emitNormalized(const Sink &sink);
  /// Calls `body` for groups of columns of the result: the first, how many vectors, and masks of these unless all are
  /// full.
  void forColumns(llvm::function_ref<void(Value column, int64_t numVectors, ArrayRef<Value> masks)> body);
  Value loadColumns(Value buffer, ValueRange indices, ArrayRef<Value> masks, int64_t vector);
  void storeColumns(Value value, Value buffer, ValueRange indices, ArrayRef<Value> masks, int64_t vector);

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value add(Value x, int64_t y) { return y ? add(x, index(y)) : x; }
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
  Value sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
  Value mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
  Value min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(x, y); }
  Value max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(x, y); }
  Value ceilDiv(Value x, Value y) { return b.createOrFold<arith::CeilDivSIOp>(x, y); }
  Value isLess(Value x, Value y) { return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y); }
  /// Coordinates (batch, head, row, column) in the order of an operand's dimensions.
  SmallVector<Value> at(ArrayRef<int64_t> order, ArrayRef<Value> coordinates) {
    return llvm::map_to_vector(order, [&](int64_t dim) { return coordinates[dim]; });
  }
  Value infinity() { return math.splat(-std::numeric_limits<float>::infinity()); }
  /// Runs `body` for each index from `begin` to `end`.
  void loop(Value begin, Value end, Value step, llvm::function_ref<void(Value)> body) {
    auto loop = scf::ForOp::create(b, begin, end, step);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    body(loop.getInductionVar());
  }

  AttentionOp op;
  ImplicitLocOpBuilder b;
  int64_t lanes, vectors, rows;
  VectorType vectorType, maskType;
  VectorMath math;
  Operands operands; // of the operation or, inside of a kernel, its arguments
  SmallVector<int64_t> valueOrder;
  Sizes sizes;
  Value weights;  // of a tile, [rows, keys of a block]
  Value queries;  // of a task, multiplied with the scale, row after row; none where that is much memory
  Value rowStats; // of a task, see Sink
};

} // namespace mlir::ac

#endif // KERNELS_ATTENTIONEMITTER_H
