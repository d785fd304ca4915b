//===- ConvolutionLines.cpp - Convolutions without columns ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The columns of a convolution repeat each element of the image once for every tap. But where the image is padded, and
// its columns are sorted by their remainder modulo the stride, what one tap of one channel meets along a row of
// positions is a run of consecutive elements; and the runs of the next row of positions are the same ones, a fixed
// number of elements later. So the image is laid out as
//
//   lines[h, c, p, x] = padded[c, h, x * stride + p]
//
// and the product reads element (c, kh, kw) of the columns of position row `oh` at
//
//   lines[oh * stride + kh * dilation, c, kw * dilation mod stride, kw * dilation / stride + ...]
//
// The rows of positions are the batch of an `ac.contract` with starts. A signal has one line; an image without padding
// whose stride is one is its own lines.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Window.h"
#include "Support/TargetInfo.h"

namespace mlir::ac {

/// Positions in a row below which vectors along it are too empty.
constexpr int64_t kFewestPositions = 8;

bool hasLines(Emitter &emit, Value x, const Window &window) {
  Type element = Emitter::elementType(x);
  bool areBytes = element.isInteger(8);
  if (window.rank() > 2 || window.numTaps() == 1 || !(isa<FloatType>(element) || areBytes))
    return false;
  // Rows of bytes that are copied to groups are merged.
  TargetInfo target = TargetInfo::of(emit.getBlock()->getParentOp()->getParentOfType<ModuleOp>());
  if (areBytes && target.groupsColumns(element))
    return true;
  auto positions = getConstantIntValue(window.output.back());
  return !positions || *positions >= kFewestPositions;
}

Value layOutLines(Emitter &emit, Value x, const Window &window, Value outside) {
  OpFoldResult batch = emit.dim(x, 0), channels = emit.dim(x, 1), one = emit.dimension(1);
  bool isImage = window.rank() == 2;
  int64_t stride = window.strides.back(), reach = window.extent(window.rank() - 1) - 1;
  // Phases whose last elements no position reads may reach past the image.
  Window copied;
  copied.low = window.low;
  copied.high = window.high;
  if (stride != 1)
    copied.high.back() = one;
  OpFoldResult width = emit.add(window.output.back(), emit.dimension(reach / stride));
  OpFoldResult height = one;
  if (isImage) {
    copied.kernel = copied.strides = copied.dilations = {1};
    OpFoldResult last = emit.mul(emit.sub(window.output[0], one), emit.dimension(window.strides[0]));
    height = emit.add(last, emit.dimension(window.extent(0)));
  }
  copied.kernel.push_back(stride);
  copied.strides.push_back(stride);
  copied.dilations.push_back(1);
  return emit.tabulate({batch, height, channels, emit.dimension(stride), width}, Emitter::elementType(x),
                       [&](OpBuilder &b, Location loc, ValueRange at) {
                         SmallVector<Value> position{at[4]};
                         SmallVector<OpFoldResult> taps{at[3]};
                         if (isImage) {
                           position.insert(position.begin(), at[1]);
                           taps.insert(taps.begin(), b.getIndexAttr(0));
                         }
                         return readWindow(emit, b, loc, x, copied, {at[0], at[2]}, position, taps, outside);
                       });
}

namespace {
/// [lines, pitch], and the distances from a channel, a row of the padded image and a phase of the stride to the next.
struct Lines {
  Value tensor;
  OpFoldResult channel, row, phase;
};
} // namespace

static Lines getLines(Emitter &emit, Value x, const Window &window, Value outside) {
  // Images of bytes are always copied: a part of them at a time is then copied once more, for all taps.
  bool inPlace = !Emitter::elementType(x).isInteger(8) || window.rank() == 1;
  if (!window.isPadded() && window.strides.back() == 1 && inPlace) {
    Dims dims = emit.dims(x);
    OpFoldResult width = dims.back();
    if (window.rank() == 1)
      return {emit.reshape(x, {dims[0], emit.mul(dims[1], width)}), width, width, width};
    return {emit.reshape(x, {emit.product({dims[0], dims[1], dims[2]}), width}), emit.mul(dims[2], width), width,
            width};
  }
  Value tensor = layOutLines(emit, x, window, outside);
  Dims dims = emit.dims(tensor);
  OpFoldResult channel = emit.mul(dims[3], dims[4]), row = emit.mul(dims[2], channel);
  return {emit.reshape(tensor, {emit.mul(dims[0], dims[1]), row}), channel, row, dims[4]};
}

/// Where each step of the product, (channel, taps...), begins in its line.
static Value tabulateStarts(Emitter &emit, OpFoldResult channels, const Lines &lines, const Window &window) {
  Dims steps{channels};
  for (int64_t size : window.kernel)
    steps.push_back(emit.dimension(size));
  int64_t stride = window.strides.back(), dilation = window.dilations.back();
  Value starts = emit.tabulate(steps, emit.getIndexType(), [&](OpBuilder &b, Location loc, ValueRange at) {
    AffineExpr channel, row, column, perChannel, perRow, perPhase;
    bindDims(b.getContext(), channel, row, column);
    bindSymbols(b.getContext(), perChannel, perRow, perPhase);
    AffineExpr offset = column * dilation;
    AffineExpr start = channel * perChannel + row * window.dilations[0] * perRow + (offset % stride) * perPhase +
                       offset.floorDiv(stride);
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    return getValueOrCreateConstantIndexOp(
        b, loc,
        affine::makeComposedFoldedAffineApply(
            b, loc, AffineMap::get(3, 3, start),
            {at[0], window.rank() == 2 ? at[1] : zero, at.back(), lines.channel, lines.row, lines.phase}));
  });
  return emit.reshape(starts, {emit.product(steps)});
}

Value convolveLines(Emitter &emit, Value x, Value w, const Window &window, Value outside, Emitter::Signs signs) {
  OpFoldResult outputs = emit.dim(w, 0);
  Lines lines = getLines(emit, x, window, outside);
  Value starts = tabulateStarts(emit, emit.dim(x, 1), lines, window);
  Value weights = emit.reshape(w, {emit.dimension(1), outputs, emit.dim(starts, 0)});
  AffineExpr line = emit.getAffineDimExpr(0) * (window.rank() == 2 ? window.strides[0] : 1);
  Dims result{emit.dim(x, 0), outputs};
  llvm::append_range(result, window.output);
  return emit.contractLines(weights, lines.tensor, starts, result, AffineMap::get(1, 0, line), signs);
}

} // namespace mlir::ac
