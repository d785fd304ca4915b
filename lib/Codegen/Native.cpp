//===- Native.cpp - From the LLVM dialect to machine code -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Native.h"
#include "lld/Common/Driver.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
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

namespace {
/// Takes the remarks of LLVM's vectoriser: some analyses of a loop, then what became of it.
class LoopRemarks : public llvm::DiagnosticHandler {
public:
  explicit LoopRemarks(std::vector<ScalarLoop> &loops) : loops(loops) {}

  bool isAnalysisRemarkEnabled(StringRef pass) const override { return pass == "loop-vectorize"; }
  bool isMissedOptRemarkEnabled(StringRef pass) const override { return pass == "loop-vectorize"; }
  bool isPassedOptRemarkEnabled(StringRef pass) const override { return pass == "loop-vectorize"; }
  bool isAnyRemarkEnabled() const override { return true; }

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    const auto *remark = llvm::dyn_cast<llvm::DiagnosticInfoOptimizationBase>(&info);
    if (!remark || remark->getPassName() != "loop-vectorize")
      return false;
    StringRef name = remark->getRemarkName();
    StringRef function = remark->getFunction().getName();
    switch (info.getKind()) {
    case llvm::DK_OptimizationRemark:
      reasons.clear();
      break;
    case llvm::DK_OptimizationRemarkMissed:
      if (name != "MissedDetails" && name != "InterleavingNotBeneficial")
        addReason(*remark);
      // The entry's own loops give out work, and call for it.
      if (isOfVectors)
        vectorFunctions.insert(function);
      else if (!reasons.empty() && !(isOfCalls && function == "ac_model_run"))
        loops.push_back({function.str(), llvm::join(reasons, "; ")});
      reasons.clear();
      isOfVectors = isOfCalls = false;
      break;
    default:
      isOfVectors |= name == "CantVectorizeInstructionReturnType";
      isOfCalls |= name == "CantVectorizeLibcall";
      // It follows from what is said beside it.
      if (name != "InterleavingNotBeneficial" && name != "CFGNotUnderstood")
        addReason(*remark);
    }
    return true;
  }

  /// Drops the loops over tiles of kernels that are written with vectors.
  void finish() {
    llvm::erase_if(loops, [&](const ScalarLoop &loop) {
      return vectorFunctions.contains(loop.function) && StringRef(loop.reason).contains("number of loop iterations");
    });
  }

private:
  void addReason(const llvm::DiagnosticInfoOptimizationBase &remark) {
    std::string message = remark.getMsg();
    StringRef text = message;
    text.consume_front("loop not vectorized: ");
    text = text.split(". Use #pragma").first; // advice to those who write C
    if (!llvm::is_contained(reasons, text))
      reasons.push_back(text.str());
  }

  std::vector<ScalarLoop> &loops;
  llvm::StringSet<> vectorFunctions;
  std::vector<std::string> reasons;
  bool isOfVectors = false, isOfCalls = false;
};
} // namespace

llvm::Expected<std::unique_ptr<llvm::Module>> mlir::ac::translateToLLVM(ModuleOp module, StringRef description,
                                                                        const TargetInfo &target,
                                                                        llvm::LLVMContext &context) {
  auto machine = createMachine(target, /*optLevel=*/0);
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
  return std::move(result);
}

llvm::Error mlir::ac::optimize(llvm::Module &module, const TargetInfo &target, int optLevel,
                               std::vector<ScalarLoop> *scalarLoops) {
  LoopRemarks *remarks = nullptr;
  if (scalarLoops) {
    auto handler = std::make_unique<LoopRemarks>(*scalarLoops);
    remarks = handler.get();
    module.getContext().setDiagnosticHandler(std::move(handler));
  }
  auto machine = createMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  if (llvm::Error error = makeOptimizingTransformer(optLevel, 0, machine->get())(&module))
    return error;
  if (remarks)
    remarks->finish();
  return llvm::Error::success();
}

/// Whether a value of the module is a bf16 number or a vector of them.
static bool usesBF16(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    for (const llvm::BasicBlock &block : function)
      for (const llvm::Instruction &instruction : block) {
        auto isBF16 = [](const llvm::Value *value) { return value->getType()->getScalarType()->isBFloatTy(); };
        if (isBF16(&instruction) || llvm::any_of(instruction.operands(), isBF16))
          return true;
      }
  return false;
}

/// Where a processor has no bf16, LLVM keeps such numbers as f32 in registers and rounds them by a call of the compiler's
/// runtime library when they are stored. Models do without that library: the function becomes part of them. It gives a
/// vector of which the caller reads the first 16 bits, since the number itself as a result would be rounded by a call.
static void defineRounding(llvm::Module &module) {
  llvm::LLVMContext &context = module.getContext();
  auto *lanes = llvm::FixedVectorType::get(llvm::Type::getInt16Ty(context), 8);
  auto *type = llvm::FunctionType::get(lanes, {llvm::Type::getFloatTy(context)}, /*isVarArg=*/false);
  auto *function = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, "__truncsfbf2", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", function));
  llvm::Value *x = function->getArg(0), *bits = b.CreateBitCast(x, b.getInt32Ty());
  llvm::Value *upper = b.CreateLShr(bits, 16), *odd = b.CreateAnd(upper, 1);
  // To the nearest, ties to even.
  llvm::Value *rounded = b.CreateLShr(b.CreateAdd(b.CreateAdd(bits, b.getInt32(0x7fff)), odd), 16);
  llvm::Value *code = b.CreateSelect(b.CreateFCmpUNO(x, x), b.CreateOr(upper, 0x40), rounded);
  b.CreateRet(b.CreateInsertElement(llvm::Constant::getNullValue(lanes), b.CreateTrunc(code, b.getInt16Ty()),
                                    b.getInt64(0)));
}

llvm::Error mlir::ac::emitMachineCode(llvm::Module &module, const TargetInfo &target, int optLevel, bool assembly,
                                      llvm::raw_pwrite_stream &os) {
  auto machine = createMachine(target, optLevel);
  if (!machine)
    return machine.takeError();
  if (usesBF16(module) && !module.getFunction("__truncsfbf2"))
    defineRounding(module);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                      assembly ? llvm::CodeGenFileType::AssemblyFile
                                               : llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("the target cannot emit this kind of file");
  passes.run(module);
  return llvm::Error::success();
}

static llvm::Error link(ArrayRef<const char *> options, ArrayRef<std::string> objects, StringRef outputPath) {
  // lld keeps global state: one link at a time.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::string output = outputPath.str();
  std::vector<const char *> arguments = {"ld.lld", "--threads=1", "-o", output.c_str()};
  arguments.insert(arguments.end(), options.begin(), options.end());
  for (const std::string &object : objects)
    arguments.push_back(object.c_str());
  std::string out, err;
  llvm::raw_string_ostream outStream(out), errStream(err);
  lld::Result result = lld::lldMain(arguments, outStream, errStream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("linking failed: " + err);
  return llvm::Error::success();
}

llvm::Error mlir::ac::linkSharedObject(ArrayRef<std::string> objects, StringRef outputPath) {
  // Kernels are for the model alone.
  std::string exports = outputPath.str() + ".exports", option = "--version-script=" + exports;
  {
    std::error_code code;
    llvm::raw_fd_ostream os(exports, code);
    if (code)
      return llvm::createStringError(code, "cannot write '" + exports + "': " + code.message());
    os << "{ global: ac_model_run; ac_model_description; local: *; };\n";
  }
  llvm::Error error =
      link({"-shared", "--hash-style=gnu", "-z", "now", "--gc-sections", "-z", "max-page-size=4096", option.c_str()},
           objects, outputPath);
  llvm::sys::fs::remove(exports);
  return error;
}

llvm::Error mlir::ac::linkObject(ArrayRef<std::string> objects, StringRef outputPath) {
  return link({"-r"}, objects, outputPath);
}
