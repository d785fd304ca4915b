//===- FoldConstants.cpp - Compute what only depends on constants ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "Optimize/Passes.h.inc"

namespace {
struct FoldConstants : impl::FoldConstantsBase<FoldConstants> {
  using Base::Base;
  void runOnOperation() override {}
};
} // namespace
} // namespace mlir::ac
