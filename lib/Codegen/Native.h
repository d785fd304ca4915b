//===- Native.h - From the LLVM dialect to machine code ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_NATIVE_H
#define CODEGEN_NATIVE_H

#include "Support/TargetInfo.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::ac {

/// An innermost loop that LLVM left to scalars, and why in its words.
struct ScalarLoop {
  std::string function, reason;
};

/// Translates a module that went through the codegen stage, and adds `description` (see ABI.h).
llvm::Expected<std::unique_ptr<llvm::Module>> translateToLLVM(ModuleOp module, StringRef description,
                                                              const TargetInfo &target, llvm::LLVMContext &context);

/// Optimises a module. Loops that were not vectorised are added to `scalarLoops` if it is given; those that consist of
/// vectors are not among them.
llvm::Error optimize(llvm::Module &module, const TargetInfo &target, int optLevel,
                     std::vector<ScalarLoop> *scalarLoops = nullptr);

/// Machine code as an object or as assembly.
llvm::Error emitMachineCode(llvm::Module &module, const TargetInfo &target, int optLevel, bool assembly,
                            llvm::raw_pwrite_stream &os);

/// Optimises a module and writes its machine code into objects beside each other, `prefix` with numbers behind it, by as
/// many threads as there are processors. What is in which object depends on the module alone.
llvm::Expected<std::vector<std::string>> emitObjects(llvm::Module &module, const TargetInfo &target, int optLevel,
                                                     StringRef prefix, std::vector<ScalarLoop> *scalarLoops = nullptr);

/// Links a model's object and those of its kernels into a shared object with the lld that is part of this program.
llvm::Error linkSharedObject(ArrayRef<std::string> objects, StringRef outputPath);
/// The same into one object.
llvm::Error linkObject(ArrayRef<std::string> objects, StringRef outputPath);

/// The text of `ac_model_description` for a bound module (see ABI.h).
std::string describeModel(ModuleOp module, const TargetInfo &target, uint64_t weightBytes, uint64_t weightHash);

/// Writes the weights of a bound module, each at its offset.
llvm::Error writeWeights(ModuleOp module, StringRef path, uint64_t &bytes, uint64_t &hash);

} // namespace mlir::ac

#endif // CODEGEN_NATIVE_H
