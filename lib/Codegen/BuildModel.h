//===- BuildModel.h - A model to run while compiling -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_BUILDMODEL_H
#define CODEGEN_BUILDMODEL_H

#include "Support/TargetInfo.h"
#include "Support/TemporaryFolder.h"

namespace mlir::ac {

/// Turns a module that went through the codegen stage into the shared object `name` in `folder`, with `objects` linked
/// in. Returns its path.
llvm::Expected<std::string> buildModel(ModuleOp module, const TargetInfo &target, int optLevel,
                                       ArrayRef<std::string> objects, const TemporaryFolder &folder, StringRef name);

} // namespace mlir::ac

#endif // CODEGEN_BUILDMODEL_H
