//===- Constructs.h - What a model was found to decide -----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_CONSTRUCTS_H
#define COMPILER_CONSTRUCTS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace mlir::ac {

/// The adaptive operations of a module after the raise stage, in order: for each its `site`, as counters call it, its
/// `kind`, and what each of its branches costs and can be skipped: `flops`, -1 where that is not known, for one `unit`, a
/// `row` or a `run`.
llvm::json::Array listConstructs(ModuleOp module);

} // namespace mlir::ac

#endif // COMPILER_CONSTRUCTS_H
