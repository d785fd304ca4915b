//===- Report.h - What was found in a model ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_REPORT_H
#define COMPILER_REPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/JSON.h"

namespace mlir::ac {

/// A remark of the raise stage about a candidate: its `node` and the remark's text as `result`; whether it was `raised`;
/// if not, the node `at` which the first condition failed; if so, the `flops` that can be skipped for one `unit`, where
/// they are known.
llvm::json::Object describeRegion(Diagnostic &remark);

/// The adaptive operations of a module after the raise stage, in order: for each its `site`, as counters call it, its
/// `kind`, and what each of its branches costs and can be skipped: `flops`, -1 where that is not known, for one `unit`, a
/// `row`, `row step`, `sample` or `run`.
llvm::json::Array listConstructs(ModuleOp module);

} // namespace mlir::ac

#endif // COMPILER_REPORT_H
