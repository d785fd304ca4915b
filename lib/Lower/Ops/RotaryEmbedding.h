//===- RotaryEmbedding.h - ONNX RotaryEmbedding ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_ROTARYEMBEDDING_H
#define LOWER_OPS_ROTARYEMBEDDING_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// Of each position by half of the features that are turned: [batch or 1, positions, half], f32 or f64.
struct Angles {
  Value cosines, sines;
};

/// The rows of both caches [N, half] at `positions` [batch, S], for a rotation of `element`; a position outside of the
/// caches ends the run. Nothing, and the node is refused, for other ranks.
std::optional<Angles> anglesAt(Node &node, Value cosines, Value sines, Value positions, Type element);
/// Turns the first `turned` features of each row of `x`: [B, H, S, D] with `headAxis` 1, [B, S, H, D] with 2. A pair is
/// one of the first half with one of the second, or two neighbours if `interleaved`.
FailureOr<Value> rotate(Node &node, Value x, int64_t headAxis, Angles angles, OpFoldResult turned, bool interleaved);

LogicalResult lowerRotaryEmbedding(Node &node);
} // namespace mlir::ac

#endif // LOWER_OPS_ROTARYEMBEDDING_H
