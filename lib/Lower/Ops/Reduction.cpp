//===- Reduction.cpp - Reductions along axes ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction is three formulas: what happens to an element, how two are joined, what happens to the result. Axes that
// are known only at run time are handled by rearranging the tensor into a matrix whose rows are reduced.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
/// A tensor and the axes along which it is to be reduced, and the dimensions that the result has in the end.
struct Operand {
  Value tensor;
  SmallVector<int64_t> axes;
  Dims result;
};
} // namespace

/// Moves the axes named by the run-time scalars `axes` to the end, and folds the dimensions into two: kept, reduced.
static FailureOr<Operand> rearrange(Node &node, Value tensor, ArrayRef<Value> axes, bool keepDims) {
  Emitter &emit = node.emit;
  Scalars s(emit, emit.getLoc());
  Dims own = emit.dims(tensor);
  int64_t rank = own.size(), numAxes = axes.size();
  if (!keepDims && numAxes > rank)
    return node.refuse("reduces " + Twine(numAxes) + " axes of a tensor of rank " + Twine(rank));
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1);
  SmallVector<Value> normalized;
  for (Value axis : axes) {
    Value position = emit.asValue(emit.asDimension(axis)), size = emit.constantIndex(rank);
    position = s.select(s.less(position, zero), s.add(position, size), position);
    node.require(s.both(s.greaterEqual(position, zero), s.less(position, size)), "an axis is out of range");
    normalized.push_back(position);
  }
  SmallVector<Value> isReduced;
  for (int64_t axis = 0; axis < rank; ++axis) {
    Value found = s.constantInt(emit.getI1Type(), 0);
    for (Value position : normalized)
      found = s.either(found, s.equal(position, emit.constantIndex(axis)));
    isReduced.push_back(found);
  }
  // For each axis its size and its place value among the kept (reduced) ones.
  Value numKept = one, numReduced = one;
  SmallVector<Value> place(rank);
  for (int64_t axis = rank - 1; axis >= 0; --axis) {
    Value size = emit.asValue(own[axis]), reduced = isReduced[axis];
    place[axis] = s.select(reduced, numReduced, numKept);
    numReduced = s.select(reduced, s.mul(numReduced, size), numReduced);
    numKept = s.select(reduced, numKept, s.mul(numKept, size));
  }
  Operand operand;
  operand.axes = {1};
  if (keepDims) {
    for (int64_t axis = 0; axis < rank; ++axis)
      operand.result.push_back(s.select(isReduced[axis], one, emit.asValue(own[axis])));
  } else {
    // The j-th kept dimension is that of the axis before which j are kept.
    SmallVector<Value> before;
    Value count = zero;
    for (int64_t axis = 0; axis < rank; ++axis) {
      before.push_back(count);
      count = s.add(count, s.select(isReduced[axis], zero, one));
    }
    node.require(s.equal(count, emit.constantIndex(rank - numAxes)), "an axis is given twice");
    for (int64_t j = 0; j < rank - numAxes; ++j) {
      Value size = one;
      for (int64_t axis = 0; axis < rank; ++axis) {
        Value here = s.both(s.equal(before[axis], emit.constantIndex(j)), s.negate(isReduced[axis]));
        size = s.select(here, emit.asValue(own[axis]), size);
      }
      operand.result.push_back(size);
    }
  }
  Dims matrix{numKept, numReduced};
  operand.tensor = emit.tabulate(matrix, Emitter::elementType(tensor),
                                 [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
                                   Scalars s(b, loc);
                                   SmallVector<Value> indices;
                                   for (int64_t axis = 0; axis < rank; ++axis) {
                                     Value along = s.select(isReduced[axis], position[1], position[0]);
                                     Value quotient = s.make<arith::DivUIOp>(along, place[axis]);
                                     indices.push_back(s.make<arith::RemUIOp>(quotient, emit.asValue(own[axis])));
                                   }
                                   return tensor::ExtractOp::create(b, loc, tensor, indices);
                                 });
  return operand;
}

/// Reads the axes, whichever way they are given.
static FailureOr<Operand> getOperand(Node &node) {
  Emitter &emit = node.emit;
  Value tensor = node.input(0);
  int64_t rank = Emitter::rank(tensor);
  bool keepDims = node.getInt("keepdims", 1) != 0;
  SmallVector<int64_t> axes;
  if (auto known = node.getIntsOrInput("axes", 1)) {
    for (int64_t axis : *known) {
      FailureOr<int64_t> normalized = node.normalizeAxis(axis, rank);
      if (failed(normalized))
        return failure();
      if (!llvm::is_contained(axes, *normalized))
        axes.push_back(*normalized);
    }
  } else if (node.hasInput(1)) {
    Value given = node.input(1);
    RankedTensorType type = Emitter::type(given);
    if (!type.hasStaticShape() || type.getNumElements() > 64)
      return node.refuse("the number of axes it reduces is not known while compiling");
    if (type.getNumElements() != 0)
      return rearrange(node, tensor, emit.elements(given), keepDims);
  }
  if (axes.empty() && node.getInt("noop_with_empty_axes", 0) == 0)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  Operand operand{tensor, axes, {}};
  for (int64_t axis = 0; axis < rank; ++axis) {
    bool reduced = llvm::is_contained(axes, axis);
    if (!reduced || keepDims)
      operand.result.push_back(reduced ? OpFoldResult(emit.getIndexAttr(1)) : emit.dim(tensor, axis));
  }
  return operand;
}

using UnaryFormula = Value (*)(Scalars &, Value);
using JoinFormula = Value (*)(Scalars &, Value, Value);

static Value itself(Scalars &, Value x) { return x; }
static Value square(Scalars &s, Value x) { return s.mul(x, x); }
static Value absolute(Scalars &s, Value x) { return s.abs(x); }
static Value largerOf(Scalars &s, Value x, Value y) { return s.max(x, y); }
static Value smallerOf(Scalars &s, Value x, Value y) { return s.min(x, y); }

/// Folds `before(element)` with `join`, from `start`, in the accumulator's type.
static Value fold(Node &node, const Operand &operand, Value start, UnaryFormula before, JoinFormula join) {
  return foldElements(
      node.emit, operand.tensor, {}, operand.axes, start,
      [&](Scalars &s, Value acc, ValueRange v) { return join(s, acc, before(s, s.widen(v[0]))); }, node.isUnsigned(0));
}

/// Gives the result its element type and its dimensions.
static LogicalResult finish(Node &node, const Operand &operand, Value result, UnaryFormula after) {
  Type element = Emitter::elementType(operand.tensor);
  if (after != itself || Emitter::elementType(result) != element)
    result = mapElements(
        node.emit, result, element, [&](Scalars &s, ValueRange v) { return after(s, v[0]); }, node.isUnsigned(0));
  return node.finish(node.emit.reshape(result, operand.result));
}

/// The first value of a maximum (minimum).
static Value extreme(Emitter &emit, Type type, bool isUnsigned, bool smallest) {
  if (isa<FloatType>(type)) {
    double infinity = std::numeric_limits<double>::infinity();
    return emit.constant(type, smallest ? -infinity : infinity);
  }
  unsigned width = type.getIntOrFloatBitWidth();
  isUnsigned |= width == 1;
  APInt value = isUnsigned ? (smallest ? APInt::getZero(width) : APInt::getMaxValue(width))
                           : (smallest ? APInt::getSignedMinValue(width) : APInt::getSignedMaxValue(width));
  return arith::ConstantOp::create(emit, emit.getLoc(), IntegerAttr::get(type, value));
}

template <bool isMaximum> static LogicalResult lowerExtreme(Node &node) {
  FailureOr<Operand> operand = getOperand(node);
  if (failed(operand))
    return failure();
  Type wide = accumulatorType(Emitter::elementType(operand->tensor));
  Value start = extreme(node.emit, wide, node.isUnsigned(0), isMaximum);
  Value result = fold(node, *operand, start, itself, isMaximum ? largerOf : smallerOf);
  return finish(node, *operand, result, itself);
}

/// Sums and products, and what is made from them. Logarithms and roots of integers are taken in floating point.
template <UnaryFormula before, JoinFormula join, int start, UnaryFormula after>
static LogicalResult lowerSum(Node &node) {
  FailureOr<Operand> operand = getOperand(node);
  if (failed(operand))
    return failure();
  Type wide = accumulatorType(Emitter::elementType(operand->tensor));
  Value result = fold(node, *operand, node.emit.constant(wide, start), before, join);
  return finish(node, *operand, result, after);
}

static Value inFloat(Scalars &s, Value x, UnaryFormula formula) {
  if (Scalars::isFloat(x))
    return formula(s, x);
  return s.convert(formula(s, s.convert(x, s.b.getF64Type())), x.getType(), s.isUnsigned);
}

static Value root(Scalars &s, Value x) {
  return inFloat(s, x, [](Scalars &s, Value y) { return s.sqrt(y); });
}

static Value logarithm(Scalars &s, Value x) {
  return inFloat(s, x, [](Scalars &s, Value y) { return s.log(y); });
}

static LogicalResult lowerReduceMean(Node &node) {
  FailureOr<Operand> operand = getOperand(node);
  if (failed(operand))
    return failure();
  Emitter &emit = node.emit;
  Type element = Emitter::elementType(operand->tensor), wide = accumulatorType(element);
  Value sum = fold(node, *operand, emit.constant(wide, 0), itself, accumulateSum);
  Value count = countAlong(emit, operand->tensor, operand->axes, wide);
  Value mean = mapElements(
      emit, sum, element, [&](Scalars &s, ValueRange v) { return s.div(v[0], count); }, node.isUnsigned(0));
  return node.finish(emit.reshape(mean, operand->result));
}

/// max + log(sum(exp(x - max))), where a maximum that is not finite is left out.
static LogicalResult lowerReduceLogSumExp(Node &node) {
  FailureOr<Operand> operand = getOperand(node);
  if (failed(operand))
    return failure();
  Emitter &emit = node.emit;
  Type element = Emitter::elementType(operand->tensor), wide = accumulatorType(element);
  bool isUnsigned = node.isUnsigned(0);
  if (!isa<FloatType>(wide)) {
    wide = emit.getF64Type();
    operand->tensor = emit.castElements(operand->tensor, wide, isUnsigned);
  }
  double infinity = std::numeric_limits<double>::infinity();
  Value largest = foldElements(emit, operand->tensor, {}, operand->axes, emit.constant(wide, -infinity),
                               [](Scalars &s, Value acc, ValueRange v) { return s.max(acc, s.widen(v[0])); });
  Value shift = mapElements(emit, largest, wide, [&](Scalars &s, ValueRange v) {
    Value finite = s.less(s.abs(v[0]), s.constant(wide, infinity));
    return s.select(finite, v[0], s.constant(wide, 0.0));
  });
  Value sum = foldElements(
      emit, operand->tensor, shift, operand->axes, emit.constant(wide, 0.0),
      [](Scalars &s, Value acc, ValueRange v) { return accumulateSum(s, acc, s.exp(s.sub(s.widen(v[0]), v[1]))); });
  Value result = mapElements(emit, {sum, shift}, element, [&](Scalars &s, ValueRange v) {
    return s.convert(s.add(s.log(v[0]), v[1]), computeType(element), isUnsigned);
  });
  return node.finish(emit.reshape(result, operand->result));
}

void mlir::ac::populateReductionLowerings(LoweringTable &table) {
  table.add("ReduceSum", lowerSum<itself, accumulateSum, 0, itself>);
  table.add("ReduceProd", lowerSum<itself, accumulateProduct, 1, itself>);
  table.add("ReduceL1", lowerSum<absolute, accumulateSum, 0, itself>);
  table.add("ReduceL2", lowerSum<square, accumulateSum, 0, root>);
  table.add("ReduceSumSquare", lowerSum<square, accumulateSum, 0, itself>);
  table.add("ReduceLogSum", lowerSum<itself, accumulateSum, 0, logarithm>);
  table.add("ReduceLogSumExp", lowerReduceLogSumExp);
  table.add("ReduceMean", lowerReduceMean);
  table.add("ReduceMax", lowerExtreme<true>);
  table.add("ReduceMin", lowerExtreme<false>);
}
