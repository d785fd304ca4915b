//===- Convolution.h - Convolutions of floats and of bytes -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_CONVOLUTION_H
#define LOWER_OPS_CONVOLUTION_H

#include "Lower/Ops/Window.h"

namespace mlir::ac {

/// A convolution whose attributes have been read.
struct ConvolutionShape {
  /// The image and the weights, which have the element type of the sums, or are bytes.
  Value x, w;
  int64_t group;
  Window window;
  /// Of bytes, which are summed in i32: the signs of the weights (lhs) and of the image (rhs).
  std::optional<Emitter::Signs> signs;
  /// The scalar that padding counts as; null for zero.
  Value outside;
  /// Of a depthwise convolution whose image is of bytes and whose weights are not: whether bytes are unsigned. Each is
  /// made a number of the weights' type where it is read, less `outside`.
  std::optional<bool> readsUnsigned;

  Dims resultDims(Emitter &emit) const {
    Dims result{emit.dim(x, 0), emit.dim(w, 0)};
    llvm::append_range(result, window.output);
    return result;
  }
  Type sumType(Emitter &emit) const { return signs ? emit.getI32Type() : Emitter::elementType(x); }
  Value paddedWith(Emitter &emit) const { return outside ? outside : emit.constant(Emitter::elementType(x), 0); }
  bool isDepthwise(Emitter &emit) const { return group > 1 && Emitter::isOne(emit.dim(w, 1)); }
};

/// Reads the attributes of a convolution of `x` by `w`.
FailureOr<ConvolutionShape> getConvolution(Node &node, Value x, Value w);

/// The convolution and its bias, which may be null. Bytes must not be depthwise.
Value convolve(Emitter &emit, const ConvolutionShape &whole, Value bias);

/// A vector with one entry per output channel, shaped to broadcast over [N, O, spatial...] of this rank; others as they
/// are.
Value perChannel(Emitter &emit, Value vector, int64_t rank);

void populateByteConvolutionLowerings(LoweringTable &table);

} // namespace mlir::ac

#endif // LOWER_OPS_CONVOLUTION_H
