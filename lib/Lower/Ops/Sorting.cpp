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

//===--- TopK ----------------------------------------------------------------------===//

/// The `k` first of each row in order, by insertion: what has been selected so far is kept sorted in the result, and an
/// element that comes before its last one is put in its place. Most elements of a long row only meet that one
/// comparison. Of equal elements the one with the lower index is first, as it arrives first and nothing equal passes
/// it.
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
  Type i64 = emit.getI64Type();
  SmallVector<Value> selected{emit.empty(result, Emitter::elementType(data)), emit.empty(result, i64)};
  Dims rows(dims);
  rows.erase(rows.begin() + axis);
  // With k = 0 nothing may be looked at, not even the last one selected.
  Value visited = math.select(math.equal(count, math.index(0)), math.index(0), length);
  Value lastPlace = math.sub(count, math.index(1));
  auto visitRow = [&](IndexMath &math, ValueRange row, ValueRange selected) {
    auto at = [&](Value position) {
      SmallVector<Value> indices(row);
      indices.insert(indices.begin() + axis, position);
      return indices;
    };
    return loopNest(math.b, math.loc, visited, selected, [&](IndexMath &math, ValueRange i, ValueRange selected) {
      Value element = math.load(data, at(i[0]));
      Value room = math.less(i[0], count);
      Value better = order.before(math, element, math.load(selected[0], at(lastPlace)));
      Value places = math.select(room, math.add(i[0], math.index(1)), math.select(better, count, math.index(0)));
      // From the place where the element belongs, everything moves on by one.
      SmallVector<Value> carried{element, math.toInteger(i[0], i64), math.equal(math.index(0), math.index(1))};
      llvm::append_range(carried, selected);
      SmallVector<Value> moved =
          loopNest(math.b, math.loc, places, carried, [&](IndexMath &math, ValueRange p, ValueRange carried) {
            Value element = carried[0], index = carried[1], values = carried[3], indices = carried[4];
            Value there = math.load(values, at(p[0])), thereIndex = math.load(indices, at(p[0]));
            Value takes = math.either(carried[2], math.either(math.equal(p[0], i[0]), // a place not used yet
                                                              order.before(math, element, there)));
            values = math.store(math.select(takes, element, there), values, at(p[0]));
            indices = math.store(math.select(takes, index, thereIndex), indices, at(p[0]));
            return SmallVector<Value>{math.select(takes, there, element), math.select(takes, thereIndex, index), takes,
                                      values, indices};
          });
      return SmallVector<Value>{moved[3], moved[4]};
    });
  };
  SmallVector<Value> found = loopNest(emit, rows, selected, visitRow);
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
