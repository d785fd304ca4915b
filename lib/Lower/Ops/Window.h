//===- Window.h - Windows that slide over spatial dimensions -----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The geometry that convolutions and poolings share: tensors are [batch, channel, spatial...], and at each position a
// window of taps is read from the (padded) input. Sizes of the input may be known at run time only; kernels, strides
// and dilations are constants.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_WINDOW_H
#define LOWER_OPS_WINDOW_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// Above this, the taps of a window are a loop instead of being written out.
constexpr int64_t kMostTaps = 64;

/// One entry for each spatial dimension.
struct Window {
  SmallVector<int64_t> kernel, strides, dilations;
  /// Padding before and after; `high` reaches as far as the last window does.
  Dims low, high;
  /// Padding after as the model gives it: smaller than `high` where `ceil_mode` lets the last window hang over.
  Dims declaredHigh;
  /// Number of positions.
  Dims output;

  size_t rank() const { return kernel.size(); }
  /// Distance from the first to past the last element that a window touches.
  int64_t extent(size_t i) const { return (kernel[i] - 1) * dilations[i] + 1; }
  int64_t numTaps() const;
  bool isPadded() const;
  /// Where tap `index` stands in the kernel, counted in row-major order.
  Dims tapAt(Emitter &emit, int64_t index) const;
  /// Every window covers the whole of its own tile: no overlap, no gap, no padding.
  bool isTiling() const;
  /// Where tap `tap` of the window at `position` lies in the padded input.
  AffineExpr source(size_t i, AffineExpr position, AffineExpr tap) const {
    return position * strides[i] + tap * dilations[i];
  }
};

/// Reads `strides`, `dilations`, `pads`, `auto_pad` (and `ceil_mode` if `mayRoundUp`) of a node whose input has these
/// spatial sizes.
FailureOr<Window> getWindow(Node &node, ArrayRef<OpFoldResult> spatial, ArrayRef<int64_t> kernel, bool mayRoundUp);

/// The spatial dimensions of [batch, channel, spatial...].
Dims spatialDims(Emitter &emit, Value tensor);

/// A positive integer list attribute with one entry per spatial dimension; ones if it is missing.
FailureOr<SmallVector<int64_t>> getPerAxis(Node &node, StringRef name, size_t rank);

/// Pads the spatial dimensions of [batch, channel, spatial...].
Value padSpatial(Emitter &emit, Value tensor, const Window &window, Value scalar);

/// The element of `tensor` [batch, channel, spatial...] that tap `taps` of the window at `position` reads, or `outside`
/// where that is padding. For bodies of operations: nothing is copied, and loops over positions are split where they
/// enter and leave the padding (see `LoopGuards`).
Value readWindow(Emitter &emit, OpBuilder &b, Location loc, Value tensor, const Window &window, ValueRange lead,
                 ValueRange position, ArrayRef<OpFoldResult> taps, Value outside);

/// The product of a convolution: weights [O, I/g, taps...] by columns of N * I * taps * positions elements in this
/// order; the result is [N, O, positions...]. With `signs`, of weights and columns, i8 elements are multiplied to i32.
Value multiplyColumns(Emitter &emit, Value weights, Value columns, int64_t group, ArrayRef<OpFoldResult> positions,
                      std::optional<Emitter::Signs> signs = {});

/// Whether `convolveLines` does the convolution of `x` [N, C, positions...], and better than a product of columns.
bool hasLines(Emitter &emit, Value x, const Window &window);

/// The image [N, C, spatial...], padded, with what the last two dimensions of a tap meet standing together:
/// lines[n, h, c, p, x] = padded[n, c, h, x * stride + p], with one h where there is one spatial dimension. The padding
/// is `outside`.
Value layOutLines(Emitter &emit, Value x, const Window &window, Value outside);

/// The convolution of one group, `x` [N, C, spatial...] by `w` [O, C, taps...]: a product that reads its columns from
/// the image, where the padding is `outside`. The result is [N, O, positions...], of i32 where elements are of i8, whose
/// `signs` are those of `w` and `x`.
Value convolveLines(Emitter &emit, Value x, Value w, const Window &window, Value outside, Emitter::Signs signs);

/// Adds one number per channel to [batch, channel, spatial...].
Value addBias(Emitter &emit, Value sums, Value bias);

/// Sums columns [N, C * taps, positions...] into the image they were taken from: `result[n, c, y] = sum over taps k of
/// columns[n, c, k, t]` where `t * stride + k * dilation - low = y`. `window.output` holds the sizes of the positions,
/// `image` those of the result, and `kernel` stands for the window's: it need not be constant.
Value columnsToImage(Emitter &emit, Value columns, const Window &window, ArrayRef<OpFoldResult> kernel,
                     ArrayRef<OpFoldResult> image);

void populateTransposedConvolutionLowerings(LoweringTable &table);
void populateDeformableConvolutionLowerings(LoweringTable &table);
void populateRegionPoolingLowerings(LoweringTable &table);

} // namespace mlir::ac

#endif // LOWER_OPS_WINDOW_H
