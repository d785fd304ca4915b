//===- LoopGrain.cpp - How loops are shared between threads ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/LoopGrain.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

/// Iterations that a range should hold. Most bodies wait for memory, whatever they compute.
static constexpr int64_t kGrainIterations = 8192;
/// A body that costs as much computes for longer than it waits. Of such, what a range should hold (a few tenths of a
/// microsecond), what is left to one thread, and how many ranges are enough for any number of threads.
static constexpr int64_t kHeavyCost = 48, kGrainCost = 8192, kSerialCost = 1 << 16, kMostRanges = 64;

int64_t costOfBody(Block &body) {
  int64_t cost = 0;
  body.walk([&](Operation *op) {
    bool isStep =
        isa<math::AbsFOp, math::CeilOp, math::CopySignOp, math::FloorOp, math::FmaOp, math::RoundOp, math::RoundEvenOp>(
            op);
    if (isa<arith::DivFOp, arith::RemFOp, math::SqrtOp>(op))
      cost += 4;
    else if (isa_and_nonnull<math::MathDialect>(op->getDialect()) && !isStep)
      cost += 16; // a polynomial
    else
      cost += 1;
  });
  return cost;
}

Value loopGrain(ImplicitLocOpBuilder &b, Value count, Value work, int64_t cost) {
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  work = b.createOrFold<arith::MaxSIOp>(work, index(1));
  Value grain = b.createOrFold<arith::CeilDivSIOp>(index(kGrainIterations), work);
  if (cost < kHeavyCost)
    return grain;
  Value ofTurn = b.createOrFold<arith::MulIOp>(work, index(cost));
  Value least = b.createOrFold<arith::CeilDivSIOp>(index(kGrainCost), ofTurn);
  Value enough = b.createOrFold<arith::CeilDivSIOp>(count, index(kMostRanges));
  grain = b.createOrFold<arith::MinSIOp>(grain, b.createOrFold<arith::MaxSIOp>(least, enough));
  Value isLittle = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::sle,
                                                 b.createOrFold<arith::MulIOp>(count, ofTurn), index(kSerialCost));
  return b.createOrFold<arith::SelectOp>(isLittle, b.createOrFold<arith::MaxSIOp>(count, index(1)), grain);
}

} // namespace mlir::ac
