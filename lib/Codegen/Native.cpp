//===- Native.cpp - From the LLVM dialect to machine code -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Native.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "lld/Common/Driver.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace mlir::ac;

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createMachine(const TargetInfo &target, int optLevel) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
  });
  std::string error;
  llvm::Triple triple(target.triple);
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return llvm::createStringError(error);
  llvm::TargetOptions options;
  // A multiplication and an addition become one instruction wherever they meet; no result depends on thread counts.
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return std::unique_ptr<llvm::TargetMachine>(llvmTarget->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_, {},
      optLevel >= 2 ? llvm::CodeGenOptLevel::Default : llvm::CodeGenOptLevel::Less));
}

llvm::Expected<std::unique_ptr<llvm::Module>> mlir::ac::translateToLLVM(ModuleOp module, StringRef description,
                                                                        const TargetInfo &target, int optLevel,
                                                                        llvm::LLVMContext &context) {
  auto machine = createMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "accordion");
  if (!result)
    return llvm::createStringError("the module has no translation to LLVM IR");
  result->setTargetTriple(llvm::Triple(target.triple));
  result->setDataLayout((*machine)->createDataLayout());
  for (llvm::Function &function : *result) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBits));
    if (!function.hasLocalLinkage() && function.getName() != "ac_model_run")
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  auto *text = llvm::ConstantDataArray::getString(context, description);
  new llvm::GlobalVariable(*result, text->getType(), /*isConstant=*/true, llvm::GlobalValue::ExternalLinkage, text,
                           "ac_model_description");
  if (llvm::Error error = makeOptimizingTransformer(optLevel, 0, machine->get())(result.get()))
    return std::move(error);
  return std::move(result);
}

llvm::Error mlir::ac::emitMachineCode(llvm::Module &module, const TargetInfo &target, int optLevel, bool assembly,
                                      llvm::raw_pwrite_stream &os) {
  auto machine = createMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                      assembly ? llvm::CodeGenFileType::AssemblyFile
                                               : llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("the target cannot emit this kind of file");
  passes.run(module);
  return llvm::Error::success();
}

llvm::Error mlir::ac::linkSharedObject(StringRef objectPath, StringRef outputPath, const TargetInfo &target) {
  // lld keeps global state: one link at a time.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::string object = objectPath.str(), output = outputPath.str();
  std::vector<const char *> arguments = {"ld.lld",    "-shared",        "--hash-style=gnu", "-z",
                                         "now",       "--gc-sections",  "-z",               "max-page-size=4096",
                                         "-o",        output.c_str(),   object.c_str(),     "--threads=1"};
  std::string out, err;
  llvm::raw_string_ostream outStream(out), errStream(err);
  lld::Result result = lld::lldMain(arguments, outStream, errStream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("linking failed: " + err);
  return llvm::Error::success();
}
