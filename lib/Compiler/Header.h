//===- Header.h - The C header beside an artefact ----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_HEADER_H
#define COMPILER_HEADER_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace mlir::ac {
/// Writes a header named after `artefact` (suffix `.h`) with the model's inputs and outputs as constants and comments.
llvm::Error writeHeader(StringRef artefact, ModuleOp module);
} // namespace mlir::ac

#endif // COMPILER_HEADER_H
