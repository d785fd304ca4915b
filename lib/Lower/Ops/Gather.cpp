//===- Gather.cpp - Reading elements at computed positions ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Negative positions count from the end. A position that is out of range is an error of the model: it is reported where
// it is known while compiling or stands alone, and clamped in the bodies of loops (see `IndexMath::position`).
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"

using namespace mlir;
using namespace mlir::ac;

//===--- Gather ------------------------------------------------------------------===//

/// Known positions, counted from the front; refuses the node if one is out of range of a constant size. Nothing if the
/// size is not constant and one of them is negative.
static FailureOr<std::optional<SmallVector<int64_t>>> fromFront(const Node &node, SmallVector<int64_t> positions,
                                                                OpFoldResult size) {
  std::optional<int64_t> constant = getConstantIntValue(size);
  bool resolved = true;
  for (int64_t &position : positions) {
    if (constant && (position < -*constant || position >= *constant))
      return node.refuse("index " + Twine(position) + " is out of range for a dimension of size " + Twine(*constant));
    if (position < 0 && constant)
      position += *constant;
    resolved &= position >= 0;
  }
  if (!resolved)
    return std::optional<SmallVector<int64_t>>();
  return std::optional(std::move(positions));
}

/// The slice of size one at a position.
static Value gatherOne(Node &node, Value data, int64_t axis, OpFoldResult position) {
  Emitter &emit = node.emit;
  OpFoldResult size = emit.dim(data, axis);
  IndexMath math(emit);
  std::optional<int64_t> constant = getConstantIntValue(position);
  if (constant && *constant < 0)
    position = emit.add(size, position);
  else if (!isNonNegative(position))
    position = choose(emit, math.less(emit.asValue(position), math.index(0)), emit.add(position, size), position);
  if (!getConstantIntValue(size) || !getConstantIntValue(position)) {
    Value at = emit.asValue(position);
    Value inside = math.both(math.lessOrEqual(math.index(0), at), math.less(at, emit.asValue(size)));
    requireUnlessKnown(node, inside, "the index is out of range");
  }
  return emit.slice(data, axis, position, emit.dimension(1));
}

static LogicalResult lowerGather(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1);
  int64_t rank = Emitter::rank(data), indexRank = Emitter::rank(indices);
  FailureOr<int64_t> normalAxis = node.getAxis("axis", 0, rank);
  if (failed(normalAxis))
    return failure();
  int64_t axis = *normalAxis;
  Dims dims = emit.dims(data), indexDims = emit.dims(indices);
  OpFoldResult size = dims[axis];
  Dims result(dims.begin(), dims.begin() + axis);
  llvm::append_range(result, indexDims);
  result.append(dims.begin() + axis + 1, dims.end());

  std::optional<SmallVector<int64_t>> known = node.constantInts(1);
  if (known) {
    FailureOr<std::optional<SmallVector<int64_t>>> front = fromFront(node, *known, size);
    if (failed(front))
      return failure();
    if (*front) {
      Value picked = pick(emit, data, result, [&](ArrayRef<int64_t> at) {
        SmallVector<int64_t> source(at.take_front(axis));
        int64_t flat = 0;
        for (int64_t d = 0; d < indexRank; ++d)
          flat = flat * Emitter::type(indices).getDimSize(d) + at[axis + d];
        source.push_back((**front)[flat]);
        source.append(at.begin() + axis + indexRank, at.end());
        return source;
      });
      if (picked)
        return node.finish(picked);
    }
    // Evenly spaced: a slice.
    if (*front && (*front)->size() > 1) {
      ArrayRef<int64_t> positions(**front);
      int64_t step = positions[1] - positions[0];
      bool even = step > 0;
      for (size_t i = 1; i < positions.size(); ++i)
        even &= positions[i] - positions[i - 1] == step;
      if (even) {
        IndexMath math(emit);
        requireUnlessKnown(node, math.less(math.index(positions.back()), emit.asValue(size)),
                           "index " + Twine(positions.back()) + " is out of range");
        Dims offsets(rank, emit.dimension(0)), sizes(dims), strides(rank, emit.dimension(1));
        offsets[axis] = emit.dimension(positions.front());
        sizes[axis] = emit.dimension(positions.size());
        strides[axis] = emit.dimension(step);
        return node.finish(emit.reshape(emit.slice(data, offsets, sizes, strides), result));
      }
    }
  }
  if (constantProduct(indexDims) == 1)
    return node.finish(emit.reshape(gatherOne(node, data, axis, emit.asDimension(emit.scalar(indices))), result));

  requirePositions(node, size, result);
  requireInside(node, indices, size);
  Value sizeValue = emit.asValue(size);
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at.take_front(axis));
    source.push_back(math.position(math.load(indices, at.slice(axis, indexRank)), sizeValue));
    llvm::append_range(source, at.drop_front(axis + indexRank));
    return math.load(data, source);
  }));
}

//===--- GatherElements and GatherND ---------------------------------------------===//

static LogicalResult lowerGatherElements(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1);
  int64_t rank = Emitter::rank(data);
  if (Emitter::rank(indices) != rank)
    return node.refuse("data of rank " + Twine(rank) + " and indices of rank " + Twine(Emitter::rank(indices)));
  FailureOr<int64_t> axis = node.getAxis("axis", 0, rank);
  if (failed(axis))
    return failure();
  Dims dims = emit.dims(data), result = emit.dims(indices);
  IndexMath math(emit);
  for (int64_t d = 0; d < rank; ++d)
    if (d != *axis && !Emitter::same(dims[d], result[d]))
      requireUnlessKnown(node, math.lessOrEqual(emit.asValue(result[d]), emit.asValue(dims[d])),
                         "the indices are larger than the data in dimension " + Twine(d));
  requirePositions(node, dims[*axis], result);
  requireInside(node, indices, dims[*axis]);
  Value size = emit.asValue(dims[*axis]);
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at);
    source[*axis] = math.position(math.load(indices, at), size);
    return math.load(data, source);
  }));
}

static LogicalResult lowerGatherND(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1);
  int64_t rank = Emitter::rank(data), indexRank = Emitter::rank(indices), batch = node.getInt("batch_dims", 0);
  if (rank < 1 || indexRank < 1 || batch < 0 || batch >= std::min(rank, indexRank))
    return node.refuse("batch_dims " + Twine(batch) + " for data of rank " + Twine(rank) + " and indices of rank " +
                       Twine(indexRank));
  Dims dims = emit.dims(data), indexDims = emit.dims(indices);
  std::optional<int64_t> tuple = getConstantIntValue(indexDims.back());
  if (!tuple)
    return node.refuse("the last dimension of the indices is not known while compiling, and with it the rank of the "
                       "result");
  if (*tuple < 1 || batch + *tuple > rank)
    return node.refuse("index tuples of " + Twine(*tuple) + " for data of rank " + Twine(rank) + " with " +
                       Twine(batch) + " batch dimensions");
  for (int64_t d = 0; d < batch; ++d)
    if (failed(requireSame(node, dims[d], indexDims[d], "data and indices differ in batch dimension " + Twine(d))))
      return failure();
  Dims result(indexDims.begin(), indexDims.end() - 1);
  result.append(dims.begin() + batch + *tuple, dims.end());
  for (int64_t k = 0; k < *tuple; ++k) {
    requirePositions(node, dims[batch + k], result);
    requireInside(node, indices, dims[batch + k], k);
  }

  std::optional<SmallVector<int64_t>> known = node.constantInts(1);
  if (known && batch == 0 && *tuple == 1) {
    FailureOr<std::optional<SmallVector<int64_t>>> front = fromFront(node, *known, dims[0]);
    if (failed(front))
      return failure();
    if (*front) {
      Value picked = pick(emit, data, result, [&](ArrayRef<int64_t> at) {
        int64_t flat = 0;
        for (int64_t d = 0; d < indexRank - 1; ++d)
          flat = flat * Emitter::type(indices).getDimSize(d) + at[d];
        SmallVector<int64_t> source{(**front)[flat]};
        source.append(at.begin() + indexRank - 1, at.end());
        return source;
      });
      if (picked)
        return node.finish(picked);
    }
  }
  SmallVector<Value> sizes = asValues(emit, dims);
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at.take_front(batch)), place(at.take_front(indexRank - 1));
    place.push_back({});
    for (int64_t k = 0; k < *tuple; ++k) {
      place.back() = math.index(k);
      source.push_back(math.position(math.load(indices, place), sizes[batch + k]));
    }
    llvm::append_range(source, at.drop_front(indexRank - 1));
    return math.load(data, source);
  }));
}

//===--- OneHot and ReverseSequence ----------------------------------------------===//

static LogicalResult lowerOneHot(Node &node) {
  Emitter &emit = node.emit;
  Value indices = node.input(0), values = node.input(2);
  FailureOr<int64_t> axis = node.getAxis("axis", -1, Emitter::rank(indices) + 1);
  if (failed(axis))
    return failure();
  if (Emitter::rank(values) != 1)
    return node.refuse("values of rank " + Twine(Emitter::rank(values)) + ", expected the two numbers off and on");
  if (failed(requireSame(node, emit.dim(values, 0), emit.dimension(2), "the values must be two: off and on")))
    return failure();
  Type i64 = emit.getI64Type();
  OpFoldResult depth = emit.asDimension(
      Emitter::convertScalar(emit, emit.getLoc(), emit.scalar(node.input(1)), i64, node.isUnsigned(1)));
  IndexMath math(emit);
  if (!isNonNegative(depth)) {
    if (getConstantIntValue(depth))
      return node.refuse("the depth is negative");
    requireUnlessKnown(node, math.lessOrEqual(math.index(0), emit.asValue(depth)), "the depth is negative");
  }
  Value off, on;
  if (Emitter::isElementwiseKnown(values)) {
    SmallVector<Value> both = emit.elements(values);
    off = both[0], on = both[1];
  } else {
    off = math.load(values, math.index(0)), on = math.load(values, math.index(1));
  }
  Dims result = emit.dims(indices);
  result.insert(result.begin() + *axis, depth);
  Value depthValue = emit.asValue(depth);
  bool isUnsigned = node.isUnsigned(0);
  // What is out of [-depth, depth) meets no position: the row is off.
  return node.finish(emit.tabulate(result, off.getType(), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at);
    source.erase(source.begin() + *axis);
    Value index = math.toIndex(Emitter::convertScalar(b, loc, math.load(indices, source), i64, isUnsigned));
    Value wrapped = math.select(math.less(index, math.index(0)), math.add(index, depthValue), index);
    return math.select(math.equal(wrapped, at[*axis]), on, off);
  }));
}

static LogicalResult lowerReverseSequence(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), lengths = node.input(1);
  int64_t rank = Emitter::rank(data);
  FailureOr<int64_t> batch = node.getAxis("batch_axis", 1, rank), time = node.getAxis("time_axis", 0, rank);
  if (failed(batch) || failed(time))
    return failure();
  if (*batch == *time || Emitter::rank(lengths) != 1)
    return node.refuse("batch_axis and time_axis are both " + Twine(*time) + ", or the lengths are no vector");
  Dims dims = emit.dims(data);
  if (failed(requireSame(node, emit.dim(lengths, 0), dims[*batch], "there must be a length for every batch entry")))
    return failure();
  Value steps = emit.asValue(dims[*time]);
  return node.finish(emit.tabulate(dims, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    // A length beyond the end is clamped to it.
    Value length = math.min(math.toIndex(math.load(lengths, at[*batch])), steps);
    Value mirrored = math.sub(math.sub(length, math.index(1)), at[*time]);
    SmallVector<Value> source(at);
    source[*time] = math.select(math.less(at[*time], length), mirrored, at[*time]);
    return math.load(data, source);
  }));
}

/// `ai.onnx.ml`: columns of the last dimension.
static LogicalResult lowerArrayFeatureExtractor(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1);
  Dims result = emit.dims(data);
  if (result.empty())
    return node.refuse("data of rank 0");
  OpFoldResult size = result.back(), count = emit.numElements(indices);
  Value flat = emit.reshape(indices, count);
  result.back() = count;
  if (result.size() == 1)
    result.insert(result.begin(), emit.dimension(1));
  requirePositions(node, size, result);
  Value sizeValue = emit.asValue(size);
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at.take_back(Emitter::rank(data)));
    source.back() = math.position(math.load(flat, at.back()), sizeValue);
    return math.load(data, source);
  }));
}

void ac::populateGatherLowerings(LoweringTable &table) {
  table.add("Gather", lowerGather);
  table.add("GatherElements", lowerGatherElements);
  table.add("GatherND", lowerGatherND);
  table.add("OneHot", lowerOneHot);
  table.add("ReverseSequence", lowerReverseSequence);
  table.add("ml.ArrayFeatureExtractor", lowerArrayFeatureExtractor);
}
