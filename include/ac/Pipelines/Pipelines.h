//===- Pipelines.h - The stages of the compiler ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_PIPELINES_PIPELINES_H
#define AC_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"

namespace mlir::ac {

/// The stages in order. Each is a pipeline `ac-<name>` in `ac-opt`, and a value of `ac-compile --stop-after`.
enum class Stage { Import, Raise, Optimize, Lower, Kernels, Bufferize, Codegen };

struct StageInfo {
  Stage stage;
  llvm::StringRef name;
  llvm::StringRef description;
  /// Adds the stage's passes; null for import, which is no pipeline.
  void (*build)(OpPassManager &);
};

/// All stages in order.
llvm::ArrayRef<StageInfo> getStages();

/// `onnx` to `onnx` and `ac`: names what the graph decides at run time.
void buildRaisePipeline(OpPassManager &pm);
/// `onnx` to `onnx`: folds what is known while compiling.
void buildOptimizePipeline(OpPassManager &pm);
/// `onnx` to linalg, tensor, scf and arith on ranked tensors.
void buildLowerPipeline(OpPassManager &pm);
/// Tensors to tensors: fused loops, contractions with epilogues and packed weights.
void buildKernelsPipeline(OpPassManager &pm);
/// Tensors to buffers with explicit lifetimes.
void buildBufferizePipeline(OpPassManager &pm);
/// Buffers to the LLVM dialect: the ABI, kernels, loops.
void buildCodegenPipeline(OpPassManager &pm);

/// Registers the stages as pass pipelines.
void registerPipelines();

} // namespace mlir::ac

#endif // AC_PIPELINES_PIPELINES_H
