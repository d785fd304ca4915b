//===- RowReductions.cpp - Reductions of rows on vectors ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of a softmax or a normalisation are a few vectors each. LLVM computes what is left of the row element by
// element, and the maximum of the lanes, which must not fail for NaN, in a chain of as many steps as there are lanes.
// Both take longer than the row itself.
//
//===----------------------------------------------------------------------===//
#include "Kernels/FusedSums.h"
#include "Kernels/WindowVectors.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ac;

/// Reductions side by side, so that not every step waits for the one before.
static constexpr int64_t kSums = 4;

Value WindowVectors::combine(Value sum, Value value) {
  if (isa<arith::AddFOp>(combiner))
    return fusedSum(*b, value, sum, /*minus=*/false);
  if (isa<arith::MaximumFOp>(combiner))
    return arith::MaximumFOp::create(*b, sum, value);
  if (isa<arith::MinimumFOp>(combiner))
    return arith::MinimumFOp::create(*b, sum, value);
  // `sum` is never NaN, and stays where `value` is.
  bool isMax = isa<arith::MaxNumFOp>(combiner);
  Value isBeyond = arith::CmpFOp::create(*b, isMax ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, value, sum);
  return arith::SelectOp::create(*b, isBeyond, value, sum);
}

Value WindowVectors::neutral(Type type) {
  APFloat value(0.0f);
  if (isa<arith::AddFOp>(combiner))
    value = APFloat(-0.0f);
  else
    value = APFloat::getInf(value.getSemantics(), isa<arith::MaxNumFOp, arith::MaximumFOp>(combiner));
  TypedAttr scalar = b->getFloatAttr(getElementTypeOrSelf(type), value);
  auto vector = dyn_cast<VectorType>(type);
  return arith::ConstantOp::create(*b, vector ? DenseElementsAttr::get(vector, scalar) : scalar);
}

Value WindowVectors::elementsAt(Value at, const Checks &checks) {
  loadInputs(at, checks);
  for (Operation &inner : op.getBlock()->without_terminator())
    if (&inner != combiner && lookup(inner.getResult(0)).kind == Along::Data)
      emitOperation(inner, at, checks);
  Value value = row->lane.lookup(reduced);
  if (!checks.end)
    return value;
  return arith::SelectOp::create(*b, lanesBefore(at, checks.end), value, neutral(value.getType()));
}

Value WindowVectors::emitReduction(ImplicitLocOpBuilder &builder, ArrayRef<Value> places, Value size, Value start,
                                   llvm::function_ref<Value(Value, Value)> step) {
  b = &builder;
  OpBuilder::InsertionGuard guard(*b);
  Row only = prepareRow(places);
  row = &only;
  std::optional<int64_t> known = getConstantIntValue(size);
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(*b, value); };
  auto wholesOf = [&](int64_t count) -> Value {
    return b->createOrFold<arith::SubIOp>(size, b->createOrFold<arith::RemUIOp>(size, index(count)));
  };
  auto loop = [&](Value begin, Value end, int64_t by, ValueRange carried,
                  llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) -> SmallVector<Value> {
    auto loop = scf::ForOp::create(*b, begin, end, index(by), carried);
    OpBuilder::InsertionGuard guard(*b);
    b->setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(*b, body(loop.getInductionVar(), loop.getRegionIterArgs()));
    return llvm::to_vector_of<Value>(loop.getResults());
  };

  SmallVector<Value> sums(kSums, neutral(vectorOf(reduced.getType())));
  Value many = wholesOf(kSums * lanes);
  if (!known || *known >= kSums * lanes)
    sums = loop(index(0), many, kSums * lanes, sums, [&](Value at, ValueRange before) {
      SmallVector<Value> after;
      for (auto [i, sum] : llvm::enumerate(before))
        after.push_back(
            combine(sum, elementsAt(b->createOrFold<arith::AddIOp>(at, index(i * lanes)), {false, false, {}})));
      return after;
    });
  for (int64_t count = kSums; count > 1; count /= 2)
    for (int64_t i = 0; i < count / 2; ++i)
      sums[i] = combine(sums[i], sums[i + count / 2]);
  Value sum = sums[0];

  bool isWhole = known && *known % lanes == 0;
  Value wholes = hasMasks || isWhole ? size : wholesOf(lanes);
  if (!known || *known % (kSums * lanes) != 0)
    sum = loop(many, wholes, lanes, sum, [&](Value at, ValueRange before) -> SmallVector<Value> {
      return {combine(before[0], elementsAt(at, {false, false, hasMasks && !isWhole ? size : Value()}))};
    })[0];
  for (int64_t count = lanes; count > 1; count /= 2) {
    auto lower = llvm::to_vector(llvm::seq<int64_t>(0, count / 2)),
         upper = llvm::to_vector(llvm::seq<int64_t>(count / 2, count));
    sum = combine(vector::ShuffleOp::create(*b, sum, sum, lower), vector::ShuffleOp::create(*b, sum, sum, upper));
  }
  IRMapping mapping;
  mapping.map(op.getBlock()->getArguments().back(), start);
  mapping.map(reduced, vector::ExtractOp::create(*b, sum, 0).getResult());
  Value result = b->clone(*combiner, mapping)->getResult(0);
  if (hasMasks || isWhole)
    return result;
  return loop(wholes, size, 1, result,
              [&](Value at, ValueRange before) -> SmallVector<Value> { return {step(before[0], at)}; })[0];
}
