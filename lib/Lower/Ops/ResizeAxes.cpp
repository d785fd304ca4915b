//===- ResizeAxes.cpp - Sizes, scales and coordinates of Resize -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Resize.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include <cmath>

namespace mlir::ac {

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

} // namespace mlir::ac
