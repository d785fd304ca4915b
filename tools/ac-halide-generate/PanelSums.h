//===- PanelSums.h - Sums over the depth of a packed panel -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef HALIDE_GENERATE_PANELSUMS_H
#define HALIDE_GENERATE_PANELSUMS_H

#include "Description.h"

namespace accordion {

/// The sums of a "matrix_product", whatever its rows and its panel hold.
class PanelSums {
public:
  PanelSums(const Json &description, const Machine &machine);

  int columns() const { return vectorsOfPanel * lanes; }
  int vectors() const { return vectorsOfPanel; }
  /// sum(n, m) for all columns of the panel and `rows` rows, scheduled but for the place where it is computed.
  Halide::Func make(int rows);
  /// In the order of the call.
  std::vector<Halide::Argument> arguments() const;

private:
  std::vector<Halide::ImageParam> operands() const;
  /// Columns in vectors, all rows of the tile in each step; `steps` are loops over the depth, innermost first.
  void schedule(Halide::Stage stage, const std::vector<Halide::VarOrRVar> &steps);
  void addSteps(Halide::Func sum);
  void addGroups(Halide::Func sum);
  void addWords(Halide::Func sum, int rows);
  Halide::Expr rowOf(const Halide::Var &m) const;
  /// A byte of the lhs, of the other sign than the panel's.
  Halide::Expr byteOf(const Halide::Expr &k) const;
  /// The product of a byte of the lhs and one of the panel, the unsigned one first as instructions take them.
  Halide::Expr multiplyBytes(const Halide::Expr &left, const Halide::Expr &right) const;
  /// A zero point as a float; zero if there are none.
  Halide::Expr zeroOf(const Halide::Expr &blockAt) const;
  /// What whole numbers, given as floats, stand for.
  Halide::Expr dequantize(const Halide::Expr &whole, const Halide::Expr &blockAt) const;
  /// The whole number at a place of a word, without its zero point.
  Halide::Expr fourBits(const Halide::Expr &word, const Halide::Expr &place, const Halide::Expr &blockAt) const;

  int lanes, vectorsOfPanel;
  int bits = 0; ///< of a weight with scales; 0: there are none
  int least = 0;
  bool isGrouped, isFlipped = false;
  Halide::Type sumType;
  Halide::Param<int> block{"block"}; ///< steps of one, where there are scales
  Halide::ImageParam lhs, panel, scales, zeros, places;
  Halide::Var n{"n"}, m{"m"}, vector{"vector"}, lane{"lane"};
  Halide::Func start; ///< of a panel whose lhs is flipped: what that adds to the sums of a column
};

} // namespace accordion
#endif // HALIDE_GENERATE_PANELSUMS_H
