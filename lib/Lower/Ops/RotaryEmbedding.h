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
LogicalResult lowerRotaryEmbedding(Node &node);
} // namespace mlir::ac

#endif // LOWER_OPS_ROTARYEMBEDDING_H
