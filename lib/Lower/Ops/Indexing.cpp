//===- Indexing.cpp - Positions, ranges and running sums --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators whose result is as long as the data says (NonZero, Compress, Range), and those that run along a dimension.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "Lower/Ops/Scalars.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

using namespace mlir;
using namespace mlir::ac;

//===--- NonZero and Compress --------------------------------------------------------===//

/// The positions of the elements of a vector that are not zero, as the first `count` elements of a vector as long as
/// the given one. One pass without branches: every position is written, but only a hit moves the place to write on.
static std::pair<Value, OpFoldResult> positionsOfHits(Emitter &emit, Value vector) {
  OpFoldResult length = emit.dim(vector, 0);
  IndexMath math(emit);
  SmallVector<Value> start{emit.empty(length, emit.getI64Type()), math.index(0)};
  SmallVector<Value> end = loopNest(emit, length, start, [&](IndexMath &math, ValueRange i, ValueRange carried) {
    Scalars scalars(math.b, math.loc);
    Value element = math.load(vector, i);
    Value hit =
        element.getType().isInteger(1) ? element : scalars.notEqual(element, scalars.constant(element.getType(), 0.0));
    Value positions = math.store(math.toInteger(i[0], math.b.getI64Type()), carried[0], carried[1]);
    Value next = math.add(carried[1], math.select(hit, math.index(1), math.index(0)));
    return SmallVector<Value>{positions, next};
  });
  return {emit.withDims(end[0], length), end[1]};
}

static LogicalResult lowerNonZero(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data);
  auto [positions, count] = positionsOfHits(emit, emit.reshape(data, emit.numElements(data)));
  Dims result{emit.dimension(dims.size()), count};
  if (dims.size() == 1)
    return node.finish(emit.reshape(emit.slice(positions, 0, emit.dimension(0), count), result));
  // Position n is coordinate n / stride % size in each dimension.
  SmallVector<Value> strides, sizes = asValues(emit, dims);
  for (size_t d = 0; d < dims.size(); ++d)
    strides.push_back(emit.asValue(emit.product(ArrayRef<OpFoldResult>(dims).drop_front(d + 1))));
  Value hits = positions;
  return node.finish(emit.tabulate(result, emit.getI64Type(), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    Value position = math.toIndex(math.load(hits, at[1])), coordinate = math.index(0);
    for (size_t d = 0; d < dims.size(); ++d) {
      Value own = math.div(position, strides[d]);
      if (d > 0)
        own = math.rem(own, sizes[d]);
      coordinate = math.select(math.equal(at[0], math.index(d)), own, coordinate);
    }
    return math.toInteger(coordinate, b.getI64Type());
  }));
}

static LogicalResult lowerCompress(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), condition = node.input(1);
  if (Emitter::rank(condition) != 1)
    return node.refuse("a condition of rank " + Twine(Emitter::rank(condition)) + ", expected a vector");
  int64_t axis = 0;
  if (node.has("axis")) {
    FailureOr<int64_t> given = node.getAxis("axis", 0, Emitter::rank(data));
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    data = emit.reshape(data, emit.numElements(data));
  }
  Dims result = emit.dims(data);
  // The condition may be shorter than the dimension; what it says beyond the end does not count.
  OpFoldResult length = emit.dim(condition, 0);
  if (!Emitter::same(length, result[axis]))
    condition = emit.slice(condition, 0, emit.dimension(0), emit.min(length, result[axis]));
  auto [positions, count] = positionsOfHits(emit, condition);
  Value hits = positions;
  result[axis] = count;
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at);
    source[axis] = math.toIndex(math.load(hits, at[axis]));
    return math.load(data, source);
  }));
}

//===--- CumSum and CumProd ------------------------------------------------------------===//

/// The elements of a known tensor of integers, accumulated along a known axis.
static Value accumulateElements(Node &node, Value data, int64_t axis, bool product) {
  Emitter &emit = node.emit;
  bool exclusive = node.getInt("exclusive", 0) != 0, reverse = node.getInt("reverse", 0) != 0;
  ArrayRef<int64_t> shape = Emitter::type(data).getShape();
  int64_t length = shape[axis], stride = 1;
  for (int64_t size : shape.drop_front(axis + 1))
    stride *= size;
  SmallVector<Value> elements = emit.elements(data), result(elements.size());
  IndexMath math(emit);
  for (int64_t first = 0, e = elements.size(); first < e; ++first) {
    if (first / stride % length != 0)
      continue;
    Value sum = emit.constant(Emitter::elementType(data), product ? 1 : 0);
    for (int64_t t = 0; t < length; ++t) {
      int64_t at = first + (reverse ? length - 1 - t : t) * stride;
      Value next = product ? math.mul(sum, elements[at]) : math.add(sum, elements[at]);
      result[at] = exclusive ? sum : next;
      sum = next;
    }
  }
  return emit.fromElements(shape, Emitter::elementType(data), result);
}

/// The tensor is seen as outer × length × inner, which also serves an axis that only the run tells.
static LogicalResult lowerCumulative(Node &node, bool product) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data);
  int64_t rank = dims.size();
  if (rank == 0)
    return node.refuse("the input is a scalar, expected at least rank 1");
  OpFoldResult axis = rank == 1 ? emit.dimension(0) : emit.asDimension(emit.scalar(node.input(1)));
  OpFoldResult one = emit.dimension(1), outer = one, length = one, inner = one;
  if (std::optional<int64_t> constant = getConstantIntValue(axis)) {
    FailureOr<int64_t> normal = node.normalizeAxis(*constant, rank);
    if (failed(normal))
      return failure();
    if (Emitter::isElementwiseKnown(data) && isa<IntegerType>(Emitter::elementType(data)))
      return node.finish(accumulateElements(node, data, *normal, product));
    ArrayRef<OpFoldResult> all(dims);
    outer = emit.product(all.take_front(*normal));
    length = all[*normal];
    inner = emit.product(all.drop_front(*normal + 1));
  } else {
    IndexMath math(emit);
    Value at = emit.asValue(axis);
    at = math.select(math.less(at, math.index(0)), math.add(at, math.index(rank)), at);
    node.require(math.both(math.lessOrEqual(math.index(0), at), math.less(at, math.index(rank))),
                 "the axis is out of range");
    for (int64_t d = 0; d < rank; ++d) {
      outer = emit.mul(outer, choose(emit, math.less(math.index(d), at), dims[d], one));
      length = emit.mul(length, choose(emit, math.equal(math.index(d), at), dims[d], one));
      inner = emit.mul(inner, choose(emit, math.less(at, math.index(d)), dims[d], one));
    }
  }
  bool exclusive = node.getInt("exclusive", 0) != 0, reverse = node.getInt("reverse", 0) != 0;
  Type element = Emitter::elementType(data), wide = accumulatorType(element);
  Dims split{outer, length, inner};
  Value rows = emit.reshape(data, split);
  Value neutral = emit.constant(wide, product ? 1 : 0), steps = emit.asValue(length);
  auto at = [&](IndexMath &math, Value o, Value t, Value i) {
    return SmallVector<Value>{o, reverse ? math.sub(math.sub(steps, math.index(1)), t) : t, i};
  };
  /// Writes the element at `place` and returns the sum to go on with.
  auto step = [&](IndexMath &math, Value before, ArrayRef<Value> place, Value whole) {
    Scalars scalars(math.b, math.loc);
    Value x = scalars.convert(math.load(rows, place), wide);
    Value after = product ? scalars.mul(before, x) : scalars.add(before, x);
    Value written = scalars.convert(exclusive ? before : after, element);
    return std::pair(after, math.store(written, whole, place));
  };
  Value init = emit.empty(split, element), result;
  if (Emitter::isOne(inner)) {
    result = loopNest(emit, outer, init, [&](IndexMath &math, ValueRange o, ValueRange carried) {
      SmallVector<Value> start{neutral, carried[0]};
      Value filled = loopNest(math.b, math.loc, steps, start, [&](IndexMath &math, ValueRange t, ValueRange carried) {
        auto [sum, whole] = step(math, carried[0], at(math, o[0], t[0], math.index(0)), carried[1]);
        return SmallVector<Value>{sum, whole};
      })[1];
      return SmallVector<Value>{filled};
    })[0];
  } else {
    // A row of sums, so that the innermost loop runs along contiguous elements.
    Value width = emit.asValue(inner);
    SmallVector<Value> start{init, emit.empty(inner, wide)};
    result = loopNest(emit, outer, start, [&](IndexMath &math, ValueRange o, ValueRange carried) {
      Value sums = loopNest(math.b, math.loc, width, carried[1], [&](IndexMath &math, ValueRange i, ValueRange sums) {
        return SmallVector<Value>{math.store(neutral, sums[0], i)};
      })[0];
      return loopNest(math.b, math.loc, ValueRange{steps, width}, ValueRange{carried[0], sums},
                      [&](IndexMath &math, ValueRange ti, ValueRange carried) {
                        auto [sum, whole] =
                            step(math, math.load(carried[1], ti[1]), at(math, o[0], ti[0], ti[1]), carried[0]);
                        return SmallVector<Value>{whole, math.store(sum, carried[1], ti[1])};
                      });
    })[0];
  }
  return node.finish(emit.reshape(emit.withDims(result, split), dims));
}

static LogicalResult lowerCumSum(Node &node) { return lowerCumulative(node, /*product=*/false); }
static LogicalResult lowerCumProd(Node &node) { return lowerCumulative(node, /*product=*/true); }

//===--- Range ---------------------------------------------------------------------------===//

/// How many floating-point numbers there are in [start, limit) with distance delta.
static OpFoldResult countFloats(Node &node, Value start, Value limit, Value delta) {
  Emitter &emit = node.emit;
  std::optional<double> from = node.constantNumber(0), to = node.constantNumber(1), by = node.constantNumber(2);
  if (from && to && by && *by != 0)
    return emit.dimension(std::max<double>(std::ceil((*to - *from) / *by), 0));
  Scalars scalars(emit, emit.getLoc());
  Type f64 = emit.getF64Type();
  Value step = scalars.convert(delta, f64);
  node.require(scalars.notEqual(step, scalars.constant(f64, 0.0)), "delta is zero");
  Value steps = scalars.div(scalars.sub(scalars.convert(limit, f64), scalars.convert(start, f64)), step);
  Value count = scalars.convert(scalars.make<math::CeilOp>(steps), emit.getI64Type());
  return emit.max(emit.asDimension(count), emit.dimension(0));
}

static OpFoldResult countIntegers(Node &node, Value start, Value limit, Value delta) {
  Emitter &emit = node.emit;
  OpFoldResult zero = emit.dimension(0), step = emit.asDimension(delta);
  OpFoldResult distance = emit.sub(emit.asDimension(limit), emit.asDimension(start));
  std::optional<int64_t> constant = getConstantIntValue(step);
  if (!constant) {
    IndexMath math(emit);
    Value value = emit.asValue(step), forward = math.less(math.index(0), value);
    node.require(math.compare(arith::CmpIPredicate::ne, value, math.index(0)), "delta is zero");
    distance = choose(emit, forward, distance, emit.sub(zero, distance));
    step = choose(emit, forward, step, emit.sub(zero, step));
  } else if (*constant < 0) {
    distance = emit.sub(zero, distance);
    step = emit.dimension(-*constant);
  }
  return emit.ceilDiv(isNonNegative(distance) ? distance : emit.max(distance, zero), step);
}

static LogicalResult lowerRange(Node &node) {
  Emitter &emit = node.emit;
  Value start = emit.scalar(node.input(0)), limit = emit.scalar(node.input(1)), delta = emit.scalar(node.input(2));
  if (node.constantNumber(2) == 0.0)
    return node.refuse("delta is zero");
  Type element = start.getType();
  OpFoldResult count =
      isa<FloatType>(element) ? countFloats(node, start, limit, delta) : countIntegers(node, start, limit, delta);
  std::optional<int64_t> constant = getConstantIntValue(count);
  if (constant && *constant <= 64 && isa<IntegerType>(element)) {
    IndexMath math(emit);
    SmallVector<Value> elements;
    for (int64_t i = 0; i < *constant; ++i)
      elements.push_back(math.add(start, math.mul(emit.constant(element, i), delta)));
    return node.finish(emit.fromElements({*constant}, element, elements));
  }
  return node.finish(emit.tabulate(count, element, [&](OpBuilder &b, Location loc, ValueRange at) {
    Scalars scalars(b, loc);
    Type wide = computeType(element), i64 = b.getI64Type();
    Value i = scalars.convert(scalars.make<arith::IndexCastOp>(i64, at[0]), wide);
    Value x = scalars.add(scalars.convert(start, wide), scalars.mul(i, scalars.convert(delta, wide)));
    return scalars.convert(x, element);
  }));
}

//===--- Trilu ---------------------------------------------------------------------------===//

static LogicalResult lowerTrilu(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  int64_t rank = Emitter::rank(data);
  if (rank < 2)
    return node.refuse("input of rank " + Twine(rank) + ", expected matrices");
  bool upper = node.getInt("upper", 1) != 0;
  Value diagonal = emit.asValue(node.hasInput(1) ? emit.asDimension(emit.scalar(node.input(1))) : emit.dimension(0));
  Dims dims = emit.dims(data);
  Value zero = emit.constant(Emitter::elementType(data), 0);
  AffineMap identity = emit.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  Value init = emit.empty(dims, Emitter::elementType(data));
  return node.finish(
      emit.generic(data, identity, init, identity, iterators, [&](OpBuilder &b, Location loc, ValueRange v) {
        IndexMath math(b, loc);
        Value row = linalg::IndexOp::create(b, loc, rank - 2);
        Value column = linalg::IndexOp::create(b, loc, rank - 1);
        Value start = math.add(row, diagonal);
        Value kept = upper ? math.lessOrEqual(start, column) : math.lessOrEqual(column, start);
        return math.select(kept, v[0], zero);
      }));
}

void ac::populateIndexingLowerings(LoweringTable &table) {
  table.add("NonZero", lowerNonZero);
  table.add("Compress", lowerCompress);
  table.add("CumSum", lowerCumSum);
  table.add("CumProd", lowerCumProd);
  table.add("Range", lowerRange);
  table.add("Trilu", lowerTrilu);
}
