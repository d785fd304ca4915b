//===- ConvolutionBytes.cpp - Convolutions of bytes -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bytes are multiplied as they stand, and zero points are corrections:
//
//   sum (w - zw) (x - zx) = sum w x - zx sum w - zw sum (x - zx)
//
// Padding counts as the image's zero point, so that each position has the same terms. The second sum is a number for
// each channel, which joins the bias; the third is left out where the weights less their zero points are bytes again.
// What is exact modulo 2^32 is the same number as of centred operands.
//
// Sums of whole numbers are exact in f32 up to 2^24. Where they stay below, as the weights tell, convolutions that have
// no instructions to gain from are those of f32: with one input channel per group, and on targets that do not multiply
// groups of bytes.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Convolution.h"
#include "Lower/Ops/MatrixProduct.h"
#include "Support/TargetInfo.h"
#include "Support/Weights.h"

namespace mlir::ac {

/// Whole numbers of f32 up to here have neighbours one away.
constexpr int64_t kMostExact = 1 << 24;
/// Times that windows may read a byte, on average, before it is centred in memory.
constexpr int64_t kMostReads = 8;

/// The zero point in input `i`; null for none that matters.
static Value zeroPointOf(Node &node, unsigned i) {
  Value zero = node.hasInput(i) ? nonZero(node.input(i)) : Value();
  if (zero && Emitter::rank(zero) == 1 && Emitter::isOne(node.emit.dim(zero, 0)))
    zero = node.emit.reshape(zero, {});
  return zero;
}

static int64_t byteAt(ArrayRef<char> bytes, int64_t index, bool isUnsigned) {
  return isUnsigned ? int64_t(uint8_t(bytes[index])) : int64_t(int8_t(bytes[index]));
}

/// Whole numbers of a constant that has one of them for all or for each of several.
static int64_t byteFor(ArrayRef<char> bytes, int64_t index, bool isUnsigned) {
  return byteAt(bytes, bytes.size() == 1 ? 0 : index, isUnsigned);
}

static ElementsAttr rawConstant(Value tensor) {
  return tensor ? withRawElements(Emitter::constantValue(tensor)) : ElementsAttr();
}

/// The differences between constant weights and their zero points, null for none, in the order of the weights; nothing
/// if they are not constant.
static std::optional<SmallVector<int16_t, 0>> differences(Bytes w) {
  ElementsAttr numbers = rawConstant(w.numbers), zeros = rawConstant(w.zeroPoint);
  if (!numbers || numbers.size() == 0 || (w.zeroPoint && !zeros))
    return std::nullopt;
  ArrayRef<char> bytes = getRawElements(numbers), zeroBytes = zeros ? getRawElements(zeros) : ArrayRef<char>();
  int64_t outputs = cast<RankedTensorType>(numbers.getType()).getDimSize(0), size = bytes.size();
  SmallVector<int16_t, 0> result;
  for (int64_t i = 0; i < size; ++i)
    result.push_back(byteAt(bytes, i, w.isUnsigned) -
                     (zeros ? byteFor(zeroBytes, i / (size / outputs), w.isUnsigned) : 0));
  return result;
}

/// A constant of numbers of `T`.
template <typename T>
static Value constantOf(Emitter &emit, ArrayRef<int64_t> shape, Type element, ArrayRef<T> numbers) {
  return emit.constantTensor(
      makeWeight(RankedTensorType::get(shape, element), "numbers",
                 [&](MutableArrayRef<char> to) { std::memcpy(to.data(), numbers.data(), to.size()); }));
}

/// The weights less their zero points as bytes without any, where the differences are such; else as they are.
static Bytes withoutZeroPoint(Emitter &emit, Bytes w) {
  if (!w.zeroPoint)
    return w;
  auto centred = differences(w);
  if (!centred || !llvm::all_of(*centred, [](int16_t number) { return number >= -128 && number <= 127; }))
    return w;
  SmallVector<int8_t, 0> bytes(centred->begin(), centred->end());
  ArrayRef<int64_t> shape = Emitter::type(w.numbers).getShape();
  return {constantOf(emit, shape, emit.getI8Type(), ArrayRef(bytes)), /*isUnsigned=*/false, {}};
}

/// The numbers less their zero point, in i32 or f32. A zero point for each of several is one of the first dimension.
static Value centred(Emitter &emit, Bytes operand, Type element) {
  if (auto numbers = differences(operand); numbers && element.isF32()) {
    SmallVector<float, 0> floats(numbers->begin(), numbers->end());
    return constantOf(emit, Emitter::type(operand.numbers).getShape(), element, ArrayRef(floats));
  }
  Value zero = operand.zeroPoint;
  if (zero)
    zero = perChannel(emit, zero, Emitter::rank(operand.numbers) + 1);
  return emit.castElements(subtractZeroPoint(emit, operand.numbers, operand.isUnsigned, zero), element);
}

/// Whether no sum of some of the products for a position leaves the numbers that f32 holds.
static bool isExactInFloats(Emitter &emit, Bytes x, Bytes w, const ConvolutionShape &conv) {
  int64_t least = x.isUnsigned ? 0 : -128, furthest = 255;
  if (!x.zeroPoint)
    furthest = x.isUnsigned ? 255 : 128;
  else if (ElementsAttr zero = rawConstant(x.zeroPoint)) {
    int64_t above = byteAt(getRawElements(zero), 0, x.isUnsigned) - least;
    furthest = std::max(above, 255 - above);
  }
  if (auto numbers = differences(w)) {
    int64_t outputs = Emitter::type(w.numbers).getDimSize(0), each = numbers->size() / outputs, most = 0;
    for (int64_t channel = 0; channel < outputs; ++channel) {
      int64_t sum = 0;
      for (int16_t number : ArrayRef(*numbers).slice(channel * each, each))
        sum += std::abs(number);
      most = std::max(most, sum);
    }
    return most * furthest <= kMostExact;
  }
  auto inputs = getConstantIntValue(emit.dim(conv.w, 1));
  return inputs && *inputs * conv.window.numTaps() * 255 * furthest <= kMostExact;
}

/// Whether windows of bytes read an element so seldom that centring it each time is less work than an image of words
/// in memory. Without masks, LLVM gathers bytes that stand apart.
static bool readsFew(Emitter &emit, const ConvolutionShape &conv) {
  int64_t strides = 1;
  for (int64_t stride : conv.window.strides)
    strides *= stride;
  bool hasMasks = TargetInfo::of(emit.getBlock()->getParentOp()->getParentOfType<ModuleOp>()).hasMasks;
  return conv.window.numTaps() <= strides * (hasMasks ? kMostReads : kMostReads / 2);
}

/// The sums by a convolution of numbers less their zero points, in floats if those are exact.
static Value convolveCentred(Emitter &emit, ConvolutionShape conv, Bytes x, Bytes w, bool isExact) {
  Type element = isExact ? Type(emit.getF32Type()) : Type(emit.getI32Type());
  x.numbers = conv.x;
  w.numbers = conv.w;
  if (conv.isDepthwise(emit) && readsFew(emit, conv)) {
    conv.readsUnsigned = x.isUnsigned;
    if (x.zeroPoint)
      conv.outside = emit.scalar(x.zeroPoint);
  } else {
    conv.x = centred(emit, x, element);
  }
  conv.w = centred(emit, w, element);
  Value sums = convolve(emit, conv, /*bias=*/{});
  if (!isExact)
    return sums;
  return emit.elementwise({sums}, emit.getI32Type(), [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return arith::FPToSIOp::create(b, loc, b.getI32Type(), v[0]);
  });
}

/// What is added to the sums of each output channel, [O] of i32 or one for all: the bias, less the image's zero point
/// times the sum of the weights. Null for nothing.
static Value channelOffsets(Emitter &emit, Bytes x, Bytes w, Value bias) {
  if (!x.zeroPoint)
    return bias;
  OpFoldResult outputs = emit.dim(w.numbers, 0);
  ElementsAttr zero = rawConstant(x.zeroPoint), start = rawConstant(bias);
  auto numbers = differences({w.numbers, w.isUnsigned, {}});
  if (zero && numbers && (!bias || start)) {
    int64_t size = numbers->size(), count = Emitter::type(w.numbers).getDimSize(0);
    SmallVector<int32_t, 0> offsets(count, 0);
    if (start)
      std::memcpy(offsets.data(), getRawElements(start).data(), count * sizeof(int32_t));
    uint32_t factor = byteAt(getRawElements(zero), 0, x.isUnsigned);
    for (auto [i, number] : llvm::enumerate(*numbers)) // modulo 2^32
      offsets[i / (size / count)] = uint32_t(offsets[i / (size / count)]) - factor * uint32_t(int32_t(number));
    return constantOf(emit, {count}, emit.getI32Type(), ArrayRef(offsets));
  }
  OpFoldResult inner = emit.product(ArrayRef<OpFoldResult>(emit.dims(w.numbers)).drop_front());
  Value sums = sumBytes(emit, emit.reshape(w.numbers, {outputs, inner}), w.isUnsigned, 1);
  SmallVector<Value> operands{emit.reshape(sums, {outputs}), x.zeroPoint};
  if (bias)
    operands.push_back(bias);
  return emit.elementwise(operands, emit.getI32Type(), [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value factor = Emitter::convertScalar(b, loc, v[1], b.getI32Type(), x.isUnsigned);
    Value start = bias ? v[2] : arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0)).getResult();
    return arith::SubIOp::create(b, loc, start, arith::MulIOp::create(b, loc, factor, v[0]));
  });
}

/// Takes the weights' zero point times the sum of what a position reads of the image, less its zero point, from `sums`.
static Value correctForWeights(Emitter &emit, const ConvolutionShape &conv, Bytes x, Bytes w, Value sums) {
  Type i32 = emit.getI32Type();
  OpFoldResult one = emit.dimension(1), groups = emit.dimension(conv.group), outputs = emit.dim(conv.w, 0);
  Dims image = emit.dims(conv.x), split{image[0], groups, emit.quotient(image[1], groups)};
  split.append(image.begin() + 2, image.end());
  Value channels = emit.reshape(subtractZeroPoint(emit, conv.x, x.isUnsigned, x.zeroPoint), split);
  ConvolutionShape windows = conv;
  windows.signs.reset();
  windows.outside = {};
  windows.x = emit.reduce(channels, {2}, /*keepDims=*/false, emit.constant(i32, 0),
                          [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            return arith::AddIOp::create(b, loc, v[0], v[1]);
                          });
  Dims ones{groups, one};
  for (int64_t size : conv.window.kernel)
    ones.push_back(emit.dimension(size));
  windows.w = emit.fill(ones, emit.constant(i32, 1));
  Value windowSums = convolve(emit, windows, /*bias=*/{});

  // [batch, group, channel of the group, positions...]
  Dims result = emit.dims(sums), parts{result[0], groups, emit.quotient(outputs, groups)}, windowDims{result[0], groups, one};
  parts.append(result.begin() + 2, result.end());
  windowDims.append(result.begin() + 2, result.end());
  Value zero = w.zeroPoint;
  if (Emitter::rank(zero) == 1) {
    Dims zeroDims(parts.size() - 1, one);
    zeroDims[0] = groups;
    zeroDims[1] = parts[2];
    zero = emit.reshape(zero, zeroDims);
  }
  Value corrected =
      emit.elementwise({emit.reshape(sums, parts), emit.reshape(windowSums, windowDims), zero}, i32,
                       [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                         Value factor = Emitter::convertScalar(b, loc, v[2], i32, w.isUnsigned);
                         return arith::SubIOp::create(b, loc, v[0], arith::MulIOp::create(b, loc, factor, v[1]));
                       });
  return emit.reshape(corrected, result);
}

/// The convolution of two inputs of bytes with their zero points and `bias`, which may be null, in i32.
static FailureOr<Value> convolveBytes(Node &node, unsigned image, unsigned imageZero, unsigned weights,
                                      unsigned weightsZero, Value bias) {
  Emitter &emit = node.emit;
  Bytes x{node.input(image), node.isUnsigned(image), zeroPointOf(node, imageZero)};
  Bytes w{node.input(weights), node.isUnsigned(weights), zeroPointOf(node, weightsZero)};
  w = withoutZeroPoint(emit, w);
  FailureOr<ConvolutionShape> conv = getConvolution(node, x.numbers, w.numbers);
  if (failed(conv))
    return failure();
  if (x.zeroPoint && Emitter::rank(x.zeroPoint) != 0)
    return node.refuse("has an input with " + Twine(Emitter::type(x.zeroPoint).getNumElements()) +
                       " zero points, expected one for the whole tensor; quantise it per tensor");
  bool isExact = isExactInFloats(emit, x, w, *conv);
  TargetInfo target = TargetInfo::of(emit.getBlock()->getParentOp()->getParentOfType<ModuleOp>());
  if (conv->isDepthwise(emit) || (isExact && !target.groupsColumns(emit.getI8Type()))) {
    Value sums = convolveCentred(emit, *conv, x, w, isExact);
    return bias ? addBias(emit, sums, bias) : sums;
  }
  conv->signs = Emitter::Signs{w.isUnsigned, x.isUnsigned};
  if (x.zeroPoint)
    conv->outside = emit.scalar(x.zeroPoint);
  Value sums = convolve(emit, *conv, channelOffsets(emit, x, w, bias));
  return w.zeroPoint ? correctForWeights(emit, *conv, x, w, sums) : sums;
}

static LogicalResult lowerConvInteger(Node &node) {
  FailureOr<Value> sums = convolveBytes(node, 0, 2, 1, 3, /*bias=*/{});
  return failed(sums) ? failure() : node.finish(*sums);
}

/// The scale of the image times that of the weights over that of the result, for all channels or for each.
static Value resultScale(Node &node) {
  Emitter &emit = node.emit;
  auto scaleOf = [&](unsigned i) { return emit.castElements(node.input(i), emit.getF32Type()); };
  Value x = scaleOf(1), w = scaleOf(4), y = scaleOf(6);
  ElementsAttr constants[] = {rawConstant(x), rawConstant(w), rawConstant(y)};
  if (llvm::all_of(constants, [](ElementsAttr value) { return bool(value); }) && constants[0].size() == 1 &&
      constants[2].size() == 1) {
    auto numberAt = [](ElementsAttr value, int64_t i) {
      float number;
      std::memcpy(&number, getRawElements(value).data() + i * sizeof(float), sizeof(float));
      return number;
    };
    SmallVector<float, 0> scales;
    for (int64_t i = 0; i < constants[1].size(); ++i)
      scales.push_back(numberAt(constants[0], 0) * numberAt(constants[1], i) / numberAt(constants[2], 0));
    SmallVector<int64_t> shape;
    if (scales.size() > 1)
      shape.push_back(scales.size());
    return constantOf(emit, shape, emit.getF32Type(), ArrayRef(scales));
  }
  return emit.elementwise({x, w, y}, emit.getF32Type(), [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value scales = arith::MulFOp::create(b, loc, v[0], v[1]);
    return arith::DivFOp::create(b, loc, scales, v[2]);
  });
}

static LogicalResult lowerQLinearConv(Node &node) {
  Emitter &emit = node.emit;
  FailureOr<Value> sums = convolveBytes(node, 0, 2, 3, 5, node.hasInput(8) ? node.input(8) : Value());
  if (failed(sums))
    return failure();
  int64_t rank = Emitter::rank(*sums);
  Value scale = perChannel(emit, resultScale(node), rank);
  Value zero = node.hasInput(7) ? perChannel(emit, node.input(7), rank) : Value();
  return node.finish(requantize(emit, *sums, scale, zero, node.outputElementType(0), node.isOutputUnsigned(0)));
}

void populateByteConvolutionLowerings(LoweringTable &table) {
  table.add("ConvInteger", lowerConvInteger);
  table.add("QLinearConv", lowerQLinearConv);
}

} // namespace mlir::ac
