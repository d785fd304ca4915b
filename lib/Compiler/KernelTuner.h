//===- KernelTuner.h - Which generator's kernels are faster here -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_KERNELTUNER_H
#define COMPILER_KERNELTUNER_H

#include "Compiler/KernelCache.h"
#include "Support/TargetInfo.h"

namespace mlir::ac {

/// Sets `ac.generator` on a module that went through the lower stage: for each product and depthwise convolution of
/// fixed sizes, the generator that was the fastest for it on this processor. With `measure`, what is not known is
/// measured now, by one thread, and remembered; otherwise it is MLIR's.
llvm::Error chooseGenerators(ModuleOp module, const TargetInfo &target, KernelCache &cache, bool measure);

} // namespace mlir::ac

#endif // COMPILER_KERNELTUNER_H
