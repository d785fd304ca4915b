//===- Unique.cpp - Distinct elements or slices -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is compared are rows: elements of the flattened tensor, or slices along an axis. A sorted list holds, for each
// distinct row seen so far, where it was seen first and how often. Each row is looked up in it by bisection, and put
// into it if it is not there.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"
#include "Lower/Ops/Sorting.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
/// Distinct rows: `first` and `counts` are vectors of i64 of which the first `size` elements count.
struct Distinct {
  Value first, counts, size;
};

class UniqueRows {
public:
  /// `rows` has rank 2.
  UniqueRows(Emitter &emit, Value rows, Order order)
      : emit(emit), rows(rows), order(order), count(emit.dim(rows, 0)), width(emit.dim(rows, 1)) {
    countValue = emit.asValue(count);
    widthValue = emit.asValue(width);
    // Bisection of n places takes at most as many steps as n has binary digits.
    steps = Heap::height(emit, count);
  }

  Distinct collect();
  /// For each row the place of its equal among the distinct ones.
  Value placesIn(const Distinct &distinct);

  Emitter &emit;
  Value rows;
  Order order;
  OpFoldResult count, width;

private:
  Value before(IndexMath &math, Value x, Value y);
  /// The first place of the list whose row does not come before `row`, up to the size.
  Value bisect(IndexMath &math, Value first, Value size, Value row);
  /// The row listed at `place`, or row 0 beyond the size.
  Value listed(IndexMath &math, Value first, Value size, Value place) {
    Value at = math.clamp(place, countValue);
    return math.select(math.less(place, size), math.toIndex(math.load(first, at)), math.index(0));
  }

  Value countValue, widthValue, steps;
};
} // namespace

/// Lexicographic: the first element that differs decides.
Value UniqueRows::before(IndexMath &math, Value x, Value y) {
  auto element = [&](IndexMath &math, Value row, Value k) { return math.load(rows, {row, k}); };
  if (Emitter::isOne(width)) {
    Value zero = math.index(0);
    return order.before(math, element(math, x, zero), element(math, y, zero));
  }
  Value no = math.less(math.index(0), math.index(0));
  return loopNest(math.b, math.loc, widthValue, ValueRange{no, no},
                  [&](IndexMath &math, ValueRange k, ValueRange decided) {
                    Value a = element(math, x, k[0]), b = element(math, y, k[0]);
                    Value less = math.select(decided[1], decided[0], order.before(math, a, b));
                    Value more = math.select(decided[0], decided[1], order.before(math, b, a));
                    return SmallVector<Value>{math.either(decided[0], less), math.either(decided[1], more)};
                  })[0];
}

Value UniqueRows::bisect(IndexMath &math, Value first, Value size, Value row) {
  return loopNest(math.b, math.loc, steps, ValueRange{math.index(0), size},
                  [&](IndexMath &math, ValueRange, ValueRange bounds) {
                    Value low = bounds[0], high = bounds[1], middle = math.div(math.add(low, high), math.index(2));
                    Value open = math.less(low, high);
                    Value after = math.both(open, before(math, listed(math, first, size, middle), row));
                    Value next = math.add(middle, math.index(1));
                    Value stays = math.either(after, math.equal(low, high));
                    return SmallVector<Value>{math.select(after, next, low), math.select(stays, high, middle)};
                  })[0];
}

Distinct UniqueRows::collect() {
  Type i64 = emit.getI64Type();
  SmallVector<Value> start{emit.empty(count, i64), emit.empty(count, i64), IndexMath(emit).index(0)};
  SmallVector<Value> end = loopNest(emit, count, start, [&](IndexMath &math, ValueRange i, ValueRange carried) {
    Value first = carried[0], counts = carried[1], size = carried[2];
    Value place = bisect(math, first, size, i[0]);
    // Nothing before `place` is equal; what is there is, unless the row comes before it.
    Value isNew = math.either(math.equal(place, size), before(math, i[0], listed(math, first, size, place)));
    Value moved = math.select(isNew, math.add(math.sub(size, place), math.index(1)), math.index(0));
    Value zero = arith::ConstantOp::create(math.b, math.loc, math.b.getI64IntegerAttr(0));
    Value one = arith::ConstantOp::create(math.b, math.loc, math.b.getI64IntegerAttr(1));
    SmallVector<Value> inserted =
        loopNest(math.b, math.loc, moved, ValueRange{math.toInteger(i[0], i64), zero, first, counts},
                 [&](IndexMath &math, ValueRange p, ValueRange carried) {
                   Value at = math.add(place, p[0]);
                   Value there = math.load(carried[2], at), thereCount = math.load(carried[3], at);
                   return SmallVector<Value>{there, thereCount, math.store(carried[0], carried[2], at),
                                             math.store(carried[1], carried[3], at)};
                 });
    counts = math.store(math.add(math.load(inserted[3], place), one), inserted[3], place);
    return SmallVector<Value>{inserted[2], counts, math.add(size, math.select(isNew, math.index(1), math.index(0)))};
  });
  return {emit.withDims(end[0], count), emit.withDims(end[1], count), end[2]};
}

Value UniqueRows::placesIn(const Distinct &distinct) {
  Value result = loopNest(
      emit, count, emit.empty(count, emit.getI64Type()), [&](IndexMath &math, ValueRange i, ValueRange carried) {
        Value place = bisect(math, distinct.first, distinct.size, i[0]);
        return SmallVector<Value>{math.store(math.toInteger(place, math.b.getI64Type()), carried[0], i)};
      })[0];
  return emit.withDims(result, count);
}

/// The places of the distinct rows in the order in which they were seen first, and for each place its rank in it.
static std::pair<Value, Value> byFirstSight(Emitter &emit, const Distinct &distinct, OpFoldResult count) {
  Type i64 = emit.getI64Type();
  Value none = emit.constant(i64, -1);
  Value owners =
      loopNest(emit, OpFoldResult(distinct.size), emit.fill(count, none),
               [&](IndexMath &math, ValueRange place, ValueRange carried) {
                 Value row = math.toIndex(math.load(distinct.first, place));
                 return SmallVector<Value>{math.store(math.toInteger(place[0], math.b.getI64Type()), carried[0], row)};
               })[0];
  // Rows that are not the first of their kind write to a spare element at the end.
  OpFoldResult spare = emit.add(count, emit.dimension(1));
  Value spareAt = emit.asValue(count);
  SmallVector<Value> start{emit.empty(spare, i64), emit.empty(spare, i64), IndexMath(emit).index(0)};
  SmallVector<Value> end = loopNest(emit, count, start, [&](IndexMath &math, ValueRange row, ValueRange carried) {
    Value place = math.load(owners, row), seen = carried[2];
    Value isFirst = math.compare(arith::CmpIPredicate::ne, place, none);
    Value order = math.store(place, carried[0], seen);
    Value at = math.select(isFirst, math.toIndex(place), spareAt);
    Value ranks = math.store(math.toInteger(seen, i64), carried[1], at);
    return SmallVector<Value>{order, ranks, math.add(seen, math.select(isFirst, math.index(1), math.index(0)))};
  });
  return {emit.withDims(end[0], spare), emit.withDims(end[1], spare)};
}

static LogicalResult lowerUnique(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data);
  int64_t axis = 0;
  Value rows;
  if (node.has("axis")) {
    FailureOr<int64_t> given = node.getAxis("axis", 0, dims.size());
    if (failed(given))
      return failure();
    axis = *given;
    SmallVector<int64_t> order{axis};
    Dims rest;
    for (int64_t d = 0, e = dims.size(); d < e; ++d)
      if (d != axis) {
        order.push_back(d);
        rest.push_back(dims[d]);
      }
    rows = emit.reshape(emit.transpose(data, order), {dims[axis], emit.product(rest)});
  } else {
    dims = {emit.numElements(data)};
    data = emit.reshape(data, dims);
    rows = emit.reshape(data, {dims[0], emit.dimension(1)});
  }
  UniqueRows unique(emit, rows, Order{/*largestFirst=*/false, node.isUnsigned(0)});
  Distinct distinct = unique.collect();
  Value order, ranks;
  if (node.getInt("sorted", 1) == 0)
    std::tie(order, ranks) = byFirstSight(emit, distinct, unique.count);

  Type i64 = emit.getI64Type();
  auto inOrder = [&](IndexMath &math, Value list, Value at) {
    return math.load(list, order ? math.toIndex(math.load(order, at)) : at);
  };
  Dims result(dims);
  result[axis] = distinct.size;
  auto listOf = [&](Value list) {
    return emit.tabulate(OpFoldResult(distinct.size), i64, [&](OpBuilder &b, Location loc, ValueRange at) {
      IndexMath math(b, loc);
      return inOrder(math, list, at[0]);
    });
  };
  Value first = listOf(distinct.first);
  node.setOutput(0, emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at);
    source[axis] = math.toIndex(math.load(first, at[axis]));
    return math.load(data, source);
  }));
  node.setOutput(1, first);
  if (node.wantsOutput(2)) {
    Value places = unique.placesIn(distinct);
    if (order)
      places = emit.tabulate(unique.count, i64, [&](OpBuilder &b, Location loc, ValueRange at) {
        IndexMath math(b, loc);
        return math.load(ranks, math.toIndex(math.load(places, at)));
      });
    node.setOutput(2, places);
  }
  if (node.wantsOutput(3))
    node.setOutput(3, listOf(distinct.counts));
  return success();
}

void ac::populateUniqueLowerings(LoweringTable &table) { table.add("Unique", lowerUnique); }
