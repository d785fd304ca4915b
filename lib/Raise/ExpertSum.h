//===- ExpertSum.h - Experts that stand along an axis ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `sum over a of weight[a, row] * f_a(row)` in which all f_a are computed at once by operations that have `a` as one of
// their dimensions. Either `a` counts experts, `[E, rows, width] x [E, width, inner]`, or it counts the choices of a
// row and the matrices were gathered by what was chosen, `[rows, K, 1, width] x W[ids]`.
//
// From the sum backwards it is followed where each dimension of a value comes from: an Axis is one of the rows', the
// one that is summed, or what holds the features of a row. An operation that acts along features alone is then written
// down for one expert and its rows. What does not depend on the summed axis is an operand.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_EXPERTSUM_H
#define RAISE_EXPERTSUM_H

#include "Raise/Remarks.h"
#include "Raise/Values.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ac {

class ExpertSum {
public:
  enum class Kind { Unknown, Choices, Experts };

  explicit ExpertSum(Operation *root) : root(root), outside(root), before(root->getPrevNode()) {}
  ~ExpertSum();

  /// Whether `root` sums over an axis that a batched matrix product has. If so `kind` says of which kind, unless `why`
  /// says what is in the way.
  bool match();
  /// Replaces the root's result by that of ac.moe_dispatch; false, with the reason in `why`.
  bool rewrite(bool dense);
  /// The operations that nothing needs after it, the root among them.
  ArrayRef<Operation *> members() const { return chain.getArrayRef(); }

  Kind kind = Kind::Unknown;
  int64_t numExperts = 0;
  /// What `rewrite` made.
  Operation *made = nullptr;
  Reason why;

private:
  /// One of the rows' dimensions by its number, or one of the others.
  enum : int { kSum = 64, kFeature, kIn, kOut };
  /// What each dimension of a value holds, outermost first; nothing for a dimension of one.
  using Axes = SmallVector<int, 2>;
  using Layout = SmallVector<Axes, 5>;
  /// What a value for one expert is: rows, or a matrix of the expert.
  enum class Frame { Rows, Matrix };

  bool findRoot();
  bool matchChain();
  bool refuse(const Reason &reason);
  Value refused(Operation *op, const Twine &reason);

  static bool holds(const Layout &layout, int axis);
  bool holdsRows(const Layout &layout) const;
  SmallVector<int> axesOf(Frame frame) const;
  /// The layout of an operand that broadcasts to a result, aligned at the last dimension.
  static Layout broadcast(const Layout &result, RankedTensorType operand);
  /// The layout of what a Reshape to `layout` takes.
  std::optional<Layout> throughReshape(const Layout &layout, RankedTensorType to, RankedTensorType from) const;
  /// The layout of operand 0 of an operation that only moves elements.
  std::optional<Layout> throughMove(Operation *op, const Layout &layout) const;

  /// `value` with these axes as its dimensions, in this order; a dimension of one where it does not have an axis.
  Value arrange(OpBuilder &b, Value value, Layout layout, ArrayRef<int> axes);
  /// What `value` is for the current expert.
  Value translate(Value value, const Layout &layout, Frame frame);
  Value translateOp(Operation *op, unsigned number, const Layout &layout, Frame frame);
  Value translateMatMul(Operation *op, const Layout &layout);
  Value translateEinsum(Operation *op, const Layout &layout);
  Value translateGather(Operation *op, const Layout &layout, Frame frame);
  Value alongFeatures(Operation *op, unsigned number, const Layout &layout);
  Value clone(Operation *op, unsigned number, ValueRange operands, ArrayRef<NamedAttribute> changed,
              const Layout &layout, Frame frame);
  Type typeFor(Value value, const Layout &layout, Frame frame) const;
  /// The slice of an operand along `dimension` that belongs to the current expert.
  Value sliceOf(Value value, int64_t dimension);
  bool isChoice(Value indices, const Layout &layout);
  Value weights();
  /// Builds at the end of the current expert, which no operation holds yet.
  OpBuilder inside() const {
    OpBuilder b(root->getContext());
    b.setInsertionPointToEnd(body);
    return b;
  }
  std::unique_ptr<Block> buildExpert(int64_t number);

  Operation *root;
  OpBuilder outside; // in front of the root
  Operation *before; // behind which `outside` began
  int64_t sumAxis = 0, sumSize = 0;
  SmallVector<int64_t> rowSizes;
  Value answers, factor; // what is summed, each times its weight; no factor is one
  Layout answersLayout, factorLayout;
  Value choices; // the expert of each choice, [rows..., K]
  llvm::SetVector<Operation *> chain;
  llvm::SetVector<Value> rowOperands;
  DenseMap<std::pair<Value, int>, Value> arranged; // rows that became operands
  DenseMap<std::pair<Value, int>, Layout> layouts;

  // While an expert is built.
  int64_t expert = 0;
  Block *body = nullptr;
  DenseMap<std::pair<Value, int>, Value> done;
};

/// Raises every sum of this kind in `scope`, the last ones first; remarks on those that are not begin with `what`.
void raiseExpertSums(Operation *scope, ExpertSum::Kind kind, StringRef what, bool dense);

} // namespace mlir::ac

#endif // RAISE_EXPERTSUM_H
