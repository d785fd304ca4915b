//===- AttentionForm.h - Attention on its way to linalg ---------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_ATTENTIONFORM_H
#define LOWER_OPS_ATTENTIONFORM_H

#include "Lower/NodeLowering.h"
#include "dialects/AC/IR/ACDialect.h"

namespace mlir::ac {

/// What an `ac.attention` will hold: lowered tensors of one floating-point element type, and how they are read.
struct AttentionForm {
  Value query, key, value;
  SmallVector<int64_t> queryOrder, keyOrder, valueOrder, outOrder;
  /// Null, or of up to four dimensions that broadcast to [batch, heads, rows, keys]; booleans or elements of the query.
  Value mask;
  /// Null, or `[1]` or `[batch]` of type index.
  Value offsets, lengths;
  /// Null, or `[heads]` of the query's elements.
  Value sinks;
  double scale = 1;
  std::optional<double> softcap, fill;
  std::optional<int64_t> before, after;
  bool emptyIsZero = false, nanIsZero = false;

  OpFoldResult size(Emitter &emit, Value tensor, ArrayRef<int64_t> order, AttentionOp::Dim dim) const;
  /// Dimensions of the result in `outOrder`.
  Dims resultDims(Emitter &emit) const;
};

/// Sets the scale to `scale` unless that is zero, else to the root of 1 / (columns of the query): on the query itself
/// if these are only known at run time.
void setScale(Node &node, AttentionForm &form, double scale);
/// `mask` (the node's input `name`) with a last dimension of `keys`: what it does not cover is hidden.
FailureOr<Value> maskForKeys(Node &node, Value mask, StringRef name, OpFoldResult keys);

/// Stages of the scores that can be asked for.
enum class ScoresStage { Raw, Capped, Masked, Softmax };
struct AskedScores {
  ScoresStage stage;
  Value scores; // [batch, heads, rows, keys], set by lowerComposed
};

/// As one operation, for which there is a kernel: f32 or smaller. The result has the query's element type.
FailureOr<Value> lowerFused(Node &node, AttentionForm form);
/// As scores, softmax and product, on whole matrices, in f32 or f64.
FailureOr<Value> lowerComposed(Node &node, AttentionForm form, AskedScores *asked = nullptr);

/// `ac.attention`.
LogicalResult lowerAttentionOp(Node &node);

} // namespace mlir::ac

#endif // LOWER_OPS_ATTENTIONFORM_H
