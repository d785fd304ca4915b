//===- Evaluate.h - Runs a module while compiling ----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_EVALUATE_H
#define OPTIMIZE_EVALUATE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace mlir::ac {

/// Compiles a module of `onnx` operations whose `main` takes nothing, runs it here, and returns its results as
/// constants with these element types (which may be unsigned). Uses up the module.
llvm::Expected<SmallVector<ElementsAttr>> evaluate(ModuleOp module, ArrayRef<Type> elementTypes);

} // namespace mlir::ac

#endif // OPTIMIZE_EVALUATE_H
