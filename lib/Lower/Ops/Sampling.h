//===- Sampling.h - Reading tensors between their elements -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scalar arithmetic for operators that read at computed coordinates: Resize, GridSample, RoiAlign, deformable
// convolutions.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_SAMPLING_H
#define LOWER_OPS_SAMPLING_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

Value indexToFloat(OpBuilder &b, Location loc, Value index, Type real);
/// The index that a whole number in floating point stands for; NaN and numbers out of range give some index.
Value floatToIndex(OpBuilder &b, Location loc, Value real);
/// Moves an index into [0, size).
Value clampIndex(OpBuilder &b, Location loc, Value index, Value size);

/// The weight of an element at this distance.
Value linearKernel(OpBuilder &b, Location loc, Value distance);
/// Keys' cubic convolution with coefficient `a`.
Value cubicKernel(OpBuilder &b, Location loc, Value distance, double a);

/// What an operator reads outside of a tensor.
enum class Outside { Zeros, Edge, Reflection };

/// An element that a reading between elements takes along one axis.
struct Tap {
  Value index; // in bounds
  Value weight;
  Value inside; // null if always
};

/// The bounds at which coordinates are reflected.
struct ReflectionBounds {
  Value low, high;
};
Value reflect(OpBuilder &b, Location loc, Value coordinate, ReflectionBounds bounds);

/// The element at the whole number `coordinate`, with weight one.
Tap nearestTap(OpBuilder &b, Location loc, Value coordinate, Value size, Outside outside, ReflectionBounds bounds = {});
/// The two (linear) or four (cubic) elements around `coordinate`.
SmallVector<Tap> tapsAround(OpBuilder &b, Location loc, Value coordinate, Value size, Outside outside, bool cubic,
                            ReflectionBounds bounds = {});
/// The sum over all combinations of taps, one list for each of the last axes of `tensor`, of element times weights;
/// `lead` are the indices of the axes before.
Value sumTaps(OpBuilder &b, Location loc, Value tensor, ValueRange lead, ArrayRef<SmallVector<Tap>> taps);
/// The products that `sumTaps` adds up.
SmallVector<Value> weighTaps(OpBuilder &b, Location loc, Value tensor, ValueRange lead,
                             ArrayRef<SmallVector<Tap>> taps);

/// Fails at run time if a result that has elements along an axis is read from an input that has none.
void requireNonEmpty(Node &node, OpFoldResult input, OpFoldResult output);

void populateGridLowerings(LoweringTable &table);

} // namespace mlir::ac

#endif // LOWER_OPS_SAMPLING_H
