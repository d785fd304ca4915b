//===- MicrosoftAttention.h - Attention of com.microsoft ---------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operators in which exporters write attention for ONNX Runtime. What they mean is what its CPU provider computes,
// which the tests compare with; what it cannot is taken from the definitions of the operators.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_MICROSOFTATTENTION_H
#define LOWER_OPS_MICROSOFTATTENTION_H

#include "Lower/NodeLowering.h"
#include "Lower/Ops/AttentionForm.h"

namespace mlir::ac {

LogicalResult lowerMicrosoftAttention(Node &node);
LogicalResult lowerMultiHeadAttention(Node &node);
LogicalResult lowerGroupQueryAttention(Node &node);
LogicalResult lowerMicrosoftRotaryEmbedding(Node &node);

/// An input by its place and name.
struct NamedInput {
  unsigned index;
  StringRef name;
};
/// Refuses the node if any of these is given.
LogicalResult refuseInputs(Node &node, ArrayRef<NamedInput> inputs);
/// Refuses the node unless input `i` is there, has this rank and, for floats, the elements of input 0.
LogicalResult requireInput(Node &node, NamedInput input, int64_t rank);
/// Computes the attention and makes output 0, [B, S, heads * D], of it.
LogicalResult setAttended(Node &node, const AttentionForm &form);
/// [B, S, heads, D] of [B, S, heads * D].
FailureOr<Value> splitHeads(Node &node, Value x, StringRef name, OpFoldResult heads);

} // namespace mlir::ac

#endif // LOWER_OPS_MICROSOFTATTENTION_H
