//===- LowerONNX.cpp - Lower ONNX operators to linalg ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/FunctionLowering.h"
#include "Lower/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_LOWERONNX
#include "Lower/Passes.h.inc"

namespace {
struct LowerONNX : impl::LowerONNXBase<LowerONNX> {
  void runOnOperation() override {
    bool failedAny = false;
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal())
        failedAny |= failed(FunctionLowering(function, getLoweringTable()).run());
    if (failedAny)
      signalPassFailure();
  }
};
} // namespace
} // namespace mlir::ac
