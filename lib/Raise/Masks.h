//===- Masks.h - What the passes of the raise stage know of masks -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_MASKS_H
#define RAISE_MASKS_H

#include "mlir/IR/Operation.h"

namespace mlir::ac {

/// `MatMul` for `onnx.MatMul`.
StringRef operatorOf(Operation *op);

/// Whether the value may be exactly zero by how it is made; what it is made from is followed for `depth` operations.
bool canBeZero(Value value, int depth = 16);

} // namespace mlir::ac

#endif // RAISE_MASKS_H
