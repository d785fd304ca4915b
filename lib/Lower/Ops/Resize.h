//===- Resize.h - What changes in a resized tensor ---------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_RESIZE_H
#define LOWER_OPS_RESIZE_H

#include "Lower/Ops/Sampling.h"
#include <optional>

namespace mlir::ac {

/// An axis that changes.
struct ResizedAxis {
  int64_t axis = 0;
  OpFoldResult input, output;
  /// Result size over input size: always a scalar, and its value where that is known.
  Value scale;
  std::optional<double> constantScale;
  /// The region of interest (tf_crop_and_resize).
  Value begin, end;
};

/// The coordinate in the input of position y: `(y + shift) * numerator / divisor + offset`; null stands for one, one
/// and zero.
struct Coordinates {
  double shift = 0;
  Value numerator, divisor, offset;

  Value at(OpBuilder &b, Location loc, Type real, Value position) const {
    Value y = indexToFloat(b, loc, position, real);
    if (shift != 0)
      y = arith::AddFOp::create(b, loc, y, arith::ConstantOp::create(b, loc, b.getFloatAttr(real, shift)));
    if (numerator)
      y = arith::MulFOp::create(b, loc, y, numerator);
    if (divisor)
      y = arith::DivFOp::create(b, loc, y, divisor);
    if (offset)
      y = arith::AddFOp::create(b, loc, y, offset);
    return y;
  }
};

/// A Resize node on its way. The first two methods are in ResizeAxes.cpp, the rest in Resize.cpp.
struct Resizing {
  Node &node;
  Emitter &emit;
  Value x;
  Type real;
  StringRef mode, coordinates, nearest;
  SmallVector<ResizedAxis> axes;
  /// The sizes are given, and a scale is their ratio; otherwise the sizes are products that were rounded down.
  bool exactSizes = false;

  explicit Resizing(Node &node) : node(node), emit(node.emit), x(node.input(0)) {
    real = Emitter::elementType(x).isF64() ? Type(emit.getF64Type()) : Type(emit.getF32Type());
  }

  /// Finds the axes that change; null stands for an input that is left out.
  LogicalResult readAxes(Value roi, Value scales, Value sizes);
  FailureOr<Coordinates> coordinatesOf(const ResizedAxis &axis);
  LogicalResult lower();

  Value toReal(OpFoldResult size) {
    if (auto constant = getConstantIntValue(size))
      return emit.constant(real, static_cast<double>(*constant));
    return arith::SIToFPOp::create(emit, real, emit.asInteger(size, emit.getI64Type()));
  }
  bool repeatsWhole();
  Value repeat();
  FailureOr<Value> pickNearest();
  FailureOr<Value> interpolate(Value tensor, const ResizedAxis &axis);
  FailureOr<Value> extrapolate(Value result);
};

} // namespace mlir::ac

#endif // LOWER_OPS_RESIZE_H
