//===- EmitAttention.cpp - Kernels of attention ---------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns `ac.attention` on buffers into loops that never hold more scores than those of a tile of queries and a block of
// keys. For these the kernel computes
//
//   scores     tile x panels of keys, with the accumulators in registers; softcap and mask are applied there, the scale
//              to the queries before
//   weights    e^(score - largest score of the block), and their sum
//   product    weights x values, with the accumulators in registers
//
// and adds the product to the tile's rows, older and newer part weighted by their largest scores. Blocks lie at
// multiples of `kBlockKeys` whatever the number of rows and threads, and are added up in order: so a row has the same
// bits in any company.
//
// There are two ways to share the work. With many rows, a task is a number of rows of a head with all keys, of which it
// leaves out what none of its rows sees; keys have been packed before. With few, a task is a block of keys with all
// rows of all heads that share it; it packs the keys for itself, so that they are read once, and the parts are added up
// afterwards. When it is not known while compiling, both are there.
//
//===----------------------------------------------------------------------===//
#include "Kernels/AttentionEmitter.h"
#include "Kernels/KernelBuffers.h"
#include "Kernels/TransposeLoops.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITATTENTION
#include "Kernels/Passes.h.inc"

/// Tiles that count as few: with more, keys are worth to be packed for all to read.
static constexpr int64_t kFewTiles = 2;
/// The most memory that a task takes from the stack for the keys that it packs.
static constexpr int64_t kMostPanelBytes = 512 << 10;
/// Multiply-adds and elements that a range should hold.
static constexpr int64_t kGrainProducts = 1 << 18, kGrainElements = 1 << 14;

AttentionEmitter::AttentionEmitter(AttentionOp op, const TargetInfo &target)
    : op(op), b(op.getLoc(), op), lanes(target.lanes(b.getF32Type())), vectors(target.tileVectors),
      rows(target.tileRows), vectorType(VectorType::get({lanes}, b.getF32Type())),
      maskType(VectorType::get({lanes}, b.getI1Type())), math(b, lanes, target.hasTables()) {}

int64_t AttentionEmitter::staticSize(Value operand, ArrayRef<int64_t> order, Dim dim) {
  auto place = AttentionOp::placeOf(order, dim);
  return place ? cast<MemRefType>(operand.getType()).getDimSize(*place) : 1;
}

int64_t AttentionEmitter::staticRows() {
  int64_t heads = staticSize(op.getQuery(), op.getQueryOrder(), Dim::Head),
          keyHeads = staticSize(op.getKey(), op.getKeyOrder(), Dim::Head),
          rows = staticSize(op.getQuery(), op.getQueryOrder(), Dim::Row);
  bool isKnown = !llvm::is_contained({heads, keyHeads, rows}, ShapedType::kDynamic);
  return isKnown ? heads / std::max<int64_t>(keyHeads, 1) * rows : ShapedType::kDynamic;
}

/// Whether the stack has room for the keys of a block and the queries of a task.
bool AttentionEmitter::hasFewColumns() {
  int64_t depth = staticSize(op.getQuery(), op.getQueryOrder(), Dim::Column);
  return !ShapedType::isDynamic(depth) &&
         llvm::alignTo(depth, lanes) * kBlockKeys * int64_t(sizeof(float)) <= kMostPanelBytes;
}

/// Sizes that decide the shape of a kernel are constants in it if they are known; others it asks its arguments for.
AttentionEmitter::Sizes AttentionEmitter::sizesOf(const Operands &operands) {
  auto extent = [&](Value buffer, ArrayRef<int64_t> order, Dim dim) -> Value {
    auto place = AttentionOp::placeOf(order, dim);
    return place ? memref::DimOp::create(b, buffer, *place).getResult() : index(1);
  };
  auto column = [&](Value original, Value buffer, ArrayRef<int64_t> order) -> Value {
    int64_t known = staticSize(original, order, Dim::Column);
    return ShapedType::isDynamic(known) ? extent(buffer, order, Dim::Column) : index(known);
  };
  Sizes sizes;
  sizes.batches = extent(operands.query, op.getQueryOrder(), Dim::Batch);
  sizes.heads = extent(operands.query, op.getQueryOrder(), Dim::Head);
  sizes.rows = extent(operands.query, op.getQueryOrder(), Dim::Row);
  sizes.keyHeads = extent(operands.value, valueOrder, Dim::Head);
  sizes.keys = extent(operands.value, valueOrder, Dim::Row);
  sizes.depth = column(op.getQuery(), operands.query, op.getQueryOrder());
  sizes.columns = column(op.getValue(), operands.value, valueOrder);
  sizes.sharing = arith::DivUIOp::create(b, sizes.heads, max(sizes.keyHeads, index(1)));
  return sizes;
}

/// Gives `store` the columns of a panel of keys by vectors: (vector of keys, d, which of the panel's). Past the last
/// key it stands again, and vectors without any key may be left out.
void AttentionEmitter::emitPanel(Value batch, Value head, Value firstKey,
                                 llvm::function_ref<void(Value, Value, int64_t)> store) {
  auto keyType = cast<MemRefType>(operands.key.getType());
  ArrayRef<int64_t> order = op.getKeyOrder();
  if (keyType.isLastDimUnitStride() && order.back() == Dim::Row) {
    loop(index(0), sizes.depth, index(1), [&](Value d) {
      for (int64_t v = 0; v < vectors; ++v) {
        Value key = add(firstKey, v * lanes);
        Value within = vector::CreateMaskOp::create(b, maskType, ValueRange{sub(sizes.keys, key)});
        Value keys = vector::MaskedLoadOp::create(b, vectorType, operands.key, at(order, {batch, head, key, d}), within,
                                                  math.splat(0));
        store(keys, d, v);
      }
    });
    return;
  }
  Value lastKey = add(sizes.keys, -1);
  bool isAlong = keyType.isLastDimUnitStride() && order.back() == Dim::Column;
  for (int64_t v = 0; v < vectors; ++v) {
    SmallVector<Value> keys;
    for (int64_t lane = 0; lane < lanes; ++lane)
      keys.push_back(min(add(firstKey, v * lanes + lane), lastKey));
    auto turned = [&](Value d, bool isWhole) {
      SmallVector<Value> tile;
      Value within = isWhole ? Value() : vector::CreateMaskOp::create(b, maskType, ValueRange{sub(sizes.depth, d)});
      for (Value key : keys) {
        SmallVector<Value> place = at(order, {batch, head, key, d});
        tile.push_back(isWhole
                           ? vector::LoadOp::create(b, vectorType, operands.key, place).getResult()
                           : vector::MaskedLoadOp::create(b, vectorType, operands.key, place, within, math.splat(0)));
      }
      turnOver(b, tile);
      return tile;
    };
    auto known = getConstantIntValue(sizes.depth);
    OpBuilder::InsertionGuard guard(b);
    if (v > 0) {
      auto any = scf::IfOp::create(b, isLess(add(firstKey, v * lanes), sizes.keys), /*withElseRegion=*/false);
      b.setInsertionPoint(any.thenBlock()->getTerminator());
    }
    if (isAlong) {
      Value whole = sub(sizes.depth, arith::RemUIOp::create(b, sizes.depth, index(lanes)));
      loop(index(0), whole, index(lanes), [&](Value d) {
        for (auto [lane, vector] : llvm::enumerate(turned(d, true)))
          store(vector, add(d, lane), v);
      });
      // The panel has room for whole vectors.
      if (!known || *known % lanes)
        loop(whole, sizes.depth, index(lanes), [&](Value d) {
          for (auto [lane, vector] : llvm::enumerate(turned(d, false)))
            store(vector, add(d, lane), v);
        });
      continue;
    }
    loop(index(0), sizes.depth, index(1), [&](Value d) {
      SmallVector<Value> elements;
      for (Value key : keys)
        elements.push_back(memref::LoadOp::create(b, operands.key, at(order, {batch, head, key, d})));
      store(vector::FromElementsOp::create(b, vectorType, elements), d, v);
    });
  }
}

/// Keys as `[batch, head, panels, columns x keys of a panel]`.
Value AttentionEmitter::packedKeys() {
  Value panels = ceilDiv(sizes.keys, index(lanes * vectors));
  Value depth = mul(ceilDiv(sizes.depth, index(lanes)), index(lanes));
  int64_t dynamic = ShapedType::kDynamic;
  auto type = MemRefType::get({dynamic, dynamic, dynamic, dynamic}, b.getF32Type());
  Value packed = memref::AllocOp::create(
      b, type, ValueRange{sizes.batches, sizes.keyHeads, panels, mul(depth, index(lanes * vectors))});
  Value count = mul(mul(sizes.batches, sizes.keyHeads), panels);
  Value grain = ceilDiv(index(kGrainElements), max(mul(depth, index(lanes * vectors)), index(1)));
  auto parallel = ParallelOp::create(b, count, grain);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  loop(parallel.getBegin(), parallel.getEnd(), index(1), [&](Value task) {
    Value panel = arith::RemUIOp::create(b, task, panels), matrix = arith::DivUIOp::create(b, task, panels);
    Value head = arith::RemUIOp::create(b, matrix, sizes.keyHeads);
    Value batch = arith::DivUIOp::create(b, matrix, sizes.keyHeads);
    OpBuilder::InsertionGuard guard(b);
    if (op.hasStructure()) { // what none of the rows sees
      Value begin = mul(panel, index(lanes * vectors));
      Value isSeen = isLess(begin, rowAt(batch, head, add(sizes.rows, -1)).end);
      if (op.getBefore())
        isSeen =
            arith::AndIOp::create(b, isSeen, isLess(rowAt(batch, head, index(0)).begin, add(begin, lanes * vectors)));
      auto any = scf::IfOp::create(b, isSeen, /*withElseRegion=*/false);
      b.setInsertionPoint(any.thenBlock()->getTerminator());
    }
    emitPanel(batch, head, mul(panel, index(lanes * vectors)), [&](Value keys, Value d, int64_t v) {
      Value place = add(mul(d, index(lanes * vectors)), v * lanes);
      vector::StoreOp::create(b, keys, packed, ValueRange{batch, head, panel, place});
    });
  });
  return packed;
}

Value AttentionEmitter::rowsOfValues() {
  int64_t rank = valueOrder.size();
  if (valueOrder[rank - 2] == Dim::Row)
    return operands.value;
  // The rows move behind what stood between them and their columns.
  SmallVector<int64_t> places = llvm::to_vector(llvm::seq<int64_t>(rank));
  int64_t row = *AttentionOp::placeOf(valueOrder, Dim::Row);
  places.erase(places.begin() + row);
  places.insert(places.end() - 1, row);
  SmallVector<int64_t> shape, order;
  SmallVector<Value> extents;
  for (int64_t place : places) {
    shape.push_back(cast<MemRefType>(operands.value.getType()).getDimSize(place));
    order.push_back(valueOrder[place]);
    if (ShapedType::isDynamic(shape.back()))
      extents.push_back(memref::DimOp::create(b, operands.value, place));
  }
  Value copy = memref::AllocOp::create(b, MemRefType::get(shape, b.getF32Type()), extents);
  linalg::TransposeOp::create(b, b.getLoc(), operands.value, copy, places);
  valueOrder = order;
  return copy;
}

/// The call of a kernel over a range of tasks, and the kernel unless there is one like it.
void AttentionEmitter::callKernel(Kernels &kernels, bool isSplit, Operands given, Value numTasks, Value grain) {
  auto parallel = ParallelOp::create(b, numTasks, grain);
  given.forEach([&](Value &operand) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(parallel);
    operand = makeDynamic(b, operand, /*staticTrailing=*/0);
  });
  SmallVector<Value> arguments;
  given.forEach([&](Value &operand) { arguments.push_back(operand); });

  std::string text;
  llvm::raw_string_ostream os(text);
  os << (isSplit ? "part" : "rows") << op->getAttrDictionary() << op->getPropertiesAsAttribute();
  for (Type type : ValueRange(arguments).getTypes())
    os << type << ";";
  os << staticSize(op.getQuery(), op.getQueryOrder(), Dim::Column) << ","
     << staticSize(op.getValue(), op.getValueOrder(), Dim::Column);
  if (isSplit)
    os << "," << staticRows();
  func::FuncOp &kernel = kernels[text];
  if (!kernel) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(op->getParentOfType<ModuleOp>().getBody());
    SmallVector<Type> types(ValueRange(arguments).getTypes());
    types.append(2, b.getIndexType());
    kernel =
        func::FuncOp::create(b, "ac_attention_" + std::to_string(kernels.size() - 1), b.getFunctionType(types, {}));
    kernel.setPrivate();
    b.setInsertionPointToStart(kernel.addEntryBlock());
    Operands outside = operands, inside = given;
    Sizes sizesOutside = sizes;
    unsigned next = 0;
    inside.forEach([&](Value &operand) { operand = kernel.getArgument(next++); });
    operands = inside;
    sizes = sizesOf(inside);
    auto alignment = b.getI64IntegerAttr(64);
    weights = memref::AllocaOp::create(b, MemRefType::get({rows, kBlockKeys}, b.getF32Type()), ValueRange{}, alignment);
    queries = {};
    if (hasFewColumns()) {
      int64_t depth = llvm::alignTo(*getConstantIntValue(sizes.depth), lanes);
      auto type = MemRefType::get({(isSplit ? kFewTiles : kTaskTiles) * rows * depth}, b.getF32Type());
      queries = memref::AllocaOp::create(b, type, ValueRange{}, alignment);
    }
    if (isSplit) {
      emitSplitTasks(kernel.getArgument(next), kernel.getArgument(next + 1));
    } else {
      rowStats =
          memref::AllocaOp::create(b, MemRefType::get({rows * kTaskTiles, 2}, b.getF32Type()), ValueRange{}, alignment);
      emitWholeTasks(kernel.getArgument(next), kernel.getArgument(next + 1));
    }
    func::ReturnOp::create(b);
    operands = outside;
    sizes = sizesOutside;
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  arguments.append({parallel.getBegin(), parallel.getEnd()});
  func::CallOp::create(b, kernel, arguments);
}

void AttentionEmitter::emitWhole(Kernels &kernels) {
  Operands given = operands;
  given.key = packedKeys();
  given.value = rowsOfValues();
  if (hasRanges())
    given.ranges = maskRanges();
  Value packed = given.key, values = given.value, ranges = given.ranges;
  int64_t mostRows = rows * kTaskTiles;
  Value blocks = ceilDiv(sizes.rows, index(mostRows));
  Value tasks = mul(mul(sizes.batches, sizes.heads), blocks);
  Value work = mul(mul(min(sizes.rows, index(mostRows)), sizes.keys), add(sizes.depth, sizes.columns));
  callKernel(kernels, /*isSplit=*/false, given, tasks, ceilDiv(index(kGrainProducts), max(work, index(1))));
  memref::DeallocOp::create(b, packed);
  if (ranges)
    memref::DeallocOp::create(b, ranges);
  if (values != operands.value)
    memref::DeallocOp::create(b, values);
  valueOrder = llvm::to_vector(op.getValueOrder());
}

void AttentionEmitter::emitSplit(Kernels &kernels) {
  Value blocks = max(ceilDiv(sizes.keys, index(kBlockKeys)), index(1));
  Value numRows = mul(mul(sizes.batches, sizes.heads), sizes.rows), numParts = mul(numRows, blocks);
  int64_t dynamic = ShapedType::kDynamic;
  Operands given = operands;
  given.result = memref::AllocOp::create(b, MemRefType::get({dynamic, dynamic}, b.getF32Type()),
                                         ValueRange{numParts, sizes.columns});
  given.stats = memref::AllocOp::create(b, MemRefType::get({dynamic, 2}, b.getF32Type()), ValueRange{numParts});
  Value tasks = mul(mul(sizes.batches, sizes.keyHeads), blocks);
  Value work =
      mul(mul(mul(sizes.sharing, sizes.rows), min(sizes.keys, index(kBlockKeys))), add(sizes.depth, sizes.columns));
  callKernel(kernels, /*isSplit=*/true, given, tasks, ceilDiv(index(kGrainProducts), max(work, index(1))));
  emitCombination(given.result, given.stats);
  memref::DeallocOp::create(b, given.result);
  memref::DeallocOp::create(b, given.stats);
}

/// Adds up the parts of each row in the order of their keys.
void AttentionEmitter::emitCombination(Value parts, Value stats) {
  Value blocks = max(ceilDiv(sizes.keys, index(kBlockKeys)), index(1));
  Value numRows = mul(mul(sizes.batches, sizes.heads), sizes.rows);
  Value work = max(mul(blocks, sizes.columns), index(1));
  Value sums =
      memref::AllocOp::create(b, MemRefType::get({ShapedType::kDynamic, 2}, b.getF32Type()), ValueRange{numRows});
  auto parallel = ParallelOp::create(b, numRows, ceilDiv(index(kGrainElements), work));
  memref::DeallocOp::create(b, sums);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  loop(parallel.getBegin(), parallel.getEnd(), index(1), [&](Value row) {
    Value position = arith::RemUIOp::create(b, row, sizes.rows), matrix = arith::DivUIOp::create(b, row, sizes.rows);
    Value head = arith::RemUIOp::create(b, matrix, sizes.heads), batch = arith::DivUIOp::create(b, matrix, sizes.heads);
    Sink sink{operands.result,
              [&](Value column) {
                return at(op.getOutOrder(), {batch, head, position, column});
              },
              sums, row};
    emitEmpty(sink, head);
    loop(index(0), blocks, index(1), [&](Value block) {
      Value slot = add(mul(row, blocks), block);
      auto stat = [&](int64_t i) { return memref::LoadOp::create(b, stats, ValueRange{slot, index(i)}).getResult(); };
      auto [older, newer] = emitFold(sink, stat(0), stat(1));
      forColumns([&, older = older, newer = newer](Value column, int64_t count, ArrayRef<Value> masks) {
        for (int64_t v = 0; v < count; ++v) {
          Value at = add(column, v * lanes);
          Value part = math.mul(loadColumns(parts, {slot, at}, masks, v), newer);
          Value sum = math.fma(loadColumns(sink.buffer, sink.at(at), masks, v), older, part);
          storeColumns(sum, sink.buffer, sink.at(at), masks, v);
        }
      });
    });
    emitNormalized(sink);
  });
}

void AttentionEmitter::emit(Kernels &kernels) {
  operands = {
      op.getQuery(), op.getKey(), op.getValue(), op.getMask(), op.getOffsets(), op.getLengths(), op.getSinks(), {},
      op.getInit(),  {}};
  operands.value = withUnitStride(b, operands.value, op);
  if (operands.mask)
    operands.mask = withUnitStride(b, operands.mask, op);
  valueOrder = llvm::to_vector(op.getValueOrder());
  sizes = sizesOf(operands);
  int64_t known = staticRows(), few = kFewTiles * rows;
  if (!hasFewColumns() || (!ShapedType::isDynamic(known) && known > few))
    return emitWhole(kernels);
  if (!ShapedType::isDynamic(known))
    return emitSplit(kernels);
  Value areFew = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, mul(sizes.sharing, sizes.rows), index(few));
  auto choice = scf::IfOp::create(b, areFew, /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  emitSplit(kernels);
  b.setInsertionPointToStart(choice.elseBlock());
  emitWhole(kernels);
}

namespace {

struct EmitAttention : impl::EmitAttentionBase<EmitAttention> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) {
      if (op.getInit())
        ops.push_back(op);
    });
    llvm::StringMap<func::FuncOp> kernels;
    for (AttentionOp op : ops) {
      if (!cast<MemRefType>(op.getQuery().getType()).getElementType().isF32()) {
        op.emitOpError("has elements other than f32, for which there is no kernel");
        return signalPassFailure();
      }
      AttentionEmitter(op, target).emit(kernels);
      op.erase();
    }
  }
};

} // namespace
} // namespace mlir::ac
