//===- TransposeLoops.h - Transposes in tiles -------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_TRANSPOSELOOPS_H
#define KERNELS_TRANSPOSELOOPS_H

#include "Support/TargetInfo.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// Emits the loops of an operation that copies elements between two orders whose contiguous dimensions differ; false, and
/// nothing, if the operation is another one.
bool emitTranspose(linalg::LinalgOp op, const TargetInfo &target);

/// Makes columns of rows: as many vectors as each has lanes, a power of two.
void turnOver(ImplicitLocOpBuilder &b, MutableArrayRef<Value> rows);

} // namespace mlir::ac

#endif // KERNELS_TRANSPOSELOOPS_H
