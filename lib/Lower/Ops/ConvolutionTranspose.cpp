//===- ConvolutionTranspose.cpp - Transposed convolutions -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A transposed convolution is a matrix product, weights [group, O/g * taps, C/g] by the input [N * g, C/g, positions],
// whose columns are then summed where they overlap. If they do not, as with stride equal to the kernel, the sum is a
// permutation.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Window.h"

namespace mlir::ac {

/// [N, C, taps..., positions...] from columns [N, C * taps, positions].
static Value unfoldColumns(Emitter &emit, Value columns, const Window &window, ArrayRef<OpFoldResult> kernel) {
  Dims dims{emit.dim(columns, 0), emit.quotient(emit.dim(columns, 1), kernel)};
  llvm::append_range(dims, kernel);
  llvm::append_range(dims, window.output);
  return emit.reshape(columns, dims);
}

/// The position whose tap `tap` falls on `pixel`, and whether there is one.
static std::pair<Value, Value> findPosition(OpBuilder &b, Location loc, const Window &window, size_t axis, Value pixel,
                                            Value tap, Value low, Value positions) {
  auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
  Value reach = arith::AddIOp::create(b, loc, pixel, low);
  Value start =
      arith::SubIOp::create(b, loc, reach, arith::MulIOp::create(b, loc, tap, constant(window.dilations[axis])));
  Value stride = constant(window.strides[axis]), zero = constant(0);
  // `start` may be negative: both quotient and remainder are used only if it is not.
  Value position = arith::DivSIOp::create(b, loc, start, stride);
  Value valid = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, start, zero);
  Value exact =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, arith::MulIOp::create(b, loc, position, stride), start);
  Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, position, positions);
  valid = arith::AndIOp::create(b, loc, valid, exact);
  return {position, arith::AndIOp::create(b, loc, valid, inside)};
}

Value columnsToImage(Emitter &emit, Value columns, const Window &window, ArrayRef<OpFoldResult> kernel,
                     ArrayRef<OpFoldResult> image) {
  size_t rank = kernel.size();
  Type element = Emitter::elementType(columns);
  Value unfolded = unfoldColumns(emit, columns, window, kernel);
  Dims result{emit.dim(unfolded, 0), emit.dim(unfolded, 1)};
  llvm::append_range(result, image);
  SmallVector<Value> low, positions, first(rank, emit.constantIndex(0)), step(rank, emit.constantIndex(1)), taps;
  for (size_t i = 0; i < rank; ++i) {
    low.push_back(emit.asValue(window.low[i]));
    positions.push_back(emit.asValue(window.output[i]));
    taps.push_back(emit.asValue(kernel[i]));
  }
  Value zero = emit.constant(element, 0);
  return emit.tabulate(result, element, [&](OpBuilder &b, Location loc, ValueRange indices) {
    auto nest = scf::buildLoopNest(
        b, loc, first, taps, step, ValueRange{zero},
        [&](OpBuilder &b, Location loc, ValueRange tap, ValueRange sum) -> scf::ValueVector {
          SmallVector<Value> source{indices[0], indices[1]}, position;
          llvm::append_range(source, tap);
          Value valid;
          for (size_t i = 0; i < rank; ++i) {
            auto [at, found] = findPosition(b, loc, window, i, indices[2 + i], tap[i], low[i], positions[i]);
            source.push_back(at);
            valid = valid ? arith::AndIOp::create(b, loc, valid, found).getResult() : found;
          }
          auto branch = scf::IfOp::create(
              b, loc, valid,
              [&](OpBuilder &b, Location loc) {
                Value column = tensor::ExtractOp::create(b, loc, unfolded, source);
                Value next = isa<FloatType>(element) ? arith::AddFOp::create(b, loc, sum[0], column).getResult()
                                                     : arith::AddIOp::create(b, loc, sum[0], column).getResult();
                scf::YieldOp::create(b, loc, next);
              },
              [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, sum[0]); });
          return {branch.getResult(0)};
        });
    return nest.results[0];
  });
}

/// `columnsToImage` where each window is a tile of the image: every pixel has one tap and one position.
static Value tilesToImage(Emitter &emit, Value columns, const Window &window, ArrayRef<OpFoldResult> kernel,
                          ArrayRef<OpFoldResult> image) {
  unsigned rank = window.rank();
  Value unfolded = unfoldColumns(emit, columns, window, kernel);
  Dims result{emit.dim(unfolded, 0), emit.dim(unfolded, 1)};
  llvm::append_range(result, image);
  SmallVector<AffineExpr> read{emit.getAffineDimExpr(0), emit.getAffineDimExpr(1)}, positions;
  for (unsigned i = 0; i < rank; ++i) {
    AffineExpr pixel = emit.getAffineDimExpr(2 + i);
    read.push_back(pixel % window.kernel[i]);
    positions.push_back(pixel.floorDiv(window.kernel[i]));
  }
  llvm::append_range(read, positions);
  SmallVector<utils::IteratorType> iterators(2 + rank, utils::IteratorType::parallel);
  return emit.generic(unfolded, AffineMap::get(2 + rank, 0, read, emit.getContext()),
                      emit.empty(result, Emitter::elementType(columns)), emit.getMultiDimIdentityMap(2 + rank),
                      iterators, [](OpBuilder &, Location, ValueRange v) { return v[0]; });
}

/// `columnsToImage` tap by tap: each adds its positions to a canvas that has room for all windows, every `stride`
/// elements.
static Value scatterColumns(Emitter &emit, Value columns, const Window &window, ArrayRef<OpFoldResult> kernel,
                            ArrayRef<OpFoldResult> image) {
  unsigned rank = window.rank();
  Value unfolded = unfoldColumns(emit, columns, window, kernel);
  Type element = Emitter::elementType(columns);
  OpFoldResult zero = emit.dimension(0), one = emit.dimension(1);
  Dims lead{emit.dim(unfolded, 0), emit.dim(unfolded, 1)}, canvasDims = lead, result = lead, low(2, zero),
                                                           positions = lead, steps(2, one);
  for (unsigned i = 0; i < rank; ++i) {
    OpFoldResult stride = emit.dimension(window.strides[i]);
    OpFoldResult reach =
        emit.add(emit.mul(window.output[i], stride), emit.dimension(window.extent(i) - window.strides[i]));
    canvasDims.push_back(emit.max(reach, emit.add(window.low[i], image[i])));
    result.push_back(image[i]);
    low.push_back(window.low[i]);
    positions.push_back(window.output[i]);
    steps.push_back(stride);
  }
  Value canvas = emit.fill(canvasDims, emit.constant(element, 0));
  AffineMap same = emit.getMultiDimIdentityMap(2 + rank);
  SmallVector<utils::IteratorType> iterators(2 + rank, utils::IteratorType::parallel);
  for (int64_t tap = 0, taps = window.numTaps(); tap < taps; ++tap) {
    Dims from(2, zero), to(2, zero), sizes = lead;
    int64_t inner = taps, rest = tap;
    for (unsigned i = 0; i < rank; ++i) {
      inner /= window.kernel[i];
      from.push_back(emit.dimension(rest / inner));
      to.push_back(emit.dimension(rest / inner * window.dilations[i]));
      sizes.push_back(one);
      rest %= inner;
    }
    from.append(rank, zero);
    llvm::append_range(sizes, window.output);
    Value part = emit.slice(unfolded, from, sizes, Dims(2 + 2 * rank, one));
    Value target = emit.slice(canvas, to, positions, steps);
    Value sum = emit.generic(emit.reshape(part, positions), same, target, same, iterators,
                             [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                               if (isa<FloatType>(element))
                                 return arith::AddFOp::create(b, loc, v[1], v[0]);
                               return arith::AddIOp::create(b, loc, v[1], v[0]);
                             });
    canvas = emit.withDims(tensor::InsertSliceOp::create(emit, sum, canvas, to, positions, steps), canvasDims);
  }
  return emit.slice(canvas, low, result, Dims(2 + rank, one));
}

/// Padding and result sizes of a transposed convolution, from whichever of `pads`, `auto_pad` and `output_shape` the
/// node has.
static LogicalResult placeWindows(Node &node, Window &window, ArrayRef<OpFoldResult> spatial, Dims &image) {
  Emitter &emit = node.emit;
  size_t rank = spatial.size();
  SmallVector<int64_t> extra = node.getInts("output_padding").value_or(SmallVector<int64_t>(rank, 0));
  SmallVector<int64_t> pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  auto outputShape = node.getInts("output_shape");
  StringRef autoPad = node.getString("auto_pad", "NOTSET");
  if (extra.size() != rank || pads.size() != 2 * rank || (outputShape && outputShape->size() < rank))
    return node.refuse("has pads, output_padding or output_shape of a length that does not fit " + Twine(rank) +
                       " spatial dimensions");
  window.output.assign(spatial.begin(), spatial.end());
  for (size_t i = 0; i < rank; ++i) {
    OpFoldResult stride = emit.dimension(window.strides[i]);
    // All that the windows touch: (size - 1) * stride + extent + output_padding.
    OpFoldResult reach =
        emit.add(emit.mul(spatial[i], stride), emit.dimension(window.extent(i) + extra[i] - window.strides[i]));
    if (outputShape || autoPad.starts_with("SAME")) {
      OpFoldResult size =
          outputShape ? emit.dimension((*outputShape)[outputShape->size() - rank + i]) : emit.mul(spatial[i], stride);
      OpFoldResult total = emit.max(emit.sub(reach, size), emit.dimension(0)),
                   smaller = emit.floorDiv(total, emit.dimension(2));
      window.low.push_back(autoPad == "SAME_UPPER" ? smaller : emit.sub(total, smaller));
      window.high.push_back(emit.sub(total, window.low.back()));
      image.push_back(size);
      continue;
    }
    if (autoPad == "VALID")
      pads[i] = pads[rank + i] = 0;
    window.low.push_back(emit.dimension(pads[i]));
    window.high.push_back(emit.dimension(pads[rank + i]));
    OpFoldResult size =
        emit.add(emit.mul(spatial[i], stride),
                 emit.dimension(window.extent(i) + extra[i] - window.strides[i] - pads[i] - pads[rank + i]));
    bool mayBeNegative = getConstantIntValue(size).value_or(-1) < 0 &&
                         window.extent(i) + extra[i] - window.strides[i] - pads[i] - pads[rank + i] < 0;
    image.push_back(mayBeNegative ? emit.max(size, emit.dimension(0)) : size);
  }
  window.declaredHigh = window.high;
  return success();
}

static LogicalResult lowerConvTranspose(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), w = node.input(1);
  Type element = Emitter::elementType(x), sum = getSumType(element);
  int64_t rank = Emitter::rank(x) - 2, group = node.getInt("group", 1);
  if (rank < 1 || Emitter::rank(w) != rank + 2)
    return node.refuse("has an input of rank " + Twine(rank + 2) + " and weights of rank " + Twine(Emitter::rank(w)) +
                       ", expected equal ranks of three or more");
  if (group < 1)
    return node.refuse("has " + Twine(group) + " groups, expected at least one");
  if (failed(requireSame(node, emit.dim(x, 1), emit.dim(w, 0), "the channels of the input and of the weights")))
    return failure();
  auto channels = getConstantIntValue(emit.dim(w, 0));
  if (channels && *channels % group != 0)
    return node.refuse("has " + Twine(*channels) + " input channels for " + Twine(group) + " groups");
  Window window;
  for (int64_t size : Emitter::type(w).getShape().drop_front(2)) {
    if (ShapedType::isDynamic(size) || size <= 0)
      return node.refuse("has weights whose kernel size is not a positive constant");
    window.kernel.push_back(size);
  }
  FailureOr<SmallVector<int64_t>> strides = getPerAxis(node, "strides", rank),
                                  dilations = getPerAxis(node, "dilations", rank);
  if (failed(strides) || failed(dilations))
    return failure();
  window.strides = *strides;
  window.dilations = *dilations;
  Dims spatial = spatialDims(emit, x), image;
  if (failed(placeWindows(node, window, spatial, image)))
    return failure();

  OpFoldResult groups = emit.dimension(group), outputs = emit.dim(w, 1), batch = emit.dim(x, 0),
               inner = emit.quotient(emit.dim(x, 1), groups), taps = emit.dimension(window.numTaps()),
               positions = emit.product(spatial);
  Value weights = emit.reshape(emit.castElements(w, sum), {groups, inner, emit.mul(outputs, taps)});
  Value columns = emit.reshape(emit.castElements(x, sum), {emit.mul(batch, groups), inner, positions});
  AffineExpr index = emit.getAffineDimExpr(0);
  AffineMap each = emit.getMultiDimIdentityMap(1);
  AffineMap ownGroup =
      AffineMap::get(1, 0, group == 1 ? emit.getAffineConstantExpr(0) : index % group, emit.getContext());
  if (Emitter::same(emit.dim(columns, 0), groups))
    ownGroup = each;
  Value product =
      multiplyBatches(emit, emit.transpose(weights, {0, 2, 1}), columns, emit.dim(columns, 0), ownGroup, each);
  product = emit.reshape(product, {batch, emit.product({groups, outputs, taps}), positions});

  Dims tiled, kernel;
  for (int64_t size : window.kernel)
    kernel.push_back(emit.dimension(size));
  for (int64_t i = 0; i < rank; ++i)
    tiled.push_back(emit.mul(spatial[i], emit.dimension(window.strides[i])));
  bool tiles = window.isTiling() && Emitter::same(tiled, image);
  // Without positions there is nothing to scatter, and slices of nothing are not allowed everywhere.
  bool scatters = window.numTaps() <= kMostTaps && getConstantIntValue(emit.product(spatial)) != 0 &&
                  getConstantIntValue(batch) != 0;
  Value result = tiles      ? tilesToImage(emit, product, window, kernel, image)
                 : scatters ? scatterColumns(emit, product, window, kernel, image)
                            : columnsToImage(emit, product, window, kernel, image);
  if (node.hasInput(2)) {
    Dims biasDims(rank + 1, emit.dimension(1));
    biasDims[0] = emit.mul(outputs, groups);
    Value bias = emit.reshape(emit.castElements(node.input(2), sum), biasDims);
    result = emit.elementwise({result, bias}, sum, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
      return arith::AddFOp::create(b, loc, v[0], v[1]);
    });
  }
  return node.finish(emit.castElements(result, element));
}

static LogicalResult lowerCol2Im(Node &node) {
  Emitter &emit = node.emit;
  auto shape = Emitter::type(node.input(2)).getShape();
  if (shape.size() != 1 || ShapedType::isDynamic(shape[0]) || shape[0] < 1)
    return node.refuse("has a block_shape whose length is not known while compiling");
  size_t rank = shape[0];
  if (Emitter::rank(node.input(0)) != 3 || Emitter::type(node.input(1)).getShape() != shape)
    return node.refuse("has columns of rank " + Twine(Emitter::rank(node.input(0))) +
                       " or an image_shape that does not fit a block of " + Twine(rank) + " dimensions");
  Window window;
  FailureOr<SmallVector<int64_t>> strides = getPerAxis(node, "strides", rank),
                                  dilations = getPerAxis(node, "dilations", rank);
  if (failed(strides) || failed(dilations))
    return failure();
  window.strides = *strides;
  window.dilations = *dilations;
  SmallVector<int64_t> pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank)
    return node.refuse("has " + Twine(pads.size()) + " pads, expected " + Twine(2 * rank));
  Dims image = emit.dimElements(node.input(1)), block = emit.dimElements(node.input(2));
  for (size_t i = 0; i < rank; ++i) {
    OpFoldResult reach = emit.mul(emit.sub(block[i], emit.dimension(1)), emit.dimension(window.dilations[i]));
    OpFoldResult room = emit.sub(emit.add(image[i], emit.dimension(pads[i] + pads[rank + i] - 1)), reach);
    window.output.push_back(emit.add(emit.floorDiv(room, emit.dimension(window.strides[i])), emit.dimension(1)));
    window.low.push_back(emit.dimension(pads[i]));
    window.high.push_back(emit.dimension(pads[rank + i]));
  }
  if (failed(requireSame(node, emit.dim(node.input(0), 2), emit.product(window.output),
                         "the number of columns and that of the window's positions")))
    return failure();
  return node.finish(columnsToImage(emit, node.input(0), window, block, image));
}

void populateTransposedConvolutionLowerings(LoweringTable &table) {
  table.add("ConvTranspose", lowerConvTranspose);
  table.add("Col2Im", lowerCol2Im);
}

} // namespace mlir::ac
