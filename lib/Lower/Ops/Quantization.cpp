//===- Quantization.cpp - Quantization ------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers as small integers (or floats) times a scale, after a zero point is taken off. Scale and zero point are given
// once for the tensor, for each index of an axis, or for each block of neighbours along an axis. Blocks become a
// dimension of their own where they divide the axis, so that in every case they broadcast.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/SmallFloats.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
/// A tensor with its scale and zero point (may be null), made to broadcast against it.
struct Quantized {
  Value tensor, scale, zeroPoint;
  Dims result;
};
} // namespace

/// Repeats each element of `parameter` for the elements of its block along `axis`.
static Value repeatBlocks(Emitter &emit, Value parameter, ArrayRef<OpFoldResult> dims, int64_t axis, int64_t block) {
  return emit.tabulate(dims, Emitter::elementType(parameter), [&](OpBuilder &b, Location loc, ValueRange indices) {
    Scalars s(b, loc, /*isUnsigned=*/true);
    SmallVector<Value> position(indices);
    position[axis] = s.make<arith::DivUIOp>(position[axis], s.constantInt(b.getIndexType(), block));
    return tensor::ExtractOp::create(b, loc, parameter, position).getResult();
  });
}

static FailureOr<Quantized> getQuantized(Node &node) {
  Emitter &emit = node.emit;
  Quantized q{node.input(0), node.input(1), node.hasInput(2) ? node.input(2) : Value(), emit.dims(node.input(0))};
  int64_t rank = q.result.size(), block = node.getInt("block_size", 0);
  RankedTensorType scaleType = Emitter::type(q.scale);
  // onnxruntime.quantization writes one zero point of rank 0 where there are several scales: it broadcasts.
  bool isOne = q.zeroPoint && Emitter::rank(q.zeroPoint) == 0;
  if (q.zeroPoint && !isOne && Emitter::rank(q.zeroPoint) != scaleType.getRank())
    return node.refuse("its zero point has rank " + Twine(Emitter::rank(q.zeroPoint)) +
                       ", expected that of the scale, " + Twine(scaleType.getRank()));
  auto both = [&](llvm::function_ref<Value(Value)> change) {
    q.scale = change(q.scale);
    if (q.zeroPoint && !isOne)
      q.zeroPoint = change(q.zeroPoint);
    return q;
  };
  if (scaleType.getRank() == 0)
    return q;
  if (scaleType.hasStaticShape() && scaleType.getNumElements() == 1)
    return both([&](Value parameter) { return emit.reshape(parameter, {}); });
  FailureOr<int64_t> axis = node.getAxis("axis", 1, std::max<int64_t>(rank, 1));
  if (failed(axis))
    return failure();
  if (block == 0) {
    if (scaleType.getRank() != 1)
      return node.refuse("its scale has rank " + Twine(scaleType.getRank()) + ", expected 0 or 1 without block_size");
    return both([&](Value parameter) {
      Dims dims{emit.dim(parameter, 0)};
      dims.resize(rank - *axis, emit.getIndexAttr(1));
      return emit.reshape(parameter, dims);
    });
  }
  if (block < 0 || scaleType.getRank() != rank)
    return node.refuse("block_size is " + Twine(block) + " and its scale has rank " + Twine(scaleType.getRank()) +
                       ", expected a positive size and rank " + Twine(rank));
  OpFoldResult size = emit.getIndexAttr(block), blocks = emit.dim(q.scale, *axis);
  if (!Emitter::same(emit.mul(blocks, size), q.result[*axis])) {
    Scalars s(emit, emit.getLoc());
    Value enough = s.greaterEqual(emit.asValue(emit.mul(blocks, size)), emit.asValue(q.result[*axis]));
    node.require(enough, "its scale has too few blocks");
    return both([&](Value parameter) { return repeatBlocks(emit, parameter, q.result, *axis, block); });
  }
  Dims split = q.result;
  split[*axis] = blocks;
  split.insert(split.begin() + *axis + 1, size);
  q.tensor = emit.reshape(q.tensor, split);
  return both([&](Value parameter) { return emit.expandAxes(parameter, *axis + 1); });
}

/// `value`, a whole number in floating point, as an integer, with the nearest one where it is out of range. NaN gives
/// the smallest.
static Value saturate(Scalars &s, Value value, IntegerType type, bool isUnsigned) {
  unsigned width = type.getWidth();
  double low = isUnsigned ? 0.0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, isUnsigned ? width : width - 1) - 1.0;
  Value lowest = s.constant(value.getType(), low);
  value = s.select(s.greater(value, lowest), value, lowest);
  value = s.atMost(value, high);
  Value integer = s.make<arith::FPToSIOp>(s.b.getI32Type(), value);
  return s.make<arith::TruncIOp>(type, integer);
}

/// The type to which quotients are rounded: that of the attribute, or 16 bits where both operands have them.
static Type quotientType(Node &node) {
  Emitter &emit = node.emit;
  switch (node.getInt("precision", 0)) { // TensorProto.DataType
  case 1:
    return emit.getF32Type();
  case 10:
    return emit.getF16Type();
  case 11:
    return emit.getF64Type();
  case 16:
    return emit.getBF16Type();
  }
  Type x = Emitter::elementType(node.input(0)), scale = Emitter::elementType(node.input(1));
  return x == scale ? x : computeType(scale);
}

/// The same number as by a division, rounding, an addition and `saturate`, for a scale and a zero point that are known:
/// nine operations, where a division alone takes as long as thirty.
static Value quantiseByConstants(Scalars &s, Value x, float scale, double zero, IntegerType type, bool isUnsigned) {
  unsigned width = type.getWidth();
  double low = isUnsigned ? 0.0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, isUnsigned ? width : width - 1) - 1.0;
  auto constant = [&](double value) { return s.constant(x.getType(), value); };
  // What is beyond these bounds is beyond those of the type, and what is not is too small for infinities.
  Value least = constant((low - zero) * scale);
  x = s.select(s.greater(x, least), x, least); // NaN gives the smallest
  x = s.atMost(x, (high - zero) * scale);
  // What is left of x is a number of f32, and corrects what the inverse lacks: the quotient is rounded once.
  Value inverse = constant(1.0f / scale), near = s.mul(x, inverse);
  Value rest = s.make<math::FmaOp>(s.neg(near), constant(scale), x);
  Value whole = s.make<math::RoundEvenOp>(s.make<math::FmaOp>(rest, inverse, near));
  Value integer = s.make<arith::FPToSIOp>(s.b.getI32Type(), zero == 0 ? whole : s.add(whole, zero));
  return s.make<arith::TruncIOp>(type, integer);
}

/// Scales with which nothing above falls below the normal numbers, or beyond the largest.
static bool isOrdinary(std::optional<double> scale) { return scale && *scale >= 0x1p-90 && *scale <= 0x1p90; }

static LogicalResult lowerQuantizeLinear(Node &node) {
  Emitter &emit = node.emit;
  Type element = node.outputElementType(0);
  bool isUnsigned = node.isOutputUnsigned(0);
  auto integer = dyn_cast_if_present<IntegerType>(element);
  if (!element || (integer ? integer.getWidth() > 16 || integer.getWidth() == 1 : !isSmallFloat(element)))
    return node.refuse("its result is not an integer of at most 16 bits or a float of at most 8");
  Type quotient = quotientType(node), wide = computeType(quotient);
  FailureOr<Quantized> q = getQuantized(node);
  if (failed(q))
    return failure();
  std::optional<double> constant = node.constantNumber(1), zero = node.constantNumber(2);
  bool isConstant = integer && (zero || !q->zeroPoint) && quotient.isF32() && Emitter::elementType(q->scale).isF32() &&
                    isOrdinary(constant);
  ConversionRules rules;
  rules.saturate = node.getInt("saturate", 1) != 0;
  SmallVector<Value> operands{q->tensor, q->scale};
  if (q->zeroPoint && !(isa<FloatType>(element) && cast<FloatType>(element).getWidth() == 8))
    operands.push_back(q->zeroPoint);
  Value result = emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) {
    Scalars s(b, loc, isUnsigned);
    Value x = Scalars(b, loc).convert(v[0], wide), scale = s.convert(v[1], wide);
    if (isConstant)
      return quantiseByConstants(s, x, *constant, zero.value_or(0), integer, isUnsigned);
    Value y = s.convert(s.convert(s.div(x, scale), quotient), wide);
    Value zeroPoint = v.size() > 2 ? convertElement(s, v[2], wide, false) : Value();
    if (!integer) {
      y = s.convert(y, b.getF32Type());
      return encodeSmallFloat(s, zeroPoint ? s.add(y, zeroPoint) : y, element, rules);
    }
    y = s.make<math::RoundEvenOp>(y);
    if (zeroPoint)
      y = s.add(y, zeroPoint);
    return saturate(s, y, integer, isUnsigned);
  });
  return node.finish(emit.reshape(result, q->result));
}

static LogicalResult lowerDequantizeLinear(Node &node) {
  Emitter &emit = node.emit;
  Type element = node.outputElementType(0);
  bool isUnsigned = node.isUnsigned(0);
  if (!element || !isa<FloatType>(element))
    return node.refuse("its result is not a floating-point tensor");
  FailureOr<Quantized> q = getQuantized(node);
  if (failed(q))
    return failure();
  SmallVector<Value> operands{q->tensor, q->scale};
  if (q->zeroPoint)
    operands.push_back(q->zeroPoint);
  Type wide = computeType(element);
  Value result = emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) {
    Scalars s(b, loc, isUnsigned);
    Value x = v[0];
    if (Scalars::isFloat(x)) {
      x = convertElement(s, x, wide, false);
      if (v.size() > 2)
        x = s.sub(x, convertElement(s, v[2], wide, false));
    } else if (v.size() > 2) {
      Type i32 = b.getI32Type();
      Value distance = s.sub(s.convert(x, i32), s.convert(v[2], i32));
      x = Scalars(b, loc).convert(distance, wide);
    } else {
      x = s.convert(x, wide);
    }
    return s.convert(s.mul(x, s.convert(v[1], wide)), element);
  });
  return node.finish(emit.reshape(result, q->result));
}

static LogicalResult lowerDynamicQuantizeLinear(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type f32 = emit.getF32Type();
  IntegerType u8 = emit.getI8Type();
  // The range includes zero, and leaves NaN out. Column by column first: that runs on vectors.
  Value zero = emit.constant(f32, 0.0), rows = x;
  int64_t rank = Emitter::rank(x);
  if (rank > 1)
    rows = emit.reshape(x, {emit.product(ArrayRef<OpFoldResult>(emit.dims(x)).drop_back()), emit.dim(x, rank - 1)});
  auto rangeEnd = [&](llvm::function_ref<Value(Scalars &, Value, ValueRange)> choose) {
    Value ends = rows;
    while (Emitter::rank(ends) > 0)
      ends = foldElements(emit, ends, {}, {0}, zero, choose);
    return ends;
  };
  Value low = rangeEnd(
      [](Scalars &s, Value acc, ValueRange v) -> Value { return arith::MinNumFOp::create(s.b, s.loc, acc, v[0]); });
  Value high = rangeEnd(
      [](Scalars &s, Value acc, ValueRange v) -> Value { return arith::MaxNumFOp::create(s.b, s.loc, acc, v[0]); });
  Value scale = mapElements(emit, {low, high}, f32, [&](Scalars &s, ValueRange v) {
    Value range = s.sub(v[1], v[0]);
    return s.select(s.equal(range, zero), s.constant(f32, 1.0), s.div(range, 255.0));
  });
  Value zeroPoint = mapElements(emit, {low, scale}, u8, [&](Scalars &s, ValueRange v) {
    return saturate(s, s.make<math::RoundEvenOp>(s.div(s.neg(v[0]), v[1])), u8, /*isUnsigned=*/true);
  });
  Value y = mapElements(
      emit, {x, scale, zeroPoint}, u8,
      [&](Scalars &s, ValueRange v) {
        Value whole = s.make<math::RoundEvenOp>(s.div(v[0], v[1]));
        return saturate(s, s.add(whole, s.convert(v[2], f32)), u8, /*isUnsigned=*/true);
      },
      /*isUnsigned=*/true);
  return node.finish({y, scale, zeroPoint});
}

void mlir::ac::populateQuantizationLowerings(LoweringTable &table) {
  table.add("QuantizeLinear", lowerQuantizeLinear);
  table.add("DequantizeLinear", lowerDequantizeLinear);
  table.add("DynamicQuantizeLinear", lowerDynamicQuantizeLinear);
}
