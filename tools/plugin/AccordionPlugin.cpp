//===- AccordionPlugin.cpp - Dialects, passes and stages for mlir-opt -----===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   mlir-opt --load-dialect-plugin=AccordionPlugin.so --load-pass-plugin=AccordionPlugin.so
//            --pass-pipeline='builtin.module(ac-lower)' model.mlir
//
// The plugin shares libMLIR with the program that loads it, which must be of the version that it was built with.
//
//===----------------------------------------------------------------------===//
#include "ac/InitAll.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Accordion", ACCORDION_VERSION,
          [](mlir::DialectRegistry *registry) { mlir::ac::registerDialects(*registry); }};
}

extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Accordion", ACCORDION_VERSION, mlir::ac::registerPasses};
}
