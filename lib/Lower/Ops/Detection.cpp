//===- Detection.cpp - Choosing among boxes ---------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NonMaxSuppression, greedily: of the boxes left, the one with the best score is chosen, and those that overlap it too
// much are dropped, until there are enough or none is left.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "Lower/Ops/Scalars.h"

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
  IndexMath outer(emit);
  SmallVector<Value> start{emit.empty(capacity, i64), emit.empty(count, emit.getI1Type()), outer.index(0)};
  auto perClass = [&](IndexMath &math, ValueRange at, ValueRange carried) {
    Value batch = at[0], label = at[1];
    auto score = [&](IndexMath &math, Value i) { return math.load(scores, {batch, label, i}); };
    Value left =
        loopNest(math.b, math.loc, countValue, carried[1], [&](IndexMath &math, ValueRange i, ValueRange left) {
          Scalars s(math.b, math.loc);
          Value fits =
              scoreThreshold ? s.greater(score(math, i[0]), scoreThreshold) : s.constantInt(math.b.getI1Type(), 1);
          return SmallVector<Value>{math.store(fits, left[0], i)};
        })[0];
    // Once nothing is found, the remaining rounds look at no box.
    auto round = [&](IndexMath &math, ValueRange, ValueRange carried) {
      Value rows = carried[0], left = carried[1], next = carried[2], searched = carried[3];
      Scalars s(math.b, math.loc);
      SmallVector<Value> none{math.index(-1), s.constant(Emitter::elementType(scores), 0.0)};
      SmallVector<Value> best =
          loopNest(math.b, math.loc, searched, none, [&](IndexMath &math, ValueRange i, ValueRange best) {
            Scalars s(math.b, math.loc);
            Value own = score(math, i[0]);
            Value better = s.either(math.less(best[0], math.index(0)), s.greater(own, best[1]));
            Value chosen = s.both(better, math.load(left, i));
            return SmallVector<Value>{math.select(chosen, i[0], best[0]), math.select(chosen, own, best[1])};
          });
      Value found = math.lessOrEqual(math.index(0), best[0]);
      Value again = math.select(found, searched, math.index(0));
      Value chosen = math.max(best[0], math.index(0));
      // A row is written in any case; only if something was found does it stay.
      SmallVector<Value> row{batch, label, chosen};
      for (auto [k, value] : llvm::enumerate(row))
        rows = math.store(math.toInteger(value, i64), rows, {next, math.index(k)});
      Box box = loadBox(math, boxes, batch, chosen, centered);
      left = loopNest(math.b, math.loc, again, left, [&](IndexMath &math, ValueRange i, ValueRange left) {
        Scalars s(math.b, math.loc);
        Value drop = overlaps(math, box, loadBox(math, boxes, batch, i[0], centered), overlapThreshold);
        Value dropped = s.either(drop, math.equal(i[0], chosen));
        return SmallVector<Value>{math.store(s.both(math.load(left[0], i), s.negate(dropped)), left[0], i)};
      })[0];
      next = math.add(next, math.select(found, math.index(1), math.index(0)));
      return SmallVector<Value>{rows, left, next, again};
    };
    SmallVector<Value> begin{carried[0], left, carried[2], countValue};
    SmallVector<Value> end = loopNest(math.b, math.loc, wantedValue, begin, round);
    return SmallVector<Value>{end[0], end[1], end[2]};
  };
  SmallVector<Value> end = loopNest(emit, {batches, classes}, start, perClass);
  Value rows = emit.withDims(end[0], capacity);
  return node.finish(emit.slice(rows, 0, zero, end[2]));
}

void ac::populateDetectionLowerings(LoweringTable &table) { table.add("NonMaxSuppression", lowerNonMaxSuppression); }
