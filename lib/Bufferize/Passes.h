//===- Passes.h - The bufferize stage -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef BUFFERIZE_PASSES_H
#define BUFFERIZE_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/Pass.h"

namespace mlir::ac {
#define GEN_PASS_DECL
#include "Bufferize/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "Bufferize/Passes.h.inc"
} // namespace mlir::ac

#endif // BUFFERIZE_PASSES_H
