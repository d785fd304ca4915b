//===- Slicing.cpp - Tensors cut, joined and padded -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include <limits>

using namespace mlir;
using namespace mlir::ac;

/// The part at `offsets`; scalars where the tensor is made of scalars.
static Value cut(Emitter &emit, Value data, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                 ArrayRef<OpFoldResult> strides) {
  bool whole = Emitter::same(emit.dims(data), sizes);
  for (auto [offset, stride] : llvm::zip_equal(offsets, strides))
    whole &= getConstantIntValue(offset) == 0 && Emitter::isOne(stride);
  if (whole)
    return data;
  std::optional<SmallVector<int64_t>> from = getConstantIntValues(offsets), step = getConstantIntValues(strides);
  if (from && step)
    if (Value picked = pick(emit, data, sizes, [&](ArrayRef<int64_t> at) {
          SmallVector<int64_t> source;
          for (auto [d, i] : llvm::enumerate(at))
            source.push_back((*from)[d] + i * (*step)[d]);
          return source;
        }))
      return picked;
  return emit.slice(data, offsets, sizes, strides);
}

static Value cut(Emitter &emit, Value data, int64_t axis, OpFoldResult begin, OpFoldResult size) {
  Dims sizes = emit.dims(data), offsets(sizes.size(), emit.dimension(0)), strides(sizes.size(), emit.dimension(1));
  offsets[axis] = begin;
  sizes[axis] = size;
  return cut(emit, data, offsets, sizes, strides);
}

//===--- Concat and Split ------------------------------------------------------===//

/// Vectors of integers of which some elements are known (shapes) are joined element by element.
static Value concatElements(Emitter &emit, ArrayRef<Value> parts) {
  int64_t length = 0;
  for (Value part : parts) {
    RankedTensorType type = Emitter::type(part);
    if (type.getRank() != 1 || !type.hasStaticShape())
      return {};
    length += type.getNumElements();
  }
  auto known = [](Value part) { return Emitter::isElementwiseKnown(part); };
  if (length > 64 ||
      !(isa<IntegerType>(Emitter::elementType(parts[0])) ? llvm::any_of(parts, known) : llvm::all_of(parts, known)))
    return {};
  SmallVector<Value> elements;
  for (Value part : parts)
    llvm::append_range(elements, emit.elements(part));
  return emit.fromElements({length}, Emitter::elementType(parts[0]), elements);
}

static LogicalResult lowerConcat(Node &node) {
  Emitter &emit = node.emit;
  SmallVector<Value> parts = node.inputs();
  int64_t rank = Emitter::rank(parts.front());
  FailureOr<int64_t> axis = node.getAxis("axis", 1, rank);
  if (failed(axis))
    return failure();
  for (Value part : parts)
    if (Emitter::rank(part) != rank)
      return node.refuse("inputs of rank " + Twine(rank) + " and " + Twine(Emitter::rank(part)));
  Dims first = emit.dims(parts.front());
  for (Value part : parts)
    for (int64_t d = 0; d < rank; ++d)
      if (d != *axis &&
          failed(requireSame(node, first[d], emit.dim(part, d), "inputs differ in dimension " + Twine(d))))
        return failure();
  SmallVector<Value> filled;
  for (Value part : parts)
    if (getConstantIntValue(emit.dim(part, *axis)) != 0)
      filled.push_back(part);
  if (filled.empty())
    return node.finish(parts.front());
  if (filled.size() == 1)
    return node.finish(filled.front());
  if (Value joined = concatElements(emit, filled))
    return node.finish(joined);
  return node.finish(emit.concat(filled, *axis));
}

static LogicalResult lowerSplit(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  FailureOr<int64_t> axis = node.getAxis("axis", 0, Emitter::rank(data));
  if (failed(axis))
    return failure();
  OpFoldResult whole = emit.dim(data, *axis), begin = emit.dimension(0);
  int64_t count = node.numOutputs();
  FailureOr<std::optional<Dims>> given = vectorAttributeOrInput(node, "split", 1);
  if (failed(given))
    return failure();
  Dims sizes;
  if (*given) {
    sizes = **given;
    if (static_cast<int64_t>(sizes.size()) != count)
      return node.refuse(Twine(sizes.size()) + " sizes for " + Twine(count) + " outputs");
    IndexMath math(emit);
    OpFoldResult sum = emit.dimension(0);
    for (OpFoldResult size : sizes) {
      if (!isNonNegative(size)) {
        if (getConstantIntValue(size))
          return node.refuse("a size is negative");
        requireUnlessKnown(node, math.lessOrEqual(math.index(0), emit.asValue(size)), "a size is negative");
      }
      sum = emit.add(sum, size);
    }
    if (failed(requireSame(node, sum, whole, "the sizes do not add up to dimension " + Twine(*axis))))
      return failure();
  } else {
    // Equal parts; with `num_outputs` the last ones may be smaller.
    OpFoldResult part = emit.ceilDiv(whole, emit.dimension(count));
    if (node.has("num_outputs")) {
      for (int64_t i = 0; i + 1 < count; ++i) {
        sizes.push_back(i == 0 ? part : emit.min(part, emit.sub(whole, emit.min(whole, begin))));
        begin = emit.add(begin, part);
      }
      sizes.push_back(emit.sub(whole, emit.min(whole, begin)));
      begin = emit.dimension(0);
    } else {
      sizes.assign(count, part);
      if (failed(requireSame(node, emit.mul(part, emit.dimension(count)), whole,
                             "dimension " + Twine(*axis) + " does not split into equal parts")))
        return failure();
    }
  }
  SmallVector<Value> parts;
  for (OpFoldResult size : sizes) {
    parts.push_back(cut(emit, data, *axis, emit.min(begin, whole), size));
    begin = emit.add(begin, size);
  }
  return node.finish(parts);
}

//===--- Slice -----------------------------------------------------------------===//

/// Beyond this, the standard says, an end means "to the end, however far that is".
static constexpr int64_t endless = std::numeric_limits<int32_t>::max();

/// A start or end counted from the front; it may still be out of bounds.
static OpFoldResult fromFront(Emitter &emit, OpFoldResult at, OpFoldResult size) {
  if (isNonNegative(at))
    return at;
  if (getConstantIntValue(at))
    return emit.add(size, at);
  IndexMath math(emit);
  return choose(emit, math.less(emit.asValue(at), math.index(0)), emit.add(at, size), at);
}

/// For a positive step: into [0, size].
static OpFoldResult boundForward(Emitter &emit, OpFoldResult at, OpFoldResult size) {
  std::optional<int64_t> constant = getConstantIntValue(at);
  if (constant == 0 || constant.value_or(0) <= -endless)
    return emit.dimension(0);
  if (constant.value_or(0) >= endless)
    return size;
  bool counted = constant.value_or(0) < 0; // from the end: cannot be beyond it
  OpFoldResult front = fromFront(emit, at, size);
  if (!counted)
    front = emit.min(front, size);
  return isNonNegative(front) ? front : emit.max(front, emit.dimension(0));
}

static Range forwardRange(Emitter &emit, OpFoldResult start, OpFoldResult end, OpFoldResult step, OpFoldResult size) {
  OpFoldResult begin = boundForward(emit, start, size), stop = boundForward(emit, end, size);
  OpFoldResult length = emit.sub(stop, begin);
  if (getConstantIntValue(begin) != 0 && !Emitter::same(stop, size) && !isNonNegative(length))
    length = emit.max(length, emit.dimension(0));
  return {begin, emit.ceilDiv(length, step), step};
}

/// A step that is negative, or of a sign that only the run tells.
static Range anyRange(Emitter &emit, OpFoldResult start, OpFoldResult end, OpFoldResult step, OpFoldResult size) {
  OpFoldResult zero = emit.dimension(0), one = emit.dimension(1), last = emit.sub(size, one);
  auto constantOr = [](OpFoldResult value, int64_t otherwise) {
    return getConstantIntValue(value).value_or(otherwise);
  };
  if (constantOr(step, 0) == -1 && (constantOr(start, 0) == -1 || constantOr(start, 0) >= endless) &&
      constantOr(end, 0) <= -endless)
    return {last, size, step};
  IndexMath math(emit);
  Value forward = math.less(math.index(0), emit.asValue(step));
  OpFoldResult upper = choose(emit, forward, size, last);
  // On an empty dimension `last` is -1, which leaves both bounds there and the range empty.
  OpFoldResult begin = emit.min(emit.max(fromFront(emit, start, size), zero), upper);
  OpFoldResult lower = choose(emit, forward, zero, emit.dimension(-1));
  OpFoldResult stop = emit.min(emit.max(fromFront(emit, end, size), lower), upper);
  OpFoldResult distance = choose(emit, forward, emit.sub(stop, begin), emit.sub(begin, stop));
  OpFoldResult stride = choose(emit, forward, step, emit.sub(zero, step));
  return {begin, emit.ceilDiv(emit.max(distance, zero), stride), step};
}

static LogicalResult lowerSlice(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data);
  int64_t rank = dims.size();
  FailureOr<std::optional<Dims>> starts = vectorAttributeOrInput(node, "starts", 1),
                                 ends = vectorAttributeOrInput(node, "ends", 2),
                                 axes = vectorAttributeOrInput(node, "axes", 3),
                                 steps = vectorAttributeOrInput(node, "steps", 4);
  if (failed(starts) || failed(ends) || failed(axes) || failed(steps))
    return failure();
  if (!*starts || !*ends)
    return node.refuse("starts or ends are missing");
  if (!*axes) {
    Dims all;
    for (size_t d = 0; d < (**starts).size(); ++d)
      all.push_back(emit.dimension(d));
    *axes = all;
  }
  // A step beyond these bounds takes one element just as well, and cannot overflow.
  constexpr int64_t longest = int64_t(1) << 62;
  Dims strides(*steps ? **steps : Dims((**axes).size(), emit.dimension(1)));
  IndexMath math(emit);
  for (OpFoldResult &step : strides) {
    if (getConstantIntValue(step) == 0)
      return node.refuse("a step is zero");
    if (!getConstantIntValue(step))
      node.require(math.compare(arith::CmpIPredicate::ne, emit.asValue(step), math.index(0)), "a step is zero");
    step = emit.max(emit.min(step, emit.dimension(longest)), emit.dimension(-longest));
  }
  Dims zeros(rank, emit.dimension(0)), ones(rank, emit.dimension(1));
  FailureOr<Dims> start = scatterToAxes(node, **axes, **starts, zeros), end = scatterToAxes(node, **axes, **ends, dims),
                  step = scatterToAxes(node, **axes, strides, ones);
  if (failed(start) || failed(end) || failed(step))
    return failure();

  Dims offsets, sizes, jumps;
  bool forward = true;
  for (int64_t d = 0; d < rank; ++d) {
    bool ahead = getConstantIntValue((*step)[d]).value_or(-1) > 0;
    Range range = (ahead ? forwardRange : anyRange)(emit, (*start)[d], (*end)[d], (*step)[d], dims[d]);
    forward &= ahead;
    offsets.push_back(range.offset);
    sizes.push_back(range.size);
    jumps.push_back(range.stride);
  }
  if (forward)
    return node.finish(cut(emit, data, offsets, sizes, jumps));
  std::optional<SmallVector<int64_t>> from = getConstantIntValues(offsets), jump = getConstantIntValues(jumps);
  if (from && jump)
    if (Value picked = pick(emit, data, sizes, [&](ArrayRef<int64_t> at) {
          SmallVector<int64_t> source;
          for (auto [d, i] : llvm::enumerate(at))
            source.push_back((*from)[d] + i * (*jump)[d]);
          return source;
        }))
      return node.finish(picked);
  SmallVector<Value> origin = asValues(emit, offsets), stride = asValues(emit, jumps);
  return node.finish(emit.tabulate(sizes, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source;
    for (auto [d, i] : llvm::enumerate(at))
      source.push_back(math.add(origin[d], math.mul(i, stride[d])));
    return math.load(data, source);
  }));
}

//===--- Pad ---------------------------------------------------------------------===//

/// The position in a dimension of `size` that position `i` of the padded one, `low` elements in front, repeats.
static Value paddingSource(IndexMath &math, StringRef mode, Value i, Value low, Value size) {
  Value at = math.sub(i, low), one = math.index(1);
  if (mode == "edge")
    return math.clamp(at, size);
  if (mode == "wrap")
    return math.floorMod(at, math.max(size, one));
  // Reflection without repeating the border: forth and back in a period of 2 (size - 1).
  Value last = math.sub(size, one), period = math.max(math.mul(last, math.index(2)), one);
  Value phase = math.floorMod(at, period);
  return math.select(math.less(last, phase), math.sub(period, phase), phase);
}

static LogicalResult lowerPad(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  int64_t rank = Emitter::rank(data);
  StringRef mode = node.getString("mode", "constant");
  if (!llvm::is_contained({"constant", "reflect", "edge", "wrap"}, mode))
    return node.refuse("mode `" + mode + "` is not known");
  FailureOr<std::optional<Dims>> pads = vectorAttributeOrInput(node, "pads", 1),
                                 axes = vectorAttributeOrInput(node, "axes", 3);
  if (failed(pads) || failed(axes))
    return failure();
  if (!*pads)
    return node.refuse("the pads are missing");
  if (!*axes) {
    Dims all;
    for (int64_t d = 0; d < rank; ++d)
      all.push_back(emit.dimension(d));
    *axes = all;
  }
  size_t padded = (**axes).size();
  if ((**pads).size() != 2 * padded)
    return node.refuse(Twine((**pads).size()) + " pads for " + Twine(padded) + " axes");
  Dims zeros(rank, emit.dimension(0)), ones(rank, emit.dimension(1));
  FailureOr<Dims> before = scatterToAxes(node, **axes, ArrayRef<OpFoldResult>(**pads).take_front(padded), zeros),
                  after = scatterToAxes(node, **axes, ArrayRef<OpFoldResult>(**pads).drop_front(padded), zeros);
  if (failed(before) || failed(after))
    return failure();

  // Negative pads cut; what is left is padded.
  Dims low, high, skipped, sizes, result;
  IndexMath math(emit);
  OpFoldResult zero = emit.dimension(0);
  for (auto [d, size] : llvm::enumerate(emit.dims(data))) {
    auto positive = [&](OpFoldResult n) { return isNonNegative(n) ? n : emit.max(n, zero); };
    auto negated = [&](OpFoldResult n) { return isNonNegative(n) ? zero : emit.max(emit.sub(zero, n), zero); };
    low.push_back(positive((*before)[d]));
    high.push_back(positive((*after)[d]));
    skipped.push_back(negated((*before)[d]));
    OpFoldResult dropped = emit.add(skipped.back(), negated((*after)[d]));
    sizes.push_back(emit.sub(size, dropped));
    if (getConstantIntValue(dropped) != 0)
      requireUnlessKnown(node, math.lessOrEqual(emit.asValue(dropped), emit.asValue(size)),
                         "negative pads cut more than there is");
    result.push_back(emit.add(emit.add(sizes.back(), low.back()), high.back()));
  }
  Value kept = cut(emit, data, skipped, sizes, ones);
  if (mode == "constant") {
    Value value = node.hasInput(2) ? emit.scalar(node.input(2))
                                   : emit.constant(Emitter::elementType(data), node.getFloat("value", 0.0));
    return node.finish(emit.pad(kept, low, high, value));
  }
  if (Emitter::same(sizes, result))
    return node.finish(kept);
  for (auto [size, length] : llvm::zip_equal(sizes, result))
    if (!Emitter::same(size, length))
      requirePositions(node, size, result);
  // The sources of each padded dimension are worked out once, not again for every element.
  SmallVector<Value> sources(rank);
  for (int64_t d = 0; d < rank; ++d) {
    if (Emitter::same(sizes[d], result[d]))
      continue;
    Value front = emit.asValue(low[d]), size = emit.asValue(sizes[d]);
    sources[d] = emit.tabulate(result[d], emit.getI64Type(), [&](OpBuilder &b, Location loc, ValueRange at) {
      IndexMath math(b, loc);
      return math.toInteger(paddingSource(math, mode, at[0], front, size), b.getI64Type());
    });
  }
  return node.finish(emit.tabulate(result, Emitter::elementType(data), [&](OpBuilder &b, Location loc, ValueRange at) {
    IndexMath math(b, loc);
    SmallVector<Value> source(at);
    for (int64_t d = 0; d < rank; ++d)
      if (sources[d])
        source[d] = math.toIndex(math.load(sources[d], at[d]));
    return math.load(kept, source);
  }));
}

static LogicalResult lowerCenterCropPad(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data), axes;
  if (auto given = node.getInts("axes")) {
    axes = llvm::map_to_vector(*given, [&](int64_t axis) { return emit.dimension(axis); });
  } else {
    for (size_t d = 0; d < dims.size(); ++d)
      axes.push_back(emit.dimension(d));
  }
  FailureOr<Dims> shape = vectorInput(node, 1, axes.size());
  if (failed(shape))
    return failure();
  FailureOr<Dims> wanted = scatterToAxes(node, axes, *shape, dims);
  if (failed(wanted))
    return failure();
  Dims offsets, sizes, low, high, ones(dims.size(), emit.dimension(1));
  OpFoldResult zero = emit.dimension(0), two = emit.dimension(2);
  IndexMath math(emit);
  for (auto [size, target] : llvm::zip_equal(dims, *wanted)) {
    if (!isNonNegative(target))
      requireUnlessKnown(node, math.lessOrEqual(math.index(0), emit.asValue(target)), "a target size is negative");
    OpFoldResult surplus = emit.max(emit.sub(size, target), zero), lack = emit.max(emit.sub(target, size), zero);
    offsets.push_back(emit.floorDiv(surplus, two));
    sizes.push_back(emit.min(size, target));
    low.push_back(emit.floorDiv(lack, two));
    high.push_back(emit.sub(lack, low.back()));
  }
  Value kept = cut(emit, data, offsets, sizes, ones);
  return node.finish(emit.pad(kept, low, high, emit.constant(Emitter::elementType(data), 0)));
}

void ac::populateSlicingLowerings(LoweringTable &table) {
  table.add("Concat", lowerConcat);
  table.add("Split", lowerSplit);
  table.add("Slice", lowerSlice);
  table.add("Pad", lowerPad);
  table.add("CenterCropPad", lowerCenterCropPad);
}
