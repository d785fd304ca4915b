//===- ExpertSlots.h - Rows that were given places with experts --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With a capacity, an expert has so many places, which rows take in turn; who comes too late is dropped. Written with
// tensors:
//   in[e, c] = sum over rows r of dispatch[r, e, c] * x[r]
//   y[r]     = sum over e, c of combine[r, e, c] * f_e(in[e, c])
//
// If no two rows have one place, `in[e, c]` is a row or zero, and `y[r]` is the sum over e of `f_e(x[r])` times the sum
// over c of `combine[r, e, c]`: which place a row has does not matter. That is what is proven here. Both tensors are
// taken apart into sums of products; each product holds a one-hot code of the row's place. A place counts the rows
// before it that chose the same expert, so that it differs between the rows of a product; and it starts behind the
// places of the products before. Where experts choose, the code is one of the row that a place takes, and nothing is to
// be shown.
//
// Axes: the rows' dimensions in front, the last of which is counted along; experts are the summed axis, places the
// features.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_EXPERTSLOTS_H
#define RAISE_EXPERTSLOTS_H

#include "Raise/ExpertAxes.h"
#include "Raise/Remarks.h"
#include "Raise/ValueClasses.h"
#include <map>
#include <vector>

namespace mlir::ac {

class ExpertSlots : public ExpertAxes {
public:
  /// A tensor whose dimensions are known.
  struct Laid {
    Value value;
    Layout layout;
  };

  explicit ExpertSlots(Operation *root) : ExpertAxes(root->getLoc()), classes(*root->getBlock()) {}

  /// Whether no two rows are dispatched to one place and what is combined was dispatched; `why` says why not.
  bool prove(const Laid &combine, const Laid &dispatch);
  /// Once that is proven: the sum of `combine` over places, [rows..., experts].
  Value weights(OpBuilder &b, Type element);

  Reason why;

private:
  struct Factor : Laid {
    unsigned id; // the same for factors that are known to be equal
  };
  /// A product.
  using Term = std::vector<Factor>;
  using Terms = std::vector<Term>;
  /// A one-hot code along an axis: what it encodes, and below what that must lie.
  struct Code {
    Laid number;
    Value depth; // null if the axis has a known size
    std::optional<int64_t> bound;
  };
  /// A product with the code of the place that a row has, or, without one, with a code of the row that a place takes.
  struct Product {
    Term factors; // the others
    std::optional<Code> place;
  };
  /// The place of a row that all factors of a product are one for: the number of rows in front of it for which all
  /// `counted` are one, and `start`, and how many rows there are for which all factors are one of each of `behind`.
  struct Place {
    SmallVector<unsigned> counted;
    int64_t start = 0;
    Terms behind;
  };

  bool refuse(const Twine &reason, Operation *at = nullptr);
  bool refuseNode(Value value, const Twine &reason);
  int token() const { return rowSizes.size() - 1; }
  Factor factor(Value value, const Layout &layout);
  bool takeApart(const Terms &terms, std::vector<Product> &list);
  /// `value` as a sum of products; a single factor if nothing is known of it.
  Terms expand(Value value, const Layout &layout, int depth = 32);
  std::optional<std::pair<Laid, Laid>> productOf(Operation *op, const Layout &layout);
  /// Replaces sums over experts of what a product chooses one expert of.
  Term simplify(const Term &term);
  /// The operand of a ReduceSum over one axis.
  std::optional<Laid> sumOver(Value value, const Layout &layout, int axis);
  std::optional<Code> codeAlong(Value value, Layout layout, int axis);
  bool isBinary(const Factor &factor) const;
  /// Whether all factors of `part` are among those of `whole`.
  static bool isWithin(const Term &part, const Term &whole);
  static SmallVector<unsigned> idsOf(const Term &term);
  /// Whether a value is one wherever all factors of `support` are.
  bool isOne(Value value, const Layout &layout, const Term &support);
  /// Whether a value is zero wherever a factor is.
  bool vanishes(Value value, const Layout &layout, unsigned id, int depth = 8);
  std::optional<Place> placeOf(Value value, const Layout &layout, const Term &support, int depth = 32);
  bool addTo(Place &place, Value value, const Layout &layout);
  std::optional<Place> counted(Value mask, const Layout &layout, const Term &support, bool inclusive);
  /// Whether a count is that of all rows that a product may give a place.
  bool countsAll(const Term &count, const Term &term, const Place &place);
  bool isBefore(const Term &first, const Place &firstPlace, const Place &second);

  ValueClasses classes;
  std::map<std::pair<unsigned, Layout>, unsigned> ids;
  std::vector<Product> products; // of `combine`
};

} // namespace mlir::ac

#endif // RAISE_EXPERTSLOTS_H
