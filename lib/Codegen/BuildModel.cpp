//===- BuildModel.cpp - A model to run while compiling --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/BuildModel.h"
#include "Codegen/Native.h"
#include "ac/Runtime/Artefact.h"

using namespace mlir;
using namespace mlir::ac;

llvm::Expected<std::string> mlir::ac::buildModel(ModuleOp module, const TargetInfo &target, int optLevel,
                                                 ArrayRef<std::string> objects, const TemporaryFolder &folder,
                                                 StringRef name) {
  uint64_t bytes = 0, hash = 0;
  std::string path = folder.file(name), weights = path + ".weights", linked = path + ".linked";
  if (llvm::Error error = writeWeights(module, weights, bytes, hash))
    return std::move(error);
  llvm::LLVMContext context;
  auto translated = translateToLLVM(module, describeModel(module, target, bytes, hash), target, context);
  if (!translated)
    return translated.takeError();
  auto emitted = emitObjects(**translated, target, optLevel, path + ".");
  if (!emitted)
    return emitted.takeError();
  SmallVector<std::string> all(emitted->begin(), emitted->end());
  llvm::append_range(all, objects);
  if (llvm::Error error = linkSharedObject(all, linked))
    return std::move(error);
  accordion::ArtefactParts parts;
  parts.sharedObject = linked;
  parts.weights = bytes ? weights : "";
  if (std::string error = accordion::writeArtefact(path, parts); !error.empty())
    return llvm::createStringError(error);
  return path;
}
