//===- VectorMath.h - Arithmetic on vectors of floats -----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels compute between products. Sums of products are fused explicitly: LLVM would fuse them in one kernel and
// not in another, and rows would get other bits.
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_VECTORMATH_H
#define KERNELS_VECTORMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// Builds arithmetic on vectors of f32 with one number of lanes.
class VectorMath {
public:
  VectorMath(ImplicitLocOpBuilder &b, int64_t lanes, bool hasTables)
      : b(b), lanes(lanes), hasTables(hasTables), type(VectorType::get({lanes}, b.getF32Type())) {}

  Value splat(float value);
  Value broadcast(Value scalar) { return vector::BroadcastOp::create(b, type, scalar); }
  Value fma(Value x, Value y, Value z) { return vector::FMAOp::create(b, x, y, z); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b, predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
  /// The larger one; `y` where `x` is NaN.
  Value max(Value x, Value y) { return select(compare(arith::CmpFPredicate::OGT, x, y), x, y); }

  /// e^x for x <= 0, within 5e-7 of it for x > -20 and 1.5e-6 below; 0 below -86.5, where f32 ends; NaN for NaN.
  Value expOfNegative(Value x);
  /// One number from all lanes, in pairs of halves.
  Value reduce(Value x, llvm::function_ref<Value(Value, Value)> combine);

private:
  Value expByPolynomial(Value x);
  /// The same in fewer instructions, where 32 floats can be looked up in one.
  Value expByTable(Value x);
  Value integers(ArrayRef<int32_t> values);
  Value shiftedBits(Value x, int32_t distance);

  ImplicitLocOpBuilder &b;
  int64_t lanes;
  bool hasTables;
  VectorType type;
};

} // namespace mlir::ac

#endif // KERNELS_VECTORMATH_H
