//===- Einsum.cpp - Einstein summation ------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every dimension of every operand has a label: a letter, or a place in the ellipsis. Operands are combined from left
// to right. Labels that only one of the remaining operands has and that the result lacks are summed first; what two
// operands share is a batch dimension if it is still needed afterwards and is contracted if not, which is a batched
// matrix product after transposing. Without contracted labels it is a broadcast multiplication.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

namespace mlir::ac {

namespace {

/// Letters are their character; dimension i of the ellipsis, counted from the last, is `kEllipsis + i`.
using Label = int;
constexpr Label kEllipsis = 256;
using Labels = SmallVector<Label>;

/// A tensor with a label for each dimension.
struct Term {
  Value tensor;
  Labels labels;
};

struct Summation {
  Node &node;
  Emitter &emit;
  Type element;
  Labels result;
  llvm::MapVector<Label, OpFoldResult> sizes;

  explicit Summation(Node &node) : node(node), emit(node.emit) {}

  FailureOr<Labels> parseTerm(StringRef text, int64_t ellipsis);
  LogicalResult resolveSizes(MutableArrayRef<Term> terms);
  Term takeDiagonals(Term term);
  Term sumOut(Term term, llvm::function_ref<bool(Label)> kept);
  Value arrange(const Term &term, ArrayRef<Label> order);
  Term combine(const Term &lhs, const Term &rhs, llvm::function_ref<bool(Label)> kept);
  OpFoldResult sizeOf(ArrayRef<Label> labels);
  Dims dimsOf(ArrayRef<Label> labels);
};

} // namespace

FailureOr<Labels> Summation::parseTerm(StringRef text, int64_t ellipsis) {
  Labels labels;
  while (!text.empty()) {
    if (text.consume_front("...")) {
      for (int64_t i = ellipsis - 1; i >= 0; --i)
        labels.push_back(kEllipsis + i);
      continue;
    }
    if (!llvm::isAlpha(text.front()))
      return node.refuse("has the character `" + Twine(text.front()) + "` in its equation, expected a letter or `...`");
    labels.push_back(text.front());
    text = text.drop_front();
  }
  return labels;
}

/// Gives every label its size. A dimension of size one repeats: where another operand has more, it is dropped.
LogicalResult Summation::resolveSizes(MutableArrayRef<Term> terms) {
  for (Term &term : terms)
    for (auto [label, size] : llvm::zip(term.labels, emit.dims(term.tensor))) {
      auto [it, fresh] = sizes.insert({label, size});
      if (fresh || Emitter::same(it->second, size) || Emitter::isOne(size))
        continue;
      if (Emitter::isOne(it->second)) {
        it->second = size;
        continue;
      }
      std::string name = label < kEllipsis ? std::string(1, static_cast<char>(label)) : "...";
      if (failed(requireSame(node, it->second, size, "the dimensions that the equation calls `" + Twine(name) + "`")))
        return failure();
      if (getConstantIntValue(size))
        it->second = size;
    }
  for (Term &term : terms) {
    SmallVector<int64_t> dropped;
    Labels kept;
    for (auto [axis, label] : llvm::enumerate(term.labels)) {
      bool repeats = Emitter::isOne(emit.dim(term.tensor, axis)) && !Emitter::isOne(sizes.find(label)->second);
      if (repeats)
        dropped.push_back(axis);
      else
        kept.push_back(label);
    }
    if (!dropped.empty())
      term = {emit.squeezeAxes(term.tensor, dropped), kept};
  }
  return success();
}

/// Reads dimensions with the same label together.
Term Summation::takeDiagonals(Term term) {
  Labels unique;
  SmallVector<AffineExpr> read;
  for (Label label : term.labels) {
    auto *found = llvm::find(unique, label);
    read.push_back(emit.getAffineDimExpr(found - unique.begin()));
    if (found == unique.end())
      unique.push_back(label);
  }
  if (unique.size() == term.labels.size())
    return term;
  SmallVector<utils::IteratorType> iterators(unique.size(), utils::IteratorType::parallel);
  Value diagonal = emit.generic(term.tensor, AffineMap::get(unique.size(), 0, read, emit.getContext()),
                                emit.empty(dimsOf(unique), element), emit.getMultiDimIdentityMap(unique.size()),
                                iterators, [](OpBuilder &, Location, ValueRange v) { return v[0]; });
  return {diagonal, unique};
}

Term Summation::sumOut(Term term, llvm::function_ref<bool(Label)> kept) {
  SmallVector<int64_t> axes;
  Labels labels;
  for (auto [axis, label] : llvm::enumerate(term.labels)) {
    if (kept(label))
      labels.push_back(label);
    else
      axes.push_back(axis);
  }
  if (axes.empty())
    return term;
  Value sum = emit.reduce(term.tensor, axes, /*keepDims=*/false, emit.constant(element, 0),
                          [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            if (isa<FloatType>(v[0].getType()))
                              return arith::AddFOp::create(b, loc, v[0], v[1], arith::FastMathFlags::reassoc);
                            return arith::AddIOp::create(b, loc, v[0], v[1]);
                          });
  return {sum, labels};
}

Value Summation::arrange(const Term &term, ArrayRef<Label> order) {
  SmallVector<int64_t> permutation;
  for (Label label : order)
    permutation.push_back(llvm::find(term.labels, label) - term.labels.begin());
  return emit.transpose(term.tensor, permutation);
}

Dims Summation::dimsOf(ArrayRef<Label> labels) {
  Dims dims;
  for (Label label : labels)
    dims.push_back(sizes.find(label)->second);
  return dims;
}

OpFoldResult Summation::sizeOf(ArrayRef<Label> labels) { return emit.product(dimsOf(labels)); }

Term Summation::combine(const Term &lhs, const Term &rhs, llvm::function_ref<bool(Label)> kept) {
  Labels batch, rows, columns, contracted;
  for (Label label : lhs.labels) {
    bool shared = llvm::is_contained(rhs.labels, label);
    (!shared ? rows : kept(label) ? batch : contracted).push_back(label);
  }
  for (Label label : rhs.labels)
    if (!llvm::is_contained(lhs.labels, label))
      columns.push_back(label);

  auto join = [](ArrayRef<Label> a, ArrayRef<Label> b, ArrayRef<Label> c) {
    Labels all(a.begin(), a.end());
    llvm::append_range(all, b);
    llvm::append_range(all, c);
    return all;
  };
  Labels labels = join(batch, rows, columns);
  Value left = arrange(lhs, join(batch, rows, contracted)), right = arrange(rhs, join(batch, contracted, columns));
  if (!contracted.empty()) {
    left = emit.reshape(left, {sizeOf(batch), sizeOf(rows), sizeOf(contracted)});
    right = emit.reshape(right, {sizeOf(batch), sizeOf(contracted), sizeOf(columns)});
    return {emit.reshape(multiplyBatches(emit, left, right), dimsOf(labels)), labels};
  }
  Dims leftDims = dimsOf(join(batch, rows, {})), rightDims = dimsOf(batch);
  leftDims.append(columns.size(), emit.dimension(1));
  rightDims.append(rows.size(), emit.dimension(1));
  rightDims.append(dimsOf(columns));
  Value product = emit.elementwise({emit.reshape(left, leftDims), emit.reshape(right, rightDims)}, element,
                                   [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                                     if (isa<FloatType>(v[0].getType()))
                                       return arith::MulFOp::create(b, loc, v[0], v[1]);
                                     return arith::MulIOp::create(b, loc, v[0], v[1]);
                                   });
  return {product, labels};
}

static LogicalResult lowerEinsum(Node &node) {
  Summation sum(node);
  std::string equation;
  for (char c : node.getString("equation", ""))
    if (c != ' ')
      equation.push_back(c);
  auto [inputs, output] = StringRef(equation).split("->");
  bool isExplicit = StringRef(equation).contains("->");
  SmallVector<StringRef> texts;
  inputs.split(texts, ',');
  if (texts.size() != node.numInputs())
    return node.refuse("has " + Twine(node.numInputs()) + " inputs, but the equation `" + equation + "` has " +
                       Twine(texts.size()));
  Type own = Emitter::elementType(node.input(0));
  sum.element = getSumType(own);

  SmallVector<Term> terms;
  int64_t ellipsis = 0;
  for (auto [text, input] : llvm::zip(texts, node.inputs())) {
    bool has = text.contains("...");
    int64_t letters = static_cast<int64_t>(text.size()) - (has ? 3 : 0), rest = Emitter::rank(input) - letters;
    if (rest < 0 || (rest > 0 && !has))
      return node.refuse("has an input of rank " + Twine(Emitter::rank(input)) + " where the equation `" + equation +
                         "` says `" + text + "`");
    ellipsis = std::max(ellipsis, rest);
    FailureOr<Labels> labels = sum.parseTerm(text, rest);
    if (failed(labels))
      return failure();
    terms.push_back({sum.emit.castElements(input, sum.element), *labels});
  }
  if (isExplicit) {
    FailureOr<Labels> labels = sum.parseTerm(output, ellipsis);
    if (failed(labels))
      return failure();
    sum.result = *labels;
  } else {
    // The ellipsis, and then the letters that occur once, in alphabetical order.
    for (int64_t i = ellipsis - 1; i >= 0; --i)
      sum.result.push_back(kEllipsis + i);
    for (Label label = 0; label < kEllipsis; ++label)
      if (llvm::count(inputs, static_cast<char>(label)) == 1 && llvm::isAlpha(static_cast<char>(label)))
        sum.result.push_back(label);
  }
  if (failed(sum.resolveSizes(terms)))
    return failure();
  for (auto [i, label] : llvm::enumerate(sum.result))
    if (!sum.sizes.contains(label) || llvm::is_contained(ArrayRef<Label>(sum.result).take_front(i), label))
      return node.refuse("has an equation `" + equation + "` whose result has a label twice or one that no input has");

  // Whether a label is needed by the result or by operands from `next` on.
  auto neededFrom = [&](size_t next) {
    return [&sum, &terms, next](Label label) {
      return llvm::is_contained(sum.result, label) ||
             llvm::any_of(ArrayRef<Term>(terms).drop_front(next),
                          [&](auto &t) { return llvm::is_contained(t.labels, label); });
    };
  };
  for (Term &term : terms)
    term = sum.takeDiagonals(term);
  Term total = sum.sumOut(terms[0], neededFrom(1));
  for (size_t i = 1; i < terms.size(); ++i) {
    auto kept = neededFrom(i + 1);
    Term next =
        sum.sumOut(terms[i], [&](Label label) { return kept(label) || llvm::is_contained(total.labels, label); });
    total = sum.combine(total, next, kept);
  }
  return node.finish(sum.emit.castElements(sum.arrange(total, sum.result), own));
}

void populateEinsumLowerings(LoweringTable &table) { table.add("Einsum", lowerEinsum); }

} // namespace mlir::ac
