//===- KernelBuffers.h - Buffers as kernels take them -----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_KERNELBUFFERS_H
#define KERNELS_KERNELBUFFERS_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// Forgets static sizes but for `staticTrailing` dimensions, keeping the unit stride of the last if it has one.
Value makeDynamic(ImplicitLocOpBuilder &b, Value buffer, int64_t staticTrailing);

/// A buffer of the same type without its strides, with memory until after `user`.
Value allocateLike(ImplicitLocOpBuilder &b, Value buffer, Operation *user);

/// Vectors are loaded along the last dimension: a buffer strided there is copied for `user`.
Value withUnitStride(ImplicitLocOpBuilder &b, Value buffer, Operation *user);

} // namespace mlir::ac

#endif // KERNELS_KERNELBUFFERS_H
