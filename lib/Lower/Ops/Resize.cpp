//===- Resize.cpp - Resize and Upsample -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Resampling is separable. For each resized axis, small tables over the positions of the result say where to read:
// `nearest` has one source index per position, and all axes are read in one pass; the other modes have a first index
// and the weights of the elements from there on, and take one pass per axis. The weights are a kernel around the
// position's coordinate in the input; antialiasing stretches the kernel where the axis shrinks. Indices out of bounds
// repeat the edge. Repeating every element a whole number of times is one affine read.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Resize.h"
#include "Lower/Ops/MatrixProduct.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

namespace mlir::ac {

//===----------------------------------------------------------------------===//
// Nearest
//===----------------------------------------------------------------------===//

/// True if each element is repeated a whole number of times along every axis.
bool Resizing::repeatsWhole() {
  bool halfPixel = coordinates == "half_pixel" && nearest.starts_with("round_prefer");
  if (mode != "nearest" || !(halfPixel || (coordinates == "asymmetric" && nearest == "floor")))
    return false;
  return llvm::all_of(axes, [](const ResizedAxis &axis) {
    return axis.constantScale && *axis.constantScale >= 1 && *axis.constantScale == std::floor(*axis.constantScale);
  });
}

Value Resizing::repeat() {
  Dims result = emit.dims(x);
  unsigned rank = result.size();
  SmallVector<AffineExpr> read;
  for (unsigned i = 0; i < rank; ++i)
    read.push_back(emit.getAffineDimExpr(i));
  for (const ResizedAxis &axis : axes) {
    result[axis.axis] = axis.output;
    read[axis.axis] = read[axis.axis].floorDiv(static_cast<int64_t>(*axis.constantScale));
  }
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  return emit.generic(x, AffineMap::get(rank, 0, read, emit.getContext()), emit.empty(result, Emitter::elementType(x)),
                      emit.getMultiDimIdentityMap(rank), iterators,
                      [](OpBuilder &, Location, ValueRange v) { return v[0]; });
}

FailureOr<Value> Resizing::pickNearest() {
  Dims result = emit.dims(x);
  SmallVector<Value> tables(result.size());
  Type i64 = emit.getI64Type();
  for (const ResizedAxis &axis : axes) {
    FailureOr<Coordinates> map = coordinatesOf(axis);
    if (failed(map))
      return failure();
    result[axis.axis] = axis.output;
    Value size = emit.asValue(axis.input), scale = axis.scale;
    tables[axis.axis] = emit.tabulate({axis.output}, i64, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
      auto constant = [&](double value) -> Value {
        return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value));
      };
      Value source = map->at(b, loc, real, i[0]);
      if (nearest == "round_prefer_floor")
        source = math::CeilOp::create(b, loc, arith::SubFOp::create(b, loc, source, constant(0.5)));
      else if (nearest == "round_prefer_ceil")
        source = math::FloorOp::create(b, loc, arith::AddFOp::create(b, loc, source, constant(0.5)));
      else if (nearest == "ceil")
        source = math::CeilOp::create(b, loc, source);
      else if (nearest == "simple") // before opset 11: up if the axis shrinks, else down
        source = arith::SelectOp::create(b, loc,
                                         arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, scale, constant(1)),
                                         math::CeilOp::create(b, loc, source), math::FloorOp::create(b, loc, source));
      else
        source = math::FloorOp::create(b, loc, source);
      return arith::IndexCastOp::create(b, loc, i64, clampIndex(b, loc, floatToIndex(b, loc, source), size));
    });
  }
  for (const ResizedAxis &axis : axes)
    requireNonEmpty(node, axis.input, axis.output);
  return emit.tabulate(result, Emitter::elementType(x), [&](OpBuilder &b, Location loc, ValueRange indices) -> Value {
    SmallVector<Value> source(indices.begin(), indices.end());
    for (const ResizedAxis &axis : axes) {
      Value index = tensor::ExtractOp::create(b, loc, tables[axis.axis], indices[axis.axis]);
      source[axis.axis] = arith::IndexCastOp::create(b, loc, b.getIndexType(), index);
    }
    return tensor::ExtractOp::create(b, loc, x, source);
  });
}

//===----------------------------------------------------------------------===//
// Linear and cubic
//===----------------------------------------------------------------------===//

FailureOr<Value> Resizing::interpolate(Value tensor, const ResizedAxis &axis) {
  FailureOr<Coordinates> map = coordinatesOf(axis);
  if (failed(map))
    return failure();
  bool cubic = mode == "cubic", antialias = node.getInt("antialias", 0) != 0,
       excludeOutside = node.getInt("exclude_outside", 0) != 0;
  double coefficient = node.getFloat("cubic_coeff_a", -0.75), support = cubic ? 2 : 1;
  Type i64 = emit.getI64Type(), sum = Emitter::elementType(tensor);

  // The first element that the kernel reaches, counted from the one before the coordinate, and how many it reaches. The
  // kernel is stretched by one over `shrink`.
  Value shrink, firstOffset;
  OpFoldResult taps;
  if (!antialias || (axis.constantScale && *axis.constantScale >= 1)) {
    firstOffset = emit.constantIndex(cubic ? -1 : 0);
    taps = emit.dimension(cubic ? 4 : 2);
  } else if (axis.constantScale) {
    int64_t first = static_cast<int64_t>(std::floor(-support / *axis.constantScale)) + 1;
    shrink = axis.scale;
    firstOffset = emit.constantIndex(first);
    taps = emit.dimension(2 - 2 * first);
  } else {
    shrink = arith::MinimumFOp::create(emit, axis.scale, emit.constant(real, 1.0));
    Value reach = math::FloorOp::create(emit, arith::DivFOp::create(emit, emit.constant(real, -support), shrink));
    OpFoldResult first = emit.add(emit.asDimension(arith::FPToSIOp::create(emit, i64, reach)), emit.dimension(1));
    firstOffset = emit.asValue(first);
    taps = emit.sub(emit.dimension(2), emit.mul(first, emit.dimension(2)));
  }

  Value size = emit.asValue(axis.input);
  Value firsts = emit.tabulate({axis.output}, i64, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    Value before = math::FloorOp::create(b, loc, map->at(b, loc, real, i[0]));
    Value first = arith::AddIOp::create(b, loc, floatToIndex(b, loc, before), firstOffset);
    return arith::IndexCastOp::create(b, loc, i64, first);
  });
  Value weights = emit.tabulate({axis.output, taps}, real, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    Value coordinate = map->at(b, loc, real, i[0]);
    Value before = math::FloorOp::create(b, loc, coordinate);
    Value index =
        arith::AddIOp::create(b, loc, floatToIndex(b, loc, before), arith::AddIOp::create(b, loc, firstOffset, i[1]));
    Value distance = arith::SubFOp::create(b, loc, indexToFloat(b, loc, index, real), coordinate);
    if (shrink)
      distance = arith::MulFOp::create(b, loc, distance, shrink);
    Value weight = cubic ? cubicKernel(b, loc, distance, coefficient) : linearKernel(b, loc, distance);
    if (!excludeOutside)
      return weight;
    Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, index, size);
    Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(real, 0.0));
    return arith::SelectOp::create(b, loc, inside, weight, zero);
  });
  if (excludeOutside || shrink) {
    Value totals = emit.reduce(
        weights, {1}, /*keepDims=*/true, emit.constant(real, 0.0),
        [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddFOp::create(b, loc, v[1], v[0]); });
    weights = emit.elementwise({weights, totals}, real, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value zero = arith::ConstantOp::create(b, loc, b.getFloatAttr(real, 0.0));
      Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, v[1], zero);
      return arith::SelectOp::create(b, loc, none, zero, arith::DivFOp::create(b, loc, v[0], v[1]));
    });
  }

  requireNonEmpty(node, axis.input, axis.output);
  Dims result = emit.dims(tensor);
  result[axis.axis] = axis.output;
  Value zero = emit.constant(sum, 0), count = emit.asValue(taps);
  auto constantTaps = getConstantIntValue(taps);
  return emit.tabulate(result, sum, [&](OpBuilder &b, Location loc, ValueRange indices) -> Value {
    Value position = indices[axis.axis];
    Value first = tensor::ExtractOp::create(b, loc, firsts, position);
    first = arith::IndexCastOp::create(b, loc, b.getIndexType(), first);
    auto accumulate = [&](OpBuilder &b, Value tap, Value total) -> Value {
      SmallVector<Value> source(indices.begin(), indices.end());
      source[axis.axis] = clampIndex(b, loc, arith::AddIOp::create(b, loc, first, tap), size);
      Value weight = tensor::ExtractOp::create(b, loc, weights, ValueRange{position, tap});
      Value element = tensor::ExtractOp::create(b, loc, tensor, source);
      weight = Emitter::convertScalar(b, loc, weight, sum);
      return arith::AddFOp::create(b, loc, total, arith::MulFOp::create(b, loc, element, weight));
    };
    if (constantTaps && *constantTaps <= 8) {
      Value total = zero;
      for (int64_t tap = 0; tap < *constantTaps; ++tap)
        total = accumulate(b, arith::ConstantIndexOp::create(b, loc, tap), total);
      return total;
    }
    Value start = arith::ConstantIndexOp::create(b, loc, 0), step = arith::ConstantIndexOp::create(b, loc, 1);
    auto loop = scf::ForOp::create(b, loc, start, count, step, ValueRange{zero},
                                   [&](OpBuilder &b, Location loc, Value tap, ValueRange total) {
                                     scf::YieldOp::create(b, loc, accumulate(b, tap, total[0]));
                                   });
    return loop.getResult(0);
  });
}

/// tf_crop_and_resize: positions whose coordinate is outside the input get a constant.
FailureOr<Value> Resizing::extrapolate(Value result) {
  SmallVector<Coordinates> maps;
  SmallVector<Value> last;
  for (const ResizedAxis &axis : axes) {
    FailureOr<Coordinates> map = coordinatesOf(axis);
    if (failed(map))
      return failure();
    maps.push_back(*map);
    last.push_back(arith::SubFOp::create(emit, toReal(axis.input), emit.constant(real, 1.0)));
  }
  Type element = Emitter::elementType(result);
  Value outside = emit.constant(element, node.getFloat("extrapolation_value", 0.0)), zero = emit.constant(real, 0.0);
  return emit.tabulate(emit.dims(result), element, [&](OpBuilder &b, Location loc, ValueRange indices) -> Value {
    Value value = tensor::ExtractOp::create(b, loc, result, indices);
    for (auto [axis, map, end] : llvm::zip(axes, maps, last)) {
      Value coordinate = map.at(b, loc, real, indices[axis.axis]);
      Value out =
          arith::OrIOp::create(b, loc, arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, coordinate, zero),
                               arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, coordinate, end));
      value = arith::SelectOp::create(b, loc, out, outside, value);
    }
    return value;
  });
}

LogicalResult Resizing::lower() {
  Type element = Emitter::elementType(x);
  Value result = x;
  if (axes.empty())
    return node.finish(result);
  if (repeatsWhole())
    return node.finish(repeat());
  if (mode == "nearest") {
    FailureOr<Value> picked = pickNearest();
    if (failed(picked))
      return failure();
    result = *picked;
  } else if (mode == "linear" || mode == "cubic") {
    result = emit.castElements(x, getSumType(isa<FloatType>(element) ? element : Type(emit.getF32Type())),
                               node.isUnsigned(0));
    for (const ResizedAxis &axis : axes) {
      FailureOr<Value> next = interpolate(result, axis);
      if (failed(next))
        return failure();
      result = *next;
    }
  } else {
    return node.refuse("has the mode `" + mode + "`, expected nearest, linear or cubic");
  }
  if (coordinates == "tf_crop_and_resize") {
    FailureOr<Value> cropped = extrapolate(result);
    if (failed(cropped))
      return failure();
    result = *cropped;
  }
  return node.finish(emit.castElements(result, element, /*fromUnsigned=*/false, node.isUnsigned(0)));
}

static LogicalResult lowerResize(Node &node) {
  Resizing resizing(node);
  resizing.mode = node.getString("mode", "nearest");
  auto input = [&](unsigned i) { return node.hasInput(i) ? node.input(i) : Value(); };
  // An empty list stands for an input that is left out.
  auto list = [&](unsigned i) {
    Value value = input(i);
    return value && getConstantIntValue(node.emit.numElements(value)) == 0 ? Value() : value;
  };
  bool old = node.opset() < 11;
  resizing.coordinates = old ? "asymmetric" : node.getString("coordinate_transformation_mode", "half_pixel");
  resizing.nearest = old ? "simple" : node.getString("nearest_mode", "round_prefer_floor");
  if (failed(old ? resizing.readAxes({}, input(1), {}) : resizing.readAxes(list(1), list(2), list(3))))
    return failure();
  return resizing.lower();
}

static LogicalResult lowerUpsample(Node &node) {
  Resizing resizing(node);
  resizing.mode = node.getString("mode", "nearest");
  resizing.coordinates = "asymmetric";
  resizing.nearest = "floor";
  Value scales = node.hasInput(1) ? node.input(1) : Value();
  if (auto values = node.getFloats("scales"); !scales && values) {
    SmallVector<Value> elements;
    for (double value : *values)
      elements.push_back(node.emit.constant(node.emit.getF32Type(), value));
    scales = node.emit.fromElements({static_cast<int64_t>(elements.size())}, node.emit.getF32Type(), elements);
  }
  if (failed(resizing.readAxes({}, scales, {})))
    return failure();
  return resizing.lower();
}

void populateResizeLowerings(LoweringTable &table) {
  table.add("Resize", lowerResize);
  table.add("Upsample", lowerUpsample);
  populateGridLowerings(table);
}

} // namespace mlir::ac
