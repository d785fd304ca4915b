//===- Shape.cpp - Operators that only rearrange elements -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shapes read as data, and tensors whose elements keep their values and change their places.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "llvm/ADT/SmallSet.h"
#include <numeric>

using namespace mlir;
using namespace mlir::ac;

//===--- Shapes as data ------------------------------------------------------===//

static LogicalResult lowerShape(Node &node) {
  Emitter &emit = node.emit;
  Dims dims = emit.dims(node.input(0));
  int64_t rank = dims.size();
  auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  int64_t start = bound(node.getInt("start", 0)), end = std::max(start, bound(node.getInt("end", rank)));
  SmallVector<Value> sizes;
  for (int64_t d = start; d < end; ++d)
    sizes.push_back(emit.asInteger(dims[d], emit.getI64Type()));
  return node.finish(emit.fromElements({end - start}, emit.getI64Type(), sizes));
}

static LogicalResult lowerSize(Node &node) {
  Emitter &emit = node.emit;
  Value count = emit.asInteger(emit.numElements(node.input(0)), emit.getI64Type());
  return node.finish(emit.fromElements({}, emit.getI64Type(), count));
}

static LogicalResult lowerIdentity(Node &node) { return node.finish(node.input(0)); }

//===--- Reshape ---------------------------------------------------------------===//

/// Zero stands for the input's size at the same place (unless `allowzero`), and -1 for what is left over. A size that
/// is computed from other sizes is taken as it is: there, zero means that there are no rows.
static LogicalResult lowerReshape(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims from = emit.dims(data);
  std::optional<int64_t> resultRank;
  if (auto inferred = dyn_cast<RankedTensorType>(node.op->getResult(0).getType()))
    resultRank = inferred.getRank();
  Dims wanted;
  if (auto attribute = node.getInts("shape")) {
    for (int64_t size : *attribute)
      wanted.push_back(emit.dimension(size));
  } else {
    FailureOr<Dims> input = vectorInput(node, 1, resultRank);
    if (failed(input))
      return failure();
    wanted = std::move(*input);
  }

  bool zeroCopies = node.getInt("allowzero", 0) == 0;
  IndexMath math(emit);
  std::optional<size_t> rest;  // the place of a constant -1
  SmallVector<size_t> unknown; // places whose value may be 0 or -1, which only the run tells
  for (auto [i, size] : llvm::enumerate(wanted)) {
    std::optional<int64_t> constant = getConstantIntValue(size);
    if (constant == -1) {
      if (rest)
        return node.refuse("the shape has more than one -1");
      rest = i;
      size = emit.dimension(1);
    } else if (constant && *constant < -1) {
      return node.refuse("the shape has " + Twine(*constant) + " as dimension " + Twine(i));
    } else if (constant == 0 && zeroCopies) {
      if (i >= from.size())
        return node.refuse("dimension " + Twine(i) + " of the shape is 0, which means the input's, but that has rank " +
                           Twine(from.size()));
      size = from[i];
    } else if (!isNonNegative(size)) {
      unknown.push_back(i);
      requireUnlessKnown(node, math.lessOrEqual(math.index(-1), emit.asValue(size)),
                         "dimension " + Twine(i) + " of the shape is less than -1");
      if (zeroCopies && i < from.size())
        size = choose(emit, math.equal(emit.asValue(size), math.index(0)), from[i], size);
    }
  }
  if (rest) {
    wanted[*rest] = emit.quotient(from, wanted);
  } else if (!unknown.empty()) {
    // Any of the unknown ones may turn out to be the -1.
    auto isRest = [&](OpFoldResult size) { return math.equal(emit.asValue(size), math.index(-1)); };
    Dims others = wanted;
    OpFoldResult rests = emit.dimension(0);
    for (size_t i : unknown) {
      others[i] = choose(emit, isRest(wanted[i]), emit.dimension(1), wanted[i]);
      rests = emit.add(rests, choose(emit, isRest(wanted[i]), emit.dimension(1), emit.dimension(0)));
    }
    if (unknown.size() > 1)
      node.require(math.lessOrEqual(emit.asValue(rests), math.index(1)), "the shape has more than one -1");
    OpFoldResult left = emit.floorDiv(emit.numElements(data), emit.max(emit.product(others), emit.dimension(1)));
    for (size_t i : unknown)
      wanted[i] = choose(emit, isRest(wanted[i]), left, wanted[i]);
  }
  std::optional<int64_t> before = constantProduct(from), after = constantProduct(wanted);
  if (before && after && *before != *after)
    return node.refuse("the input has " + Twine(*before) + " elements, the shape asked for " + Twine(*after));
  return node.finish(emit.reshape(data, wanted));
}

static LogicalResult lowerFlatten(Node &node) {
  Emitter &emit = node.emit;
  Dims dims = emit.dims(node.input(0));
  int64_t rank = dims.size(), axis = node.getInt("axis", 1);
  if (axis < -rank || axis > rank)
    return node.refuse("axis " + Twine(axis) + " is out of range for rank " + Twine(rank));
  if (axis < 0)
    axis += rank;
  ArrayRef<OpFoldResult> all(dims);
  OpFoldResult rows = emit.product(all.take_front(axis)), columns = emit.product(all.drop_front(axis));
  return node.finish(emit.reshape(node.input(0), {rows, columns}));
}

namespace {
/// A list of axes, possibly only known at run time, as a statement about each axis: whether it is in the list, and how
/// many axes before it are not.
struct AxisSet {
  SmallVector<Value> contains;
  SmallVector<OpFoldResult> othersBefore;
};
} // namespace

static FailureOr<AxisSet> readAxisSet(const Node &node, ArrayRef<OpFoldResult> axes, int64_t rank) {
  Emitter &emit = node.emit;
  IndexMath math(emit);
  AxisSet set;
  set.contains.assign(rank, math.less(math.index(0), math.index(0)));
  SmallVector<bool> seen(rank, false);
  for (OpFoldResult axis : axes) {
    if (std::optional<int64_t> constant = getConstantIntValue(axis)) {
      FailureOr<int64_t> normal = node.normalizeAxis(*constant, rank);
      if (failed(normal))
        return failure();
      if (std::exchange(seen[*normal], true))
        return node.refuse("axis " + Twine(*normal) + " is given twice");
      axis = emit.dimension(*normal);
    }
    Value wanted = emit.asValue(axis);
    if (!isNonNegative(axis))
      wanted = math.select(math.less(wanted, math.index(0)), math.add(wanted, math.index(rank)), wanted);
    for (int64_t d = 0; d < rank; ++d)
      set.contains[d] = math.either(set.contains[d], math.equal(wanted, math.index(d)));
  }
  OpFoldResult others = emit.dimension(0);
  for (Value contains : set.contains) {
    set.othersBefore.push_back(others);
    others = emit.add(others, choose(emit, contains, emit.dimension(0), emit.dimension(1)));
  }
  Value complete = math.equal(emit.asValue(others), math.index(rank - axes.size()));
  requireUnlessKnown(node, complete, "an axis is out of range or given twice");
  return set;
}

static LogicalResult lowerSqueeze(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data), result;
  FailureOr<std::optional<Dims>> axes = vectorAttributeOrInput(node, "axes", 1);
  if (failed(axes))
    return failure();
  if (!*axes) {
    for (auto [d, size] : llvm::enumerate(dims)) {
      if (!getConstantIntValue(size))
        return node.refuse("without axes, every dimension must be known while compiling, but dimension " + Twine(d) +
                           " is not");
      if (!Emitter::isOne(size))
        result.push_back(size);
    }
    return node.finish(emit.reshape(data, result));
  }
  if ((**axes).size() > dims.size())
    return node.refuse(Twine((**axes).size()) + " axes for rank " + Twine(dims.size()));
  FailureOr<AxisSet> dropped = readAxisSet(node, **axes, dims.size());
  if (failed(dropped))
    return failure();
  IndexMath math(emit);
  OpFoldResult one = emit.dimension(1);
  result.assign(dims.size() - (**axes).size(), one);
  for (auto [d, size] : llvm::enumerate(dims)) {
    Value drop = dropped->contains[d];
    if (failed(requireSame(node, choose(emit, drop, size, one), one, "dimension " + Twine(d) + " is not 1")))
      return failure();
    for (auto [j, kept] : llvm::enumerate(result)) {
      Value here = math.equal(emit.asValue(dropped->othersBefore[d]), math.index(j));
      kept = choose(emit, here, choose(emit, drop, kept, size), kept);
    }
  }
  return node.finish(emit.reshape(data, result));
}

static LogicalResult lowerUnsqueeze(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data), result;
  FailureOr<std::optional<Dims>> axes = vectorAttributeOrInput(node, "axes", 1);
  if (failed(axes))
    return failure();
  if (!*axes)
    return node.refuse("the axes are missing");
  int64_t rank = dims.size() + (**axes).size();
  FailureOr<AxisSet> added = readAxisSet(node, **axes, rank);
  if (failed(added))
    return failure();
  IndexMath math(emit);
  for (int64_t d = 0; d < rank; ++d) {
    OpFoldResult size = emit.dimension(1);
    for (auto [i, own] : llvm::enumerate(dims))
      size = choose(emit, math.equal(emit.asValue(added->othersBefore[d]), math.index(i)), own, size);
    result.push_back(choose(emit, added->contains[d], emit.dimension(1), size));
  }
  return node.finish(emit.reshape(data, result));
}

//===--- Repetition --------------------------------------------------------------===//

static LogicalResult lowerExpand(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  std::optional<int64_t> length;
  if (auto inferred = dyn_cast<RankedTensorType>(node.op->getResult(0).getType()))
    if (inferred.getRank() > Emitter::rank(data))
      length = inferred.getRank();
  FailureOr<Dims> shape = vectorInput(node, 1, length);
  if (failed(shape))
    return failure();
  Dims dims = emit.dims(data), result = std::move(*shape);
  while (result.size() < dims.size())
    result.insert(result.begin(), emit.dimension(1));
  size_t lead = result.size() - dims.size();
  IndexMath math(emit);
  for (auto [d, size] : llvm::enumerate(result)) {
    std::optional<int64_t> constant = getConstantIntValue(size);
    if (constant && *constant < 0)
      return node.refuse("the shape has " + Twine(*constant) + " as dimension " + Twine(d));
    if (!isNonNegative(size))
      requireUnlessKnown(node, math.lessOrEqual(math.index(0), emit.asValue(size)),
                         "dimension " + Twine(d) + " of the shape is negative");
    if (d < lead)
      continue;
    // Either size may be one, in which case the other one holds.
    OpFoldResult own = dims[d - lead];
    std::optional<int64_t> ownConstant = getConstantIntValue(own);
    if (ownConstant == 1 || Emitter::same(own, size))
      continue;
    if (constant == 1) {
      size = own;
    } else if (ownConstant && constant) {
      return node.refuse("dimension " + Twine(d) + " of the shape is " + Twine(*constant) + ", but the input has " +
                         Twine(*ownConstant));
    } else if (ownConstant) {
      Value asked = emit.asValue(size);
      node.require(math.either(math.equal(asked, math.index(1)), math.equal(asked, math.index(*ownConstant))),
                   "dimension " + Twine(d) + " of the shape is neither 1 nor " + Twine(*ownConstant));
      size = own;
    } else if (!constant) {
      size = choose(emit, math.equal(emit.asValue(size), math.index(1)), own, size);
    }
  }
  return node.finish(emit.broadcastTo(data, result));
}

/// Every repeated dimension gets one of size one before it, which is broadcast and then merged with it.
static LogicalResult lowerTile(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  Dims dims = emit.dims(data);
  FailureOr<Dims> repeats = vectorInput(node, 1, dims.size());
  if (failed(repeats))
    return failure();
  if (repeats->size() != dims.size())
    return node.refuse(Twine(repeats->size()) + " repeats for rank " + Twine(dims.size()));
  Dims split, repeated, result;
  IndexMath math(emit);
  for (auto [d, size] : llvm::enumerate(dims)) {
    OpFoldResult times = (*repeats)[d];
    if (!isNonNegative(times)) {
      if (getConstantIntValue(times))
        return node.refuse("repeat " + Twine(d) + " is negative");
      requireUnlessKnown(node, math.lessOrEqual(math.index(0), emit.asValue(times)),
                         "repeat " + Twine(d) + " is negative");
    }
    if (!Emitter::isOne(times) && !Emitter::isOne(size)) {
      split.push_back(emit.dimension(1));
      repeated.push_back(times);
    }
    split.push_back(size);
    repeated.push_back(Emitter::isOne(size) ? times : size);
    result.push_back(emit.mul(size, times));
  }
  SmallVector<int64_t> from =
      llvm::map_to_vector(dims, [](OpFoldResult d) { return getConstantIntValue(d).value_or(0); });
  Value picked = pick(emit, data, result, [&](ArrayRef<int64_t> at) {
    SmallVector<int64_t> source;
    for (auto [i, size] : llvm::zip_equal(at, from))
      source.push_back(i % size);
    return source;
  });
  if (picked)
    return node.finish(picked);
  return node.finish(emit.reshape(emit.broadcastTo(emit.reshape(data, split), repeated), result));
}

//===--- Transposition -----------------------------------------------------------===//

static Value transpose(Emitter &emit, Value data, ArrayRef<int64_t> permutation) {
  Dims dims = emit.dims(data), result;
  for (int64_t axis : permutation)
    result.push_back(dims[axis]);
  Value picked = pick(emit, data, result, [&](ArrayRef<int64_t> at) {
    SmallVector<int64_t> source(at.size());
    for (auto [i, axis] : llvm::enumerate(permutation))
      source[axis] = at[i];
    return source;
  });
  return picked ? picked : emit.transpose(data, permutation);
}

static LogicalResult lowerTranspose(Node &node) {
  Value data = node.input(0);
  int64_t rank = Emitter::rank(data);
  SmallVector<int64_t> permutation;
  if (auto given = node.getInts("perm")) {
    if (static_cast<int64_t>(given->size()) != rank)
      return node.refuse("a permutation of " + Twine(given->size()) + " axes for rank " + Twine(rank));
    SmallVector<bool> seen(rank, false);
    for (int64_t axis : *given) {
      FailureOr<int64_t> normal = node.normalizeAxis(axis, rank);
      if (failed(normal))
        return failure();
      if (std::exchange(seen[*normal], true))
        return node.refuse("the permutation has axis " + Twine(*normal) + " twice");
      permutation.push_back(*normal);
    }
  } else {
    for (int64_t axis = rank; axis-- > 0;)
      permutation.push_back(axis);
  }
  return node.finish(transpose(node.emit, data, permutation));
}

/// Moves a block of channels into space, or back: a dimension is split, one transposition, and dimensions are merged.
static LogicalResult lowerDepthToSpace(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  if (Emitter::rank(data) != 4)
    return node.refuse("input of rank " + Twine(Emitter::rank(data)) + ", expected 4");
  int64_t size = node.getInt("blocksize", 0);
  if (size < 1)
    return node.refuse("blocksize " + Twine(size) + " is not positive");
  OpFoldResult block = emit.dimension(size);
  Dims dims = emit.dims(data);
  OpFoldResult channels = emit.quotient(dims[1], {block, block});
  bool columnFirst = node.getString("mode", "DCR") == "CRD";
  Dims split = columnFirst ? Dims{dims[0], channels, block, block, dims[2], dims[3]}
                           : Dims{dims[0], block, block, channels, dims[2], dims[3]};
  SmallVector<int64_t> order =
      columnFirst ? SmallVector<int64_t>{0, 1, 4, 2, 5, 3} : SmallVector<int64_t>{0, 3, 4, 1, 5, 2};
  if (failed(requireSame(node, dims[1], emit.product({channels, block, block}),
                         "the number of channels is not a multiple of blocksize squared")))
    return failure();
  Value moved = emit.transpose(emit.reshape(data, split), order);
  return node.finish(emit.reshape(moved, {dims[0], channels, emit.mul(dims[2], block), emit.mul(dims[3], block)}));
}

static LogicalResult lowerSpaceToDepth(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0);
  if (Emitter::rank(data) != 4)
    return node.refuse("input of rank " + Twine(Emitter::rank(data)) + ", expected 4");
  int64_t size = node.getInt("blocksize", 0);
  if (size < 1)
    return node.refuse("blocksize " + Twine(size) + " is not positive");
  OpFoldResult block = emit.dimension(size);
  Dims dims = emit.dims(data);
  OpFoldResult height = emit.quotient(dims[2], block), width = emit.quotient(dims[3], block);
  for (auto [whole, part] : {std::pair(dims[2], height), std::pair(dims[3], width)})
    if (failed(requireSame(node, whole, emit.mul(part, block), "a spatial size is not a multiple of blocksize")))
      return failure();
  Value split = emit.reshape(data, {dims[0], dims[1], height, block, width, block});
  // The mode came with opset 28; before it, blocks come before channels.
  bool columnFirst = node.getString("mode", "DCR") == "CRD";
  SmallVector<int64_t> order =
      columnFirst ? SmallVector<int64_t>{0, 1, 3, 5, 2, 4} : SmallVector<int64_t>{0, 3, 5, 1, 2, 4};
  Value moved = emit.transpose(split, order);
  return node.finish(emit.reshape(moved, {dims[0], emit.product({dims[1], block, block}), height, width}));
}

void ac::populateShapeLowerings(LoweringTable &table) {
  table.add("Shape", lowerShape);
  table.add("Size", lowerSize);
  table.add("Identity", lowerIdentity);
  table.add("Reshape", lowerReshape);
  table.add("Flatten", lowerFlatten);
  table.add("Squeeze", lowerSqueeze);
  table.add("Unsqueeze", lowerUnsqueeze);
  table.add("Expand", lowerExpand);
  table.add("Tile", lowerTile);
  table.add("Transpose", lowerTranspose);
  table.add("DepthToSpace", lowerDepthToSpace);
  table.add("SpaceToDepth", lowerSpaceToDepth);
}
