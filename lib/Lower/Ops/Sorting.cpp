//===- Sorting.cpp - Selection by order -------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NaN counts as the largest number, whichever end is asked for by TopK, and is what ArgMax and ArgMin find.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Sorting.h"
#include "Lower/Ops/Scalars.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mlir;
using namespace mlir::ac;

Value Order::before(IndexMath &math, Value x, Value y) const {
  Scalars scalars(math.b, math.loc, isUnsigned);
  if (!largestFirst)
    std::swap(x, y);
  if (!Scalars::isFloat(x))
    return scalars.greater(x, y);
  // Unordered or greater, but nothing is larger than NaN.
  Value greater = scalars.make<arith::CmpFOp>(arith::CmpFPredicate::UGT, x, y);
  return math.both(greater, scalars.make<arith::CmpFOp>(arith::CmpFPredicate::ORD, y, y));
}

//===--- Heap ----------------------------------------------------------------------===//

Value Heap::above(IndexMath &math, Element x, Element y) {
  if (!earliestOnTop)
    std::swap(x, y);
  Value tie =
      math.both(math.less(x.index, y.index), Scalars(math.b, math.loc).negate(order.before(math, y.value, x.value)));
  return math.either(order.before(math, x.value, y.value), tie);
}

Heap::Element Heap::load(IndexMath &math, ValueRange state, Value at) {
  SmallVector<Value> position = place(at);
  return {math.load(state[0], position), math.load(state[1], position)};
}

Heap::State Heap::store(IndexMath &math, ValueRange state, Value at, Element element) {
  SmallVector<Value> position = place(at);
  return {math.store(element.value, state[0], position), math.store(element.index, state[1], position)};
}

Heap::State Heap::sift(IndexMath &math, ValueRange state, Value hole, Value size, Element element, Value levels,
                       Value enabled) {
  // What is not enabled writes back the element that is there.
  Element there = load(math, state, hole);
  element = {math.select(enabled, element.value, there.value), math.select(enabled, element.index, there.index)};
  auto choose = [](IndexMath &math, Value condition, Element x, Element y) -> Element {
    return {math.select(condition, x.value, y.value), math.select(condition, x.index, y.index)};
  };
  SmallVector<Value> carried{hole, state[0], state[1]};
  Value steps = math.select(enabled, levels, math.index(0));
  // Once the element has found its place, the remaining steps find it again: they need no branch.
  SmallVector<Value> end =
      loopNest(math.b, math.loc, steps, carried, [&](IndexMath &math, ValueRange, ValueRange carried) {
        ValueRange state = carried.drop_front();
        Value hole = carried[0], one = math.index(1), last = math.sub(size, one);
        Value left = math.add(math.add(hole, hole), one), right = math.add(left, one);
        Element a = load(math, state, math.min(left, last)), b = load(math, state, math.min(right, last));
        Value useRight = math.both(math.less(right, size), above(math, b, a));
        Element child = choose(math, useRight, b, a);
        Value moves = math.both(math.less(left, size), above(math, child, element));
        State next = store(math, state, hole, choose(math, moves, child, element));
        return SmallVector<Value>{math.select(moves, math.select(useRight, right, left), hole), next[0], next[1]};
      });
  return store(math, ValueRange(end).drop_front(), end[0], element);
}

Heap::State Heap::build(IndexMath &math, ValueRange state, Value size, Value levels) {
  Value parents = math.div(size, math.index(2));
  return loopNest(math.b, math.loc, parents, state, [&](IndexMath &math, ValueRange i, ValueRange state) {
    Value hole = math.sub(math.sub(parents, math.index(1)), i[0]);
    Value yes = math.equal(hole, hole);
    return sift(math, state, hole, size, load(math, state, hole), levels, yes);
  });
}

Value Heap::height(Emitter &emit, OpFoldResult size) {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return emit.constantIndex(llvm::Log2_64_Ceil(*constant + 1));
  Type i64 = emit.getI64Type();
  Value zeros = emit.createOrFold<math::CountLeadingZerosOp>(emit.asInteger(size, i64));
  return IndexMath(emit).toIndex(IndexMath(emit).sub(emit.constant(i64, 64), zeros));
}

//===--- TopK ----------------------------------------------------------------------===//

namespace {
/// Selects the `count` first elements of one row in order.
class RowSelection {
public:
  RowSelection(Order order, Value data, Value length, Value count, Value levels,
               llvm::function_ref<SmallVector<Value>(Value)> place)
      : order(order), data(data), length(length), count(count), levels(levels), place(place),
        heap(order, /*earliestOnTop=*/false, place) {}

  /// By insertion, for few: what has been selected so far is kept sorted. `state` is the row's values and indices.
  SmallVector<Value> insertAll(IndexMath &math, ValueRange state);
  /// By a heap of those selected so far, the last of them on top; in the end it is taken apart from the back.
  SmallVector<Value> heapAll(IndexMath &math, ValueRange state);
  /// By sorting the whole row digit by digit, for many. `scratch` is room for two rows of keys, two of positions, and
  /// a count for each value of a digit.
  SmallVector<Value> sortAll(IndexMath &math, ValueRange state, ValueRange scratch);
  static SmallVector<Value> makeScratch(Emitter &emit, Type element, OpFoldResult length);

private:
  Heap::Element given(IndexMath &math, Value i) {
    return {math.load(data, place(i)), math.toInteger(i, math.b.getI64Type())};
  }
  /// Visits the elements from `count` on, but for blocks in which none comes before the element at `worst`: those of a
  /// long row mostly fall to that one comparison, which runs on vectors.
  SmallVector<Value> scan(IndexMath &math, ValueRange state, Value worst,
                          llvm::function_ref<SmallVector<Value>(IndexMath &, Value, ValueRange)> visit);
  /// An unsigned integer whose order is that of the elements.
  Value keyOf(IndexMath &math, Value element);
  /// Puts the element at `i` where it belongs among the first `places`, the last of which is dropped.
  SmallVector<Value> insert(IndexMath &math, ValueRange state, Value i, Value places);

  Order order;
  Value data, length, count, levels;
  llvm::function_ref<SmallVector<Value>(Value)> place;
  Heap heap;
};
} // namespace

SmallVector<Value> RowSelection::scan(IndexMath &math, ValueRange state, Value worst,
                                      llvm::function_ref<SmallVector<Value>(IndexMath &, Value, ValueRange)> visit) {
  Value block = math.index(16), rest = math.sub(length, count), blocks = math.div(rest, block);
  auto visitFrom = [&](IndexMath &math, Value first, Value number, ValueRange state) {
    return loopNest(math.b, math.loc, number, state, [&](IndexMath &math, ValueRange i, ValueRange state) {
      return visit(math, math.add(first, i[0]), state);
    });
  };
  SmallVector<Value> most =
      loopNest(math.b, math.loc, blocks, state, [&](IndexMath &math, ValueRange n, ValueRange state) {
        Value first = math.add(count, math.mul(n[0], block)), bound = heap.load(math, state, worst).value;
        Value none = math.less(block, math.index(0));
        Value any = loopNest(math.b, math.loc, block, none, [&](IndexMath &math, ValueRange i, ValueRange any) {
          Value hit = order.before(math, math.load(data, place(math.add(first, i[0]))), bound);
          return SmallVector<Value>{math.either(any[0], hit)};
        })[0];
        return visitFrom(math, first, math.select(any, block, math.index(0)), state);
      });
  return visitFrom(math, math.add(count, math.mul(blocks, block)), math.rem(rest, block), most);
}

SmallVector<Value> RowSelection::insert(IndexMath &math, ValueRange state, Value i, Value places) {
  // Of equal elements the one with the lower index is first: it arrives first, and nothing equal passes it. From the
  // place where the element belongs, everything moves on by one; the last place may not be in use yet.
  Heap::Element element = given(math, i);
  SmallVector<Value> carried{element.value, element.index, math.less(i, math.index(0)), state[0], state[1]};
  SmallVector<Value> end =
      loopNest(math.b, math.loc, places, carried, [&](IndexMath &math, ValueRange p, ValueRange carried) {
        ValueRange state = carried.drop_front(3);
        Heap::Element element{carried[0], carried[1]}, there = heap.load(math, state, p[0]);
        Value takes =
            math.either(carried[2], math.either(math.equal(p[0], i), order.before(math, element.value, there.value)));
        SmallVector<Value> next = heap.store(
            math, state, p[0],
            {math.select(takes, element.value, there.value), math.select(takes, element.index, there.index)});
        return SmallVector<Value>{math.select(takes, there.value, element.value),
                                  math.select(takes, there.index, element.index), takes, next[0], next[1]};
      });
  return {end[3], end[4]};
}

SmallVector<Value> RowSelection::insertAll(IndexMath &math, ValueRange state) {
  SmallVector<Value> first =
      loopNest(math.b, math.loc, count, state, [&](IndexMath &math, ValueRange i, ValueRange state) {
        return insert(math, state, i[0], math.add(i[0], math.index(1)));
      });
  Value worst = math.sub(count, math.index(1));
  return scan(math, first, worst, [&](IndexMath &math, Value i, ValueRange state) {
    Value better = order.before(math, given(math, i).value, heap.load(math, state, worst).value);
    return insert(math, state, i, math.select(better, count, math.index(0)));
  });
}

SmallVector<Value> RowSelection::heapAll(IndexMath &math, ValueRange state) {
  SmallVector<Value> first =
      loopNest(math.b, math.loc, count, state, [&](IndexMath &math, ValueRange i, ValueRange state) {
        return heap.store(math, state, i[0], given(math, i[0]));
      });
  SmallVector<Value> heaped = heap.build(math, first, count, levels);
  Value top = math.index(0), one = math.index(1);
  SmallVector<Value> selected = scan(math, heaped, top, [&](IndexMath &math, Value i, ValueRange state) {
    Heap::Element element = given(math, i);
    Value better = order.before(math, element.value, heap.load(math, state, top).value);
    return heap.sift(math, state, top, count, element, levels, better);
  });
  Value removals = math.max(math.sub(count, one), top);
  return loopNest(math.b, math.loc, removals, selected, [&](IndexMath &math, ValueRange i, ValueRange state) {
    Value size = math.sub(math.sub(count, one), i[0]);
    Heap::Element last = heap.load(math, state, top), moved = heap.load(math, state, size);
    return heap.sift(math, heap.store(math, state, size, last), top, size, moved, levels, math.equal(size, size));
  });
}

//===--- Sorting by digits ----------------------------------------------------------===//

constexpr int64_t kDigitBits = 8, kDigitValues = 1 << kDigitBits;

Value RowSelection::keyOf(IndexMath &math, Value element) {
  Scalars s(math.b, math.loc, order.isUnsigned);
  auto type = math.b.getIntegerType(element.getType().getIntOrFloatBitWidth());
  unsigned width = type.getWidth();
  auto constant = [&](const APInt &value) -> Value {
    return arith::ConstantOp::create(math.b, math.loc, math.b.getIntegerAttr(type, value));
  };
  Value top = constant(APInt::getSignMask(width)), key = element;
  if (auto floating = dyn_cast<FloatType>(element.getType())) {
    // All zeros are equal, and all NaNs, which are the largest. Negative numbers are ordered by their complement.
    Value zero = s.constant(floating, 0.0);
    element = s.select(s.equal(element, zero), zero, element);
    Value bits = s.make<arith::BitcastOp>(type, element);
    Value nan = constant(APFloat::getNaN(floating.getFloatSemantics()).bitcastToAPInt());
    bits = s.select(s.isNaN(element), nan, bits);
    Value negative = s.make<arith::ShRSIOp>(bits, constant(APInt(width, width - 1)));
    key = s.make<arith::XOrIOp>(bits, s.make<arith::OrIOp>(negative, top));
  } else if (!s.unsignedElements(element)) {
    key = s.make<arith::XOrIOp>(key, top);
  }
  return order.largestFirst ? s.negate(key) : key;
}

SmallVector<Value> RowSelection::makeScratch(Emitter &emit, Type element, OpFoldResult length) {
  Type key = emit.getIntegerType(element.getIntOrFloatBitWidth()), position = emit.getI64Type();
  return {emit.empty(length, key), emit.empty(length, position), emit.empty(length, key), emit.empty(length, position),
          emit.empty(emit.dimension(kDigitValues), position)};
}

SmallVector<Value> RowSelection::sortAll(IndexMath &math, ValueRange state, ValueRange scratch) {
  Type element = cast<RankedTensorType>(data.getType()).getElementType(), i64 = math.b.getI64Type();
  auto keyType = math.b.getIntegerType(element.getIntOrFloatBitWidth());
  SmallVector<Value> room(scratch);
  SmallVector<Value> from{room[0], room[1]}, to{room[2], room[3]};
  from = loopNest(math.b, math.loc, length, from, [&](IndexMath &math, ValueRange i, ValueRange rows) {
    return SmallVector<Value>{math.store(keyOf(math, math.load(data, place(i[0]))), rows[0], i),
                              math.store(math.toInteger(i[0], i64), rows[1], i)};
  });
  // From the lowest digit to the highest; equal digits stay in their order, so that equal elements do.
  for (int64_t shift = 0; shift < keyType.getWidth(); shift += kDigitBits) {
    auto digitOf = [&](IndexMath &math, Value key) {
      Scalars s(math.b, math.loc);
      Value digit = s.make<arith::ShRUIOp>(key, s.constantInt(keyType, shift));
      digit = s.make<arith::AndIOp>(digit, s.constantInt(keyType, kDigitValues - 1));
      return s.make<arith::IndexCastUIOp>(math.b.getIndexType(), digit);
    };
    Value counts = room[4], values = math.index(kDigitValues);
    Value none = math.toInteger(math.index(0), i64), one = math.toInteger(math.index(1), i64);
    counts = loopNest(math.b, math.loc, values, counts, [&](IndexMath &math, ValueRange i, ValueRange counts) {
      return SmallVector<Value>{math.store(none, counts[0], i)};
    })[0];
    counts = loopNest(math.b, math.loc, length, counts, [&](IndexMath &math, ValueRange i, ValueRange counts) {
      Value digit = digitOf(math, math.load(from[0], i));
      return SmallVector<Value>{math.store(math.add(math.load(counts[0], digit), one), counts[0], digit)};
    })[0];
    // Where the elements of each digit begin.
    counts = loopNest(math.b, math.loc, values, ValueRange{none, counts},
                      [&](IndexMath &math, ValueRange i, ValueRange carried) {
                        Value count = math.load(carried[1], i);
                        return SmallVector<Value>{math.add(carried[0], count), math.store(carried[0], carried[1], i)};
                      })[1];
    SmallVector<Value> moved = loopNest(math.b, math.loc, length, ValueRange{to[0], to[1], counts},
                                        [&](IndexMath &math, ValueRange i, ValueRange carried) {
                                          Value key = math.load(from[0], i), digit = digitOf(math, key);
                                          Value next = math.load(carried[2], digit), at = math.toIndex(next);
                                          return SmallVector<Value>{math.store(key, carried[0], at),
                                                                    math.store(math.load(from[1], i), carried[1], at),
                                                                    math.store(math.add(next, one), carried[2], digit)};
                                        });
    room[4] = moved[2];
    to = from;
    from = {moved[0], moved[1]};
  }
  return loopNest(math.b, math.loc, count, state, [&](IndexMath &math, ValueRange i, ValueRange state) {
    Value position = math.load(from[1], i);
    return heap.store(math, state, i[0], {math.load(data, place(math.toIndex(position))), position});
  });
}

static LogicalResult lowerTopK(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  int64_t rank = Emitter::rank(data);
  FailureOr<int64_t> normalAxis = node.getAxis("axis", -1, rank);
  if (failed(normalAxis))
    return failure();
  int64_t axis = *normalAxis;
  Dims dims = emit.dims(data), result = dims;
  OpFoldResult k = node.has("k") ? emit.dimension(node.getInt("k", 0)) : emit.asDimension(emit.scalar(node.input(1)));
  IndexMath math(emit);
  std::optional<int64_t> constantK = getConstantIntValue(k), constantSize = getConstantIntValue(dims[axis]);
  if (constantK && (*constantK < 0 || (constantSize && *constantK > *constantSize)))
    return node.refuse("k is " + Twine(*constantK) + " for a dimension of size " +
                       (constantSize ? Twine(*constantSize) : Twine("?")));
  Value length = emit.asValue(dims[axis]), count = emit.asValue(k);
  if (!Emitter::same(k, dims[axis]))
    requireUnlessKnown(node, math.both(math.lessOrEqual(math.index(0), count), math.lessOrEqual(count, length)),
                       "k is negative or larger than the dimension");
  result[axis] = k;

  Order order{node.getInt("largest", 1) != 0, node.isUnsigned(0)};
  SmallVector<Value> selected{emit.empty(result, Emitter::elementType(data)), emit.empty(result, emit.getI64Type())};
  Dims rows(dims);
  rows.erase(rows.begin() + axis);
  // With k = 0 there is nothing to compare with: no row is visited.
  rows.insert(rows.begin(), choose(emit, math.equal(count, math.index(0)), emit.dimension(0), emit.dimension(1)));
  constexpr int64_t fewest = 8; // up to which insertion is the faster way
  bool few = constantK && *constantK <= fewest;
  // A heap passes over most of a long row; sorting visits every element for each digit.
  constexpr int64_t fewestToSort = 64, longestToSort = 32; // the latter as a multiple of k
  bool sorts = constantK && *constantK >= fewestToSort && constantSize && *constantSize <= longestToSort * *constantK;
  Value levels = few ? Value() : Heap::height(emit, k);
  SmallVector<Value> scratch;
  if (sorts)
    scratch = RowSelection::makeScratch(emit, Emitter::elementType(data), dims[axis]);
  SmallVector<Value> found = loopNest(emit, rows, selected, [&](IndexMath &math, ValueRange row, ValueRange state) {
    auto place = [&](Value position) {
      SmallVector<Value> indices(row.drop_front());
      indices.insert(indices.begin() + axis, position);
      return indices;
    };
    RowSelection selection(order, data, length, count, levels, place);
    if (sorts)
      return selection.sortAll(math, state, scratch);
    return few ? selection.insertAll(math, state) : selection.heapAll(math, state);
  });
  return node.finish({emit.withDims(found[0], result), emit.withDims(found[1], result)});
}

//===--- ArgMax and ArgMin -----------------------------------------------------------===//

static Value extremeStart(Emitter &emit, Type type, bool largest, bool isUnsigned) {
  if (isa<FloatType>(type)) {
    double infinity = std::numeric_limits<double>::infinity();
    return emit.constant(type, largest ? -infinity : infinity);
  }
  unsigned width = type.getIntOrFloatBitWidth();
  APInt bound = isUnsigned ? (largest ? APInt::getMinValue(width) : APInt::getMaxValue(width))
                           : (largest ? APInt::getSignedMinValue(width) : APInt::getSignedMaxValue(width));
  return arith::ConstantOp::create(emit, IntegerAttr::get(type, bound));
}

/// Two reductions that both run on vectors: the extreme value, then the first (or last) index that has it.
static LogicalResult lowerArg(Node &node, bool largest) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  int64_t rank = Emitter::rank(data);
  FailureOr<int64_t> normalAxis = node.getAxis("axis", 0, rank);
  if (failed(normalAxis))
    return failure();
  int64_t axis = *normalAxis;
  bool last = node.getInt("select_last_index", 0) != 0, isUnsigned = node.isUnsigned(0);
  Dims dims = emit.dims(data), kept(dims), rows(dims);
  kept[axis] = emit.dimension(1);
  rows.erase(rows.begin() + axis);
  requirePositions(node, dims[axis], rows);

  Value extreme =
      emit.reduce(data, axis, /*keepDims=*/false, extremeStart(emit, Emitter::elementType(data), largest, isUnsigned),
                  [&](OpBuilder &b, Location loc, ValueRange v) {
                    Scalars scalars(b, loc, isUnsigned);
                    return largest ? scalars.max(v[0], v[1]) : scalars.min(v[0], v[1]);
                  });
  // A NaN makes the extreme NaN, and is then the one to be found.
  AffineMap all = emit.getMultiDimIdentityMap(rank), row = all.dropResult(axis);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  Type i64 = emit.getI64Type();
  int64_t none = last ? -1 : std::numeric_limits<int64_t>::max();
  Value init = emit.empty(rows, i64);
  init = emit.withDims(linalg::FillOp::create(emit, emit.constant(i64, none), init).getResult(0), rows);
  Value found =
      emit.generic({data, extreme}, {all, row}, init, row, iterators, [&](OpBuilder &b, Location loc, ValueRange v) {
        Scalars scalars(b, loc);
        Value hit = scalars.equal(v[0], v[1]);
        if (Scalars::isFloat(v[0]))
          hit = scalars.either(hit, scalars.isNaN(v[0]));
        Value index = scalars.make<arith::IndexCastOp>(i64, linalg::IndexOp::create(b, loc, axis));
        Value candidate = scalars.select(hit, index, scalars.constantInt(i64, none));
        return last ? scalars.max(candidate, v[2]) : scalars.min(candidate, v[2]);
      });
  return node.finish(node.getInt("keepdims", 1) ? emit.reshape(found, kept) : found);
}

static LogicalResult lowerArgMax(Node &node) { return lowerArg(node, /*largest=*/true); }
static LogicalResult lowerArgMin(Node &node) { return lowerArg(node, /*largest=*/false); }

void ac::populateSortingLowerings(LoweringTable &table) {
  table.add("TopK", lowerTopK);
  table.add("ArgMax", lowerArgMax);
  table.add("ArgMin", lowerArgMin);
}
