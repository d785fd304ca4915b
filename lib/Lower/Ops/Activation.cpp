//===- Activation.cpp - Activation functions ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each is one formula; softmax and its relatives are a reduction, a formula, a reduction and a formula.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Gates.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

static LogicalResult lowerRelu(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.atLeast(v[0], 0.0); });
}

static LogicalResult lowerLeakyRelu(Node &node) {
  double alpha = node.getFloat("alpha", 0.01);
  return lowerFormula(node, [&](Scalars &s, ValueRange v) {
    Value x = v[0];
    return s.select(s.less(x, s.constant(x.getType(), 0.0)), s.mul(x, alpha), x);
  });
}

static LogicalResult lowerPRelu(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value x = v[0], slope = v[1];
    return s.select(s.less(x, s.constant(x.getType(), 0.0)), s.mul(slope, x), x);
  });
}

/// `positive * x` above zero, `negative * (exp(x / scale) - 1)` below.
static LogicalResult lowerExponentialUnit(Node &node, double positive, double negative, double scale) {
  return lowerFormula(node, [&](Scalars &s, ValueRange v) {
    Value x = v[0];
    Value curve = s.mul(s.make<math::ExpM1Op>(scale == 1.0 ? x : s.div(x, scale)), negative);
    Value line = positive == 1.0 ? x : s.mul(x, positive);
    return s.select(s.lessEqual(x, s.constant(x.getType(), 0.0)), curve, line);
  });
}

static LogicalResult lowerElu(Node &node) { return lowerExponentialUnit(node, 1.0, node.getFloat("alpha", 1.0), 1.0); }

static LogicalResult lowerSelu(Node &node) {
  double alpha = node.getFloat("alpha", 1.67326319217681884765625);
  double gamma = node.getFloat("gamma", 1.05070102214813232421875);
  return lowerExponentialUnit(node, gamma, gamma * alpha, 1.0);
}

static LogicalResult lowerCelu(Node &node) {
  double alpha = node.getFloat("alpha", 1.0);
  return lowerExponentialUnit(node, 1.0, alpha, alpha);
}

static LogicalResult lowerSigmoid(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.sigmoid(v[0]); });
}

static LogicalResult lowerHardSigmoid(Node &node) {
  double alpha = node.getFloat("alpha", 0.2), beta = node.getFloat("beta", 0.5);
  return lowerFormula(
      node, [&](Scalars &s, ValueRange v) { return s.atMost(s.atLeast(s.add(s.mul(v[0], alpha), beta), 0.0), 1.0); });
}

static LogicalResult lowerHardSwish(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    return s.mul(v[0], s.atMost(s.atLeast(s.add(s.mul(v[0], 1.0 / 6.0), 0.5), 0.0), 1.0));
  });
}

static LogicalResult lowerSwish(Node &node) {
  double alpha = node.getFloat("alpha", 1.0);
  return lowerFormula(node, [&](Scalars &s, ValueRange v) { return swish(s, v[0], s.mul(v[0], alpha)); });
}

/// x * tanh(log(1 + e)) with e = exp(x), which is made one function of f32 later. Otherwise it is x * n / (n + 2) with
/// n = e * (e + 2). From x = 20 on the factor rounds to one, and stopping there keeps n finite.
static LogicalResult lowerMish(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value x = v[0];
    if (x.getType().isF32())
      return s.mul(x, s.make<math::TanhOp>(s.make<math::Log1pOp>(s.exp(x))));
    Value e = s.exp(s.atMost(x, 20.0));
    Value n = s.mul(e, s.add(e, 2.0));
    return s.mul(x, s.div(n, s.add(n, 2.0)));
  });
}

static LogicalResult lowerSoftplus(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.softplus(v[0]); });
}

static LogicalResult lowerSoftsign(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.div(v[0], s.add(s.abs(v[0]), 1.0)); });
}

static LogicalResult lowerThresholdedRelu(Node &node) {
  double alpha = node.getFloat("alpha", 1.0);
  return lowerFormula(node, [&](Scalars &s, ValueRange v) {
    Value x = v[0], zero = s.constant(x.getType(), 0.0);
    return s.select(s.lessEqual(x, s.constant(x.getType(), alpha)), zero, x);
  });
}

static LogicalResult lowerShrink(Node &node) {
  double lambda = node.getFloat("lambd", 0.5), bias = node.getFloat("bias", 0.0);
  return lowerFormula(node, [&](Scalars &s, ValueRange v) {
    // Integer elements are shrunk in f32, as the bounds are fractions.
    Type own = v[0].getType();
    Value x = isa<FloatType>(own) ? v[0] : s.convert(v[0], s.b.getF32Type());
    Value zero = s.constant(x.getType(), 0.0);
    Value below = s.less(x, s.constant(x.getType(), -lambda)), above = s.greater(x, s.constant(x.getType(), lambda));
    Value result = s.select(below, s.add(x, bias), s.select(above, s.sub(x, bias), zero));
    return s.convert(result, own, s.isUnsigned);
  });
}

static LogicalResult lowerErf(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) -> Value {
    if (Scalars::isFloat(v[0]))
      return s.make<math::ErfOp>(v[0]);
    // Of integers, erf(0) = 0, and all others truncate to zero but where it rounds to one.
    Value wide = s.make<math::ErfOp>(s.convert(v[0], s.b.getF32Type()));
    return s.convert(wide, v[0].getType(), s.isUnsigned);
  });
}

static LogicalResult lowerTanh(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.make<math::TanhOp>(v[0]); });
}

static LogicalResult lowerGelu(Node &node) {
  StringRef approximate = node.getString("approximate", "none");
  if (approximate == "tanh")
    return lowerFormula(node, [](Scalars &s, ValueRange v) { return geluTanh(s, v[0]); });
  if (approximate != "none")
    return node.refuse("approximate is '" + approximate + "', expected 'none' or 'tanh'");
  return lowerFormula(node, [](Scalars &s, ValueRange v) {
    Value x = v[0];
    Value erf = s.make<math::ErfOp>(s.mul(x, 0.7071067811865476));
    return s.mul(s.mul(x, 0.5), s.add(erf, 1.0));
  });
}

static LogicalResult lowerClip(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), low, high;
  Type element = Emitter::elementType(x);
  for (unsigned i : {1u, 2u}) {
    if (!node.hasInput(i))
      continue;
    Value bound = node.input(i);
    auto shape = Emitter::type(bound).getShape();
    if (!llvm::all_of(shape, [](int64_t size) { return size == 1; }))
      return node.refuse(i == 1 ? "min is not a scalar" : "max is not a scalar");
    (i == 1 ? low : high) = emit.scalar(bound);
  }
  if (node.has("min"))
    low = emit.constant(element, node.getFloat("min", 0.0));
  if (node.has("max"))
    high = emit.constant(element, node.getFloat("max", 0.0));
  return node.finish(mapElements(
      emit, x, element,
      [&](Scalars &s, ValueRange v) {
        Value result = v[0];
        if (low)
          result = s.atLeast(result, s.widen(low));
        if (high)
          result = s.atMost(result, s.widen(high));
        return result;
      },
      node.isUnsigned(0)));
}

//===----------------------------------------------------------------------===//
// Along an axis
//===----------------------------------------------------------------------===//

/// The axes over which softmax and its relatives normalise: one, or before opset 13 all from `axis` on.
static FailureOr<SmallVector<int64_t>> softmaxAxes(Node &node, int64_t rank) {
  bool flattens = node.opset() < 13;
  int64_t otherwise = flattens ? 1 : -1;
  if (rank == 0)
    return SmallVector<int64_t>{};
  // A flattening axis may also be the rank: then every row has one element.
  int64_t given = node.getInt("axis", otherwise);
  if (flattens && given == rank)
    return SmallVector<int64_t>{};
  FailureOr<int64_t> axis = node.getAxis("axis", otherwise, rank);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> axes{*axis};
  if (flattens)
    for (int64_t next = *axis + 1; next < rank; ++next)
      axes.push_back(next);
  return axes;
}

/// The largest element along `axes`, as a fold. A NaN stays out of it and is met again where the maximum is
/// subtracted, which spares the instructions that `maximumf` spends on it.
static Value maximumAlong(Emitter &emit, Value x, ArrayRef<int64_t> axes) {
  Type element = computeType(Emitter::elementType(x));
  Value start = emit.constant(element, -std::numeric_limits<double>::infinity());
  return foldElements(emit, x, {}, axes, start, [](Scalars &s, Value acc, ValueRange v) -> Value {
    return arith::MaxNumFOp::create(s.b, s.loc, acc, s.widen(v[0]));
  });
}

/// The exponential of what `x` is below `largest`.
static Value powerBelow(Scalars &s, Value x, Value largest) {
  Value power = s.exp(s.sub(x, largest));
  power.getDefiningOp()->setAttr(kAtMostZeroAttribute, s.b.getUnitAttr());
  return power;
}

static LogicalResult lowerSoftmax(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), wide = computeType(element);
  auto axes = softmaxAxes(node, Emitter::rank(x));
  if (failed(axes))
    return failure();
  Value largest = maximumAlong(emit, x, *axes);
  Value e = mapElements(emit, {x, alongRows(emit, largest, *axes)}, wide,
                        [](Scalars &s, ValueRange v) { return powerBelow(s, v[0], v[1]); });
  Value sum = foldElements(emit, e, {}, *axes, emit.constant(wide, 0.0),
                           [](Scalars &s, Value acc, ValueRange v) { return accumulateSum(s, acc, v[0]); });
  Value factor = mapElements(emit, sum, wide,
                             [](Scalars &s, ValueRange v) { return s.div(s.constant(v[0].getType(), 1.0), v[0]); });
  return node.finish(mapElements(emit, {e, alongRows(emit, factor, *axes)}, element,
                                 [](Scalars &s, ValueRange v) { return s.mul(v[0], v[1]); }));
}

static LogicalResult lowerLogSoftmax(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), wide = computeType(element);
  auto axes = softmaxAxes(node, Emitter::rank(x));
  if (failed(axes))
    return failure();
  Value largest = maximumAlong(emit, x, *axes);
  Value sum = foldElements(emit, x, largest, *axes, emit.constant(wide, 0.0), [](Scalars &s, Value acc, ValueRange v) {
    return accumulateSum(s, acc, powerBelow(s, s.widen(v[0]), v[1]));
  });
  Value logSum = mapElements(emit, sum, wide, [](Scalars &s, ValueRange v) { return s.log(v[0]); });
  return node.finish(mapElements(emit, {x, alongRows(emit, largest, *axes), alongRows(emit, logSum, *axes)}, element,
                                 [](Scalars &s, ValueRange v) { return s.sub(s.sub(v[0], v[1]), v[2]); }));
}

/// One at the first of the largest elements, zero elsewhere.
static LogicalResult lowerHardmax(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), index = emit.getI64Type();
  auto axes = softmaxAxes(node, Emitter::rank(x));
  if (failed(axes))
    return failure();
  Value largest = maximumAlong(emit, x, *axes);
  // The position along the axes taken together, of size one along all others.
  Dims sizes = emit.dims(x), grid(sizes.size(), emit.getIndexAttr(1));
  for (int64_t axis : *axes)
    grid[axis] = sizes[axis];
  SmallVector<Value> strides;
  for (size_t i = 0; i < axes->size(); ++i) {
    Dims inner;
    for (int64_t axis : ArrayRef<int64_t>(*axes).drop_front(i + 1))
      inner.push_back(sizes[axis]);
    strides.push_back(emit.asValue(emit.product(inner)));
  }
  Value position = emit.tabulate(grid, index, [&](OpBuilder &b, Location loc, ValueRange indices) {
    Scalars s(b, loc);
    Value sum = s.constantInt(b.getIndexType(), 0);
    for (auto [axis, stride] : llvm::zip(*axes, strides))
      sum = s.add(sum, s.mul(indices[axis], stride));
    return s.make<arith::IndexCastOp>(index, sum);
  });
  int64_t never = std::numeric_limits<int64_t>::max();
  Value candidate =
      mapElements(emit, {x, alongRows(emit, largest, *axes), position}, index, [&](Scalars &s, ValueRange v) {
        return s.select(s.equal(v[0], v[1]), v[2], s.constantInt(index, never));
      });
  Value first = foldElements(emit, candidate, {}, *axes, emit.constant(index, never),
                             [](Scalars &s, Value acc, ValueRange v) { return s.min(acc, v[0]); });
  return node.finish(
      mapElements(emit, {position, alongRows(emit, first, *axes)}, element, [&](Scalars &s, ValueRange v) {
        return s.select(s.equal(v[0], v[1]), s.constant(element, 1.0), s.constant(element, 0.0));
      }));
}

void mlir::ac::populateActivationLowerings(LoweringTable &table) {
  table.add("Relu", lowerRelu);
  table.add("LeakyRelu", lowerLeakyRelu);
  table.add("PRelu", lowerPRelu);
  table.add("Elu", lowerElu);
  table.add("Selu", lowerSelu);
  table.add("Celu", lowerCelu);
  table.add("Sigmoid", lowerSigmoid);
  table.add("HardSigmoid", lowerHardSigmoid);
  table.add("HardSwish", lowerHardSwish);
  table.add("Swish", lowerSwish);
  table.add("Mish", lowerMish);
  table.add("Softplus", lowerSoftplus);
  table.add("Softsign", lowerSoftsign);
  table.add("ThresholdedRelu", lowerThresholdedRelu);
  table.add("Shrink", lowerShrink);
  table.add("Erf", lowerErf);
  table.add("Tanh", lowerTanh);
  table.add("Gelu", lowerGelu);
  table.add("Clip", lowerClip);
  table.add("Softmax", lowerSoftmax);
  table.add("LogSoftmax", lowerLogSoftmax);
  table.add("Hardmax", lowerHardmax);
}
