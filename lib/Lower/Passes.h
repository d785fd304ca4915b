//===- Passes.h - The lower stage --------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_PASSES_H
#define LOWER_PASSES_H

#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace mlir::ac {
#define GEN_PASS_DECL
#include "Lower/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "Lower/Passes.h.inc"
} // namespace mlir::ac

#endif // LOWER_PASSES_H
