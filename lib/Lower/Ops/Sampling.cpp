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
      sum = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, sum, x),
                                  constantLike(b, loc, x, coefficient));
    return sum;
  };
  auto within = [&](arith::CmpFPredicate predicate, double bound) -> Value {
    return arith::CmpFOp::create(b, loc, predicate, x, constantLike(b, loc, x, bound));
  };
  Value near = polynomial({a + 2, -(a + 3), 0, 1}), far = polynomial({a, -5 * a, 8 * a, -4 * a});
  Value outer = arith::SelectOp::create(b, loc, within(arith::CmpFPredicate::OLT, 2.0), far,
                                        constantLike(b, loc, x, 0.0));
  return arith::SelectOp::create(b, loc, within(arith::CmpFPredicate::OLE, 1.0), near, outer);
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
