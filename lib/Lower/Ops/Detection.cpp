//===- Detection.cpp - Choosing among boxes ---------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NonMaxSuppression, greedily: boxes come from a heap in the order of their scores, and one is chosen unless it
// overlaps one chosen before too much, until there are enough or none is left.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"
#include "Lower/Ops/Sorting.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
struct Box {
  Value top, left, bottom, right;
};
} // namespace

/// Box `i` of a batch entry with its corners in order. `centered`: centre and size instead of two opposite corners.
static Box loadBox(IndexMath &math, Value boxes, Value batch, Value i, bool centered) {
  Scalars s(math.b, math.loc);
  SmallVector<Value> v;
  for (int64_t k = 0; k < 4; ++k)
    v.push_back(math.load(boxes, {batch, i, math.index(k)}));
  if (!centered)
    return {s.min(v[0], v[2]), s.min(v[1], v[3]), s.max(v[0], v[2]), s.max(v[1], v[3])};
  Value halfWidth = s.mul(v[2], 0.5), halfHeight = s.mul(v[3], 0.5);
  return {s.sub(v[1], halfHeight), s.sub(v[0], halfWidth), s.add(v[1], halfHeight), s.add(v[0], halfWidth)};
}

/// Whether the boxes share more than `threshold` of what they cover together.
static Value overlaps(IndexMath &math, const Box &a, const Box &b, Value threshold) {
  Scalars s(math.b, math.loc);
  auto area = [&](const Box &box) { return s.mul(s.sub(box.bottom, box.top), s.sub(box.right, box.left)); };
  Value height = s.sub(s.min(a.bottom, b.bottom), s.max(a.top, b.top));
  Value width = s.sub(s.min(a.right, b.right), s.max(a.left, b.left));
  Value shared = s.mul(s.atLeast(height, 0.0), s.atLeast(width, 0.0));
  Value covered = s.sub(s.add(area(a), area(b)), shared);
  Value zero = s.constant(covered.getType(), 0.0);
  Value touch = s.both(s.greater(shared, zero), s.greater(covered, zero));
  return s.both(touch, s.greater(s.div(shared, covered), threshold));
}

static LogicalResult lowerNonMaxSuppression(Node &node) {
  Emitter &emit = node.emit;
  Value boxes = node.input(0), scores = node.input(1);
  if (Emitter::rank(boxes) != 3 || Emitter::rank(scores) != 3)
    return node.refuse("boxes and scores of ranks " + Twine(Emitter::rank(boxes)) + " and " +
                       Twine(Emitter::rank(scores)) + ", expected 3");
  Dims dims = emit.dims(scores);
  OpFoldResult batches = dims[0], classes = dims[1], count = dims[2];
  if (failed(requireSame(node, emit.dim(boxes, 0), batches, "boxes and scores differ in the batch size")) ||
      failed(requireSame(node, emit.dim(boxes, 1), count, "boxes and scores differ in the number of boxes")) ||
      failed(requireSame(node, emit.dim(boxes, 2), emit.dimension(4), "a box must have four numbers")))
    return failure();
  OpFoldResult zero = emit.dimension(0);
  OpFoldResult wanted = node.hasInput(2) ? emit.asDimension(emit.scalar(node.input(2))) : zero;
  wanted = emit.max(emit.min(wanted, count), zero);
  Value overlapThreshold = node.hasInput(3) ? emit.scalar(node.input(3)) : emit.constant(emit.getF32Type(), 0.0);
  Value scoreThreshold = node.hasInput(4) ? emit.scalar(node.input(4)) : Value();
  bool centered = node.getInt("center_point_box", 0) != 0;

  Type i64 = emit.getI64Type();
  Dims capacity{emit.product({batches, classes, wanted}), emit.dimension(3)};
  Value countValue = emit.asValue(count), wantedValue = emit.asValue(wanted);
  IndexMath math(emit);
  Value levels = Heap::height(emit, count);
  SmallVector<Value> start{emit.empty(capacity, i64), emit.empty(count, Emitter::elementType(scores)),
                           emit.empty(count, i64), math.index(0)};
  auto perClass = [&](IndexMath &math, ValueRange at, ValueRange carried) {
    Value batch = at[0], label = at[1], one = math.index(1), zero = math.index(0);
    auto place = [](Value position) { return SmallVector<Value>{position}; };
    Heap heap(Order{/*largestFirst=*/true, /*isUnsigned=*/false}, /*earliestOnTop=*/true, place);
    // The candidates, best on top. A box that is none is written as well, and then written over.
    SmallVector<Value> none{zero, carried[1], carried[2]};
    SmallVector<Value> found =
        loopNest(math.b, math.loc, countValue, none, [&](IndexMath &math, ValueRange i, ValueRange carried) {
          Scalars s(math.b, math.loc);
          Value score = math.load(scores, {batch, label, i[0]});
          Value fits = scoreThreshold ? s.greater(score, scoreThreshold) : s.constantInt(math.b.getI1Type(), 1);
          Heap::State next = heap.store(math, carried.drop_front(), carried[0], {score, math.toInteger(i[0], i64)});
          Value size = math.add(carried[0], math.select(fits, math.index(1), math.index(0)));
          return SmallVector<Value>{size, next[0], next[1]};
        });
    Value candidates = found[0], first = carried[3];
    Heap::State heaped = heap.build(math, ValueRange(found).drop_front(), candidates, levels);

    auto next = [&](IndexMath &math, ValueRange i, ValueRange carried) {
      Scalars s(math.b, math.loc);
      Value rows = carried[0], end = carried[3], size = math.sub(candidates, i[0]);
      ValueRange state = carried.slice(1, 2);
      // With enough of them chosen, the remaining candidates are passed over.
      Value chosen = math.sub(end, first), open = math.less(chosen, wantedValue);
      Heap::Element best = heap.load(math, state, zero), last = heap.load(math, state, math.sub(size, one));
      Heap::State rest = heap.sift(math, state, zero, math.max(math.sub(size, one), one), last, levels, open);
      Value candidate = math.toIndex(best.index);
      Box box = loadBox(math, boxes, batch, candidate, centered);
      Value no = s.constantInt(math.b.getI1Type(), 0);
      Value compared = math.select(open, chosen, zero);
      Value covered = loopNest(math.b, math.loc, compared, no, [&](IndexMath &math, ValueRange k, ValueRange covered) {
        Value other = math.toIndex(math.load(rows, {math.add(first, k[0]), math.index(2)}));
        Value overlap = overlaps(math, loadBox(math, boxes, batch, other, centered), box, overlapThreshold);
        return SmallVector<Value>{math.either(covered[0], overlap)};
      })[0];
      // A row is written in any case where there is room; only if the box is chosen does it stay.
      Value at = math.select(open, end, math.sub(end, one));
      SmallVector<Value> row{batch, label, candidate};
      for (auto [k, value] : llvm::enumerate(row)) {
        SmallVector<Value> position{at, math.index(k)};
        Value written = math.select(open, math.toInteger(value, i64), math.load(rows, position));
        rows = math.store(written, rows, position);
      }
      Value taken = math.both(open, s.negate(covered));
      return SmallVector<Value>{rows, rest[0], rest[1], math.add(end, math.select(taken, one, zero))};
    };
    SmallVector<Value> begin{carried[0], heaped[0], heaped[1], first};
    return loopNest(math.b, math.loc, candidates, begin, next);
  };
  // Where none are wanted, there is no row that could be written.
  OpFoldResult some = choose(emit, math.equal(wantedValue, math.index(0)), zero, emit.dimension(1));
  SmallVector<Value> end =
      loopNest(emit, {some, batches, classes}, start, [&](IndexMath &math, ValueRange at, ValueRange carried) {
        return perClass(math, at.drop_front(), carried);
      });
  Value rows = emit.withDims(end[0], capacity);
  return node.finish(emit.slice(rows, 0, zero, end[3]));
}

void ac::populateDetectionLowerings(LoweringTable &table) { table.add("NonMaxSuppression", lowerNonMaxSuppression); }
