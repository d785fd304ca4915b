//===- Grid.cpp - GridSample and AffineGrid -------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Sampling.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

namespace {
struct GridOptions {
  bool nearest = false, cubic = false, alignCorners = false;
  Outside outside = Outside::Zeros;
};
} // namespace

static FailureOr<GridOptions> getGridOptions(Node &node) {
  GridOptions options;
  StringRef mode = node.getString("mode", "linear"), padding = node.getString("padding_mode", "zeros");
  options.nearest = mode == "nearest";
  options.cubic = mode == "cubic" || mode == "bicubic";
  if (!options.nearest && !options.cubic && mode != "linear" && mode != "bilinear")
    return node.refuse("has the mode `" + mode + "`, expected linear, nearest or cubic");
  if (padding == "border")
    options.outside = Outside::Edge;
  else if (padding == "reflection")
    options.outside = Outside::Reflection;
  else if (padding != "zeros")
    return node.refuse("has the padding_mode `" + padding + "`, expected zeros, border or reflection");
  options.alignCorners = node.getInt("align_corners", 0) != 0;
  return options;
}

/// The taps that a coordinate in [-1, 1] reads along an axis of this size.
static SmallVector<Tap> gridTaps(OpBuilder &b, Location loc, const GridOptions &options, Value normalized, Value size) {
  Type real = normalized.getType();
  auto constant = [&](double value) -> Value { return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value)); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(b, loc, x, y); };
  Value length = indexToFloat(b, loc, size, real), last = sub(length, constant(1.0));
  Value shifted = arith::AddFOp::create(b, loc, normalized, constant(1.0)), x;
  ReflectionBounds bounds;
  if (options.alignCorners) {
    x = arith::MulFOp::create(b, loc, arith::DivFOp::create(b, loc, shifted, constant(2.0)), last);
    bounds = {constant(0.0), last};
  } else {
    x = sub(arith::MulFOp::create(b, loc, shifted, length), constant(1.0));
    x = arith::DivFOp::create(b, loc, x, constant(2.0));
    bounds = {constant(-0.5), sub(length, constant(0.5))};
  }
  if (options.nearest)
    x = math::RoundEvenOp::create(b, loc, x);
  // A cubic reading extends the border tap by tap, as PyTorch and ONNX Runtime do, and does not move the coordinate.
  if (options.outside == Outside::Edge && !options.cubic) {
    Value low = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, bounds.low);
    Value high = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, bounds.high);
    x = arith::SelectOp::create(b, loc, low, constant(0.0), x);
    x = arith::SelectOp::create(b, loc, high, last, x);
  } else if (options.outside == Outside::Reflection) {
    x = reflect(b, loc, x, bounds);
  }
  if (options.nearest)
    return {nearestTap(b, loc, x, size, options.outside, bounds)};
  return tapsAround(b, loc, x, size, options.outside, options.cubic, bounds);
}

static LogicalResult lowerGridSample(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), grid = node.input(1);
  int64_t rank = Emitter::rank(x) - 2;
  if (rank < 1 || Emitter::rank(grid) != rank + 2)
    return node.refuse("has an input of rank " + Twine(rank + 2) + " and a grid of rank " + Twine(Emitter::rank(grid)) +
                       ", expected equal ranks of three or more");
  if (failed(requireSame(node, emit.dim(grid, rank + 1), emit.dimension(rank),
                         "the coordinates in the grid and the spatial dimensions")))
    return failure();
  FailureOr<GridOptions> options = getGridOptions(node);
  if (failed(options) || failed(requireSame(node, emit.dim(x, 0), emit.dim(grid, 0), "batch sizes of input and grid")))
    return failure();
  Type element = Emitter::elementType(x), real = getSumType(Emitter::elementType(grid));
  if (!isa<FloatType>(element))
    return node.refuse("has an input that is not floating-point, which is not lowered yet");
  Dims input = emit.dims(x), result{input[0], input[1]}, positions = emit.dims(grid);
  result.append(positions.begin() + 1, positions.end() - 1);
  SmallVector<Value> sizes;
  for (int64_t axis = 0; axis < rank; ++axis) {
    requireNonEmpty(node, input[2 + axis], emit.product(result));
    sizes.push_back(emit.asValue(input[2 + axis]));
  }
  return node.finish(emit.tabulate(result, element, [&](OpBuilder &b, Location loc, ValueRange indices) {
    SmallVector<Value> place{indices[0]};
    llvm::append_range(place, indices.drop_front(2));
    SmallVector<SmallVector<Tap>> taps;
    for (int64_t axis = 0; axis < rank; ++axis) {
      // The grid names the innermost axis first.
      SmallVector<Value> source = place;
      source.push_back(arith::ConstantIndexOp::create(b, loc, rank - 1 - axis));
      Value coordinate = tensor::ExtractOp::create(b, loc, grid, source);
      taps.push_back(gridTaps(b, loc, *options, Emitter::convertScalar(b, loc, coordinate, real), sizes[axis]));
    }
    return Emitter::convertScalar(b, loc, sumTaps(b, loc, x, indices.take_front(2), taps), element);
  }));
}

/// The coordinates of the elements of an image, spread over [-1, 1] along each axis, after an affine map per batch
/// entry.
static LogicalResult lowerAffineGrid(Node &node) {
  Emitter &emit = node.emit;
  Value theta = node.input(0), size = node.input(1);
  int64_t rank = Emitter::type(size).getRank() == 1 ? Emitter::type(size).getDimSize(0) - 2 : -1;
  if (rank < 1 || Emitter::rank(theta) != 3 || getConstantIntValue(emit.dim(theta, 1)) != rank ||
      getConstantIntValue(emit.dim(theta, 2)) != rank + 1)
    return node.refuse("needs theta of shape [N, d, d + 1] and a size of d + 2 elements, with d known while compiling");
  Type element = Emitter::elementType(theta), real = getSumType(element);
  Dims image = emit.dimElements(size), result{emit.dim(theta, 0)};
  result.append(image.begin() + 2, image.end());
  result.push_back(emit.dimension(rank));
  bool alignCorners = node.getInt("align_corners", 0) != 0;
  SmallVector<Value> sizes;
  for (int64_t axis = 0; axis < rank; ++axis)
    sizes.push_back(emit.asValue(image[2 + axis]));
  return node.finish(emit.tabulate(result, element, [&](OpBuilder &b, Location loc, ValueRange indices) {
    auto constant = [&](double value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value));
    };
    auto coefficient = [&](int64_t column) {
      Value at = arith::ConstantIndexOp::create(b, loc, column);
      Value value = tensor::ExtractOp::create(b, loc, theta, ValueRange{indices[0], indices[1 + rank], at});
      return Emitter::convertScalar(b, loc, value, real);
    };
    Value sum = coefficient(rank);
    for (int64_t axis = rank - 1; axis >= 0; --axis) {
      Value length = indexToFloat(b, loc, sizes[axis], real);
      Value steps = alignCorners ? arith::SubFOp::create(b, loc, length, constant(1.0)).getResult() : length;
      Value position = arith::MulFOp::create(b, loc, indexToFloat(b, loc, indices[1 + axis], real), constant(2.0));
      if (!alignCorners)
        position = arith::AddFOp::create(b, loc, position, constant(1.0));
      Value coordinate = arith::SubFOp::create(b, loc, arith::DivFOp::create(b, loc, position, steps), constant(1.0));
      if (alignCorners) { // a single element stands in the middle
        Value single = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, steps, constant(0.0));
        coordinate = arith::SelectOp::create(b, loc, single, constant(0.0), coordinate);
      }
      Value term = arith::MulFOp::create(b, loc, coefficient(rank - 1 - axis), coordinate);
      sum = arith::AddFOp::create(b, loc, sum, term);
    }
    return Emitter::convertScalar(b, loc, sum, element);
  }));
}

void populateGridLowerings(LoweringTable &table) {
  table.add("GridSample", lowerGridSample);
  table.add("AffineGrid", lowerAffineGrid);
}

} // namespace mlir::ac
