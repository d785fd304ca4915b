//===- Normalization.cpp - Normalizations ---------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Statistics by one reduction each, in f32 or better, then one formula for the result. The variance is that of the
// distances to the mean: the mean of the squares less the square of the mean loses all digits for large means.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"

using namespace mlir;
using namespace mlir::ac;

/// [C] as [C, 1, ..., 1], so that it broadcasts along `axis` of a tensor of this rank.
static Value alongAxis(Emitter &emit, Value vector, int64_t axis, int64_t rank) {
  Dims dims{emit.dim(vector, 0)};
  dims.resize(rank - axis, emit.getIndexAttr(1));
  return emit.reshape(vector, dims);
}

/// 1 / sqrt(x + epsilon)
static Value inverseRoot(Emitter &emit, Value x, double epsilon) {
  return mapElements(emit, x, Emitter::elementType(x), [&](Scalars &s, ValueRange v) {
    Value one = s.constant(v[0].getType(), 1.0);
    return s.div(one, s.sqrt(s.add(v[0], epsilon)));
  });
}

/// (x - mean) * inverse * scale + bias; the statistics are folds along `axes`, and `bias` may be null.
static Value standardize(Emitter &emit, Value x, ArrayRef<int64_t> axes, Value mean, Value inverse, Value scale,
                         Value bias) {
  SmallVector<Value> operands{x, alongRows(emit, mean, axes), alongRows(emit, inverse, axes), scale};
  if (bias)
    operands.push_back(bias);
  return mapElements(emit, operands, Emitter::elementType(x), [&](Scalars &s, ValueRange v) {
    Value result = s.mul(s.mul(s.sub(v[0], v[1]), v[2]), s.convert(v[3], v[0].getType()));
    return bias ? s.add(result, s.convert(v[4], v[0].getType())) : result;
  });
}

static SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(first, std::max(first, rank)));
}

static LogicalResult requireVector(Node &node, unsigned input, StringRef name) {
  if (Emitter::rank(node.input(input)) == 1)
    return success();
  return node.refuse("its " + name + " has rank " + Twine(Emitter::rank(node.input(input))) + ", expected 1");
}

static LogicalResult lowerLayerNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  int64_t rank = Emitter::rank(x);
  FailureOr<int64_t> axis = node.getAxis("axis", -1, rank);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> axes = axesFrom(*axis, rank);
  Value mean = meanOf(emit, x, axes);
  Value inverse = inverseRoot(emit, varianceOf(emit, x, mean, axes), node.getFloat("epsilon", 1e-5));
  node.setOutput(0,
                 standardize(emit, x, axes, mean, inverse, node.input(1), node.hasInput(2) ? node.input(2) : Value()));
  if (node.wantsOutput(1))
    node.setOutput(1, emit.castElements(alongRows(emit, mean, axes), node.outputElementType(1)));
  if (node.wantsOutput(2))
    node.setOutput(2, emit.castElements(alongRows(emit, inverse, axes), node.outputElementType(2)));
  return success();
}

static LogicalResult lowerRMSNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), wide = accumulatorType(element);
  int64_t rank = Emitter::rank(x);
  FailureOr<int64_t> axis = node.getAxis("axis", -1, rank);
  if (failed(axis))
    return failure();
  SmallVector<int64_t> axes = axesFrom(*axis, rank);
  Value sum = foldElements(emit, x, {}, axes, emit.constant(wide, 0.0), [](Scalars &s, Value acc, ValueRange v) {
    Value y = s.widen(v[0]);
    return accumulateSum(s, acc, s.mul(y, y));
  });
  Value count = countAlong(emit, x, axes, wide);
  double epsilon = node.getFloat("epsilon", 1e-5);
  Value inverse = mapElements(emit, sum, wide, [&](Scalars &s, ValueRange v) {
    Value one = s.constant(wide, 1.0);
    return s.div(one, s.sqrt(s.add(s.div(v[0], count), epsilon)));
  });
  Type result = Emitter::elementType(node.input(1));
  return node.finish(
      mapElements(emit, {x, alongRows(emit, inverse, axes), node.input(1)}, result,
                  [](Scalars &s, ValueRange v) { return s.mul(s.mul(v[0], v[1]), s.convert(v[2], v[0].getType())); }));
}

static LogicalResult lowerBatchNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  int64_t rank = Emitter::rank(x);
  if (rank < 1)
    return node.refuse("its input has rank 0, expected channels");
  StringRef names[] = {"input", "scale", "bias", "mean", "variance"};
  for (unsigned i : {1u, 2u, 3u, 4u})
    if (failed(requireVector(node, i, names[i])))
      return failure();
  if (node.getInt("spatial", 1) == 0)
    return node.refuse("spatial is 0, expected 1");
  int64_t channelAxis = std::min<int64_t>(1, rank - 1);
  Type element = Emitter::elementType(x), wide = computeType(element);
  double epsilon = node.getFloat("epsilon", 1e-5);
  auto channels = [&](Value vector) { return alongAxis(emit, vector, channelAxis, rank); };

  if (node.getInt("training_mode", 0) != 0) {
    SmallVector<int64_t> axes;
    for (int64_t axis = 0; axis < rank; ++axis)
      if (axis != channelAxis)
        axes.push_back(axis);
    Value mean = meanOf(emit, x, axes), variance = varianceOf(emit, x, mean, axes);
    Value inverse = inverseRoot(emit, variance, epsilon);
    node.setOutput(0, standardize(emit, x, axes, mean, inverse, channels(node.input(1)), channels(node.input(2))));
    double momentum = node.getFloat("momentum", 0.9);
    for (auto [output, input, current] : {std::tuple(1u, 3u, mean), std::tuple(2u, 4u, variance)}) {
      if (!node.wantsOutput(output))
        continue;
      Value given = node.input(input);
      node.setOutput(output,
                     mapElements(emit, {given, current}, Emitter::elementType(given), [&](Scalars &s, ValueRange v) {
                       Value fresh = s.convert(v[1], v[0].getType());
                       return s.add(s.mul(v[0], momentum), s.mul(fresh, 1.0 - momentum));
                     }));
    }
    return success();
  }

  // A factor and an offset for each channel, then one multiply-add for each element.
  Value factor = mapElements(emit, {node.input(1), node.input(4)}, wide, [&](Scalars &s, ValueRange v) {
    return s.div(s.convert(v[0], wide), s.sqrt(s.add(s.convert(v[1], wide), epsilon)));
  });
  Value offset = mapElements(emit, {node.input(2), node.input(3), factor}, wide, [&](Scalars &s, ValueRange v) {
    return s.sub(s.convert(v[0], wide), s.mul(s.convert(v[1], wide), v[2]));
  });
  return node.finish(mapElements(emit, {x, channels(factor), channels(offset)}, element,
                                 [](Scalars &s, ValueRange v) { return s.add(s.mul(v[0], v[1]), v[2]); }));
}

static LogicalResult lowerInstanceNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  int64_t rank = Emitter::rank(x);
  if (rank < 2)
    return node.refuse("its input has rank " + Twine(rank) + ", expected at least 2");
  if (failed(requireVector(node, 1, "scale")) || failed(requireVector(node, 2, "bias")))
    return failure();
  SmallVector<int64_t> axes = axesFrom(2, rank);
  Value mean = meanOf(emit, x, axes);
  Value inverse = inverseRoot(emit, varianceOf(emit, x, mean, axes), node.getFloat("epsilon", 1e-5));
  return node.finish(standardize(emit, x, axes, mean, inverse, alongAxis(emit, node.input(1), 1, rank),
                                 alongAxis(emit, node.input(2), 1, rank)));
}

static LogicalResult lowerGroupNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Dims dims = emit.dims(x);
  int64_t rank = dims.size(), groups = node.getInt("num_groups", 0);
  if (rank < 2)
    return node.refuse("its input has rank " + Twine(rank) + ", expected at least 2");
  if (failed(requireVector(node, 1, "scale")) || failed(requireVector(node, 2, "bias")))
    return failure();
  auto channels = getConstantIntValue(dims[1]);
  if (groups < 1 || (channels && *channels % groups != 0))
    return node.refuse("num_groups is " + Twine(groups) + ", expected a divisor of the " + Twine(channels.value_or(0)) +
                       " channels");
  // [N, groups, channels of a group, rest]
  OpFoldResult one = emit.getIndexAttr(1), group = emit.getIndexAttr(groups), each = emit.floorDiv(dims[1], group);
  if (!channels)
    node.require(Scalars(emit, emit.getLoc()).equal(emit.asValue(emit.mul(each, group)), emit.asValue(dims[1])),
                 "num_groups does not divide the number of channels");
  Dims grouped{dims[0], group, each, emit.product(ArrayRef<OpFoldResult>(dims).drop_front(2))};
  Value y = emit.reshape(x, grouped);
  Value mean = meanOf(emit, y, {2, 3});
  Value inverse = inverseRoot(emit, varianceOf(emit, y, mean, {2, 3}), node.getFloat("epsilon", 1e-5));
  // Before opset 21 scale and bias are given for each group.
  Dims parameter{group, node.opset() < 21 ? one : each, one};
  Value scale = emit.reshape(node.input(1), parameter), bias = emit.reshape(node.input(2), parameter);
  return node.finish(emit.reshape(standardize(emit, y, {2, 3}, mean, inverse, scale, bias), dims));
}

static LogicalResult lowerMeanVarianceNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  int64_t rank = Emitter::rank(x);
  SmallVector<int64_t> axes;
  for (int64_t axis : node.getInts("axes").value_or(SmallVector<int64_t>{0, 2, 3})) {
    FailureOr<int64_t> normalized = node.normalizeAxis(axis, rank);
    if (failed(normalized))
      return failure();
    axes.push_back(*normalized);
  }
  Value mean = meanOf(emit, x, axes), variance = varianceOf(emit, x, mean, axes);
  // The operator's definition adds a tiny number to the deviation, not to the variance.
  Value inverse = mapElements(emit, variance, Emitter::elementType(variance), [](Scalars &s, ValueRange v) {
    return s.div(s.constant(v[0].getType(), 1.0), s.add(s.sqrt(v[0]), 1e-9));
  });
  return node.finish(mapElements(emit, {x, alongRows(emit, mean, axes), alongRows(emit, inverse, axes)},
                                 Emitter::elementType(x),
                                 [](Scalars &s, ValueRange v) { return s.mul(s.sub(v[0], v[1]), v[2]); }));
}

static LogicalResult lowerLpNormalization(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), wide = accumulatorType(element);
  FailureOr<int64_t> axis = node.getAxis("axis", -1, Emitter::rank(x));
  if (failed(axis))
    return failure();
  int64_t p = node.getInt("p", 2);
  if (p != 1 && p != 2)
    return node.refuse("p is " + Twine(p) + ", expected 1 or 2");
  Value sum = foldElements(emit, x, {}, *axis, emit.constant(wide, 0.0), [&](Scalars &s, Value acc, ValueRange v) {
    Value y = s.widen(v[0]);
    return accumulateSum(s, acc, p == 1 ? s.abs(y) : s.mul(y, y));
  });
  return node.finish(mapElements(emit, {x, alongRows(emit, sum, *axis)}, element, [&](Scalars &s, ValueRange v) {
    Value zero = s.constant(wide, 0.0), norm = p == 1 ? v[1] : s.sqrt(v[1]);
    return s.select(s.equal(v[1], zero), zero, s.div(v[0], norm));
  }));
}

static LogicalResult lowerLRN(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), wide = accumulatorType(element);
  int64_t rank = Emitter::rank(x), size = node.getInt("size", 1);
  if (rank < 2)
    return node.refuse("its input has rank " + Twine(rank) + ", expected at least 2");
  if (size < 1)
    return node.refuse("size is " + Twine(size) + ", expected at least 1");
  double alpha = node.getFloat("alpha", 1e-4), beta = node.getFloat("beta", 0.75), bias = node.getFloat("bias", 1.0);
  Value squares = mapElements(emit, x, wide, [](Scalars &s, ValueRange v) { return s.mul(v[0], v[0]); });
  // The window reaches (size - 1) / 2 channels down and size / 2 up; beyond the ends there are zeros.
  Dims low(rank, emit.getIndexAttr(0)), high(rank, emit.getIndexAttr(0)), dims = emit.dims(x);
  low[1] = emit.getIndexAttr((size - 1) / 2);
  high[1] = emit.getIndexAttr(size / 2);
  Value padded = emit.pad(squares, low, high, emit.constant(wide, 0.0));
  // sums[n, c, ...] = sum over k of padded[n, c + k, ...]; an unused operand says how far k goes.
  MLIRContext *context = emit.getContext();
  Value window = emit.empty(Dims{emit.getIndexAttr(size)}, wide);
  SmallVector<AffineExpr> at;
  for (int64_t axis = 0; axis < rank; ++axis)
    at.push_back(emit.getAffineDimExpr(axis));
  at[1] = at[1] + emit.getAffineDimExpr(rank);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(rank + 1, context);
  Value zeros = emit.empty(dims, wide);
  zeros = emit.withDims(linalg::FillOp::create(emit, emit.constant(wide, 0.0), zeros).getResult(0), dims);
  Value sums =
      emit.generic({padded, window}, {AffineMap::get(rank + 1, 0, at, context), identity.getSubMap(rank)}, zeros,
                   identity.getMajorSubMap(rank), iterators, [](OpBuilder &b, Location loc, ValueRange v) {
                     Scalars s(b, loc);
                     return accumulateSum(s, v[2], v[0]);
                   });
  return node.finish(mapElements(emit, {x, sums}, element, [&](Scalars &s, ValueRange v) {
    Value base = s.add(s.mul(v[1], alpha / static_cast<double>(size)), bias);
    if (beta == 0.75) {
      Value root = s.sqrt(base);
      return s.div(v[0], s.mul(root, s.sqrt(root)));
    }
    return s.div(v[0], s.make<math::PowFOp>(base, s.constant(wide, beta)));
  }));
}

/// Does nothing, as models that are compiled are not trained.
static LogicalResult lowerDropout(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  if (node.hasInput(2)) {
    std::optional<double> training = node.constantNumber(2), ratio = node.constantNumber(1);
    double knownRatio = ratio.value_or(node.hasInput(1) ? -1.0 : 0.5);
    if (training && *training != 0.0 && knownRatio > 0.0)
      return node.refuse("training_mode is true: random numbers are not supported");
    if (!(training && *training == 0.0) && knownRatio != 0.0) {
      Scalars s(emit, emit.getLoc());
      Value idle = s.negate(emit.scalar(node.input(2)));
      if (node.hasInput(1)) {
        Value given = emit.scalar(node.input(1));
        idle = s.either(idle, s.equal(given, s.constant(given.getType(), 0.0)));
      }
      node.require(idle, "training_mode is true and ratio is not zero: random numbers are not supported");
    }
  }
  node.setOutput(0, x);
  if (node.wantsOutput(1)) {
    Type mask = node.outputElementType(1);
    node.setOutput(1, emit.fill(emit.dims(x), emit.constant(mask, 1)));
  }
  return success();
}

void mlir::ac::populateNormalizationLowerings(LoweringTable &table) {
  table.add("LayerNormalization", lowerLayerNormalization);
  table.add("RMSNormalization", lowerRMSNormalization);
  table.add("BatchNormalization", lowerBatchNormalization);
  table.add("InstanceNormalization", lowerInstanceNormalization);
  table.add("GroupNormalization", lowerGroupNormalization);
  table.add("MeanVarianceNormalization", lowerMeanVarianceNormalization);
  table.add("LpNormalization", lowerLpNormalization);
  table.add("LRN", lowerLRN);
  table.add("Dropout", lowerDropout);
}
