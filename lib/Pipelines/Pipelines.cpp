//===- Pipelines.cpp - The stages of the compiler -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ac/Pipelines/Pipelines.h"
#include "Bufferize/Passes.h"
#include "Codegen/Passes.h"
#include "Kernels/Passes.h"
#include "Lower/Passes.h"
#include "Optimize/Passes.h"
#include "Raise/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::ac;

static void addCleanup(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// The same for each function by itself, so that several threads can work.
template <typename FunctionOp> static void addFunctionCleanup(OpPassManager &pm) {
  pm.addNestedPass<FunctionOp>(createCanonicalizerPass());
  pm.addNestedPass<FunctionOp>(createCSEPass());
}

void mlir::ac::buildRaisePipeline(OpPassManager &pm) {
  // First: the others are to see the body of a loop once, not every step of it.
  pm.addPass(createRaiseUnrolledLoops());
  pm.addPass(createRaiseExits());
  pm.addPass(createRaiseSkips());
  pm.addPass(createRaiseMoeOperator());
  pm.addPass(createRaiseGatheredWeights());
  pm.addPass(createRaiseBatchedExperts());
  pm.addPass(createRaiseExpertSlots());
  pm.addPass(createRaiseGroupedRows());
  pm.addPass(createRaiseStackedRows());
  pm.addPass(createRaiseGatheredRows());
  pm.addPass(createRaiseMaskedRows());
  pm.addPass(createRaiseRowSums());
  pm.addPass(createRaiseHaltingLoops());
  pm.addPass(createExposeBudgets());
}

void mlir::ac::buildOptimizePipeline(OpPassManager &pm) {
  pm.addPass(createRecogniseDequantization());
  // Before products that stay in floats take the weights.
  pm.addPass(createFuseQuantization());
  FoldConstantsOptions keep;
  keep.keepQuantized = true;
  pm.addPass(createFoldConstants(keep));
  pm.addPass(createFuseDequantization());
  // What no product took.
  pm.addPass(createFoldConstants());
  pm.addPass(createFoldDecisions());
  // Behind folding, which makes constants of the scales that exporters compute.
  pm.addPass(createRecogniseAttention());
  pm.addPass(createSymbolDCEPass());
}

void mlir::ac::buildLowerPipeline(OpPassManager &pm) {
  pm.addPass(createLowerONNX());
  addCleanup(pm);
}

void mlir::ac::buildKernelsPipeline(OpPassManager &pm) {
  pm.addPass(createFoldTransposes());
  // Constants stand as products read them, and what rounds rows can still become a part of what computes them.
  pm.addPass(createNarrowProducts());
  // Convolutions, before elementwise fusion takes their loops; again below for products, once weights are packed.
  pm.addPass(createSelectKernels());
  // What a loop's body computes from constants and captures alone is computed once, before it.
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createLinalgGeneralizeNamedOpsPass());
  pm.addPass(createFuseElementwise());
  addCleanup(pm);
  // Epilogues take what elementwise fusion has gathered: bias, activation and residual are then one operation.
  pm.addPass(createFuseEpilogues());
  // Behind a gather or in front of a scatter there is only the product by now.
  pm.addPass(createFuseRowMoves());
  pm.addPass(createFlushDenormals());
  pm.addPass(createPrepackWeights());
  pm.addPass(createTileWindows());
  pm.addPass(createPackColumns());
  pm.addPass(createTurnProducts());
  pm.addPass(createTileLines());
  pm.addPass(createSelectKernels());
  addCleanup(pm);
}

void mlir::ac::buildBufferizePipeline(OpPassManager &pm) {
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  // A loop may carry a tensor that grows from one iteration to the next.
  options.allowReturnAllocsFromLoops = true;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  // Before anything looks through the casts that bufferization ends in.
  pm.addNestedPass<func::FuncOp>(createCopyStridedResults());
  addCleanup(pm);
  bufferization::BufferDeallocationPipelineOptions deallocation;
  bufferization::buildBufferDeallocationPipeline(pm, deallocation);
  pm.addPass(createConvertBufferizationToMemRefPass());
  addCleanup(pm);
  // While every buffer still has memory of its own.
  pm.addNestedPass<func::FuncOp>(createFuseRows());
  // Deallocations stand at the end of blocks so far; memory that is given back after its last use is still in the cache
  // when the next buffer takes it.
  pm.addNestedPass<func::FuncOp>(bufferization::createOptimizeAllocationLivenessPass());
  pm.addNestedPass<func::FuncOp>(createPlanArena());
}

void mlir::ac::buildCodegenPipeline(OpPassManager &pm) {
  // Contractions may need copies of their operands, whose memory is then the arena's.
  pm.addPass(createEmitContractions());
  pm.addPass(createCallKernels());
  pm.addPass(createEmitAttention());
  pm.addPass(createBindABI());
  pm.addPass(createEmitRowMoves());
  pm.addPass(createEmitLoops());
  pm.addPass(createResolveExpandShapes());
  pm.addNestedPass<func::FuncOp>(memref::createExpandStridedMetadataPass());
  pm.addNestedPass<func::FuncOp>(createLowerAffinePass());
  addFunctionCleanup<func::FuncOp>(pm);
  pm.addPass(createOutlineKernels());
  pm.addPass(createApproximateMath());
  pm.addPass(createNarrowFloats());
  addFunctionCleanup<func::FuncOp>(pm);
  pm.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass());
  pm.addNestedPass<func::FuncOp>(createSCFToControlFlowPass());
  pm.addNestedPass<func::FuncOp>(createConvertVectorToLLVMPass());
  pm.addNestedPass<func::FuncOp>(memref::createExpandStridedMetadataPass());
  pm.addNestedPass<func::FuncOp>(createLowerAffinePass());
  // log(1 + x) is a call where x is f64: rounding 1 + x would lose a small x.
  pm.addNestedPass<func::FuncOp>(createConvertMathToLLVMPass({/*approximateLog1p=*/false}));
  pm.addPass(createConvertMathToLibmPass());
  pm.addNestedPass<func::FuncOp>(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createWidenBooleans());
  addFunctionCleanup<LLVM::LLVMFuncOp>(pm);
}

ArrayRef<StageInfo> mlir::ac::getStages() {
  static const StageInfo stages[] = {
      {Stage::Import, "import", "ONNX file to the onnx dialect", nullptr},
      {Stage::Raise, "raise", "name the adaptive constructs of the graph in the ac dialect", buildRaisePipeline},
      {Stage::Optimize, "optimize", "fold what is known while compiling", buildOptimizePipeline},
      {Stage::Lower, "lower", "onnx to linalg, tensor, scf and arith", buildLowerPipeline},
      {Stage::Kernels, "kernels", "fuse loops, give contractions epilogues and packed weights", buildKernelsPipeline},
      {Stage::Bufferize, "bufferize", "tensors to buffers with explicit lifetimes", buildBufferizePipeline},
      {Stage::Codegen, "codegen", "buffers to the LLVM dialect", buildCodegenPipeline},
  };
  return stages;
}

void mlir::ac::registerPipelines() {
  for (const StageInfo &info : getStages()) {
    if (!info.build)
      continue;
    static llvm::StringSaver *saver = new llvm::StringSaver(*new llvm::BumpPtrAllocator);
    auto build = info.build;
    registerPassPipeline(
        saver->save("ac-" + info.name), info.description,
        [build](OpPassManager &pm, StringRef, function_ref<LogicalResult(const Twine &)>) {
          build(pm);
          return success();
        },
        [](function_ref<void(const mlir::detail::PassOptions &)>) {});
  }
}
