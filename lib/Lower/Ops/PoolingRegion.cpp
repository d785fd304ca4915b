//===- PoolingRegion.cpp - Pooling over regions of interest ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each region is cut into a grid of bins of equal size. RoiAlign reads every bin at points between the elements;
// MaxRoiPool takes the largest of the elements that the bin touches.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Sampling.h"
#include "Lower/Ops/Window.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

namespace mlir::ac {

/// Short names for scalar arithmetic in one floating-point type.
namespace {
struct Scalars {
  OpBuilder &b;
  Location loc;
  Type real;

  Value constant(double value) const { return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value)); }
  Value add(Value x, Value y) const { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) const { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) const { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) const { return arith::DivFOp::create(b, loc, x, y); }
  Value max(Value x, Value y) const { return arith::MaximumFOp::create(b, loc, x, y); }
  Value min(Value x, Value y) const { return arith::MinimumFOp::create(b, loc, x, y); }
  Value less(Value x, Value y) const { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y); }
  Value anyOf(Value x, Value y) const { return arith::OrIOp::create(b, loc, x, y); }
  Value select(Value condition, Value x, Value y) const { return arith::SelectOp::create(b, loc, condition, x, y); }
  Value extract(Value tensor, ValueRange indices) const {
    return Emitter::convertScalar(b, loc, tensor::ExtractOp::create(b, loc, tensor, indices), real);
  }
  Value index(int64_t value) const { return arith::ConstantIndexOp::create(b, loc, value); }
};
} // namespace

/// Fails at run time if an image number is out of range: every later read relies on it.
static void requireImages(Node &node, Value numbers, OpFoldResult images) {
  Emitter &emit = node.emit;
  Value end = emit.asValue(images), yes = arith::ConstantOp::create(emit, emit.getBoolAttr(true));
  Value good =
      emit.reduce(numbers, {0}, /*keepDims=*/false, yes, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
        Value number = Emitter::convertScalar(b, loc, v[0], b.getI64Type());
        number = arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
        Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, end);
        return arith::AndIOp::create(b, loc, v[1], inside);
      });
  node.require(emit.scalar(good), "a region belongs to an image that the batch does not have");
}

static LogicalResult lowerRoiAlign(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), regions = node.input(1), images = node.input(2);
  if (Emitter::rank(x) != 4 || Emitter::rank(regions) != 2 || Emitter::rank(images) != 1 ||
      failed(requireSame(node, emit.dim(regions, 1), emit.dimension(4), "coordinates of a region")) ||
      failed(requireSame(node, emit.dim(regions, 0), emit.dim(images, 0), "numbers of regions and of their images")))
    return node.refuse("expected an input of rank 4, regions of shape [R, 4] and image numbers of shape [R]");
  int64_t bins[] = {node.getInt("output_height", 1), node.getInt("output_width", 1)};
  int64_t sampling = node.getInt("sampling_ratio", 0);
  StringRef mode = node.getString("mode", "avg");
  if (bins[0] < 1 || bins[1] < 1 || sampling < 0 || (mode != "avg" && mode != "max"))
    return node.refuse("has an output of " + Twine(bins[0]) + " by " + Twine(bins[1]) + ", sampling_ratio " +
                       Twine(sampling) + " and mode `" + mode + "`");
  bool isMax = mode == "max";
  bool halfPixel = node.opset() >= 16 && node.getString("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  double scale = node.getFloat("spatial_scale", 1.0);
  Type element = Emitter::elementType(x), real = getSumType(element);
  requireImages(node, images, emit.dim(x, 0));
  Dims result{emit.dim(regions, 0), emit.dim(x, 1), emit.dimension(bins[0]), emit.dimension(bins[1])};
  requireNonEmpty(node, emit.mul(emit.dim(x, 2), emit.dim(x, 3)), emit.product(result));
  Value sizes[] = {emit.asValue(emit.dim(x, 2)), emit.asValue(emit.dim(x, 3))};

  return node.finish(emit.tabulate(result, element, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    Scalars s{b, loc, real};
    Value image = tensor::ExtractOp::create(b, loc, images, i[0]);
    image = arith::IndexCastOp::create(b, loc, b.getIndexType(), image);
    // For each axis: where the bin begins, the distance between points, and how many there are.
    SmallVector<Value> begin, step, points;
    for (int64_t axis = 0; axis < 2; ++axis) {
      // Regions are [x1, y1, x2, y2].
      auto corner = [&](int64_t at) {
        Value value = s.mul(s.extract(regions, ValueRange{i[0], s.index(at)}), s.constant(scale));
        return halfPixel ? s.sub(value, s.constant(0.5)) : value;
      };
      Value start = corner(1 - axis), size = s.sub(corner(3 - axis), start);
      if (!halfPixel)
        size = s.max(size, s.constant(1.0));
      Value bin = s.div(size, s.constant(static_cast<double>(bins[axis])));
      Value count = sampling > 0 ? s.constant(static_cast<double>(sampling)) : math::CeilOp::create(b, loc, bin);
      points.push_back(floatToIndex(b, loc, count));
      step.push_back(s.div(bin, count));
      begin.push_back(s.add(start, s.mul(bin, indexToFloat(b, loc, i[2 + axis], real))));
    }
    Value zero = s.index(0), one = s.index(1), none = s.constant(0.0);
    Value lowest = isMax ? s.constant(-std::numeric_limits<double>::infinity()) : none;
    auto nest =
        scf::buildLoopNest(b, loc, {zero, zero}, points, {one, one}, ValueRange{lowest},
                           [&](OpBuilder &b, Location loc, ValueRange point, ValueRange total) -> scf::ValueVector {
                             Scalars s{b, loc, real};
                             SmallVector<SmallVector<Tap>> taps;
                             Value outside;
                             for (int64_t axis = 0; axis < 2; ++axis) {
                               Value at =
                                   s.mul(s.add(indexToFloat(b, loc, point[axis], real), s.constant(0.5)), step[axis]);
                               at = s.add(begin[axis], at);
                               Value size = indexToFloat(b, loc, sizes[axis], real);
                               Value out = s.anyOf(s.less(at, s.constant(-1.0)), s.less(size, at));
                               outside = outside ? s.anyOf(outside, out) : out;
                               at = s.min(s.max(at, s.constant(0.0)), s.sub(size, s.constant(1.0)));
                               taps.push_back(tapsAround(b, loc, at, sizes[axis], Outside::Edge, /*cubic=*/false));
                             }
                             SmallVector<Value> products = weighTaps(b, loc, x, ValueRange{image, i[1]}, taps);
                             Value value = products[0];
                             for (Value product : ArrayRef<Value>(products).drop_front())
                               value = isMax ? s.max(value, product) : s.add(value, product);
                             value = s.select(outside, s.constant(0.0), value);
                             return {isMax ? s.max(total[0], value) : s.add(total[0], value)};
                           });
    Value count = arith::MulIOp::create(b, loc, points[0], points[1]), total = nest.results[0];
    if (isMax) {
      Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, count, zero);
      total = s.select(some, total, none);
    } else {
      count = arith::MaxSIOp::create(b, loc, count, one);
      total = s.div(total, indexToFloat(b, loc, count, real));
    }
    return Emitter::convertScalar(b, loc, total, element);
  }));
}

static LogicalResult lowerMaxRoiPool(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), regions = node.input(1);
  auto bins = node.getInts("pooled_shape");
  if (Emitter::rank(x) != 4 || Emitter::rank(regions) != 2 || !bins || bins->size() != 2 || (*bins)[0] < 1 ||
      (*bins)[1] < 1 || failed(requireSame(node, emit.dim(regions, 1), emit.dimension(5), "numbers of a region")))
    return node.refuse("expected an input of rank 4, regions of shape [R, 5] and a pooled_shape of two sizes");
  double scale = node.getFloat("spatial_scale", 1.0);
  Type element = Emitter::elementType(x), real = getSumType(element);
  requireImages(node, emit.squeezeAxes(emit.slice(regions, 1, emit.dimension(0), emit.dimension(1)), {1}),
                emit.dim(x, 0));
  Dims result{emit.dim(regions, 0), emit.dim(x, 1), emit.dimension((*bins)[0]), emit.dimension((*bins)[1])};
  Value sizes[] = {emit.asValue(emit.dim(x, 2)), emit.asValue(emit.dim(x, 3))};

  return node.finish(emit.tabulate(result, element, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    Scalars s{b, loc, real};
    Value image = floatToIndex(b, loc, s.extract(regions, ValueRange{i[0], s.index(0)}));
    SmallVector<Value> begin, end;
    for (int64_t axis = 0; axis < 2; ++axis) {
      auto corner = [&](int64_t at) -> Value {
        Value value = s.mul(s.extract(regions, ValueRange{i[0], s.index(at)}), s.constant(scale));
        return math::RoundOp::create(b, loc, value);
      };
      Value start = corner(2 - axis), size = s.add(s.sub(corner(4 - axis), start), s.constant(1.0));
      size = s.max(size, s.constant(1.0));
      Value bin = s.div(size, s.constant(static_cast<double>((*bins)[axis])));
      Value position = indexToFloat(b, loc, i[2 + axis], real), length = indexToFloat(b, loc, sizes[axis], real);
      auto place = [&](Value offset) {
        Value at = s.min(s.max(s.add(start, offset), s.constant(0.0)), length);
        return floatToIndex(b, loc, at);
      };
      begin.push_back(place(math::FloorOp::create(b, loc, s.mul(position, bin))));
      end.push_back(place(math::CeilOp::create(b, loc, s.mul(s.add(position, s.constant(1.0)), bin))));
    }
    Value one = s.index(1), none = s.constant(0.0);
    auto nest = scf::buildLoopNest(b, loc, begin, end, {one, one},
                                   ValueRange{s.constant(-std::numeric_limits<double>::infinity())},
                                   [&](OpBuilder &b, Location loc, ValueRange at, ValueRange best) -> scf::ValueVector {
                                     Scalars s{b, loc, real};
                                     return {s.max(best[0], s.extract(x, ValueRange{image, i[1], at[0], at[1]}))};
                                   });
    // A bin outside of the image has no element.
    Value empty =
        arith::OrIOp::create(b, loc, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, begin[0], end[0]),
                             arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, begin[1], end[1]));
    return Emitter::convertScalar(b, loc, s.select(empty, none, nest.results[0]), element);
  }));
}

void populateRegionPoolingLowerings(LoweringTable &table) {
  table.add("RoiAlign", lowerRoiAlign);
  table.add("MaxRoiPool", lowerMaxRoiPool);
}

} // namespace mlir::ac
