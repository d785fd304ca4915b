//===- Sampling.cpp - Reading tensors between their elements --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Sampling.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

static Value constantLike(OpBuilder &b, Location loc, Value x, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), value));
}

Value indexToFloat(OpBuilder &b, Location loc, Value index, Type real) {
  return arith::SIToFPOp::create(b, loc, real, arith::IndexCastOp::create(b, loc, b.getI64Type(), index));
}

Value floatToIndex(OpBuilder &b, Location loc, Value real) {
  // The conversion is undefined out of range: stay well inside, where every tensor ends long before.
  Value bounded = arith::MaxNumFOp::create(b, loc, real, constantLike(b, loc, real, -1e15));
  bounded = arith::MinNumFOp::create(b, loc, bounded, constantLike(b, loc, real, 1e15));
  Value integer = arith::FPToSIOp::create(b, loc, b.getI64Type(), bounded);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), integer);
}

Value clampIndex(OpBuilder &b, Location loc, Value index, Value size) {
  Value last = arith::SubIOp::create(b, loc, size, arith::ConstantIndexOp::create(b, loc, 1));
  Value bounded = arith::MinSIOp::create(b, loc, index, last);
  return arith::MaxSIOp::create(b, loc, bounded, arith::ConstantIndexOp::create(b, loc, 0));
}

Value linearKernel(OpBuilder &b, Location loc, Value distance) {
  Value x = math::AbsFOp::create(b, loc, distance);
  Value weight = arith::SubFOp::create(b, loc, constantLike(b, loc, x, 1.0), x);
  return arith::MaximumFOp::create(b, loc, weight, constantLike(b, loc, x, 0.0));
}

Value cubicKernel(OpBuilder &b, Location loc, Value distance, double a) {
  Value x = math::AbsFOp::create(b, loc, distance);
  // Horner's scheme from the highest power down.
  auto polynomial = [&](ArrayRef<double> coefficients) -> Value {
    Value sum = constantLike(b, loc, x, coefficients[0]);
    for (double coefficient : coefficients.drop_front())
      sum = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, sum, x), constantLike(b, loc, x, coefficient));
    return sum;
  };
  auto within = [&](arith::CmpFPredicate predicate, double bound) -> Value {
    return arith::CmpFOp::create(b, loc, predicate, x, constantLike(b, loc, x, bound));
  };
  Value near = polynomial({a + 2, -(a + 3), 0, 1}), far = polynomial({a, -5 * a, 8 * a, -4 * a});
  Value outer =
      arith::SelectOp::create(b, loc, within(arith::CmpFPredicate::OLT, 2.0), far, constantLike(b, loc, x, 0.0));
  return arith::SelectOp::create(b, loc, within(arith::CmpFPredicate::OLE, 1.0), near, outer);
}

Value reflect(OpBuilder &b, Location loc, Value x, ReflectionBounds bounds) {
  Value span = arith::SubFOp::create(b, loc, bounds.high, bounds.low), zero = constantLike(b, loc, x, 0.0),
        one = constantLike(b, loc, x, 1.0), two = constantLike(b, loc, x, 2.0);
  Value flat = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, span, zero);
  span = arith::SelectOp::create(b, loc, flat, one, span);
  Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, bounds.low),
        above = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, bounds.high);
  Value distance = arith::SelectOp::create(b, loc, below, arith::SubFOp::create(b, loc, bounds.low, x).getResult(),
                                           arith::SubFOp::create(b, loc, x, bounds.high).getResult());
  Value turns = math::FloorOp::create(b, loc, arith::DivFOp::create(b, loc, distance, span));
  Value rest = arith::SubFOp::create(b, loc, distance, arith::MulFOp::create(b, loc, turns, span));
  Value pairs = math::FloorOp::create(b, loc, arith::DivFOp::create(b, loc, turns, two));
  Value even =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, turns, arith::MulFOp::create(b, loc, pairs, two));
  // After an even number of turns it is on the side where it left, going back.
  Value fromLow = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, below, even);
  Value inside = arith::SelectOp::create(b, loc, fromLow, arith::AddFOp::create(b, loc, bounds.low, rest).getResult(),
                                         arith::SubFOp::create(b, loc, bounds.high, rest).getResult());
  return arith::SelectOp::create(b, loc, arith::OrIOp::create(b, loc, below, above), inside, x);
}

/// Brings the index of a tap into bounds.
static Tap placeTap(OpBuilder &b, Location loc, Value coordinate, Value weight, Value size, Outside outside,
                    ReflectionBounds bounds) {
  Tap tap;
  tap.weight = weight;
  if (outside == Outside::Reflection)
    coordinate = reflect(b, loc, coordinate, bounds);
  Value index = floatToIndex(b, loc, coordinate);
  if (outside == Outside::Zeros)
    tap.inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, index, size);
  tap.index = clampIndex(b, loc, index, size);
  return tap;
}

Tap nearestTap(OpBuilder &b, Location loc, Value coordinate, Value size, Outside outside, ReflectionBounds bounds) {
  return placeTap(b, loc, coordinate, constantLike(b, loc, coordinate, 1.0), size, outside, bounds);
}

SmallVector<Tap> tapsAround(OpBuilder &b, Location loc, Value coordinate, Value size, Outside outside, bool cubic,
                            ReflectionBounds bounds) {
  Value before = math::FloorOp::create(b, loc, coordinate);
  SmallVector<Tap> taps;
  for (int offset = cubic ? -1 : 0; offset <= (cubic ? 2 : 1); ++offset) {
    Value at = arith::AddFOp::create(b, loc, before, constantLike(b, loc, coordinate, offset));
    Value distance = arith::SubFOp::create(b, loc, at, coordinate);
    Value weight = cubic ? cubicKernel(b, loc, distance, -0.75) : linearKernel(b, loc, distance);
    taps.push_back(placeTap(b, loc, at, weight, size, outside, bounds));
  }
  return taps;
}

SmallVector<Value> weighTaps(OpBuilder &b, Location loc, Value tensor, ValueRange lead,
                             ArrayRef<SmallVector<Tap>> taps) {
  SmallVector<Value> products;
  SmallVector<size_t> choice(taps.size(), 0);
  for (;;) {
    SmallVector<Value> indices(lead.begin(), lead.end());
    Value weight, inside;
    for (auto [list, picked] : llvm::zip(taps, choice)) {
      const Tap &tap = list[picked];
      indices.push_back(tap.index);
      weight = weight ? arith::MulFOp::create(b, loc, weight, tap.weight).getResult() : tap.weight;
      if (tap.inside)
        inside = inside ? arith::AndIOp::create(b, loc, inside, tap.inside).getResult() : tap.inside;
    }
    Value element = tensor::ExtractOp::create(b, loc, tensor, indices);
    element = Emitter::convertScalar(b, loc, element, weight.getType());
    Value product = arith::MulFOp::create(b, loc, element, weight);
    if (inside)
      product = arith::SelectOp::create(b, loc, inside, product, constantLike(b, loc, product, 0.0));
    products.push_back(product);

    int64_t axis = static_cast<int64_t>(taps.size()) - 1;
    while (axis >= 0 && ++choice[axis] == taps[axis].size())
      choice[axis--] = 0;
    if (axis < 0)
      return products;
  }
}

Value sumTaps(OpBuilder &b, Location loc, Value tensor, ValueRange lead, ArrayRef<SmallVector<Tap>> taps) {
  SmallVector<Value> products = weighTaps(b, loc, tensor, lead, taps);
  Value sum = products[0];
  for (Value product : ArrayRef<Value>(products).drop_front())
    sum = arith::AddFOp::create(b, loc, sum, product);
  return sum;
}

void requireNonEmpty(Node &node, OpFoldResult input, OpFoldResult output) {
  if (getConstantIntValue(input).value_or(0) > 0 || getConstantIntValue(output) == 0)
    return;
  Emitter &emit = node.emit;
  Value zero = emit.constantIndex(0);
  Value some = arith::CmpIOp::create(emit, arith::CmpIPredicate::sgt, emit.asValue(input), zero);
  Value none = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(output), zero);
  node.require(arith::OrIOp::create(emit, some, none), "has no elements to read along a resized axis");
}

} // namespace mlir::ac
