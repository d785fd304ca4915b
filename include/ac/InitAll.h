//===- InitAll.h - Registers dialects, passes and pipelines ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_INITALL_H
#define AC_INITALL_H

namespace mlir {
class DialectRegistry;
namespace ac {
/// The project's dialects, and the upstream ones that its stages need, with their interfaces and translations.
void registerDialects(DialectRegistry &registry);
/// The project's passes and stages (not upstream's).
void registerPasses();
} // namespace ac
} // namespace mlir

#endif // AC_INITALL_H
