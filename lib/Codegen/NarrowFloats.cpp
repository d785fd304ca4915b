//===- NarrowFloats.cpp - Round to 16-bit floats --------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::ac {
#define GEN_PASS_DEF_NARROWFLOATS
#include "Codegen/Passes.h.inc"

namespace {

/// Integer operations on the bits of floats, scalars or vectors.
struct Bits {
  OpBuilder &b;
  Location loc;

  static Type likewise(Type shape, Type element) {
    auto vector = dyn_cast<VectorType>(shape);
    return vector ? Type(vector.clone(element)) : element;
  }
  Value constant(Type type, int64_t value) {
    auto element = b.getIntegerAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vector, Attribute(element)));
    return arith::ConstantOp::create(b, loc, element);
  }
  Value of(Value x) {
    unsigned width = getElementTypeOrSelf(x).getIntOrFloatBitWidth();
    return arith::BitcastOp::create(b, loc, likewise(x.getType(), b.getIntegerType(width)), x);
  }
  Value isZero(Value x) { return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, constant(x.getType(), 0)); }
};

/// f32 to bf16, ties to even: the upper half of the bits, after just under half of its last place has been added.
Value narrowSingle(OpBuilder &b, Location loc, Value x, Type type) {
  Bits bits{b, loc};
  Value all = bits.of(x);
  Type integer = all.getType();
  Value sixteen = bits.constant(integer, 16);
  Value upper = arith::ShRUIOp::create(b, loc, all, sixteen);
  Value odd = arith::AndIOp::create(b, loc, upper, bits.constant(integer, 1));
  Value half = arith::AddIOp::create(b, loc, odd, bits.constant(integer, 0x7fff));
  Value rounded = arith::ShRUIOp::create(b, loc, arith::AddIOp::create(b, loc, all, half), sixteen);
  // A NaN could round to an infinity: it keeps its upper half, made quiet.
  Value quiet = arith::OrIOp::create(b, loc, upper, bits.constant(integer, 0x40));
  Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  Value result = arith::SelectOp::create(b, loc, isNaN, quiet, rounded);
  result = arith::TruncIOp::create(b, loc, Bits::likewise(type, b.getI16Type()), result);
  return arith::BitcastOp::create(b, loc, type, result);
}

/// f64 to f32 rounded to odd: what is not exact gets an odd last place, so that rounding again goes the right way.
Value narrowToOdd(OpBuilder &b, Location loc, Value x) {
  Bits bits{b, loc};
  Value nearest = arith::TruncFOp::create(b, loc, Bits::likewise(x.getType(), b.getF32Type()), x);
  Value back = arith::ExtFOp::create(b, loc, x.getType(), nearest);
  Value code = bits.of(nearest);
  Type integer = code.getType();
  Value inexact = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ONE, back, x);
  Value even = bits.isZero(arith::AndIOp::create(b, loc, code, bits.constant(integer, 1)));
  Value away = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, math::AbsFOp::create(b, loc, back),
                                     math::AbsFOp::create(b, loc, x));
  Value step = arith::SelectOp::create(b, loc, away, bits.constant(integer, -1), bits.constant(integer, 1));
  Value odd = arith::AddIOp::create(b, loc, code, step);
  Value result = arith::SelectOp::create(b, loc, arith::AndIOp::create(b, loc, inexact, even), odd, code);
  return arith::BitcastOp::create(b, loc, nearest.getType(), result);
}

static bool isBF16(Value value) { return getElementTypeOrSelf(value).isBF16(); }

/// Computes in f32 what is written in bf16: few processors have its arithmetic, and for the others LLVM rounds each
/// result by a call.
static void widen(Operation *op) {
  OpBuilder b(op);
  auto wide = [&](Value value) { return Bits::likewise(value.getType(), b.getF32Type()); };
  Operation *clone = b.clone(*op);
  for (OpOperand &operand : clone->getOpOperands())
    if (isBF16(operand.get())) {
      b.setInsertionPoint(clone);
      operand.set(arith::ExtFOp::create(b, op->getLoc(), wide(operand.get()), operand.get()));
    }
  b.setInsertionPointAfter(clone);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults())) {
    Value result = to;
    if (isBF16(from)) {
      to.setType(wide(from));
      result = arith::TruncFOp::create(b, op->getLoc(), from.getType(), to);
    }
    from.replaceAllUsesWith(result);
  }
  op->erase();
}

struct NarrowFloats : impl::NarrowFloatsBase<NarrowFloats> {
  void runOnOperation() override {
    SmallVector<Operation *> narrow;
    getOperation()->walk([&](Operation *op) {
      bool computes = isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && op->getNumRegions() == 0 &&
                      !isa<arith::ExtFOp, arith::TruncFOp, arith::BitcastOp, arith::ConstantOp, arith::SelectOp>(op);
      if (computes && (llvm::any_of(op->getOperands(), isBF16) || llvm::any_of(op->getResults(), isBF16)))
        narrow.push_back(op);
    });
    for (Operation *op : narrow)
      widen(op);
    SmallVector<arith::TruncFOp> found;
    getOperation()->walk([&](arith::TruncFOp op) {
      Type from = getElementTypeOrSelf(op.getIn()), to = getElementTypeOrSelf(op.getType());
      if ((from.isF64() && (to.isF16() || to.isBF16())) || (from.isF32() && to.isBF16()))
        found.push_back(op);
    });
    for (arith::TruncFOp op : found) {
      OpBuilder b(op);
      Value x = op.getIn();
      if (getElementTypeOrSelf(x).isF64())
        x = narrowToOdd(b, op.getLoc(), x);
      Value result = getElementTypeOrSelf(op.getType()).isBF16()
                         ? narrowSingle(b, op.getLoc(), x, op.getType())
                         : arith::TruncFOp::create(b, op.getLoc(), op.getType(), x).getResult();
      op.getResult().replaceAllUsesWith(result);
      op.erase();
    }
  }
};
} // namespace
} // namespace mlir::ac
