//===- AttentionKernel.cpp - The tiles of attention -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/AttentionEmitter.h"

namespace mlir::ac {

//===----------------------------------------------------------------------===//
// Rows of the result
//===----------------------------------------------------------------------===//

void AttentionEmitter::forColumns(llvm::function_ref<void(Value, int64_t, ArrayRef<Value>)> body) {
  int64_t group = lanes * vectors;
  auto masksAt = [&](Value column, int64_t count) {
    SmallVector<Value> masks;
    Value left = sub(sizes.columns, column);
    for (int64_t v = 0; v < count; ++v)
      masks.push_back(vector::CreateMaskOp::create(b, maskType, ValueRange{add(left, -v * lanes)}));
    return masks;
  };
  auto known = getConstantIntValue(sizes.columns);
  if (!known) {
    loop(index(0), sizes.columns, index(group), [&](Value column) { body(column, vectors, masksAt(column, vectors)); });
    return;
  }
  int64_t whole = *known / group * group, left = *known - whole;
  if (whole == group)
    body(index(0), vectors, {});
  else if (whole)
    loop(index(0), index(whole), index(group), [&](Value column) { body(column, vectors, {}); });
  if (left) {
    int64_t count = llvm::divideCeil(left, lanes);
    Value column = index(whole);
    body(column, count, left % lanes ? masksAt(column, count) : SmallVector<Value>());
  }
}

Value AttentionEmitter::loadColumns(Value buffer, ValueRange indices, ArrayRef<Value> masks, int64_t vector) {
  if (masks.empty())
    return vector::LoadOp::create(b, vectorType, buffer, indices);
  return vector::MaskedLoadOp::create(b, vectorType, buffer, indices, masks[vector], math.splat(0));
}

void AttentionEmitter::storeColumns(Value value, Value buffer, ValueRange indices, ArrayRef<Value> masks,
                                    int64_t vector) {
  if (masks.empty())
    vector::StoreOp::create(b, value, buffer, indices);
  else
    vector::MaskedStoreOp::create(b, buffer, indices, masks[vector], value);
}

/// A row of head `head` that has seen nothing but the head's sink.
void AttentionEmitter::emitEmpty(const Sink &sink, Value head) {
  auto number = [&](float value) -> Value { return arith::ConstantOp::create(b, b.getF32FloatAttr(value)); };
  Value largest = number(-std::numeric_limits<float>::infinity()), sum = number(operands.sinks ? 1 : 0);
  if (operands.sinks)
    largest = memref::LoadOp::create(b, operands.sinks, ValueRange{head});
  memref::StoreOp::create(b, largest, sink.stats, ValueRange{sink.slot, index(0)});
  memref::StoreOp::create(b, sum, sink.stats, ValueRange{sink.slot, index(1)});
  forColumns([&](Value column, int64_t count, ArrayRef<Value> masks) {
    for (int64_t v = 0; v < count; ++v)
      storeColumns(math.splat(0), sink.buffer, sink.at(add(column, v * lanes)), masks, v);
  });
}

std::pair<Value, Value> AttentionEmitter::emitFold(const Sink &sink, Value newMax, Value newSum) {
  SmallVector<Value> maxPlace{sink.slot, index(0)}, sumPlace{sink.slot, index(1)};
  Value oldMax = math.broadcast(memref::LoadOp::create(b, sink.stats, maxPlace));
  Value oldSum = math.broadcast(memref::LoadOp::create(b, sink.stats, sumPlace));
  newMax = math.broadcast(newMax);
  newSum = math.broadcast(newSum);
  // The part with the larger scores keeps its weights. Neither is larger where both have seen nothing.
  Value distance = math.sub(oldMax, newMax);
  Value factor = math.expOfNegative(arith::NegFOp::create(b, math::AbsFOp::create(b, distance)));
  factor = math.select(math.compare(arith::CmpFPredicate::UNO, distance, distance), math.splat(1), factor);
  Value oldIsLarger = math.compare(arith::CmpFPredicate::OGE, oldMax, newMax);
  Value older = math.select(oldIsLarger, math.splat(1), factor),
        newer = math.select(oldIsLarger, factor, math.splat(1));
  Value sum = math.fma(oldSum, older, math.mul(newSum, newer));
  auto first = [&](Value vector) { return vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0}); };
  memref::StoreOp::create(b, first(math.max(oldMax, newMax)), sink.stats, maxPlace);
  memref::StoreOp::create(b, first(sum), sink.stats, sumPlace);
  return {older, newer};
}

void AttentionEmitter::emitNormalized(const Sink &sink) {
  Value sum = math.broadcast(memref::LoadOp::create(b, sink.stats, ValueRange{sink.slot, index(1)}));
  Value isEmpty = math.compare(arith::CmpFPredicate::OEQ, sum, math.splat(0));
  Value empty = math.splat(0);
  if (!op.getEmptyIsZero() && !op.getNanIsZero()) {
    Value anyKeys = isLess(index(0), sizes.keys);
    empty = arith::SelectOp::create(b, anyKeys, math.splat(std::numeric_limits<float>::quiet_NaN()), empty);
  }
  Value factor = math.select(isEmpty, empty, arith::DivFOp::create(b, math.splat(1), sum));
  forColumns([&](Value column, int64_t count, ArrayRef<Value> masks) {
    for (int64_t v = 0; v < count; ++v) {
      SmallVector<Value> place = sink.at(add(column, v * lanes));
      Value quotient = math.mul(loadColumns(sink.buffer, place, masks, v), factor);
      if (op.getNanIsZero())
        quotient = math.select(math.compare(arith::CmpFPredicate::UNO, factor, factor), math.splat(0), quotient);
      storeColumns(quotient, sink.buffer, place, masks, v);
    }
  });
}

//===----------------------------------------------------------------------===//
// A tile
//===----------------------------------------------------------------------===//

/// Steps of a product that are emitted one after another: addresses of rows are worked out once for them.
static constexpr int64_t kUnrolledSteps = 4;

SmallVector<Value> AttentionEmitter::emitSteps(Value begin, Value end, int64_t numSums,
                                               llvm::function_ref<void(Value, int64_t, MutableArrayRef<Value>)> step) {
  SmallVector<Value> sums(numSums, math.splat(0));
  auto steps = [&](Value begin, Value end, int64_t together) {
    auto loop = scf::ForOp::create(b, begin, end, index(together), sums);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> next(loop.getRegionIterArgs());
    for (int64_t i = 0; i < together; ++i)
      step(loop.getInductionVar(), i, next);
    scf::YieldOp::create(b, next);
    sums.assign(loop.getResults().begin(), loop.getResults().end());
  };
  auto known = getConstantIntValue(end);
  Value whole = begin;
  if (!known || *known >= kUnrolledSteps) {
    whole = known ? index(*known / kUnrolledSteps * kUnrolledSteps)
                  : mul(arith::DivUIOp::create(b, end, index(kUnrolledSteps)), index(kUnrolledSteps));
    steps(begin, whole, kUnrolledSteps);
    whole = max(begin, whole);
  }
  if (!known || *known % kUnrolledSteps)
    steps(whole, end, 1);
  return sums;
}

/// Copies the query of a tile's row to `queries`, times the factor that all scores have.
void AttentionEmitter::emitQuery(const Tile &tile, int64_t number) {
  const Row &row = tile.rows[number];
  auto type = cast<MemRefType>(operands.query.getType());
  ArrayRef<int64_t> order = op.getQueryOrder();
  int64_t depth = *getConstantIntValue(sizes.depth);
  int64_t step = type.isLastDimUnitStride() && order.back() == Dim::Column ? lanes : 1, whole = depth / step * step;
  auto copy = [&](Value d, Value within) {
    SmallVector<Value> from = at(order, {row.batch, row.head, row.position, d});
    Value query;
    if (within)
      query = vector::MaskedLoadOp::create(b, vectorType, operands.query, from, within, math.splat(0));
    else if (step > 1)
      query = vector::LoadOp::create(b, vectorType, operands.query, from);
    else
      query = vector::BroadcastOp::create(b, VectorType::get({1}, b.getF32Type()),
                                          memref::LoadOp::create(b, operands.query, from));
    auto factor = DenseElementsAttr::get(cast<VectorType>(query.getType()), static_cast<float>(scoreFactor()));
    query = math.mul(query, arith::ConstantOp::create(b, factor));
    vector::StoreOp::create(b, query, queries, queryPlace(tile, number, d));
  };
  loop(index(0), index(whole), index(step), [&](Value d) { copy(d, {}); });
  if (whole < depth)
    copy(index(whole), vector::CreateMaskOp::create(b, maskType, ValueRange{index(depth - whole)}));
}

Value AttentionEmitter::queryPlace(const Tile &tile, int64_t row, Value d) {
  int64_t depth = llvm::alignTo(*getConstantIntValue(sizes.depth), lanes);
  return add(mul(tile.slot, index(depth)), add(d, row * depth));
}

Value AttentionEmitter::loadQuery(const Tile &tile, int64_t row, Value d) {
  if (queries)
    return memref::LoadOp::create(b, queries, queryPlace(tile, row, d));
  const Row &own = tile.rows[row];
  SmallVector<Value> place = at(op.getQueryOrder(), {own.batch, own.head, own.position, d});
  return memref::LoadOp::create(b, operands.query, place);
}

/// Products of the tile's queries with `width` vectors of keys, which stand in one panel: a whole one or a part.
SmallVector<Value> AttentionEmitter::emitScores(const Tile &tile, const KeyBlock &block, Value vector, int64_t width) {
  int64_t numRows = tile.rows.size();
  Value panel = arith::DivUIOp::create(b, vector, index(vectors)), lane = index(0);
  if (width < vectors)
    lane = mul(arith::RemUIOp::create(b, vector, index(vectors)), index(lanes));
  return emitSteps(index(0), sizes.depth, numRows * width, [&](Value first, int64_t i, MutableArrayRef<Value> sums) {
    SmallVector<Value> keys;
    Value start = add(mul(first, index(lanes * vectors)), lane);
    for (int64_t v = 0; v < width; ++v)
      keys.push_back(block.loadKeys(panel, add(start, (i * vectors + v) * lanes)));
    for (int64_t r = 0; r < numRows; ++r) {
      Value query = math.broadcast(loadQuery(tile, r, add(first, i)));
      for (int64_t v = 0; v < width; ++v)
        sums[r * width + v] = math.fma(query, keys[v], sums[r * width + v]);
    }
  });
}

/// Products of the tile's weights [begin, end) with rows of values.
SmallVector<Value> AttentionEmitter::emitProduct(int64_t numRows, const KeyBlock &block, Value begin, Value end,
                                                 Value column, int64_t numVectors, ArrayRef<Value> masks) {
  return emitSteps(begin, end, numRows * numVectors, [&](Value first, int64_t number, MutableArrayRef<Value> sums) {
    SmallVector<Value> values;
    Value i = add(first, number), key = add(block.begin, i);
    for (int64_t v = 0; v < numVectors; ++v)
      values.push_back(loadColumns(operands.value,
                                   at(valueOrder, {block.batch, block.head, key, add(column, v * lanes)}), masks, v));
    for (int64_t r = 0; r < numRows; ++r) {
      Value weight = math.broadcast(memref::LoadOp::create(b, weights, ValueRange{index(r), i}));
      for (int64_t v = 0; v < numVectors; ++v)
        sums[r * numVectors + v] = math.fma(weight, values[v], sums[r * numVectors + v]);
    }
  });
}

/// Floats of a line of the cache.
static constexpr int64_t kLine = 16;
/// With so few vectors of keys, fetching the next rows takes longer than the exponentials beside it.
static constexpr int64_t kFewVectors = 6;

void AttentionEmitter::fetch(Value buffer, ValueRange place, bool isWrite, int64_t level) {
  constexpr int64_t numLevels = 4;
  memref::PrefetchOp::create(b, buffer, place, isWrite, /*localityHint=*/numLevels - level, /*isDataCache=*/true);
}

/// Fetches the queries and results of the rows behind a tile into the first-level cache.
void AttentionEmitter::emitFetchRows(const Tile &tile) {
  for (const Row &row : tile.rows) {
    auto place = [&](ArrayRef<int64_t> order, int64_t column) {
      return at(order, {row.batch, row.head, add(row.position, rows), index(column)});
    };
    for (int64_t column = 0; column < getConstantIntValue(sizes.columns).value_or(0); column += kLine)
      fetch(operands.result, place(op.getOutOrder(), column), /*isWrite=*/true, /*level=*/1);
    for (int64_t column = 0; column < *getConstantIntValue(sizes.depth); column += kLine)
      fetch(operands.query, place(op.getQueryOrder(), column), /*isWrite=*/false, /*level=*/1);
  }
}

/// Fetches a row of the next block's keys and values into the second-level cache: each step of a tile takes one, so
/// that all tiles of a task take all. Behind the last block that is where the next head begins.
void AttentionEmitter::emitFetchKeys(const Tile &tile, const KeyBlock &block, Value step) {
  Value tiles = arith::DivUIOp::create(b, tile.slot, index(rows)), share = mul(tiles, index(kBlockKeys / kTaskTiles));
  Value row = add(add(block.begin, kBlockKeys), add(share, step));
  for (int64_t column = 0; column < getConstantIntValue(sizes.columns).value_or(0); column += kLine)
    fetch(operands.value, at(valueOrder, {block.batch, block.head, row, index(column)}), /*isWrite=*/false,
          /*level=*/2);
  Value panel = arith::DivUIOp::create(b, row, index(lanes * vectors));
  Value begin = mul(arith::RemUIOp::create(b, row, index(lanes * vectors)), sizes.depth);
  for (int64_t place = 0; place < *getConstantIntValue(sizes.depth); place += kLine)
    fetch(operands.key, {block.batch, block.head, panel, add(begin, place)}, /*isWrite=*/false, /*level=*/2);
}

/// Attends the rows of a tile to a block of keys. What it gives is added to the rows, or stored if it is a part of its
/// own.
void AttentionEmitter::emitTile(const Tile &tile, const KeyBlock &block, bool isPart) {
  ArrayRef<Row> rows = tile.rows;
  ArrayRef<Sink> sinks = tile.sinks;
  int64_t numRows = rows.size();
  auto [begin, end] = seenBy(rows, /*ascend=*/!isPart);
  Value count = max(min(sub(end, block.begin), block.count), index(0));
  if (hasBegins())
    count = arith::SelectOp::create(b, isLess(begin, add(block.begin, block.count)), count, index(0));
  OpBuilder::InsertionGuard guard(b);
  if (!isPart && hasLimits()) {
    auto any = scf::IfOp::create(b, isLess(index(0), count), /*withElseRegion=*/false);
    b.setInsertionPoint(any.thenBlock()->getTerminator());
  }
  Value numVectors = ceilDiv(count, index(lanes)), firstVector = index(0);
  if (hasBegins()) {
    Value panel = arith::DivUIOp::create(b, max(sub(begin, block.begin), index(0)), index(lanes * vectors));
    firstVector = min(mul(panel, index(vectors)), numVectors);
  }

  SmallVector<Value> tops(numRows, infinity()), sums(numRows, math.splat(0));
  // Whole panels, then what is left of one by halves, quarters and so on.
  Value done = firstVector;
  for (int64_t width = vectors; width > 0; width /= 2) {
    Value left = arith::RemUIOp::create(b, sub(numVectors, done), index(width));
    Value end = sub(numVectors, left);
    auto panelLoop = scf::ForOp::create(b, done, end, index(width), tops);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(panelLoop.getBody());
    tops.assign(panelLoop.getRegionIterArgs().begin(), panelLoop.getRegionIterArgs().end());
    Value key = mul(panelLoop.getInductionVar(), index(lanes));
    SmallVector<Value> scores = emitScores(tile, block, panelLoop.getInductionVar(), width);
    scores = emitMasked(rows, add(block.begin, key), scores, isPart);
    for (int64_t r = 0; r < numRows; ++r)
      for (int64_t v = 0; v < width; ++v) {
        vector::StoreOp::create(b, scores[r * width + v], weights, ValueRange{index(r), add(key, v * lanes)});
        tops[r] = math.max(scores[r * width + v], tops[r]);
      }
    scf::YieldOp::create(b, tops);
    tops.assign(panelLoop.getResults().begin(), panelLoop.getResults().end());
    done = end;
  }
  SmallVector<Value> largest;
  for (Value top : tops) {
    // Pairs of halves, by the same rule as above: NaN is passed over.
    largest.push_back(math.reduce(top, [&](Value x, Value y) -> Value {
      return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y), x, y);
    }));
  }
  SmallVector<Value> shifts;
  for (Value top : largest) {
    Value vector = math.broadcast(top);
    shifts.push_back(math.select(math.compare(arith::CmpFPredicate::OEQ, vector, infinity()), math.splat(0), vector));
  }
  // Exponentials need nothing of memory, so that what comes next can be fetched beside them.
  bool fetches = !isPart && hasFewColumns() && lanes == kTaskTiles;
  if (fetches) {
    Value areMany = isLess(index(kFewVectors), numVectors);
    auto begins = scf::IfOp::create(b, arith::AndIOp::create(b, tile.isFirst, areMany), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(begins.thenBlock()->getTerminator());
    emitFetchRows(tile);
  }
  auto weightLoop = scf::ForOp::create(b, firstVector, numVectors, index(1), sums);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(weightLoop.getBody());
    sums.assign(weightLoop.getRegionIterArgs().begin(), weightLoop.getRegionIterArgs().end());
    Value key = mul(weightLoop.getInductionVar(), index(lanes));
    if (fetches)
      emitFetchKeys(tile, block, weightLoop.getInductionVar());
    for (int64_t r = 0; r < numRows; ++r) {
      SmallVector<Value> place{index(r), key};
      Value score = vector::LoadOp::create(b, vectorType, weights, place);
      Value weight = math.expOfNegative(math.sub(score, shifts[r]));
      vector::StoreOp::create(b, weight, weights, place);
      sums[r] = math.add(sums[r], weight);
    }
    scf::YieldOp::create(b, sums);
  }
  SmallVector<std::pair<Value, Value>> factors;
  for (int64_t r = 0; r < numRows; ++r) {
    Value sum =
        math.reduce(weightLoop.getResult(r), [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, x, y); });
    if (isPart) {
      memref::StoreOp::create(b, largest[r], sinks[r].stats, ValueRange{sinks[r].slot, index(0)});
      memref::StoreOp::create(b, sum, sinks[r].stats, ValueRange{sinks[r].slot, index(1)});
    } else {
      factors.push_back(emitFold(sinks[r], largest[r], sum));
    }
  }
  forColumns([&](Value column, int64_t numVectors, ArrayRef<Value> masks) {
    SmallVector<Value> product =
        emitProduct(numRows, block, mul(firstVector, index(lanes)), count, column, numVectors, masks);
    for (int64_t r = 0; r < numRows; ++r)
      for (int64_t v = 0; v < numVectors; ++v) {
        Value part = product[r * numVectors + v];
        SmallVector<Value> place = sinks[r].at(add(column, v * lanes));
        if (!isPart)
          part = math.fma(loadColumns(sinks[r].buffer, place, masks, v), factors[r].first,
                          math.mul(part, factors[r].second));
        storeColumns(part, sinks[r].buffer, place, masks, v);
      }
  });
}

/// Tiles of whole size, then one of exactly the rows that are left.
void AttentionEmitter::emitTiles(Value begin, Value end, llvm::function_ref<void(Value, int64_t)> tile) {
  auto known = getConstantIntValue(end), from = getConstantIntValue(begin);
  Value left = arith::RemUIOp::create(b, sub(end, begin), index(rows));
  Value wholeEnd = sub(end, left);
  if (!known || !from || *known - *from >= rows)
    loop(begin, wholeEnd, index(rows), [&](Value row) { tile(row, rows); });
  if (known && from) {
    if (int64_t count = (*known - *from) % rows)
      tile(wholeEnd, count);
    return;
  }
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, rows));
  if (cases.empty())
    return;
  auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, left, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [i, count] : llvm::enumerate(cases)) {
    b.createBlock(&choice.getCaseRegions()[i]);
    // A loop of one pass, whose counter LLVM takes as it is: it would work out `wholeEnd` anew for every query.
    loop(wholeEnd, end, index(count), [&](Value row) { tile(row, count); });
    scf::YieldOp::create(b);
  }
  b.createBlock(&choice.getDefaultRegion());
  scf::YieldOp::create(b);
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

/// Rows of one head, each with all of its keys.
void AttentionEmitter::emitWholeTasks(Value begin, Value end) {
  int64_t mostRows = rows * kTaskTiles;
  Value blocks = max(ceilDiv(sizes.rows, index(mostRows)), index(1));
  Value taskRows = mul(ceilDiv(ceilDiv(sizes.rows, blocks), index(rows)), index(rows));
  loop(begin, end, index(1), [&](Value task) {
    Value rowBegin = mul(arith::RemUIOp::create(b, task, blocks), taskRows);
    Value rowEnd = min(add(rowBegin, taskRows), sizes.rows);
    Value matrix = arith::DivUIOp::create(b, task, blocks);
    Value head = arith::RemUIOp::create(b, matrix, sizes.heads), batch = arith::DivUIOp::create(b, matrix, sizes.heads);
    auto sinkOf = [&](Value row) {
      return Sink{operands.result,
                  [this, batch, head, row](Value column) {
                    return at(op.getOutOrder(), {batch, head, row, column});
                  },
                  rowStats, sub(row, rowBegin)};
    };
    Value keyBegin = index(0), keyEnd = sizes.keys;
    if (hasLimits()) {
      auto [first, last] = seenByTask(batch, head, rowBegin, rowEnd);
      keyEnd = last;
      keyBegin = mul(arith::DivUIOp::create(b, first, index(kBlockKeys)), index(kBlockKeys));
    }
    // Rows that see nothing visit one block too, which leaves them empty.
    loop(keyBegin, max(keyEnd, add(keyBegin, 1)), index(kBlockKeys), [&](Value key) {
      KeyBlock block{
          batch, arith::DivUIOp::create(b, head, sizes.sharing), key, min(sub(sizes.keys, key), index(kBlockKeys)), {}};
      Value firstPanel = arith::DivUIOp::create(b, key, index(lanes * vectors));
      block.loadKeys = [&](Value panel, Value start) -> Value {
        SmallVector<Value> place{block.batch, block.head, add(firstPanel, panel), start};
        return vector::LoadOp::create(b, vectorType, operands.key, place);
      };
      emitTiles(rowBegin, rowEnd, [&](Value first, int64_t numRows) {
        Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, key, keyBegin);
        Tile tile{sub(first, rowBegin), isFirst, {}, {}};
        for (int64_t r = 0; r < numRows; ++r) {
          tile.rows.push_back(rowAt(batch, head, add(first, r)));
          tile.sinks.push_back(sinkOf(tile.rows.back().position));
        }
        // With the first block, so that fetching these rows from memory takes place beside the products.
        auto begins = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
        b.setInsertionPoint(begins.thenBlock()->getTerminator());
        for (int64_t r = 0; r < numRows; ++r) {
          emitEmpty(tile.sinks[r], head);
          if (queries)
            emitQuery(tile, r);
        }
        b.setInsertionPointAfter(begins);
        emitTile(tile, block, /*isPart=*/false);
      });
    });
    loop(rowBegin, rowEnd, index(1), [&](Value row) { emitNormalized(sinkOf(row)); });
  });
}

/// All rows that share a head of keys, with one block of them.
void AttentionEmitter::emitSplitTasks(Value begin, Value end) {
  Value blocks = max(ceilDiv(sizes.keys, index(kBlockKeys)), index(1));
  Value numRows = mul(sizes.sharing, sizes.rows);
  int64_t panelKeys = lanes * vectors, depth = *getConstantIntValue(sizes.depth);
  auto panelType = MemRefType::get(
      {kBlockKeys / panelKeys, static_cast<int64_t>(llvm::alignTo(depth, lanes)) * panelKeys}, b.getF32Type());
  Value panels = memref::AllocaOp::create(b, panelType, ValueRange{}, b.getI64IntegerAttr(64));
  loop(begin, end, index(1), [&](Value task) {
    Value number = arith::RemUIOp::create(b, task, blocks), matrix = arith::DivUIOp::create(b, task, blocks);
    Value keyHead = arith::RemUIOp::create(b, matrix, sizes.keyHeads);
    Value batch = arith::DivUIOp::create(b, matrix, sizes.keyHeads);
    KeyBlock block{batch, keyHead, mul(number, index(kBlockKeys)), {}, {}};
    // What none of the rows sees is not fetched.
    Value keyEnd = sizes.keys;
    if (op.hasStructure())
      keyEnd = rowAt(batch, keyHead, add(sizes.rows, -1)).end;
    block.count = max(min(sub(keyEnd, block.begin), index(kBlockKeys)), index(0));
    if (op.getBefore()) {
      Value isBefore = isLess(rowAt(batch, keyHead, index(0)).begin, add(block.begin, block.count));
      block.count = arith::SelectOp::create(b, isBefore, block.count, index(0));
    }
    loop(index(0), ceilDiv(block.count, index(panelKeys)), index(1), [&](Value panel) {
      emitPanel(batch, keyHead, add(block.begin, mul(panel, index(panelKeys))), [&](Value keys, Value d, int64_t v) {
        vector::StoreOp::create(b, keys, panels, ValueRange{panel, add(mul(d, index(panelKeys)), v * lanes)});
      });
    });
    block.loadKeys = [&](Value panel, Value start) -> Value {
      return vector::LoadOp::create(b, vectorType, panels, ValueRange{panel, start});
    };
    auto rowOf = [&](Value number) {
      Value head = add(mul(keyHead, sizes.sharing), arith::DivUIOp::create(b, number, sizes.rows));
      return rowAt(batch, head, arith::RemUIOp::create(b, number, sizes.rows));
    };
    emitTiles(index(0), numRows, [&](Value first, int64_t count) {
      Tile tile{first, {}, {}, {}};
      for (int64_t r = 0; r < count; ++r) {
        Row row = rowOf(add(first, r));
        tile.rows.push_back(row);
        // Parts of a row stand together.
        Value slot = add(mul(add(mul(batch, sizes.heads), row.head), sizes.rows), row.position);
        slot = add(mul(slot, blocks), number);
        tile.sinks.push_back({operands.result,
                              [slot](Value column) {
                                return SmallVector<Value>{slot, column};
                              },
                              operands.stats, slot});
      }
      for (int64_t r = 0; r < count && queries; ++r)
        emitQuery(tile, r);
      emitTile(tile, block, /*isPart=*/true);
    });
  });
}

} // namespace mlir::ac
