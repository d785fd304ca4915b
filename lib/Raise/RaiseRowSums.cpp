//===- RaiseRowSums.cpp - Sums of work that rows take part in or not ------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `r + masked_rows m0 { f0 } + w1 * masked_rows w1 { f1 } + ...` is one construct: a chain of learners where the masks
// say `k > n`, else a dispatch to experts. Named as one, it needs one pass over the decision, adds in place, has one
// place in the report and its knobs.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEROWSUMS
#include "Raise/Passes.h.inc"

namespace {

/// A summand: masked rows, and what they are multiplied by, which is their mask.
struct Term {
  MaskedRowsOp rows;
  bool scaled;
  std::optional<Threshold> threshold;
};

std::optional<Term> termOf(Value value) {
  auto rowsOf = [](Value candidate) {
    auto rows = candidate.getDefiningOp<MaskedRowsOp>();
    return rows && rows->getNumResults() == 1 && rows.getOtherwise().empty() && rows.getResult(0).hasOneUse() ? rows : MaskedRowsOp();
  };
  if (MaskedRowsOp rows = rowsOf(value))
    return Term{rows, false, thresholdOf(rows.getMask())};
  Operation *product = value.getDefiningOp();
  if (!product || operatorOf(product) != "Mul" || !value.hasOneUse())
    return std::nullopt;
  for (unsigned i : {0u, 1u})
    if (MaskedRowsOp rows = rowsOf(product->getOperand(i)); rows && product->getOperand(1 - i) == rows.getMask())
      return Term{rows, true, thresholdOf(rows.getMask())};
  return std::nullopt;
}

class RowSum {
public:
  explicit RowSum(Operation *root) : root(root), b(root), type(root->getResult(0).getType()) {}

  /// Collects the summands; false if this is no sum of such terms.
  bool match();
  /// Adds to `gone` what goes away with it.
  void rewrite(llvm::SmallPtrSetImpl<Operation *> &gone);

private:
  void collect(Value value);
  /// The counts that the masks compare with 0, 1, 2, ..., as one value for each row, or null.
  Value chainCount();
  Value weights();
  void buildRegion(Region &region, MaskedRowsOp from);

  Operation *root;
  OpBuilder b;
  Type type;
  SmallVector<Term> terms;
  SmallVector<Value> others;
  SmallVector<Operation *> inside;
  llvm::SetVector<Value> rows;
};

void RowSum::collect(Value value) {
  if (auto term = termOf(value); term && term->rows->getBlock() == root->getBlock()) {
    terms.push_back(*term);
    inside.push_back(value.getDefiningOp());
    return;
  }
  Operation *add = value.getDefiningOp();
  bool inner = add && operatorOf(add) == "Add" && value.getType() == type && add->getBlock() == root->getBlock() &&
               (add == root || value.hasOneUse());
  if (inner && add->getOperand(0).getType() == type && add->getOperand(1).getType() == type) {
    inside.push_back(add);
    collect(add->getOperand(0));
    collect(add->getOperand(1));
    return;
  }
  if (!isZero(value))
    others.push_back(value);
}

bool RowSum::match() {
  if (operatorOf(root) == "Add") {
    collect(root->getResult(0));
  } else if (auto term = termOf(root->getResult(0)); term && term->scaled) {
    terms.push_back(*term);
    inside.push_back(root);
  }
  if (terms.empty())
    return false;
  return terms.size() > 1 || terms.front().scaled;
}

Value RowSum::chainCount() {
  Value k;
  for (Term &term : terms) {
    if (!term.threshold || (k && term.threshold->k != k))
      return {};
    k = term.threshold->k;
  }
  SmallVector<Term> sorted(terms);
  llvm::stable_sort(sorted, [](const Term &x, const Term &y) { return x.threshold->above < y.threshold->above; });
  int64_t least = sorted.front().threshold->above;
  for (auto [n, term] : llvm::enumerate(sorted))
    if (term.threshold->above != least + static_cast<int64_t>(n))
      return {};
  // One for each row, as the mask has them.
  auto maskType = rankedType(terms.front().rows.getMask()), own = rankedType(k);
  auto wanted = RankedTensorType::get(maskType.getShape(), own.getElementType());
  Location loc = root->getLoc();
  // The count may be known long before the sum; nothing between depends on it being made here.
  if (own.getRank() == maskType.getRank() - 1 && own.getShape() == maskType.getShape().drop_back())
    k = make(b, loc, "Unsqueeze", wanted, {k, makeInts(b, loc, {1}, {own.getRank()})});
  else if (own != wanted)
    return {};
  terms = sorted;
  if (least != 0) {
    auto scalar = RankedTensorType::get({}, own.getElementType());
    Value shift = make(b, loc, "Constant", scalar, {},
                       b.getNamedAttr("value", DenseElementsAttr::get(
                                                   scalar, b.getIntegerAttr(own.getElementType(), least))));
    k = make(b, loc, "Sub", wanted, {k, shift});
  }
  return k;
}

Value RowSum::weights() {
  auto maskType = rankedType(terms.front().rows.getMask());
  Type element = getElementTypeOrSelf(type);
  Location loc = root->getLoc();
  SmallVector<int64_t> shape(maskType.getShape());
  shape.back() = terms.size();
  auto wanted = RankedTensorType::get(shape, element);
  // Columns of one matrix in order are that matrix.
  Value matrix;
  for (auto [n, term] : llvm::enumerate(terms)) {
    auto column = columnOf(throughMoves(term.rows.getMask(), /*shapes=*/true, /*casts=*/false));
    bool fits = term.scaled && column && column->index == static_cast<int64_t>(n) &&
                rankedType(column->source) == wanted && column->axis == wanted.getRank() - 1 &&
                (!matrix || matrix == column->source);
    if (!fits) {
      matrix = {};
      break;
    }
    matrix = column->source;
  }
  if (matrix)
    return matrix;
  SmallVector<Value> columns;
  for (Term &term : terms) {
    // A mask that nothing is multiplied by says whether, not how much.
    Value mask = term.rows.getMask();
    columns.push_back(makeCast(b, loc, term.scaled ? mask : makeCast(b, loc, mask, b.getI1Type()), element));
  }
  return columns.size() == 1 ? columns.front()
                             : make(b, loc, "Concat", wanted, columns, intAttribute(b, "axis", maskType.getRank() - 1));
}

void RowSum::buildRegion(Region &region, MaskedRowsOp from) {
  OpBuilder::InsertionGuard guard(b);
  Block *body = b.createBlock(&region);
  IRMapping mapping;
  for (Value row : rows)
    body->addArgument(row.getType(), root->getLoc());
  for (auto [row, argument] : llvm::zip(from.getRows(), from.getBody().getArguments()))
    mapping.map(argument, body->getArgument(llvm::find(rows, row) - rows.begin()));
  for (Operation &op : from.getBody().front())
    b.clone(op, mapping);
}

void RowSum::rewrite(llvm::SmallPtrSetImpl<Operation *> &gone) {
  for (Term &term : terms)
    rows.insert(term.rows.getRows().begin(), term.rows.getRows().end());
  bool dense = llvm::any_of(terms, [](Term &term) { return term.rows.getDense(); });
  Location loc = root->getLoc();
  // Factors that are not zero or one say what they are multiplied by; a chain has none.
  Value k = chainCount();
  Value rest;
  for (Value other : others)
    rest = rest ? make(b, loc, "Add", type, {rest, other}) : other;
  Value sum;
  if (k) {
    auto chain = LearnerChainOp::create(b, loc, type, k, rows.getArrayRef(), rest, /*min_k=*/0, dense, terms.size());
    for (auto [region, term] : llvm::zip(chain.getLearners(), terms))
      buildRegion(region, term.rows);
    sum = chain.getResult();
    remarkRaised(root->getLoc(), chain) << "ac.learner_chain of " << terms.size() << " learners";
  } else {
    auto dispatch = MoeDispatchOp::create(b, loc, type, weights(), rows.getArrayRef(), dense, terms.size());
    for (auto [region, term] : llvm::zip(dispatch.getExperts(), terms))
      buildRegion(region, term.rows);
    sum = dispatch.getResult();
    remarkRaised(root->getLoc(), dispatch) << "ac.moe_dispatch of " << terms.size() << " experts";
    if (rest)
      sum = make(b, loc, "Add", type, {rest, sum});
  }
  gone.insert(inside.begin(), inside.end());
  root->getResult(0).replaceAllUsesWith(sum);
  eraseUnused(root, &gone);
}

struct RaiseRowSums : impl::RaiseRowSumsBase<RaiseRowSums> {
  /// Outermost sums first: from the end of the block. Then what is inside of the operations that are left.
  void raise(Block &block) {
    SmallVector<Operation *> roots;
    for (Operation &op : block)
      if (operatorOf(&op) == "Add" || operatorOf(&op) == "Mul")
        roots.push_back(&op);
    llvm::SmallPtrSet<Operation *, 32> gone;
    for (Operation *op : llvm::reverse(roots)) {
      if (gone.contains(op))
        continue;
      RowSum sum(op);
      if (!sum.match())
        continue;
      sum.rewrite(gone);
    }
    for (Operation &op : block)
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          raise(inner);
  }

  void runOnOperation() override { raise(*getOperation().getBody()); }
};

} // namespace
} // namespace mlir::ac
