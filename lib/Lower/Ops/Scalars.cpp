//===- Scalars.cpp - Formulas on scalars ----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"
#include "Lower/Ops/Gates.h"

using namespace mlir;
using namespace mlir::ac;

Value Scalars::constant(Type type, double value) {
  if (auto floating = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, loc, FloatAttr::get(floating, value));
  return constantInt(type, static_cast<int64_t>(value));
}

Value Scalars::constantInt(Type type, int64_t value) {
  if (isa<FloatType>(type))
    return constant(type, static_cast<double>(value));
  if (type.isIndex())
    return arith::ConstantIndexOp::create(b, loc, value);
  APInt bits(type.getIntOrFloatBitWidth(), static_cast<uint64_t>(value), /*isSigned=*/false, /*implicitTrunc=*/true);
  return arith::ConstantOp::create(b, loc, IntegerAttr::get(type, bits));
}

Value Scalars::safeDivisor(Value y) {
  Value one = constantInt(y.getType(), 1);
  Value bad = equal(y, constantInt(y.getType(), 0));
  if (!unsignedElements(y))
    bad = either(bad, equal(y, constantInt(y.getType(), -1)));
  return select(bad, one, y);
}

Value Scalars::div(Value x, Value y) {
  if (isFloat(x))
    return make<arith::DivFOp>(x, y);
  if (unsignedElements(x))
    return make<arith::DivUIOp>(x, safeDivisor(y));
  Value quotient = make<arith::DivSIOp>(x, safeDivisor(y));
  return select(equal(y, constantInt(y.getType(), -1)), neg(x), quotient);
}

Value Scalars::rem(Value x, Value y) {
  if (isFloat(x))
    return make<arith::RemFOp>(x, y);
  return unsignedElements(x) ? make<arith::RemUIOp>(x, safeDivisor(y)) : make<arith::RemSIOp>(x, safeDivisor(y));
}

Value Scalars::neg(Value x) {
  return isFloat(x) ? make<arith::NegFOp>(x) : make<arith::SubIOp>(constantInt(x.getType(), 0), x);
}

Value Scalars::abs(Value x) {
  if (isFloat(x))
    return make<math::AbsFOp>(x);
  return unsignedElements(x) ? x : make<math::AbsIOp>(x);
}

Value Scalars::min(Value x, Value y) {
  if (isFloat(x))
    return make<arith::MinimumFOp>(x, y);
  return unsignedElements(x) ? make<arith::MinUIOp>(x, y) : make<arith::MinSIOp>(x, y);
}

Value Scalars::max(Value x, Value y) {
  if (isFloat(x))
    return make<arith::MaximumFOp>(x, y);
  return unsignedElements(x) ? make<arith::MaxUIOp>(x, y) : make<arith::MaxSIOp>(x, y);
}

Value Scalars::atLeast(Value x, Value bound) { return isFloat(x) ? select(less(x, bound), bound, x) : max(x, bound); }

Value Scalars::atMost(Value x, Value bound) { return isFloat(x) ? select(less(bound, x), bound, x) : min(x, bound); }

Value Scalars::less(Value x, Value y) {
  auto predicate = unsignedElements(x) ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt;
  return compare(arith::CmpFPredicate::OLT, predicate, x, y);
}

Value Scalars::lessEqual(Value x, Value y) {
  auto predicate = unsignedElements(x) ? arith::CmpIPredicate::ule : arith::CmpIPredicate::sle;
  return compare(arith::CmpFPredicate::OLE, predicate, x, y);
}

Value Scalars::sigmoid(Value x) { return swish(*this, constant(x.getType(), 1.0), x); }

Value Scalars::softplus(Value x) {
  Value tail = make<math::Log1pOp>(exp(neg(abs(x))));
  return add(atLeast(x, 0.0), tail);
}

Value Scalars::widen(Value x) {
  Type wide = computeType(x.getType());
  return wide == x.getType() ? x : make<arith::ExtFOp>(wide, x);
}

Type mlir::ac::computeType(Type type) {
  auto floating = dyn_cast<FloatType>(type);
  return floating && floating.getWidth() < 32 ? Type(Float32Type::get(type.getContext())) : type;
}

Value mlir::ac::mapElements(Emitter &emit, ValueRange tensors, Type element, Formula formula, bool isUnsigned) {
  return emit.elementwise(tensors, element, [&](OpBuilder &b, Location loc, ValueRange scalars) {
    Scalars s(b, loc, isUnsigned);
    SmallVector<Value> wide;
    for (Value scalar : scalars)
      wide.push_back(s.widen(scalar));
    Value result = formula(s, wide);
    if (isa<FloatType>(element) && Scalars::isFloat(result))
      result = s.convert(result, element);
    return result;
  });
}

LogicalResult mlir::ac::lowerFormula(Node &node, Formula formula) {
  Value result =
      mapElements(node.emit, node.inputs(), Emitter::elementType(node.input(0)), formula, node.isUnsigned(0));
  return node.finish(result);
}

Value mlir::ac::foldElements(Emitter &emit, Value tensor, ValueRange rows, ArrayRef<int64_t> axes, Value start,
                             llvm::function_ref<Value(Scalars &, Value, ValueRange)> body, bool isUnsigned) {
  Dims own = emit.dims(tensor), kept;
  int64_t rank = own.size();
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t axis = 0; axis < rank; ++axis) {
    bool reduced = llvm::is_contained(axes, axis);
    iterators.push_back(reduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (reduced)
      continue;
    kept.push_back(own[axis]);
    exprs.push_back(emit.getAffineDimExpr(axis));
  }
  AffineMap rowMap = AffineMap::get(rank, 0, exprs, emit.getContext());
  SmallVector<Value> operands{tensor};
  llvm::append_range(operands, rows);
  SmallVector<AffineMap> maps(operands.size(), rowMap);
  maps[0] = emit.getMultiDimIdentityMap(rank);
  Value init = emit.empty(kept, start.getType());
  init = emit.withDims(linalg::FillOp::create(emit, start, init).getResult(0), kept);
  return emit.generic(operands, maps, init, rowMap, iterators, [&](OpBuilder &b, Location loc, ValueRange scalars) {
    Scalars s(b, loc, isUnsigned);
    return body(s, scalars.back(), scalars.drop_back());
  });
}

Value mlir::ac::alongRows(Emitter &emit, Value row, ArrayRef<int64_t> axes) { return emit.expandAxes(row, axes); }

static constexpr auto kFreeOrder = arith::FastMathFlags::reassoc | arith::FastMathFlags::contract;

Value mlir::ac::accumulateSum(Scalars &s, Value x, Value y) {
  if (!Scalars::isFloat(x))
    return s.add(x, y);
  return arith::AddFOp::create(s.b, s.loc, x, y, kFreeOrder);
}

Value mlir::ac::accumulateProduct(Scalars &s, Value x, Value y) {
  if (!Scalars::isFloat(x))
    return s.mul(x, y);
  return arith::MulFOp::create(s.b, s.loc, x, y, kFreeOrder);
}

Value mlir::ac::countAlong(Emitter &emit, Value tensor, ArrayRef<int64_t> axes, Type type) {
  Dims sizes;
  for (int64_t axis : axes)
    sizes.push_back(emit.dim(tensor, axis));
  OpFoldResult count = emit.product(sizes);
  if (auto constant = getConstantIntValue(count))
    return emit.constant(type, *constant);
  Value integer = emit.asInteger(count, emit.getI64Type());
  return Emitter::convertScalar(emit, emit.getLoc(), integer, type);
}

Value mlir::ac::meanOf(Emitter &emit, Value tensor, ArrayRef<int64_t> axes) {
  Type element = accumulatorType(Emitter::elementType(tensor));
  Value sum = foldElements(emit, tensor, {}, axes, emit.constant(element, 0),
                           [](Scalars &s, Value acc, ValueRange x) { return accumulateSum(s, acc, s.widen(x[0])); });
  Value count = countAlong(emit, tensor, axes, element);
  return mapElements(emit, sum, element, [&](Scalars &s, ValueRange x) { return s.div(x[0], count); });
}

Value mlir::ac::varianceOf(Emitter &emit, Value tensor, Value mean, ArrayRef<int64_t> axes) {
  Type element = accumulatorType(Emitter::elementType(tensor));
  Value sum =
      foldElements(emit, tensor, mean, axes, emit.constant(element, 0), [](Scalars &s, Value acc, ValueRange x) {
        Value distance = s.sub(s.widen(x[0]), x[1]);
        return accumulateSum(s, acc, s.mul(distance, distance));
      });
  Value count = countAlong(emit, tensor, axes, element);
  return mapElements(emit, sum, element, [&](Scalars &s, ValueRange x) { return s.div(x[0], count); });
}
