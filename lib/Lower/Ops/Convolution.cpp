//===- Convolution.cpp - Convolutions -------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution of any number of spatial dimensions is a matrix product, weights [group, O/g, I/g * taps] by columns
// [N * g, I/g * taps, positions]. The columns are the input itself for kernels of one tap; most others read them from
// the image (see ConvolutionLines.cpp), and the rest makes a copy. Two shapes are better off without that product: with
// one input channel per group there is nothing to contract over, and the taps are summed directly; with a single
// position the product is transposed, so that the constant weights are the side that is packed while compiling.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Convolution.h"
#include "Lower/Ops/Gates.h"
#include "Lower/Ops/MatrixProduct.h"
#include "Support/TargetInfo.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

static SmallVector<AffineExpr> dimExprs(Emitter &emit, unsigned first, unsigned count) {
  SmallVector<AffineExpr> exprs;
  for (unsigned i = 0; i < count; ++i)
    exprs.push_back(emit.getAffineDimExpr(first + i));
  return exprs;
}

/// Taps from which on a channel has several sums, and its image is laid out in lines before they are read, if need be.
constexpr int64_t kManyTaps = 16;

static Value add(OpBuilder &b, Location loc, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::AddFOp::create(b, loc, x, y);
  return arith::AddIOp::create(b, loc, x, y);
}

static Value multiplyAdd(OpBuilder &b, Location loc, Value x, Value y, Value sum) {
  if (isa<FloatType>(sum.getType()))
    return add(b, loc, sum, arith::MulFOp::create(b, loc, x, y));
  return add(b, loc, sum, arith::MulIOp::create(b, loc, x, y));
}

/// One input channel per group: result[n, c, m, position] = sum over taps of padded[n, c, source] * w[c, m, tap]. Few
/// taps are written out, so that sums stay in registers and what follows elementwise can join the loop.
static Value convolveDepthwise(Emitter &emit, const ConvolutionShape &conv) {
  const Window &window = conv.window;
  unsigned rank = window.rank();
  Type element = Emitter::elementType(conv.w);
  MLIRContext *context = emit.getContext();
  OpFoldResult batch = emit.dim(conv.x, 0), channels = emit.dimension(conv.group),
               multiplier = emit.quotient(emit.dim(conv.w, 0), channels);
  Dims weightDims{channels}, resultDims{batch, channels};
  if (!Emitter::isOne(multiplier)) {
    weightDims.push_back(multiplier);
    resultDims.push_back(multiplier);
  }
  unsigned lead = resultDims.size();
  llvm::append_range(resultDims, window.output);
  Value zero = emit.constant(element, 0), outside = conv.paddedWith(emit);
  auto centred = [&](OpBuilder &b, Location loc, Value read) -> Value {
    if (!conv.readsUnsigned)
      return read;
    Value number = Emitter::convertScalar(b, loc, read, b.getI32Type(), *conv.readsUnsigned);
    if (conv.outside)
      number = arith::SubIOp::create(b, loc, number,
                                     Emitter::convertScalar(b, loc, conv.outside, b.getI32Type(), *conv.readsUnsigned));
    return element.isF32() ? arith::SIToFPOp::create(b, loc, element, number).getResult() : number;
  };

  if (window.numTaps() > kMostTaps) {
    for (int64_t size : window.kernel)
      weightDims.push_back(emit.dimension(size));
    // Loops: n, c, [m], positions but the last, taps, the last position: a run of consecutive elements innermost.
    unsigned loops = lead + 2 * rank;
    SmallVector<AffineExpr> taps = dimExprs(emit, lead + rank - 1, rank), positions = dimExprs(emit, lead, rank - 1);
    positions.push_back(emit.getAffineDimExpr(loops - 1));
    SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
    SmallVector<AffineExpr> read = dimExprs(emit, 0, 2), weight = dimExprs(emit, 1, lead - 1),
                            write = dimExprs(emit, 0, lead);
    for (unsigned i = 0; i < rank; ++i) {
      iterators[lead + rank - 1 + i] = utils::IteratorType::reduction;
      read.push_back(window.source(i, positions[i], taps[i]));
    }
    llvm::append_range(weight, taps);
    llvm::append_range(write, positions);
    Value sums = emit.generic({padSpatial(emit, conv.x, window, outside), emit.reshape(conv.w, weightDims)},
                              {AffineMap::get(loops, 0, read, context), AffineMap::get(loops, 0, weight, context)},
                              emit.fill(resultDims, zero), AffineMap::get(loops, 0, write, context), iterators,
                              [&](OpBuilder &b, Location loc, ValueRange v) {
                                return multiplyAdd(b, loc, centred(b, loc, v[0]), v[1], v[2]);
                              });
    return emit.reshape(sums, conv.resultDims(emit));
  }

  unsigned loops = lead + rank;
  weightDims.push_back(emit.dimension(window.numTaps()));
  Value weights = emit.reshape(conv.w, weightDims);
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  for (int64_t tap = 0, taps = window.numTaps(); tap < taps; ++tap) {
    SmallVector<AffineExpr> weight = dimExprs(emit, 1, lead - 1);
    weight.push_back(emit.getAffineConstantExpr(tap));
    operands.push_back(weights);
    maps.push_back(AffineMap::get(loops, 0, weight, context));
  }
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  // With many taps, rows in the padding and the ends of others take longer than a copy in which there are none, unless
  // masks do it; and so does reading elements that stand apart.
  Value lines;
  bool hasMasks = TargetInfo::of(emit.getBlock()->getParentOp()->getParentOfType<ModuleOp>()).hasMasks;
  if (window.rank() <= 2 && window.numTaps() >= kManyTaps &&
      (window.strides.back() > 1 || (window.isPadded() && !(hasMasks && element.isF32()))))
    lines = layOutLines(emit, conv.x, window, outside);
  auto readTap = [&](OpBuilder &b, Location loc, ValueRange image, ValueRange position, int64_t tap) -> Value {
    Dims taps = window.tapAt(emit, tap);
    if (!lines)
      return readWindow(emit, b, loc, conv.x, window, image, position, taps, outside);
    auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
    auto move = [&](Value at, int64_t stride, int64_t offset) -> Value {
      return affine::makeComposedAffineApply(b, loc, b.getAffineDimExpr(0) * stride + offset, {OpFoldResult(at)});
    };
    int64_t stride = window.strides.back(), column = *getConstantIntValue(taps.back()) * window.dilations.back();
    Value row = constant(0);
    if (window.rank() == 2)
      row = move(position[0], window.strides[0], *getConstantIntValue(taps[0]) * window.dilations[0]);
    Value at = move(position.back(), 1, column / stride);
    return tensor::ExtractOp::create(b, loc, lines, ValueRange{image[0], row, image[1], constant(column % stride), at});
  };
  Value sums = emit.generic(operands, maps, emit.empty(resultDims, element), emit.getMultiDimIdentityMap(loops),
                            iterators, [&](OpBuilder &b, Location loc, ValueRange v) {
                              SmallVector<Value> at;
                              for (unsigned dim = 0; dim < loops; ++dim)
                                at.push_back(linalg::IndexOp::create(b, loc, dim));
                              ValueRange image = ValueRange(at).take_front(2),
                                         position = ValueRange(at).drop_front(lead);
                              // Many taps have a sum for each row, so that not every addition waits for the one before.
                              int64_t taps = window.numTaps(), row = taps < kManyTaps ? taps : window.kernel.back();
                              Value total;
                              for (int64_t first = 0; first < taps; first += row) {
                                Value sum = zero;
                                for (int64_t tap = first; tap < first + row; ++tap)
                                  sum = multiplyAdd(b, loc, centred(b, loc, readTap(b, loc, image, position, tap)),
                                                    v[tap], sum);
                                total = total ? add(b, loc, total, sum) : sum;
                              }
                              return total;
                            });
  return emit.reshape(sums, conv.resultDims(emit));
}

/// Offers the sums of a depthwise convolution over two dimensions to kernels from elsewhere (`ac-select-kernels`).
static Value offerKernel(Emitter &emit, const ConvolutionShape &conv, Value sums) {
  const Window &window = conv.window;
  SmallVector<int64_t> low;
  for (OpFoldResult size : window.low)
    if (auto constant = getConstantIntValue(size))
      low.push_back(*constant);
  if (window.rank() != 2 || low.size() != 2 || !Emitter::elementType(conv.x).isF32() ||
      !Emitter::same(emit.dim(conv.w, 0), emit.dimension(conv.group)))
    return sums;
  Dims dims = conv.resultDims(emit);
  Value weights = emit.reshape(conv.w, {emit.dimension(conv.group), emit.dimension(window.numTaps())});
  auto op = DepthwiseOp::create(emit, emit.getLoc(), sums.getType(), conv.x, weights, ValueRange{}, sums,
                                emit.empty(dims, Emitter::elementType(sums)), window.kernel, window.strides,
                                window.dilations, low, emit.getAffineMapArrayAttr({}));
  OpBuilder::InsertionGuard guard(emit);
  Block *body = emit.createBlock(&op.getEpilogue(), {}, {Emitter::elementType(sums)}, {emit.getLoc()});
  YieldOp::create(emit, emit.getLoc(), ValueRange{body->getArgument(0)});
  return emit.withDims(op.getResult(0), dims);
}

/// The columns [N, C, taps..., positions...].
static Value imageToColumns(Emitter &emit, const ConvolutionShape &conv) {
  const Window &window = conv.window;
  unsigned rank = window.rank();
  Dims result{emit.dim(conv.x, 0), emit.dim(conv.x, 1)};
  Value outside = conv.paddedWith(emit);
  if (window.numTaps() == 1) {
    Value padded = padSpatial(emit, conv.x, window, outside);
    if (llvm::all_of(window.strides, [](int64_t stride) { return stride == 1; }))
      return padded;
    Dims sizes = result, offsets(rank + 2, emit.dimension(0)), strides(2, emit.dimension(1));
    llvm::append_range(sizes, window.output);
    for (int64_t stride : window.strides)
      strides.push_back(emit.dimension(stride));
    return emit.slice(padded, offsets, sizes, strides);
  }
  for (int64_t size : window.kernel)
    result.push_back(emit.dimension(size));
  llvm::append_range(result, window.output);
  return emit.tabulate(result, Emitter::elementType(conv.x), [&](OpBuilder &b, Location loc, ValueRange at) {
    SmallVector<OpFoldResult> taps(at.slice(2, rank));
    return readWindow(emit, b, loc, conv.x, window, at.take_front(2), at.drop_front(2 + rank), taps, outside);
  });
}

Value multiplyColumns(Emitter &emit, Value weights, Value columns, int64_t group, ArrayRef<OpFoldResult> positions,
                      std::optional<Emitter::Signs> signs) {
  OpFoldResult one = emit.dimension(1), groups = emit.dimension(group), outputs = emit.dim(weights, 0),
               batch = emit.dim(columns, 0), count = emit.product(positions);
  Dims weightDims = emit.dims(weights), result{batch, outputs};
  llvm::append_range(result, positions);
  OpFoldResult inner = emit.product(ArrayRef<OpFoldResult>(weightDims).drop_front());
  if (group == 1 && Emitter::isOne(count)) {
    weights = emit.transpose(emit.reshape(weights, {outputs, inner}), {1, 0});
    if (signs)
      signs = Emitter::Signs{signs->rhsUnsigned, signs->lhsUnsigned};
    Value product = multiplyBatches(emit, emit.reshape(columns, {one, batch, inner}),
                                    emit.reshape(weights, {one, inner, outputs}), signs);
    return emit.reshape(product, result);
  }
  weights = emit.reshape(weights, {groups, emit.quotient(outputs, groups), inner});
  columns = emit.reshape(columns, {emit.mul(batch, groups), inner, count});
  AffineMap each = emit.getMultiDimIdentityMap(1), ownGroup = each;
  if (!Emitter::same(emit.dim(columns, 0), groups)) {
    AffineExpr index = emit.getAffineDimExpr(0);
    ownGroup = AffineMap::get(1, 0, group == 1 ? emit.getAffineConstantExpr(0) : index % group, emit.getContext());
  }
  Value product = multiplyBatches(emit, weights, columns, emit.dim(columns, 0), ownGroup, each, signs);
  return emit.reshape(product, result);
}

/// The same convolution without the spatial dimensions that have no extent: signals often come as images of width one,
/// and the innermost loops should be long.
static ConvolutionShape dropUnitAxes(Emitter &emit, const ConvolutionShape &conv) {
  ConvolutionShape result = conv;
  result.window = {};
  Dims x{emit.dim(conv.x, 0), emit.dim(conv.x, 1)}, w{emit.dim(conv.w, 0), emit.dim(conv.w, 1)};
  const Window &window = conv.window;
  for (size_t i = 0; i < window.rank(); ++i) {
    OpFoldResult size = emit.dim(conv.x, 2 + i);
    bool padded = getConstantIntValue(window.low[i]) != 0 || getConstantIntValue(window.high[i]) != 0;
    bool last = i + 1 == window.rank() && result.window.kernel.empty();
    if (!last && !padded && window.kernel[i] == 1 && Emitter::isOne(size) && Emitter::isOne(window.output[i]))
      continue;
    x.push_back(size);
    w.push_back(emit.dimension(window.kernel[i]));
    result.window.kernel.push_back(window.kernel[i]);
    result.window.strides.push_back(window.strides[i]);
    result.window.dilations.push_back(window.dilations[i]);
    result.window.low.push_back(window.low[i]);
    result.window.high.push_back(window.high[i]);
    result.window.declaredHigh.push_back(window.declaredHigh[i]);
    result.window.output.push_back(window.output[i]);
  }
  result.x = emit.reshape(conv.x, x);
  result.w = emit.reshape(conv.w, w);
  return result;
}

/// Elements of columns to make at a time: what stays in a second-level cache of a megabyte or two until it is
/// multiplied.
constexpr int64_t kColumnElements = 1 << 19;

/// The number of output rows (entries of the first spatial dimension) whose columns are made at a time; nothing if all
/// are, because they are known to be few.
static std::optional<OpFoldResult> getRowsAtOnce(Emitter &emit, const ConvolutionShape &conv) {
  const Window &window = conv.window;
  if (window.numTaps() == 1)
    return std::nullopt;
  OpFoldResult inner = emit.mul(emit.dim(conv.x, 1), emit.dimension(window.numTaps()));
  OpFoldResult perRow = emit.mul(inner, emit.product(ArrayRef<OpFoldResult>(window.output).drop_front()));
  auto total = getConstantIntValue(emit.product({emit.dim(conv.x, 0), perRow, window.output[0]}));
  if (total && *total <= 2 * kColumnElements)
    return std::nullopt;
  // Rows of a signal are single positions: whole vectors of them.
  int64_t least = window.rank() == 1 ? 64 : 1;
  OpFoldResult rows = emit.floorDiv(emit.dimension(kColumnElements / least), emit.max(perRow, emit.dimension(1)));
  return emit.mul(emit.max(rows, emit.dimension(1)), emit.dimension(least));
}

/// The columns of a large image would take many times its memory, and leave every cache before they are used: they are
/// made and multiplied a few rows at a time.
static Value convolveByRows(Emitter &emit, const ConvolutionShape &conv, OpFoldResult rowsAtOnce, Value bias) {
  const Window &window = conv.window;
  OpFoldResult zero = emit.dimension(0), one = emit.dimension(1), batch = emit.dim(conv.x, 0);
  Dims resultDims = conv.resultDims(emit), inputDims = emit.dims(conv.x);
  Value whole = emit.empty(resultDims, conv.sumType(emit));
  auto heights = getConstantIntValue(window.output[0]), step = getConstantIntValue(rowsAtOnce);
  bool even = heights && step && *heights % *step == 0;

  auto loopOver = [&](OpFoldResult count, OpFoldResult by, Value carried, auto body) -> Value {
    if (Emitter::same(count, by))
      return body(zero, carried);
    auto loop = scf::ForOp::create(emit, emit.asValue(zero), emit.asValue(count), emit.asValue(by), carried);
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToEnd(loop.getBody());
    Value next = body(OpFoldResult(loop.getInductionVar()), emit.withDims(loop.getRegionIterArg(0), resultDims));
    scf::YieldOp::create(emit, next);
    return emit.withDims(loop.getResult(0), resultDims);
  };
  return loopOver(batch, one, whole, [&](OpFoldResult image, Value images) {
    return loopOver(window.output[0], rowsAtOnce, images, [&](OpFoldResult row, Value rows) {
      OpFoldResult stride = emit.dimension(window.strides[0]), height = rowsAtOnce;
      if (!even)
        height = emit.min(rowsAtOnce, emit.sub(window.output[0], row));
      // The rows above are like padding that reaches into the image.
      ConvolutionShape part = conv;
      part.window.output[0] = height;
      part.window.low[0] = emit.sub(window.low[0], emit.mul(row, stride));
      if (!Emitter::same(batch, one)) {
        Dims offsets(inputDims.size(), zero), sizes = inputDims, strides(inputDims.size(), one);
        offsets[0] = image;
        sizes[0] = one;
        part.x = emit.slice(conv.x, offsets, sizes, strides);
      }
      Value product = multiplyColumns(emit, conv.w, imageToColumns(emit, part), conv.group, part.window.output,
                                      conv.signs);
      if (bias)
        product = addBias(emit, product, bias);
      Dims place(resultDims.size(), zero);
      place[0] = image;
      place[2] = row;
      return emit.insert(product, rows, place);
    });
  });
}

Value convolve(Emitter &emit, const ConvolutionShape &whole, Value bias) {
  ConvolutionShape conv = dropUnitAxes(emit, whole);
  Value result;
  if (conv.isDepthwise(emit)) {
    result = offerKernel(emit, conv, convolveDepthwise(emit, conv));
  } else if (conv.group == 1 && hasLines(emit, conv.x, conv.window)) {
    result = convolveLines(emit, conv.x, conv.w, conv.window, conv.paddedWith(emit),
                           conv.signs.value_or(Emitter::Signs{}));
  } else {
    if (auto rows = getRowsAtOnce(emit, conv))
      return emit.reshape(convolveByRows(emit, conv, *rows, bias), whole.resultDims(emit));
    result = multiplyColumns(emit, conv.w, imageToColumns(emit, conv), conv.group, conv.window.output, conv.signs);
  }
  result = emit.reshape(result, whole.resultDims(emit));
  return bias ? addBias(emit, result, bias) : result;
}

FailureOr<ConvolutionShape> getConvolution(Node &node, Value x, Value w) {
  Emitter &emit = node.emit;
  int64_t rank = Emitter::rank(x);
  if (rank < 3 || Emitter::rank(w) != rank)
    return node.refuse("has an input of rank " + Twine(rank) + " and weights of rank " + Twine(Emitter::rank(w)) +
                       ", expected equal ranks of three or more");
  SmallVector<int64_t> kernel;
  auto declared = node.getInts("kernel_shape");
  for (auto [i, size] : llvm::enumerate(Emitter::type(w).getShape().drop_front(2))) {
    int64_t wanted = declared && i < declared->size() ? (*declared)[i] : size;
    if (ShapedType::isDynamic(size) && ShapedType::isDynamic(wanted))
      return node.refuse("has weights whose kernel size is not known while compiling");
    if (!ShapedType::isDynamic(size) && wanted != size)
      return node.refuse("has weights with a kernel size of " + Twine(size) + " where kernel_shape says " +
                         Twine(wanted));
    kernel.push_back(wanted);
  }
  int64_t group = node.getInt("group", 1);
  if (group < 1)
    return node.refuse("has " + Twine(group) + " groups, expected at least one");
  if (auto outputs = getConstantIntValue(emit.dim(w, 0)); outputs && *outputs % group != 0)
    return node.refuse("has " + Twine(*outputs) + " output channels for " + Twine(group) + " groups");
  if (failed(requireSame(node, emit.dim(x, 1), emit.mul(emit.dim(w, 1), emit.dimension(group)),
                         "the channels of the input and those that the weights read")))
    return failure();
  FailureOr<Window> window = getWindow(node, spatialDims(emit, x), kernel, /*mayRoundUp=*/false);
  if (failed(window))
    return failure();
  Dims weightDims{emit.dim(w, 0), emit.dim(w, 1)};
  for (int64_t size : kernel)
    weightDims.push_back(emit.dimension(size));
  return ConvolutionShape{x, emit.castToDims(w, weightDims), group, *window, {}, {}, {}};
}

Value perChannel(Emitter &emit, Value vector, int64_t rank) {
  if (Emitter::rank(vector) != 1)
    return vector;
  Dims dims(rank - 1, emit.dimension(1));
  dims[0] = emit.dim(vector, 0);
  return emit.reshape(vector, dims);
}

Value addBias(Emitter &emit, Value sums, Value bias) {
  Type element = Emitter::elementType(sums);
  bias = perChannel(emit, emit.castElements(bias, element), Emitter::rank(sums));
  return emit.elementwise({sums, bias}, element, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    if (isa<FloatType>(v[0].getType()))
      return arith::AddFOp::create(b, loc, v[0], v[1]);
    return arith::AddIOp::create(b, loc, v[0], v[1]);
  });
}

static LogicalResult lowerConv(Node &node) {
  Emitter &emit = node.emit;
  Type element = Emitter::elementType(node.input(0)), sum = getSumType(element);
  FailureOr<ConvolutionShape> conv =
      getConvolution(node, emit.castElements(node.input(0), sum), emit.castElements(node.input(1), sum));
  if (failed(conv))
    return failure();
  Value result = convolve(emit, *conv, node.hasInput(2) ? node.input(2) : Value());
  return node.finish(emit.castElements(result, element));
}

/// A depthwise convolution over past and present, which also returns the past of the next step.
static LogicalResult lowerCausalConvWithState(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), w = node.input(1);
  if (Emitter::rank(x) != 3 || Emitter::rank(w) != 3)
    return node.refuse("has an input of rank " + Twine(Emitter::rank(x)) + " and weights of rank " +
                       Twine(Emitter::rank(w)) + ", expected 3 and 3");
  auto channels = getConstantIntValue(emit.dim(w, 0)), taps = getConstantIntValue(emit.dim(w, 2));
  if (!channels || !taps || *taps < 1)
    return node.refuse("has weights whose shape is not known while compiling");
  StringRef activation = node.getString("activation", "none");
  bool silu = activation == "silu" || activation == "swish";
  if (!silu && activation != "none")
    return node.refuse("has the activation `" + activation + "`, expected none, silu or swish");
  OpFoldResult zero = emit.dimension(0), past = emit.dimension(*taps - 1), length = emit.dim(x, 2);
  if (failed(requireSame(node, emit.dim(x, 1), emit.dim(w, 0), "the channels of the input and of the weights")) ||
      failed(requireSame(node, emit.dim(w, 1), emit.dimension(1), "the channels that a weight reads and one")))
    return failure();
  Type element = Emitter::elementType(x), sum = getSumType(element);
  Value padded;
  if (node.hasInput(3)) {
    if (Emitter::rank(node.input(3)) != 3 ||
        failed(requireSame(node, emit.dim(node.input(3), 2), past,
                           "the length of the past and that of the kernel less one")))
      return node.refuse("has a past_state that does not fit a kernel of " + Twine(*taps));
    Dims pastDims{emit.dim(x, 0), emit.dim(x, 1), past};
    padded = emit.concat({emit.castToDims(node.input(3), pastDims), x}, 2);
  } else {
    padded = emit.pad(x, {zero, zero, past}, {zero, zero, zero}, emit.constant(element, 0));
  }
  Window window;
  window.kernel = {*taps};
  window.strides = window.dilations = {1};
  window.low = window.high = window.declaredHigh = {zero};
  window.output = {length};
  ConvolutionShape conv{emit.castElements(padded, sum), emit.castElements(w, sum), *channels, window, {}, {}, {}};
  Value result = convolveDepthwise(emit, conv);
  if (node.hasInput(2))
    result = addBias(emit, result, node.input(2));
  if (silu)
    result = mapElements(emit, result, sum, [](Scalars &s, ValueRange v) { return swish(s, v[0], v[0]); });
  node.setOutput(0, emit.castElements(result, element));
  if (node.wantsOutput(1))
    node.setOutput(1, *taps == 1 ? emit.empty({emit.dim(x, 0), emit.dim(x, 1), past}, element)
                                 : emit.slice(padded, 2, length, past));
  return success();
}

void populateConvolutionLowerings(LoweringTable &table) {
  table.add("CausalConvWithState", lowerCausalConvWithState);
  table.add("Conv", lowerConv);
  populateByteConvolutionLowerings(table);
  populateTransposedConvolutionLowerings(table);
  populateDeformableConvolutionLowerings(table);
}

} // namespace mlir::ac
