//===- Evaluate.cpp - Runs a module while compiling -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/Evaluate.h"
#include "Codegen/Native.h"
#include "Support/TargetInfo.h"
#include "Support/TemporaryFolder.h"
#include "Support/Weights.h"
#include "ac/Pipelines/Pipelines.h"
#include "ac/Runtime/Artefact.h"
#include "ac/Runtime/Runtime.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace mlir::ac;

/// Constants are computed once: compiling them hard would take longer than running them.
static constexpr int kOptLevel = 1;

/// Builds the shared object of `module` in `folder`.
static llvm::Error build(ModuleOp module, const TemporaryFolder &folder) {
  auto target = TargetInfo::get("native");
  if (!target)
    return target.takeError();
  target->attach(module);
  PassManager pm(module.getContext());
  buildLowerPipeline(pm);
  buildKernelsPipeline(pm);
  buildBufferizePipeline(pm);
  buildCodegenPipeline(pm);
  if (failed(pm.run(module)))
    return llvm::createStringError("constants cannot be lowered");
  uint64_t bytes = 0, hash = 0;
  std::string weights = folder.file("weights"), object = folder.file("constants.o"), linked = folder.file("linked.so");
  if (llvm::Error error = writeWeights(module, weights, bytes, hash))
    return error;
  llvm::LLVMContext context;
  auto translated = translateToLLVM(module, describeModel(module, *target, bytes, hash), *target, kOptLevel, context);
  if (!translated)
    return translated.takeError();
  {
    std::error_code code;
    llvm::raw_fd_ostream os(object, code);
    if (code)
      return llvm::createStringError(code, code.message());
    if (llvm::Error error = emitMachineCode(**translated, *target, kOptLevel, /*assembly=*/false, os))
      return error;
  }
  if (llvm::Error error = linkSharedObject(object, linked, *target))
    return error;
  accordion::ArtefactParts parts;
  parts.sharedObject = linked;
  parts.weights = bytes ? weights : "";
  if (std::string error = accordion::writeArtefact(folder.file("constants.so"), parts); !error.empty())
    return llvm::createStringError(error);
  return llvm::Error::success();
}

static ElementsAttr toConstant(const AcTensor &tensor, Type element) {
  auto type = RankedTensorType::get(ArrayRef<int64_t>(tensor.dims, tensor.rank), element);
  size_t bytes = type.getNumElements() * ac_type_size(tensor.type);
  if (element.isInteger(1)) {
    ArrayRef<bool> values(static_cast<const bool *>(tensor.data), type.getNumElements());
    return DenseElementsAttr::get(type, values);
  }
  return makeWeight(type, "folded", [&](MutableArrayRef<char> to) { std::memcpy(to.data(), tensor.data, bytes); });
}

llvm::Expected<SmallVector<ElementsAttr>> mlir::ac::evaluate(ModuleOp module, ArrayRef<Type> elementTypes) {
  TemporaryFolder folder;
  if (llvm::Error error = folder.create())
    return std::move(error);
  if (llvm::Error error = build(module, folder))
    return std::move(error);
  AcModel *model = nullptr;
  AcRun *run = nullptr;
  SmallVector<ElementsAttr> results;
  AcStatus status = ac_model_open(folder.file("constants.so").c_str(), nullptr, 1, &model);
  if (status == AC_OK)
    status = ac_run_create(model, &run);
  if (status == AC_OK)
    status = ac_run_execute(run);
  for (size_t i = 0; status == AC_OK && i < elementTypes.size(); ++i) {
    AcTensor tensor;
    status = ac_run_output(run, i, &tensor);
    if (status == AC_OK)
      results.push_back(toConstant(tensor, elementTypes[i]));
  }
  std::string error = status == AC_OK ? "" : ac_last_error();
  if (run)
    ac_run_destroy(run);
  if (model)
    ac_model_close(model);
  if (!error.empty())
    return llvm::createStringError(error);
  return results;
}
