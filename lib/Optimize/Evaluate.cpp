//===- Evaluate.cpp - Runs a module while compiling -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/Evaluate.h"
#include "Codegen/BuildModel.h"
#include "Support/Weights.h"
#include "ac/Pipelines/Pipelines.h"
#include "ac/Runtime/Runtime.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace mlir::ac;

/// Constants are computed once: compiling them hard would take longer than running them.
static constexpr int kOptLevel = 1;

/// Builds the shared object of `module` in `folder`; returns its path.
static llvm::Expected<std::string> build(ModuleOp module, const TemporaryFolder &folder) {
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
  return buildModel(module, *target, kOptLevel, {}, folder, "constants.so");
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
  auto path = build(module, folder);
  if (!path)
    return path.takeError();
  AcModel *model = nullptr;
  AcRun *run = nullptr;
  SmallVector<ElementsAttr> results;
  AcStatus status = ac_model_open(path->c_str(), nullptr, 1, &model);
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
