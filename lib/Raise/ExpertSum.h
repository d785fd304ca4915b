//===- ExpertSum.h - Experts that stand along an axis ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `sum over a of weight[a, row] * f_a(row)` in which all f_a are computed at once by operations that have `a` as one of
// their dimensions. Either `a` counts experts, `[E, rows, width] x [E, width, inner]`, or it counts the choices of a
// row and the matrices were gathered by what was chosen, `[rows, K, 1, width] x W[ids]`. Rows may also have been given
// places with experts first, `[E, places, width]`, so that places are summed over as well (ExpertSlots.h).
//
// From the sum backwards it is followed where each dimension of a value comes from: an Axis is one of the rows', the
// one that is summed, or what holds the features of a row. An operation that acts along features alone is then written
// down for one expert and its rows. What does not depend on the summed axis is an operand.
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_EXPERTSUM_H
#define RAISE_EXPERTSUM_H

#include "Raise/ExpertSlots.h"
#include "Raise/Remarks.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ac {

class ExpertSum : ExpertAxes {
public:
  enum class Kind { Unknown, Choices, Experts, Slots };

  explicit ExpertSum(Operation *root)
      : ExpertAxes(root->getLoc()), root(root), outside(root), before(root->getPrevNode()) {}
  ~ExpertSum();

  /// Whether `root` multiplies each row by the matrix of the one expert that it chose; as `match`. What adds to it what
  /// was picked by the same choice becomes the root.
  bool matchSingle();
  /// Whether `root` sums over an axis that a batched matrix product has. If so `kind` says of which kind, unless `why`
  /// says what is in the way.
  bool match();
  /// Replaces the root's result by that of ac.moe_dispatch; false, with the reason in `why`.
  bool rewrite(bool dense);
  /// What is replaced.
  Operation *rootOperation() const { return root; }
  /// The operations that nothing needs after it, the root among them.
  ArrayRef<Operation *> members() const { return chain.getArrayRef(); }

  Kind kind = Kind::Unknown;
  int64_t numExperts = 0;
  /// What `rewrite` made.
  Operation *made = nullptr;
  Reason why;

private:
  /// What a value for one expert is: rows, or a matrix of the expert.
  enum class Frame { Rows, Matrix };

  bool findRoot();
  bool matchChain();
  void followMoves();
  bool isPicked(Value value);
  bool matchSlots();
  bool refuse(const Reason &reason);
  Value refused(Operation *op, const Twine &reason);

  bool holdsRows(const Layout &layout) const;
  SmallVector<int> axesOf(Frame frame) const;

  /// What `value` is for the current expert.
  Value translate(Value value, const Layout &layout, Frame frame);
  Value translateOp(Operation *op, unsigned number, const Layout &layout, Frame frame);
  Value translateMatMul(Operation *op, const Layout &layout);
  Value translateEinsum(Operation *op, const Layout &layout);
  /// The rows that an Einsum puts in their places, if it is one that does: of its operand `index` with this layout, by
  /// the other one.
  Value translateDispatch(Operation *op, unsigned index, const ExpertSlots::Laid &rows, const ExpertSlots::Laid &mask);
  Value translateGather(Operation *op, const Layout &layout, Frame frame);
  Value alongFeatures(Operation *op, unsigned number, const Layout &layout);
  Value clone(Operation *op, unsigned number, ValueRange operands, ArrayRef<NamedAttribute> changed,
              const Layout &layout, Frame frame);
  Type typeFor(Value value, const Layout &layout, Frame frame) const;
  /// The slice of an operand along `dimension` that belongs to the current expert.
  Value sliceOf(Value value, int64_t dimension);
  /// Whether indices pick one of `count` experts for each row and choice.
  bool isChoice(Value indices, const Layout &layout, int64_t count);
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
  int64_t sumAxis = 0;
  Value answers, factor; // what is summed, each times its weight; no factor is one
  Layout answersLayout, factorLayout;
  Value choices; // the expert of each choice, [rows..., K]
  /// With places, which are the last of the rows' dimensions while operations are followed: what is left of them.
  std::unique_ptr<ExpertSlots> slots;
  std::string slotEquation;
  std::optional<ExpertSlots::Laid> dispatch;
  SmallVector<int64_t> typedSizes; // of the rows' dimensions in experts
  llvm::SetVector<Operation *> chain;
  llvm::SetVector<Value> rowOperands;
  DenseMap<std::pair<Value, int>, Value> arranged; // rows that became operands
  DenseMap<std::pair<Value, int>, Layout> layouts;

  /// Each row has one choice, for which there is no axis: of what makes this.
  Value singleChoice;
  DenseMap<Value, bool> picked;

  // While an expert is built.
  int64_t expert = 0;
  Block *body = nullptr;
  DenseMap<std::pair<Value, int>, Value> done;
};

/// Raises every sum of this kind in `scope`, the last ones first; remarks on those that are not begin with `what`.
void raiseExpertSums(Operation *scope, ExpertSum::Kind kind, StringRef what, bool dense);

} // namespace mlir::ac

#endif // RAISE_EXPERTSUM_H
