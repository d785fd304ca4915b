//===- Passes.h - The optimize stage -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_PASSES_H
#define OPTIMIZE_PASSES_H

#include "dialects/AC/IR/ACDialect.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/Pass/Pass.h"

namespace mlir::ac {
#define GEN_PASS_DECL
#include "Optimize/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "Optimize/Passes.h.inc"
} // namespace mlir::ac

#endif // OPTIMIZE_PASSES_H
