//===- Passes.h - The codegen stage ------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_PASSES_H
#define CODEGEN_PASSES_H

#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::ac {
#define GEN_PASS_DECL
#include "Codegen/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "Codegen/Passes.h.inc"
} // namespace mlir::ac

#endif // CODEGEN_PASSES_H
