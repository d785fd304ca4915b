//===- Scatter.cpp - Writing elements at computed positions -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Updates are written one after the other into the data itself; bufferization makes the copy where the data is used
// again. In sequence, because positions may repeat: sums must not be lost, and the last of several writes stays. A
// position that is out of range is clamped, as in Gather.cpp.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "Lower/Ops/Scalars.h"

using namespace mlir;
using namespace mlir::ac;

static LogicalResult checkReduction(const Node &node, StringRef reduction) {
  if (!llvm::is_contained({"none", "add", "mul", "max", "min"}, reduction))
    return node.refuse("reduction `" + reduction + "` is not known");
  return success();
}

/// The new element from the one that is there and the update.
static Value combine(IndexMath &math, StringRef reduction, bool isUnsigned, Value old, Value update) {
  if (reduction == "none")
    return update;
  Scalars scalars(math.b, math.loc, isUnsigned);
  if (reduction == "add")
    return scalars.add(old, update);
  if (reduction == "mul")
    return scalars.mul(old, update);
  return reduction == "max" ? scalars.max(old, update) : scalars.min(old, update);
}

/// Combines `update` with the element at `place`.
static Value writeElement(IndexMath &math, StringRef reduction, bool isUnsigned, Value update, Value whole,
                          ValueRange place) {
  if (reduction != "none")
    update = combine(math, reduction, isUnsigned, math.load(whole, place), update);
  return math.store(update, whole, place);
}

//===--- ScatterElements -----------------------------------------------------------===//

static LogicalResult lowerScatterElements(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1), updates = node.input(2);
  int64_t rank = Emitter::rank(data);
  if (Emitter::rank(indices) != rank || Emitter::rank(updates) != rank)
    return node.refuse("data, indices and updates of ranks " + Twine(rank) + ", " + Twine(Emitter::rank(indices)) +
                       " and " + Twine(Emitter::rank(updates)) + ", expected the same");
  FailureOr<int64_t> axis = node.getAxis("axis", 0, rank);
  StringRef reduction = node.getString("reduction", "none");
  if (failed(axis) || failed(checkReduction(node, reduction)))
    return failure();
  Dims dims = emit.dims(data), range = emit.dims(indices);
  IndexMath math(emit);
  for (int64_t d = 0; d < rank; ++d) {
    if (failed(requireSame(node, range[d], emit.dim(updates, d), "indices and updates differ in a dimension")))
      return failure();
    if (d != *axis && !Emitter::same(dims[d], range[d]))
      requireUnlessKnown(node, math.lessOrEqual(emit.asValue(range[d]), emit.asValue(dims[d])),
                         "the indices are larger than the data in dimension " + Twine(d));
  }
  requirePositions(node, dims[*axis], range);
  requireInside(node, indices, dims[*axis]);
  Value size = emit.asValue(dims[*axis]);
  bool isUnsigned = node.isUnsigned(0);
  Value result = loopNest(emit, range, data, [&](IndexMath &math, ValueRange at, ValueRange carried) {
    SmallVector<Value> place(at);
    place[*axis] = math.position(math.load(indices, at), size);
    return SmallVector<Value>{writeElement(math, reduction, isUnsigned, math.load(updates, at), carried[0], place)};
  })[0];
  return node.finish(emit.withDims(result, dims));
}

//===--- ScatterND -----------------------------------------------------------------===//

static LogicalResult lowerScatterND(Node &node) {
  Emitter &emit = node.emit;
  Value data = node.input(0), indices = node.input(1), updates = node.input(2);
  int64_t rank = Emitter::rank(data), indexRank = Emitter::rank(indices);
  StringRef reduction = node.getString("reduction", "none");
  if (failed(checkReduction(node, reduction)))
    return failure();
  if (rank < 1 || indexRank < 1)
    return node.refuse("data of rank " + Twine(rank) + " and indices of rank " + Twine(indexRank));
  Dims dims = emit.dims(data), range = emit.dims(indices);
  std::optional<int64_t> tuple = getConstantIntValue(range.pop_back_val());
  if (!tuple || *tuple < 1 || *tuple > rank)
    return node.refuse("the last dimension of the indices must be known while compiling and between 1 and " +
                       Twine(rank));
  // Updates are slices of the data: a row for each index tuple.
  Dims row(dims.begin() + *tuple, dims.end()), expected(range);
  llvm::append_range(expected, row);
  if (Emitter::rank(updates) != static_cast<int64_t>(expected.size()))
    return node.refuse("updates of rank " + Twine(Emitter::rank(updates)) + ", expected " + Twine(expected.size()));
  for (auto [d, size] : llvm::enumerate(expected))
    if (failed(requireSame(node, emit.dim(updates, d), size, "the updates have a wrong size in dimension " + Twine(d))))
      return failure();
  for (int64_t k = 0; k < *tuple; ++k) {
    requirePositions(node, dims[k], expected);
    requireInside(node, indices, dims[k], k);
  }

  SmallVector<Value> sizes = asValues(emit, dims), rowSizes = asValues(emit, row);
  bool isUnsigned = node.isUnsigned(0), wholeRows = reduction == "none" && !row.empty();
  Dims ones(range.size(), emit.dimension(1)), rowZeros(row.size(), emit.dimension(0));
  RankedTensorType rowType = Emitter::tensorType(row, Emitter::elementType(data));
  auto writeRow = [&](IndexMath &math, ValueRange at, ArrayRef<Value> place, Value whole) -> Value {
    auto part = [&](ArrayRef<Value> lead, OpFoldResult fill, ArrayRef<OpFoldResult> trail) {
      Dims dims;
      for (Value value : lead)
        dims.push_back(fill ? fill : OpFoldResult(value));
      llvm::append_range(dims, trail);
      return dims;
    };
    OpFoldResult one = math.b.getIndexAttr(1);
    SmallVector<Value> from(at);
    Dims fromStrides(from.size() + row.size(), one), toStrides(rank, one);
    Value update = tensor::ExtractSliceOp::create(math.b, math.loc, rowType, updates, part(from, {}, rowZeros),
                                                  part(from, one, row), fromStrides);
    return tensor::InsertSliceOp::create(math.b, math.loc, update, whole, part(place, {}, rowZeros),
                                         part(place, one, row), toStrides);
  };
  Value result = loopNest(emit, range, data, [&](IndexMath &math, ValueRange at, ValueRange carried) {
    SmallVector<Value> place, source(at);
    source.push_back({});
    for (int64_t k = 0; k < *tuple; ++k) {
      source.back() = math.index(k);
      place.push_back(math.position(math.load(indices, source), sizes[k]));
    }
    if (wholeRows)
      return SmallVector<Value>{writeRow(math, at, place, carried[0])};
    return loopNest(math.b, math.loc, rowSizes, carried, [&](IndexMath &math, ValueRange inner, ValueRange carried) {
      SmallVector<Value> from(at), to(place);
      llvm::append_range(from, inner);
      llvm::append_range(to, inner);
      return SmallVector<Value>{writeElement(math, reduction, isUnsigned, math.load(updates, from), carried[0], to)};
    });
  })[0];
  return node.finish(emit.withDims(result, dims));
}

//===--- TensorScatter ---------------------------------------------------------------===//

/// Writes the newest steps of a sequence into a cache, for each batch entry from its own position on.
static LogicalResult lowerTensorScatter(Node &node) {
  Emitter &emit = node.emit;
  Value cache = node.input(0), update = node.input(1);
  int64_t rank = Emitter::rank(cache);
  if (Emitter::rank(update) != rank)
    return node.refuse("a cache of rank " + Twine(rank) + " and an update of rank " + Twine(Emitter::rank(update)));
  FailureOr<int64_t> axis = node.getAxis("axis", -2, rank);
  if (failed(axis))
    return failure();
  if (*axis == 0)
    return node.refuse("the axis is the batch dimension");
  bool circular = node.getString("mode", "linear") == "circular";
  Dims dims = emit.dims(cache), range = emit.dims(update);
  for (int64_t d = 0; d < rank; ++d)
    if (d != *axis && failed(requireSame(node, dims[d], range[d], "cache and update differ in dimension " + Twine(d))))
      return failure();
  IndexMath math(emit);
  Value length = emit.asValue(dims[*axis]), steps = emit.asValue(range[*axis]);
  requireUnlessKnown(node, math.lessOrEqual(steps, length), "the update is longer than the cache");
  Value starts = node.hasInput(2) ? node.input(2) : Value();
  if (starts && Emitter::rank(starts) != 1)
    return node.refuse("write indices of rank " + Twine(Emitter::rank(starts)) + ", expected a vector");
  if (starts && failed(requireSame(node, emit.dim(starts, 0), dims[0], "every batch entry needs a write index")))
    return failure();
  Value last = math.sub(length, steps);
  Value result = loopNest(emit, range, cache, [&](IndexMath &math, ValueRange at, ValueRange carried) {
    Value start = starts ? math.toIndex(math.load(starts, at[0])) : math.index(0);
    SmallVector<Value> place(at);
    // A linear write that does not fit is moved to where it does.
    place[*axis] = circular ? math.floorMod(math.add(start, at[*axis]), length)
                            : math.add(math.max(math.min(start, last), math.index(0)), at[*axis]);
    return SmallVector<Value>{math.store(math.load(update, at), carried[0], place)};
  })[0];
  return node.finish(emit.withDims(result, dims));
}

void ac::populateScatterLowerings(LoweringTable &table) {
  table.add("Scatter", lowerScatterElements);
  table.add("ScatterElements", lowerScatterElements);
  table.add("ScatterND", lowerScatterND);
  table.add("TensorScatter", lowerTensorScatter);
}
