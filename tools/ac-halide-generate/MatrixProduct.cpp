//===- MatrixProduct.cpp - Rows times one panel of columns ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// result(n, m) = epilogue(sum over k of lhs(k, m) * panel(n, k)) for the columns n of one packed panel, of which the
// result may have fewer than the panel. Tiles of sums stay in registers over the whole depth; the rows left over have a
// tile of exactly their number. How elements of the panel become numbers is in PanelSums.cpp.
//
//===----------------------------------------------------------------------===//
#include "PanelSums.h"

using namespace Halide;

namespace accordion {

Kernel makeMatrixProduct(const Json &description, const Machine &machine) {
  PanelSums sums(description, machine);
  std::vector<ImageParam> extras = declareExtras(description);
  Param<int> numRows("rows"); // of the result, which has no buffer yet
  Func result("result");
  Var n("n"), m("m"), vector("vector"), lane("lane");
  result(n, m) = undef(typeOf(description, "result"));
  OutputImageParam out = result.output_buffer();
  out.dim(0).set_min(0);
  out.dim(1).set_min(0);

  int most = machine.tileRows * machine.tileVectors / sums.vectors();
  int stage = 0;
  for (int rows = most; rows > 0; --rows) {
    Expr left = numRows % most;
    RDom tile(0, rows, 0, rows == most ? numRows / most : select(left == rows, 1, 0), "tile");
    Expr row = rows == most ? tile.y * most + tile.x : numRows - left + tile.x;
    Func sum = sums.make(rows);
    std::vector<Expr> values{sum(n, row)};
    for (size_t i = 0; i < extras.size(); ++i) {
      std::vector<Expr> where;
      for (std::string along : description.at("extras")[i].at("along"))
        where.push_back(along == "column" ? Expr(n) : row);
      values.push_back(extras[i](where));
    }
    result(n, row) = applyEpilogue(description, values);
    result.update(stage++)
        .split(n, vector, lane, machine.lanes, TailStrategy::Predicate)
        .reorder(lane, vector, tile.x, tile.y)
        .vectorize(lane)
        .unroll(tile.x);
    sum.compute_at(result, tile.y);
  }

  std::vector<Argument> arguments{numRows};
  for (const Argument &argument : sums.arguments())
    arguments.push_back(argument);
  arguments.insert(arguments.end(), extras.begin(), extras.end());
  return {result, arguments};
}

} // namespace accordion
