//===- MatrixProduct.h - Products shared by operator families ----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What MatMul, Gemm, Einsum, the convolutions and the Fourier transforms have in common: a batched product in any
// element type, and the bookkeeping around it. Floating-point products become `ac.contract`; integers a linalg.generic.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_MATRIXPRODUCT_H
#define LOWER_OPS_MATRIXPRODUCT_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// The type in which sums of products of `element` are formed: f32 for narrower floats, else the type itself.
Type getSumType(Type element);

/// `emit.contract` for every element type; the result is of `getSumType`. With `signs`, i8 elements are multiplied to
/// i32.
Value multiplyBatches(Emitter &emit, Value lhs, Value rhs, OpFoldResult batch, AffineMap lhsBatch, AffineMap rhsBatch,
                      std::optional<Emitter::Signs> signs = {});
/// The same with batches that are equal, or one of a single matrix.
Value multiplyBatches(Emitter &emit, Value lhs, Value rhs, std::optional<Emitter::Signs> signs = {});

/// numpy.matmul of tensors of any rank from one on; the result is of `getSumType`. An error if shapes cannot agree.
FailureOr<Value> multiplyMatrices(Node &node, Value lhs, Value rhs);

/// An operand of a product of small integers: the numbers less their zero point.
struct Bytes {
  Value numbers; // i8
  bool isUnsigned;
  Value zeroPoint; // i8: one for all, for each row of the left or for each column of the right operand; null for none
};

/// numpy.matmul of whole numbers, i32 modulo 2^32 and exact: `sum (a - za) (b - zb) = sum a b - za sum b - zb sum a +
/// k za zb`, so that the product is one of i8 elements, and the sums of constant columns are computed here.
FailureOr<Value> multiplyBytes(Node &node, Bytes lhs, Bytes rhs);

/// The sums of i8 elements along `axis` in i32, the axis staying with size one; those of a constant are computed here.
Value sumBytes(Emitter &emit, Value bytes, bool isUnsigned, int64_t axis);

/// A zero point that matters; null for none or a constant of zeros.
Value nonZero(Value zeroPoint);

/// Refuses the node if the two sizes are known to differ, and checks at run time what is not known.
LogicalResult requireSame(Node &node, OpFoldResult a, OpFoldResult b, const Twine &what);

/// The integer tensor `quantized`, widened to i32, less its zero point (which broadcasts; null for none).
Value subtractZeroPoint(Emitter &emit, Value quantized, bool isUnsigned, Value zeroPoint);

/// `saturate(round_to_even(x * scale) + zeroPoint)` in `element`; `scale` (f32) and `zeroPoint` broadcast to x (i32).
Value requantize(Emitter &emit, Value x, Value scale, Value zeroPoint, Type element, bool isUnsigned);

} // namespace mlir::ac

#endif // LOWER_OPS_MATRIXPRODUCT_H
