//===- FlattenedLoop.h - Several dimensions in one loop ---------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_FLATTENEDLOOP_H
#define KERNELS_FLATTENEDLOOP_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// A loop over places [begin, end) of the dimensions of these sizes, counted in row-major order. The body gets the
/// place in each dimension; the builder stands in it.
void emitFlattenedLoop(ImplicitLocOpBuilder &b, ValueRange sizes, Value begin, Value end,
                       llvm::function_ref<void(ValueRange place)> body);

} // namespace mlir::ac

#endif // KERNELS_FLATTENEDLOOP_H
