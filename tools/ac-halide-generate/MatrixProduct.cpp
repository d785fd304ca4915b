//===- MatrixProduct.cpp - Rows times one panel of columns ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// result(n, m) = epilogue(sum over k of lhs(k, m) * panel(n, k)) for the columns n of one packed panel, of which the
// result may have fewer than the panel. Tiles of sums stay in registers over the whole depth. The rows of the last tile
// that the result lacks are computed from its last row and not stored, so that all rows go through the same code.
//
//===----------------------------------------------------------------------===//
#include "Description.h"

using namespace Halide;

namespace accordion {

Kernel makeMatrixProduct(const Json &description, const Machine &machine) {
  int lanes = machine.lanes, width = lanes * machine.tileVectors, rows = machine.tileRows;
  ImageParam lhs(Float(32), 2, "lhs"), panel(Float(32), 2, "panel"), places(Int(64), 1, "places");
  std::vector<ImageParam> extras = declareExtras(description);
  bool hasPlaces = description.at("lhs_rows");
  Func sum("sum"), result("result");
  Var n("n"), m("m"), tile("tile"), row("row"), vector("vector"), lane("lane");

  Param<int> numRows("rows"); // of the result, which has no buffer yet
  RDom k(0, lhs.dim(0).extent(), "k");
  Expr at = min(m, numRows - 1);
  if (hasPlaces)
    at = unsafe_promise_clamped(cast<int>(places(at)), 0, lhs.dim(1).extent() - 1);
  sum(n, m) = 0.0f;
  sum(n, m) += lhs(k, at) * panel(n, k);
  std::vector<Expr> values{sum(n, m)};
  for (size_t i = 0; i < extras.size(); ++i) {
    std::vector<Expr> where;
    for (std::string along : description.at("extras")[i].at("along"))
      where.push_back(along == "column" ? n : m);
    values.push_back(extras[i](where));
  }
  result(n, m) = applyEpilogue(description, values);
  OutputImageParam out = result.output_buffer();

  for (ImageParam *matrix : {&lhs, &panel})
    for (int i = 0; i < 2; ++i)
      matrix->dim(i).set_min(0);
  lhs.dim(0).set_stride(Expr()); // either order of the matrix
  panel.dim(0).set_extent(width);
  panel.dim(1).set_stride(width);
  places.dim(0).set_min(0);
  out.dim(0).set_min(0);
  out.dim(1).set_min(0);

  result.split(m, tile, row, rows, TailStrategy::GuardWithIf)
      .split(n, vector, lane, lanes, TailStrategy::Predicate)
      .reorder(lane, vector, row, tile)
      .vectorize(lane)
      .unroll(row);
  result.specialize(out.dim(0).extent() == width).unroll(vector, machine.tileVectors);
  sum.compute_at(result, tile)
      .store_in(MemoryType::Stack)
      .bound_extent(n, width)
      .bound_extent(m, rows)
      .vectorize(n, lanes)
      .unroll(n)
      .unroll(m);
  sum.update().split(n, vector, lane, lanes).reorder(lane, vector, m, k).vectorize(lane).unroll(vector).unroll(m);

  std::vector<Argument> arguments{numRows, lhs, panel};
  if (hasPlaces)
    arguments.push_back(places);
  arguments.insert(arguments.end(), extras.begin(), extras.end());
  return {result, arguments};
}

} // namespace accordion
