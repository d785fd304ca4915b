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
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Sampling.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

namespace mlir::ac {

namespace {

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

  LogicalResult readAxes(Value roi, Value scales, Value sizes);
  LogicalResult lower();

  Value toReal(OpFoldResult size) {
    if (auto constant = getConstantIntValue(size))
      return emit.constant(real, static_cast<double>(*constant));
    return arith::SIToFPOp::create(emit, real, emit.asInteger(size, emit.getI64Type()));
  }
  FailureOr<Coordinates> coordinatesOf(const ResizedAxis &axis);
  bool repeatsWhole();
  Value repeat();
  FailureOr<Value> pickNearest();
  FailureOr<Value> interpolate(Value tensor, const ResizedAxis &axis);
  FailureOr<Value> extrapolate(Value result);
};

} // namespace

static std::optional<double> constantFloat(Value scalar) {
  APFloat value(0.0f);
  if (!matchPattern(scalar, m_ConstantFloat(&value)))
    return std::nullopt;
  bool inexact;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return value.convertToDouble();
}

//===----------------------------------------------------------------------===//
// Sizes and scales
//===----------------------------------------------------------------------===//

/// The size of a dimension times a scale, rounded down as ONNX says.
static OpFoldResult scaleSize(Emitter &emit, OpFoldResult size, Value scale, std::optional<double> constantScale) {
  auto constant = getConstantIntValue(size);
  if (constantScale && constant)
    return emit.dimension(
        static_cast<int64_t>(std::floor(static_cast<float>(*constantScale) * static_cast<float>(*constant))));
  if (constantScale && *constantScale == std::floor(*constantScale))
    return emit.mul(size, emit.dimension(static_cast<int64_t>(*constantScale)));
  Type f32 = emit.getF32Type(), i64 = emit.getI64Type();
  Value real = arith::SIToFPOp::create(emit, f32, emit.asInteger(size, i64));
  Value scaled = math::FloorOp::create(emit, arith::MulFOp::create(emit, real, scale));
  return emit.asDimension(arith::FPToSIOp::create(emit, i64, scaled));
}

/// With `keep_aspect_ratio_policy`, all axes get the smallest (or largest) of their ratios.
static void keepAspectRatio(Emitter &emit, MutableArrayRef<ResizedAxis> axes, bool smallest) {
  bool constant = llvm::all_of(axes, [](const ResizedAxis &axis) {
    return getConstantIntValue(axis.input) && getConstantIntValue(axis.output);
  });
  Type f64 = emit.getF64Type(), i64 = emit.getI64Type();
  if (constant) {
    std::optional<double> scale;
    for (const ResizedAxis &axis : axes) {
      double ratio = static_cast<double>(*getConstantIntValue(axis.output)) /
                     std::max<int64_t>(1, *getConstantIntValue(axis.input));
      scale = !scale ? ratio : smallest ? std::min(*scale, ratio) : std::max(*scale, ratio);
    }
    for (ResizedAxis &axis : axes) {
      axis.constantScale = *scale;
      axis.output = emit.dimension(static_cast<int64_t>(*scale * *getConstantIntValue(axis.input) + 0.5));
    }
    return;
  }
  Value scale;
  auto toDouble = [&](OpFoldResult size) -> Value {
    return arith::SIToFPOp::create(emit, f64, emit.asInteger(size, i64));
  };
  for (const ResizedAxis &axis : axes) {
    Value ratio = arith::DivFOp::create(emit, toDouble(axis.output), toDouble(axis.input));
    if (!scale)
      scale = ratio;
    else
      scale = smallest ? arith::MinimumFOp::create(emit, scale, ratio).getResult()
                       : arith::MaximumFOp::create(emit, scale, ratio).getResult();
  }
  for (ResizedAxis &axis : axes) {
    Value size = arith::MulFOp::create(emit, scale, toDouble(axis.input));
    size = math::FloorOp::create(emit, arith::AddFOp::create(emit, size, emit.constant(f64, 0.5)));
    axis.output = emit.asDimension(arith::FPToSIOp::create(emit, i64, size));
    axis.scale = Emitter::convertScalar(emit, emit.getLoc(), scale, emit.getF32Type());
  }
}

LogicalResult Resizing::readAxes(Value roi, Value scales, Value sizes) {
  Dims input = emit.dims(x);
  int64_t rank = input.size();
  SmallVector<int64_t> names = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (auto listed = node.getInts("axes")) {
    names.clear();
    for (int64_t axis : *listed) {
      FailureOr<int64_t> normal = node.normalizeAxis(axis, rank);
      if (failed(normal))
        return failure();
      names.push_back(*normal);
    }
  }
  int64_t count = names.size();
  // Makes the length of a list static; it may be known at run time only.
  auto check = [&](Value &list, int64_t wanted, StringRef what) -> LogicalResult {
    if (Emitter::rank(list) != 1)
      return node.refuse("has `" + what + "` of rank " + Twine(Emitter::rank(list)) + ", expected 1");
    if (failed(requireSame(node, emit.dim(list, 0), emit.dimension(wanted),
                           "the length of `" + what + "` and the number of axes it is for")))
      return failure();
    list = emit.castToDims(list, {emit.dimension(wanted)});
    return success();
  };
  for (int64_t axis : names) {
    ResizedAxis resized;
    resized.axis = axis;
    resized.input = resized.output = input[axis];
    axes.push_back(resized);
  }
  if (sizes) {
    if (failed(check(sizes, count, "sizes")))
      return failure();
    for (auto [axis, size] : llvm::zip(axes, emit.dimElements(sizes)))
      axis.output = size;
    StringRef policy = node.getString("keep_aspect_ratio_policy", "stretch");
    exactSizes = policy == "stretch";
    if (policy != "stretch")
      keepAspectRatio(emit, axes, policy == "not_larger");
  } else {
    if (!scales)
      return node.refuse("has neither `scales` nor `sizes`");
    if (failed(check(scales, count, "scales")))
      return failure();
    for (auto [axis, scale] : llvm::zip(axes, emit.elements(scales))) {
      axis.scale = scale;
      axis.constantScale = constantFloat(scale);
      axis.output = scaleSize(emit, axis.input, scale, axis.constantScale);
    }
  }
  if (coordinates == "tf_crop_and_resize") {
    if (!roi || failed(check(roi, 2 * count, "roi")))
      return node.refuse("needs a `roi` of " + Twine(2 * count) + " elements for tf_crop_and_resize");
    SmallVector<Value> bounds = emit.elements(roi);
    for (int64_t i = 0; i < count; ++i) {
      axes[i].begin = Emitter::convertScalar(emit, emit.getLoc(), bounds[i], real);
      axes[i].end = Emitter::convertScalar(emit, emit.getLoc(), bounds[count + i], real);
    }
  }
  llvm::erase_if(axes, [&](const ResizedAxis &axis) {
    bool sameSize = Emitter::same(axis.input, axis.output) && (!axis.constantScale || *axis.constantScale == 1.0);
    bool wholeRegion = !axis.begin || (constantFloat(axis.begin) == 0.0 && constantFloat(axis.end) == 1.0);
    return sameSize && wholeRegion;
  });
  for (ResizedAxis &axis : axes) {
    auto in = getConstantIntValue(axis.input), out = getConstantIntValue(axis.output);
    if (!axis.constantScale && !axis.scale && in && out && *in > 0)
      axis.constantScale = static_cast<float>(*out) / static_cast<float>(*in);
    if (axis.constantScale)
      axis.scale = emit.constant(real, *axis.constantScale);
    else if (axis.scale)
      axis.scale = Emitter::convertScalar(emit, emit.getLoc(), axis.scale, real);
    else
      axis.scale = arith::DivFOp::create(emit, toReal(axis.output), toReal(axis.input));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Coordinates
//===----------------------------------------------------------------------===//

FailureOr<Coordinates> Resizing::coordinatesOf(const ResizedAxis &axis) {
  Coordinates result;
  auto constant = [&](double value) { return emit.constant(real, value); };
  auto sub = [&](Value a, Value b) -> Value { return arith::SubFOp::create(emit, a, b); };
  auto mul = [&](Value a, Value b) -> Value { return arith::MulFOp::create(emit, a, b); };
  auto select = [&](Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(emit, condition, a, b);
  };
  Value one = constant(1), zero = constant(0);
  Value single =
      arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(axis.output), emit.constantIndex(1));
  // The size of the result before it was rounded to a whole number.
  Value unrounded = exactSizes ? toReal(axis.output) : mul(toReal(axis.input), axis.scale);
  if (coordinates == "half_pixel" || coordinates == "pytorch_half_pixel" || coordinates == "half_pixel_symmetric" ||
      coordinates == "tf_half_pixel_for_nn") {
    result.shift = 0.5;
    result.divisor = axis.scale;
    if (coordinates != "tf_half_pixel_for_nn")
      result.offset = constant(-0.5);
    if (coordinates == "pytorch_half_pixel") {
      result.numerator = select(single, zero, one);
      result.offset = select(single, zero, result.offset);
    } else if (coordinates == "half_pixel_symmetric") {
      Value adjustment = arith::DivFOp::create(emit, toReal(axis.output), unrounded);
      result.offset = sub(mul(mul(toReal(axis.input), constant(0.5)), sub(one, adjustment)), constant(0.5));
    }
    return result;
  }
  if (coordinates == "asymmetric") {
    result.divisor = axis.scale;
    return result;
  }
  // The distance between the outermost elements.
  Value span = sub(toReal(axis.input), one), steps = sub(unrounded, one);
  if (coordinates == "align_corners") {
    result.numerator = select(single, zero, span);
    result.divisor = select(single, one, steps);
    return result;
  }
  if (coordinates == "tf_crop_and_resize") {
    Value size = mul(sub(axis.end, axis.begin), span);
    steps = sub(toReal(axis.output), one);
    result.numerator = select(single, zero, size);
    result.divisor = select(single, one, steps);
    Value middle = mul(mul(constant(0.5), arith::AddFOp::create(emit, axis.begin, axis.end)), span);
    result.offset = select(single, middle, mul(axis.begin, span));
    return result;
  }
  return node.refuse("has the coordinate_transformation_mode `" + coordinates + "`, which ONNX does not define");
}

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
