//===- Scalars.h - Formulas on scalars --------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bodies of elementwise operators, written as formulas: `s.div(x, s.add(s.exp(s.neg(x)), 1.0))`. The same formula
// serves floating-point and integer elements where that makes sense. There are no calls and no branches in it, so that
// it can run on vectors.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_SCALARS_H
#define LOWER_OPS_SCALARS_H

#include "Lower/NodeLowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

class Scalars {
public:
  Scalars(OpBuilder &b, Location loc, bool isUnsigned = false) : b(b), loc(loc), isUnsigned(isUnsigned) {}

  OpBuilder &b;
  Location loc;
  /// How integers are divided, compared and converted. Booleans always count as unsigned.
  bool isUnsigned;

  template <typename Op, typename... Args> Value make(Args &&...args) {
    return b.createOrFold<Op>(loc, std::forward<Args>(args)...);
  }

  Value constant(Type type, double value);
  Value constantInt(Type type, int64_t value);
  static bool isFloat(Value x) { return isa<FloatType>(x.getType()); }
  bool unsignedElements(Value x) const { return isUnsigned || x.getType().isInteger(1); }

  Value add(Value x, Value y) { return binary<arith::AddFOp, arith::AddIOp>(x, y); }
  Value sub(Value x, Value y) { return binary<arith::SubFOp, arith::SubIOp>(x, y); }
  Value mul(Value x, Value y) { return binary<arith::MulFOp, arith::MulIOp>(x, y); }
  /// Integers: towards zero; `x / 0` is `x`, and the smallest integer divided by -1 is itself.
  Value div(Value x, Value y);
  /// The remainder of that division, with the sign of `x`; 0 for integers where `y` is 0.
  Value rem(Value x, Value y);
  Value neg(Value x);
  Value abs(Value x);
  /// NaN if either is NaN.
  Value min(Value x, Value y);
  Value max(Value x, Value y);
  /// `bound` where x is below (above) it; x itself if it is NaN. Half the instructions of `max` and `min`.
  Value atLeast(Value x, Value bound);
  Value atMost(Value x, Value bound);

  Value add(Value x, double y) { return add(x, constant(x.getType(), y)); }
  Value sub(Value x, double y) { return sub(x, constant(x.getType(), y)); }
  Value mul(Value x, double y) { return mul(x, constant(x.getType(), y)); }
  Value div(Value x, double y) { return div(x, constant(x.getType(), y)); }
  Value atLeast(Value x, double y) { return atLeast(x, constant(x.getType(), y)); }
  Value atMost(Value x, double y) { return atMost(x, constant(x.getType(), y)); }

  /// Comparisons are false where an operand is NaN, but for `notEqual`.
  Value equal(Value x, Value y) { return compare(arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq, x, y); }
  Value notEqual(Value x, Value y) { return compare(arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne, x, y); }
  Value less(Value x, Value y);
  Value lessEqual(Value x, Value y);
  Value greater(Value x, Value y) { return less(y, x); }
  Value greaterEqual(Value x, Value y) { return lessEqual(y, x); }
  Value isNaN(Value x) { return make<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, x); }
  Value select(Value condition, Value x, Value y) { return make<arith::SelectOp>(condition, x, y); }
  Value both(Value x, Value y) { return make<arith::AndIOp>(x, y); }
  Value either(Value x, Value y) { return make<arith::OrIOp>(x, y); }
  Value negate(Value condition) { return make<arith::XOrIOp>(condition, constantInt(condition.getType(), -1)); }

  Value exp(Value x) { return make<math::ExpOp>(x); }
  Value log(Value x) { return make<math::LogOp>(x); }
  Value sqrt(Value x) { return make<math::SqrtOp>(x); }
  /// 1 / (1 + exp(-x))
  Value sigmoid(Value x);
  /// log(1 + exp(x)) without overflow.
  Value softplus(Value x);

  /// f32 for 16-bit floats, the value itself otherwise.
  Value widen(Value x);
  Value convert(Value x, Type to, bool toUnsigned = false) {
    return x.getType() == to ? x : Emitter::convertScalar(b, loc, x, to, isUnsigned, toUnsigned);
  }

private:
  template <typename FloatOp, typename IntOp> Value binary(Value x, Value y) {
    return isFloat(x) ? make<FloatOp>(x, y) : make<IntOp>(x, y);
  }
  Value compare(arith::CmpFPredicate f, arith::CmpIPredicate i, Value x, Value y) {
    return isFloat(x) ? make<arith::CmpFOp>(f, x, y) : make<arith::CmpIOp>(i, x, y);
  }
  /// A divisor that cannot trap: 1 in place of 0 and of -1.
  Value safeDivisor(Value y);
};

/// The type in which elements of `type` are computed: f32 for 16-bit floats.
Type computeType(Type type);
/// The type in which sums of elements of `type` are kept.
inline Type accumulatorType(Type type) { return computeType(type); }

using Formula = llvm::function_ref<Value(Scalars &, ValueRange)>;

/// Elementwise with broadcasting; 16-bit floats reach the formula as f32, and a floating-point result of another type
/// than `element` is rounded to it.
Value mapElements(Emitter &emit, ValueRange tensors, Type element, Formula formula, bool isUnsigned = false);

/// Lowers a node to one formula of its inputs; the result has the element type of the first one.
LogicalResult lowerFormula(Node &node, Formula formula);

/// `body(accumulator, elements)` folded along `axes` into `start`, for each index of the other axes: the result has no
/// dimensions for those reduced. Besides the elements of `tensor` the body gets those of `rows`, which have the
/// dimensions of the result. Elements come as they are, so that the body widens what it needs.
Value foldElements(Emitter &emit, Value tensor, ValueRange rows, ArrayRef<int64_t> axes, Value start,
                   llvm::function_ref<Value(Scalars &, Value, ValueRange)> body, bool isUnsigned = false);
/// The result of a fold with the reduced axes as dimensions of size one, so that it broadcasts against the tensor.
Value alongRows(Emitter &emit, Value row, ArrayRef<int64_t> axes);

/// `x + y` and `x * y` of a reduction, whose order is free.
Value accumulateSum(Scalars &s, Value x, Value y);
Value accumulateProduct(Scalars &s, Value x, Value y);

/// The mean along `axes`, as a fold, in the accumulator's type.
Value meanOf(Emitter &emit, Value tensor, ArrayRef<int64_t> axes);
/// The mean of the squared distance to `mean`, as a fold.
Value varianceOf(Emitter &emit, Value tensor, Value mean, ArrayRef<int64_t> axes);
/// The number of elements along `axes` as a scalar of `type`.
Value countAlong(Emitter &emit, Value tensor, ArrayRef<int64_t> axes, Type type);

} // namespace mlir::ac

#endif // LOWER_OPS_SCALARS_H
