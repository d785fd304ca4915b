//===- PanelSums.cpp - Sums over the depth of a packed panel --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sum runs through the depth in order, so that a row has the same bits in any tile.
//
// Four bits: a word holds eight steps of a column. Or'ed into the mantissa of a power of two, four bits are a float
// from which that power is taken away again: exact, and without a conversion or, for five of eight steps, a shift.
//
// Bytes in groups of four: an instruction multiplies unsigned ones by signed ones. Where both have the same sign, the
// highest bit of the lhs is turned over, which adds 128 to each number or subtracts it; 128 times the sum of the column
// makes up for it. (lib/Kernels/ContractGroups.cpp does the same.)
//
//===----------------------------------------------------------------------===//
#include "PanelSums.h"

using namespace Halide;

namespace accordion {

/// Steps in a word of four-bit weights, and how many of them a mantissa holds where they are.
static constexpr int kStepsPerWord = 8, kStepsInMantissa = 5;
/// Rows for which the steps of a word are written out one by one. With more rows, their numbers would be in the way of
/// the sums; what a number costs then matters less.
static constexpr int kUnrolledRows = 2;
/// Bytes of a group.
static constexpr int kGroup = 4;

/// `x + y` modulo 2^32, which signed numbers of Halide do not promise.
static Expr wrappingAdd(const Expr &x, const Expr &y) {
  return reinterpret<int32_t>(reinterpret<uint32_t>(x) + reinterpret<uint32_t>(y));
}

PanelSums::PanelSums(const Json &description, const Machine &machine) : lanes(machine.lanes) {
  int columns = description.at("columns");
  vectorsOfPanel = columns / lanes;
  isGrouped = description.contains("group");
  Type lhsType = typeOf(description, "lhs"), panelType = typeOf(description, "panel");
  sumType = lhsType.is_float() ? Float(32) : Int(32);
  isFlipped = isGrouped && lhsType.is_uint() == panelType.is_uint();
  lhs = ImageParam(lhsType, 2, "lhs");
  panel = ImageParam(panelType, isGrouped ? 3 : 2, "panel");
  if (isGrouped) {
    panel.dim(0).set_extent(kGroup);
    panel.dim(1).set_extent(columns).set_stride(kGroup);
    panel.dim(2).set_stride(columns * kGroup);
  }
  auto layOut = [&](ImageParam &matrix) { matrix.dim(0).set_extent(columns), matrix.dim(1).set_stride(columns); };
  if (!isGrouped) {
    layOut(panel);
    lhs.dim(0).set_stride(Expr()); // either order of the matrix
  }
  if (description.contains("weights")) {
    const Json &weights = description.at("weights");
    bits = weights.at("bits"), least = weights.value("least", 0);
    scales = ImageParam(typeOf(weights, "scales"), 2, "scales");
    if (weights.contains("zeros"))
      zeros = ImageParam(typeOf(weights, "zeros"), 2, "zeros");
    for (ImageParam *parameters : {&scales, &zeros})
      if (parameters->defined())
        layOut(*parameters);
  }
  if (description.at("lhs_rows"))
    places = ImageParam(Int(64), 1, "places");
  for (const ImageParam &operand : operands())
    for (int i = 0; i < operand.dimensions(); ++i)
      ImageParam(operand).dim(i).set_min(0);
  if (!isFlipped)
    return;
  start = Func("start");
  RDom k(0, kGroup, 0, (lhs.dim(0).extent() + kGroup - 1) / kGroup, "k");
  Expr one = panelType.is_uint() ? Expr(int8_t(1)) : Expr(uint8_t(1));
  start(n) = 0;
  start(n) += multiplyBytes(one, panel(k.x, n, k.y));
  start.compute_root().store_in(MemoryType::Stack).bound_extent(n, columns).vectorize(n, lanes).unroll(n);
  start.update()
      .atomic()
      .split(n, vector, lane, lanes)
      .reorder(k.x, lane, vector, k.y)
      .vectorize(k.x)
      .vectorize(lane)
      .unroll(vector);
}

std::vector<ImageParam> PanelSums::operands() const {
  std::vector<ImageParam> all;
  for (const ImageParam *operand : {&lhs, &panel, &scales, &zeros, &places})
    if (operand->defined())
      all.push_back(*operand);
  return all;
}

std::vector<Argument> PanelSums::arguments() const {
  std::vector<Argument> all;
  if (bits)
    all.push_back(block);
  for (const ImageParam &operand : operands())
    all.push_back(operand);
  return all;
}

Func PanelSums::make(int rows) {
  Func sum("sum");
  if (isFlipped) {
    // Turned over, signed numbers are 128 more, and unsigned ones 128 less.
    Expr difference = reinterpret<uint32_t>(start(n)) * cast<uint32_t>(128);
    sum(n, m) = reinterpret<int32_t>(lhs.type().is_uint() ? difference : cast<uint32_t>(0) - difference);
  } else {
    sum(n, m) = cast(sumType, 0);
  }
  sum.store_in(MemoryType::Stack)
      .bound_extent(n, columns())
      .bound_extent(m, rows)
      .vectorize(n, lanes)
      .unroll(n)
      .unroll(m);
  if (bits == 4)
    addWords(sum, rows);
  else if (isGrouped)
    addGroups(sum);
  else
    addSteps(sum);
  return sum;
}

void PanelSums::schedule(Stage stage, const std::vector<VarOrRVar> &steps) {
  std::vector<VarOrRVar> order{lane, vector, m};
  order.insert(order.end(), steps.begin(), steps.end());
  stage.split(n, vector, lane, lanes).reorder(order).vectorize(lane).unroll(vector).unroll(m);
}

Expr PanelSums::rowOf(const Var &m) const {
  return places.defined() ? unsafe_promise_clamped(cast<int>(places(m)), 0, lhs.dim(1).extent() - 1) : Expr(m);
}

Expr PanelSums::zeroOf(const Expr &blockAt) const {
  return zeros.defined() ? cast<float>(zeros(n, blockAt)) : Expr(0.0f);
}

Expr PanelSums::dequantize(const Expr &whole, const Expr &blockAt) const {
  return strict_float(whole * cast<float>(scales(n, blockAt)));
}

void PanelSums::addSteps(Func sum) {
  Expr depth = lhs.dim(0).extent();
  if (bits == 0) {
    RDom k(0, depth, "k");
    if (sumType.is_float())
      sum(n, m) += lhs(k, rowOf(m)) * panel(n, k);
    else
      sum(n, m) = wrappingAdd(sum(n, m), cast<int>(lhs(k, rowOf(m))) * cast<int>(panel(n, k)));
    return schedule(sum.update(), {k});
  }
  RDom k(0, block, 0, (depth + block - 1) / block, "k");
  Expr at = k.y * block + k.x;
  k.where(at < depth);
  sum(n, m) += lhs(at, rowOf(m)) * dequantize(cast<float>(panel(n, at)) - zeroOf(k.y), k.y);
  schedule(sum.update(), {k.x, k.y});
}

Expr PanelSums::fourBits(const Expr &word, const Expr &place, const Expr &blockAt) const {
  Expr inMantissa = place % kStepsInMantissa;
  Expr near = select(place < kStepsInMantissa, word, word >> (4 * kStepsInMantissa));
  constexpr int kMantissaBits = 23, kBias = 127;
  Expr power = cast<uint32_t>(kBias + kMantissaBits - 4 * inMantissa) << kMantissaBits; // one is where the bits begin
  Expr number = reinterpret<float>((near & (cast<uint32_t>(15) << cast<uint32_t>(4 * inMantissa))) | power);
  // What is taken away is the same for a whole block.
  return strict_float(number - ((reinterpret<float>(power) - static_cast<float>(least)) + zeroOf(blockAt)));
}

void PanelSums::addWords(Func sum, int rows) {
  Expr depth = lhs.dim(0).extent(), whole = depth / kStepsPerWord;
  // A block that is no whole number of words is the only one.
  Expr words = (block + kStepsPerWord - 1) / kStepsPerWord;
  RDom k(0, kStepsPerWord, 0, words, 0, (whole + words - 1) / words, "k"), last(0, depth % kStepsPerWord, "last");
  Expr word = k.z * words + k.y;
  auto shifted = [&](const Expr &bits, const Expr &place, const Expr &blockAt) {
    return cast<float>(cast<int>((bits >> cast<uint32_t>(4 * place)) & cast<uint32_t>(15)) + least) - zeroOf(blockAt);
  };
  bool isUnrolled = rows <= kUnrolledRows;
  Expr number = isUnrolled ? fourBits(panel(n, word), k.x, k.z) : shifted(panel(n, word), k.x, k.z);
  k.where(word < whole);
  sum(n, m) += lhs(word * kStepsPerWord + k.x, rowOf(m)) * dequantize(number, k.z);
  sum(n, m) += lhs(whole * kStepsPerWord + last, rowOf(m)) *
               dequantize(shifted(panel(n, whole), last, whole / words), whole / words);
  schedule(isUnrolled ? sum.update(0).unroll(k.x) : sum.update(0), {k.x, k.y, k.z});
  schedule(sum.update(1), {last});
}

Expr PanelSums::byteOf(const Expr &k) const {
  Expr byte = lhs(k, rowOf(m));
  if (!isFlipped)
    return byte;
  return lhs.type().is_uint() ? reinterpret<int8_t>(byte ^ cast<uint8_t>(128))
                              : reinterpret<uint8_t>(byte) ^ cast<uint8_t>(128);
}

Expr PanelSums::multiplyBytes(const Expr &left, const Expr &right) const {
  Expr x = cast<int>(left), y = cast<int>(right);
  return left.type().is_uint() ? x * y : y * x;
}

void PanelSums::addGroups(Func sum) {
  Expr depth = lhs.dim(0).extent(), groups = depth / kGroup;
  RDom k(0, kGroup, 0, groups, "k"), last(0, depth % kGroup, "last");
  // The instruction wraps.
  sum(n, m) += multiplyBytes(byteOf(k.y * kGroup + k.x), panel(k.x, n, k.y));
  sum(n, m) = wrappingAdd(sum(n, m), multiplyBytes(byteOf(groups * kGroup + last), panel(last, n, groups)));
  sum.update(0)
      .atomic()
      .split(n, vector, lane, lanes)
      .reorder(k.x, lane, vector, m, k.y)
      .vectorize(k.x)
      .vectorize(lane)
      .unroll(vector)
      .unroll(m);
  schedule(sum.update(1), {last});
}

} // namespace accordion
