//===- BindBudgets.h - Budgets and counters of a run -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_BINDBUDGETS_H
#define CODEGEN_BINDBUDGETS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::ac {

/// Turns every `ac.read_budget` and `ac.count` of `main`, whose first argument is the call (see ABI.h), into loads and
/// stores of the tables that the runtime hands over, and describes the tables on the module as `ac.budgets` and
/// `ac.counters`. Fails where operations of one name do not agree.
LogicalResult bindBudgets(ModuleOp module, func::FuncOp main);

} // namespace mlir::ac

#endif // CODEGEN_BINDBUDGETS_H
