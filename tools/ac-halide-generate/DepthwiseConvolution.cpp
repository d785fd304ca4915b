//===- DepthwiseConvolution.cpp - A window of each channel of its own -----===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// result(x, y, plane) = epilogue(sum over taps of input(x + tap, y + tap, plane) * weights(tap, channel)), with zeros
// around the input. A plane is one channel of one image; the caller hands over a range of planes and the channel of the
// first. Columns whose windows lie within the input are vectors without any check; the few columns beside them are single
// numbers.
//
//===----------------------------------------------------------------------===//
#include "Description.h"

using namespace Halide;

namespace accordion {

/// Rows of the result at a time: tall windows share rows of the input; otherwise one row after another is written faster.
static int rowsAtOnce(int taps) { return taps > 3 ? 4 : 1; }
/// Columns that are worth a vector.
static constexpr int kFewestLanes = 4;

Kernel makeDepthwiseConvolution(const Json &description, const Machine &machine) {
  std::vector<int> kernel = description.at("kernel"), strides = description.at("strides"),
                   dilations = description.at("dilations"), low = description.at("low"); // each: rows, columns
  ImageParam input(Float(32), 3, "input"), weights(Float(32), 2, "weights");
  Param<int> firstChannel("first_channel"), outWidth("out_width");
  std::vector<ImageParam> extras = declareExtras(description);
  Func result("result");
  Var x("x"), y("y"), plane("plane"), yi("yi");
  Expr width = input.dim(0).extent(), height = input.dim(1).extent();
  Expr channel = (plane + firstChannel) % weights.dim(1).extent();

  // `likely` makes the rows without padding a loop of their own.
  auto element = [&](const Expr &column, bool checkColumns, int tap) {
    int ty = tap / kernel[1], tx = tap % kernel[1];
    Expr iy = y * strides[0] + (ty * dilations[0] - low[0]), ix = column * strides[1] + (tx * dilations[1] - low[1]);
    Expr inside = likely(iy >= 0 && iy < height);
    Expr atY = clamp(likely(iy), 0, height - 1), atX = ix;
    if (checkColumns) {
      inside = inside && ix >= 0 && ix < width;
      atX = clamp(ix, 0, width - 1);
    }
    return select(inside, input(atX, atY, plane), 0.0f);
  };
  // Functions of their own, since the rounding of epilogues is not asked of sums: they may fuse product and sum.
  Func sums[] = {Func("inner_sum"), Func("border_sum")};
  for (bool checkColumns : {false, true}) {
    Expr sum = 0.0f;
    for (int tap = 0; tap < kernel[0] * kernel[1]; ++tap)
      sum = sum + element(x, checkColumns, tap) * weights(tap, channel);
    sums[checkColumns](x, y, plane) = sum;
  }
  auto formula = [&](const Expr &column, bool checkColumns) {
    std::vector<Expr> values{sums[checkColumns](column, y, plane)};
    for (size_t i = 0; i < extras.size(); ++i) {
      std::vector<Expr> where;
      for (std::string along : description.at("extras")[i].at("along"))
        where.push_back(along == "column"  ? column
                        : along == "row"   ? Expr(y)
                        : along == "plane" ? Expr(plane)
                                           : channel);
      values.push_back(extras[i](where));
    }
    return applyEpilogue(description, values);
  };
  // Columns [begin, end) read no padding. Vectors cover them, the last of which overlaps the one before: narrower ones
  // where they are few, and none where they are fewer than the narrowest.
  int reach = (kernel[1] - 1) * dilations[1] - low[1];
  Expr begin = min((low[1] + strides[1] - 1) / strides[1], Expr(outWidth));
  Expr end = clamp((width - 1 - reach) / strides[1] + 1, begin, Expr(outWidth)), numInner = end - begin;
  end = select(numInner < kFewestLanes, begin, end);
  std::vector<RDom> inner;
  result(x, y, plane) = undef<float>();
  for (int lanes = machine.lanes; lanes >= kFewestLanes; lanes /= 2) {
    Expr isWidth = numInner >= lanes && (lanes == machine.lanes || numInner < 2 * lanes);
    RDom vectors(0, lanes, 0, select(isWidth, (numInner + lanes - 1) / lanes, 0), "vectors");
    result(min(begin + vectors.y * lanes, end - lanes) + vectors.x, y, plane) =
        formula(min(begin + vectors.y * lanes, end - lanes) + vectors.x, false);
    inner.push_back(vectors);
  }
  RDom left(0, begin, "left"), right(end, outWidth - end, "right");
  result(left, y, plane) = formula(left, true);
  result(right, y, plane) = formula(right, true);
  OutputImageParam out = result.output_buffer();

  for (int i = 0; i < 3; ++i) {
    input.dim(i).set_min(0);
    out.dim(i).set_min(0);
  }
  for (int i = 0; i < 2; ++i)
    weights.dim(i).set_min(0);
  for (size_t i = 0; i < inner.size(); ++i)
    result.update(i)
        .split(y, y, yi, rowsAtOnce(kernel[0]), TailStrategy::GuardWithIf)
        .reorder(inner[i].x, yi, inner[i].y, y, plane)
        .allow_race_conditions() // lanes are columns of their own, which Halide does not see behind the minimum
        .vectorize(inner[i].x)
        .unroll(yi);
  // Down the columns, where the checks of a column are made once.
  result.update(inner.size()).reorder(y, left, plane);
  result.update(inner.size() + 1).reorder(y, right, plane);

  std::vector<Argument> arguments{firstChannel, outWidth, input, weights};
  arguments.insert(arguments.end(), extras.begin(), extras.end());
  return {result, arguments};
}

} // namespace accordion
