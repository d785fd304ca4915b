//===- Compiler.cpp - From a model file to an artefact --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ac/Compiler/Compiler.h"
#include "Codegen/Native.h"
#include "Compiler/Header.h"
#include "Compiler/KernelTuner.h"
#include "Compiler/ModelCache.h"
#include "Compiler/Report.h"
#include "Kernels/KernelDescription.h"
#include "Lower/NodeLowering.h"
#include "Support/NodeName.h"
#include "Support/TargetInfo.h"
#include "Support/TemporaryFolder.h"
#include "ac/Import/ONNX.h"
#include "ac/InitAll.h"
#include "ac/Pipelines/Pipelines.h"
#include "ac/Runtime/Artefact.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/Timing.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <chrono>

using namespace mlir;
using namespace mlir::ac;

OutputKind mlir::ac::outputKindOf(StringRef path) {
  StringRef suffix = llvm::sys::path::extension(path);
  if (suffix == ".so")
    return OutputKind::SharedObject;
  if (suffix == ".o")
    return OutputKind::Object;
  if (suffix == ".s")
    return OutputKind::Assembly;
  if (suffix == ".ll")
    return OutputKind::LLVMIR;
  if (suffix == ".mlir")
    return OutputKind::MLIR;
  return OutputKind::Executable;
}

namespace {

/// On a module: the last stage that it has been through.
constexpr llvm::StringLiteral kStageAttribute = "ac.stage";

class Compilation {
public:
  Compilation(StringRef output, const CompileOptions &options)
      : output(output), options(options), kernels(generatorOf(options)),
        context(registry(), MLIRContext::Threading::DISABLED),
        collector(&context, [this](Diagnostic &diagnostic) { return collect(diagnostic); }) {
    context.loadAllAvailableDialects();
  }

  llvm::Error run(llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext &, const ImportOptions &)> import);

  /// The files of external data that the model has read.
  std::set<std::string> externalFiles;

private:
  static DialectRegistry registry() {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }
  static std::string generatorOf(const CompileOptions &options) {
    if (!options.halideGenerator.empty())
      return options.halideGenerator;
    return (llvm::sys::path::parent_path(options.launcher) + "/ac-halide-generate").str();
  }
  llvm::Error chooseKernels(ModuleOp module);
  LogicalResult collect(Diagnostic &diagnostic);
  llvm::Error failure(StringRef what);
  llvm::Error runStage(ModuleOp module, const StageInfo &stage);
  llvm::Error emit(ModuleOp module);
  llvm::Error writeText(llvm::function_ref<void(llvm::raw_pwrite_stream &)> write);
  llvm::Error writeReport();
  llvm::Error dump(ModuleOp module, StringRef stage);
  void begin(StringRef step, double fraction);
  void end();

  std::string output;
  const CompileOptions &options;
  KernelCache kernels;
  MLIRContext context;
  std::vector<std::string> errors;
  ScopedDiagnosticHandler collector;
  TargetInfo target;
  TemporaryFolder temporary;
  unsigned numDumps = 0;
  llvm::json::Array times, regions, constructs, loops;
  std::string stepName;
  std::chrono::steady_clock::time_point stepStart;
  uint64_t weightBytes = 0;
};

LogicalResult Compilation::collect(Diagnostic &diagnostic) {
  // What the raise stage found, or why it did not use it.
  if (diagnostic.getSeverity() == DiagnosticSeverity::Remark) {
    regions.push_back(describeRegion(diagnostic));
    return success();
  }
  if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
    std::string text = diagnostic.str();
    if (!llvm::is_contained(errors, text))
      errors.push_back(text);
  }
  return success();
}

llvm::Error Compilation::failure(StringRef what) {
  if (errors.empty())
    return llvm::createStringError(what);
  return llvm::createStringError(llvm::join(errors, "\n"));
}

void Compilation::begin(StringRef step, double fraction) {
  stepName = step.str();
  stepStart = std::chrono::steady_clock::now();
  if (options.progress)
    options.progress(step, fraction);
}

void Compilation::end() {
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stepStart).count();
  times.push_back(llvm::json::Object{{"step", stepName}, {"seconds", seconds}});
}

llvm::Error Compilation::dump(ModuleOp module, StringRef stage) {
  if (options.saveTemps.empty())
    return llvm::Error::success();
  std::string path = (options.saveTemps + "/" + Twine(numDumps++) + "-" + stage + ".mlir").str();
  std::error_code code = llvm::sys::fs::create_directories(options.saveTemps);
  if (!code) {
    llvm::raw_fd_ostream os(path, code);
    if (!code)
      module->print(os, OpPrintingFlags().elideLargeElementsAttrs(32).elideLargeResourceString(32));
  }
  return code ? llvm::createStringError(code, "cannot write '" + path + "': " + code.message())
              : llvm::Error::success();
}

llvm::Error Compilation::runStage(ModuleOp module, const StageInfo &stage) {
  PassManager pm(&context);
  if (options.timePasses)
    pm.enableTiming();
  stage.build(pm);
  if (mlir::failed(pm.run(module)))
    return failure(("the " + stage.name + " stage failed").str());
  return llvm::Error::success();
}

/// Says on the module in front of the kernels stage who makes its kernels.
llvm::Error Compilation::chooseKernels(ModuleOp module) {
  if (options.kernels == KernelGenerator::MLIR)
    return llvm::Error::success();
  bool isServed = llvm::Triple(target.triple).getArch() == llvm::Triple::x86_64,
       isAsked = options.tune || options.kernels == KernelGenerator::Halide;
  if (!isServed)
    return isAsked ? llvm::createStringError("Halide makes kernels for x86-64 only, not for '" + target.cpu + "'")
                   : llvm::Error::success();
  if (llvm::Error error = kernels.check()) {
    if (isAsked)
      return error;
    llvm::consumeError(std::move(error)); // what was measured before is of no use
    return llvm::Error::success();
  }
  if (options.kernels == KernelGenerator::Auto)
    return chooseGenerators(module, target, kernels, options.tune);
  module->setAttr(kGeneratorAttribute, StringAttr::get(&context, "halide"));
  return llvm::Error::success();
}

llvm::Error Compilation::run(llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext &, const ImportOptions &)> import) {
  auto machine = TargetInfo::get(options.march);
  if (!machine)
    return machine.takeError();
  target = *machine;
  if (llvm::Error error = temporary.create())
    return error;
  OwningOpRef<ModuleOp> module;
  ArrayRef<StageInfo> stages = getStages();
  if (!options.stopAfter.empty() &&
      llvm::none_of(stages, [&](const StageInfo &stage) { return stage.name == options.stopAfter; }))
    return llvm::createStringError("unknown stage '" + options.stopAfter + "'");
  int64_t done = -1; // the last stage that the module has been through
  for (auto [index, stage] : llvm::enumerate(stages)) {
    if (static_cast<int64_t>(index) <= done)
      continue;
    begin(stage.name, 0.6 * index / stages.size());
    if (stage.stage == Stage::Import) {
      ImportOptions importOptions;
      for (const auto &[name, size] : options.dims)
        importOptions.dims[name] = size;
      importOptions.onExternalFile = [&](StringRef name) { externalFiles.insert(name.str()); };
      // Operators without a lowering of their own may have one through the body that their schema gives.
      importOptions.keepFunction = [](StringRef domain, StringRef opType) {
        std::string name = (domain == "ai.onnx.ml" ? StringRef("ml") : domain).str();
        name += (name.empty() ? "" : ".") + opType.str();
        return getLoweringTable().lookup(name) != nullptr;
      };
      module = import(context, importOptions);
      if (!module)
        return failure("the model could not be read");
      target.attach(*module);
      if (options.precision == Precision::BF16)
        (*module)->setAttr(kPrecisionAttribute, StringAttr::get(&context, "bf16"));
      // What was written after a stage goes on with the next.
      if (auto name = (*module)->getAttrOfType<StringAttr>(kStageAttribute)) {
        auto isNamed = [&](const StageInfo &other) { return other.name == name.getValue(); };
        const auto *found = llvm::find_if(stages, isNamed);
        if (found == stages.end())
          return llvm::createStringError("the module is past an unknown stage '" + name.str() + "'");
        done = found - stages.begin();
        auto asked = [&](const StageInfo &other) { return other.name == options.stopAfter; };
        if (done > 0 && llvm::any_of(stages.take_front(done + 1), asked))
          return llvm::createStringError("the module is past the stage '" + options.stopAfter +
                                         "' already: it went through '" + name.str() + "'");
      }
    } else if ((stage.stage != Stage::Optimize || options.foldConstants) &&
               (stage.stage != Stage::Raise || options.raise)) {
      if (stage.stage == Stage::Kernels)
        if (llvm::Error error = chooseKernels(*module))
          return error;
      if (llvm::Error error = runStage(*module, stage))
        return error;
    }
    end();
    if (static_cast<int64_t>(index) >= done)
      (*module)->setAttr(kStageAttribute, StringAttr::get(&context, stage.name));
    if (stage.stage == Stage::Raise && !options.reportFile.empty())
      constructs = listConstructs(*module);
    if (llvm::Error error = dump(*module, stage.name))
      return error;
    if (stage.name == options.stopAfter)
      break;
  }
  if (options.output == OutputKind::MLIR)
    // With locations: they are the names of the nodes.
    return writeText([&](llvm::raw_pwrite_stream &os) { module->print(os, OpPrintingFlags().enableDebugInfo()); });
  if (!options.stopAfter.empty() && options.stopAfter != "codegen")
    return llvm::createStringError("stopping after the " + options.stopAfter +
                                   " stage gives MLIR; name an output that ends in .mlir");
  if (llvm::Error error = emit(*module))
    return error;
  return writeReport();
}

llvm::Error Compilation::writeText(llvm::function_ref<void(llvm::raw_pwrite_stream &)> write) {
  std::string partial = output + ".partial";
  std::error_code code;
  {
    llvm::raw_fd_ostream os(partial, code);
    if (code)
      return llvm::createStringError(code, "cannot write '" + output + "': " + code.message());
    write(os);
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (!code)
    code = llvm::sys::fs::rename(partial, output);
  if (code) {
    llvm::sys::fs::remove(partial);
    return llvm::createStringError(code, "cannot write '" + output + "': " + code.message());
  }
  return llvm::Error::success();
}

llvm::Error Compilation::emit(ModuleOp module) {
  begin("weights", 0.6);
  uint64_t hash = 0;
  std::string weights = temporary.file("weights");
  if (llvm::Error error = writeWeights(module, weights, weightBytes, hash))
    return error;
  end();
  begin("llvm", 0.65);
  llvm::LLVMContext llvmContext;
  std::string description = describeModel(module, target, weightBytes, hash);
  auto llvmModule = translateToLLVM(module, description, target, llvmContext);
  if (!llvmModule)
    return errors.empty() ? llvmModule.takeError() : (llvm::consumeError(llvmModule.takeError()), failure(""));
  std::vector<ScalarLoop> scalarLoops;
  std::vector<ScalarLoop> *wanted = options.reportFile.empty() ? nullptr : &scalarLoops;
  bool isText = options.output == OutputKind::LLVMIR || options.output == OutputKind::Assembly;
  if (isText)
    if (llvm::Error error = optimize(**llvmModule, target, options.optLevel, wanted))
      return error;
  end();
  SmallVector<std::string> objects;
  if (isText) {
    llvm::Error codegenError = llvm::Error::success();
    llvm::Error error = writeText([&](llvm::raw_pwrite_stream &os) {
      llvm::cantFail(std::move(codegenError));
      if (options.output == OutputKind::LLVMIR)
        (*llvmModule)->print(os, nullptr);
      else
        codegenError = emitMachineCode(**llvmModule, target, options.optLevel, /*assembly=*/true, os);
    });
    error = llvm::joinErrors(std::move(error), std::move(codegenError));
    if (error)
      return error;
  } else {
    begin("machine code", 0.66);
    auto emitted = emitObjects(**llvmModule, target, options.optLevel, temporary.file("model"), wanted);
    if (!emitted)
      return emitted.takeError();
    llvm::append_range(objects, *emitted);
    end();
  }
  for (const ScalarLoop &loop : scalarLoops) {
    auto function = module.lookupSymbol(loop.function);
    // The entry holds what is too small for a kernel, of all nodes.
    StringRef node = function && loop.function != "ac_model_run" ? nodeNameOf(function->getLoc()) : StringRef();
    loops.push_back(llvm::json::Object{{"kernel", loop.function}, {"node", node.str()}, {"reason", loop.reason}});
  }
  // Of kernels from elsewhere, text has the calls alone.
  if (isText)
    return llvm::Error::success();
  if (module->hasAttr(kKernelsAttribute)) {
    begin("kernels of Halide", 0.95);
    auto made = getKernelObjects(module, kernels, temporary);
    if (!made)
      return made.takeError();
    llvm::append_range(objects, *made);
    end();
  }
  if (options.output == OutputKind::Object) {
    std::string linked = objects.front();
    if (objects.size() > 1) {
      linked = temporary.file("linked.o");
      if (llvm::Error error = linkObject(objects, linked))
        return error;
    }
    auto content = llvm::MemoryBuffer::getFile(linked);
    if (!content)
      return llvm::createStringError("cannot read '" + linked + "': " + content.getError().message());
    if (llvm::Error error = writeText([&](llvm::raw_pwrite_stream &os) { os << (*content)->getBuffer(); }))
      return error;
    // An object cannot carry the weights: they stand beside it.
    if (weightBytes) {
      std::string beside = options.weightsFile.empty() ? output + ".weights" : options.weightsFile;
      if (std::error_code code = llvm::sys::fs::copy_file(weights, beside))
        return llvm::createStringError(code, "cannot write '" + beside + "': " + code.message());
    }
    return writeHeader(output, module);
  }
  std::string shared = temporary.file("model.so");
  begin("link", 0.97);
  if (llvm::Error error = linkSharedObject(objects, shared))
    return error;
  accordion::ArtefactParts parts;
  parts.sharedObject = shared;
  parts.weights = weightBytes ? weights : "";
  parts.externalWeights = weightBytes ? options.weightsFile : "";
  if (options.output == OutputKind::Executable) {
    parts.launcher = options.launcher;
    // Launchers for other machines stand beside the one for this machine.
    llvm::Triple::ArchType arch = llvm::Triple(target.triple).getArch();
    if (arch != llvm::Triple(llvm::sys::getProcessTriple()).getArch())
      parts.launcher += ("-" + llvm::Triple::getArchTypeName(arch)).str();
    if (!llvm::sys::fs::exists(parts.launcher))
      return llvm::createStringError("the launcher '" + parts.launcher +
                                     "' is missing; executables are built from it (see --launcher)");
  }
  if (std::string error = accordion::writeArtefact(output, parts); !error.empty())
    return llvm::createStringError(error);
  end();
  return options.output == OutputKind::SharedObject ? writeHeader(output, module) : llvm::Error::success();
}

llvm::Error Compilation::writeReport() {
  if (options.reportFile.empty())
    return llvm::Error::success();
  std::error_code code;
  llvm::raw_fd_ostream os(options.reportFile, code);
  if (code)
    return llvm::createStringError(code, "cannot write '" + options.reportFile + "': " + code.message());
  uint64_t size = 0;
  (void)llvm::sys::fs::file_size(output, size);
  os << llvm::formatv("{0:2}\n",
                      llvm::json::Value(llvm::json::Object{
                          {"output", output},
                          {"bytes", static_cast<int64_t>(size)},
                          {"cached", false},
                          {"weight_bytes", static_cast<int64_t>(weightBytes)},
                          {"target", target.cpu},
                          {"kernels", llvm::json::Object{{"found", kernels.numFound}, {"made", kernels.numMade}}},
                          {"regions", std::move(regions)},
                          {"constructs", std::move(constructs)},
                          {"scalar_loops", std::move(loops)},
                          {"steps", std::move(times)}}));
  return llvm::Error::success();
}

} // namespace

using Importer = llvm::function_ref<OwningOpRef<ModuleOp>(MLIRContext &, const ImportOptions &)>;

/// Compiles, or takes what was made from the same `model` before. `model` may be null: then it is not known beforehand.
static llvm::Error compile(std::unique_ptr<llvm::MemoryBuffer> model, StringRef suffix, StringRef baseDir,
                           StringRef output, const CompileOptions &options, Importer import) {
  auto target = TargetInfo::get(options.march);
  if (!target)
    return target.takeError();
  std::optional<ModelCache> cache;
  if (model && ModelCache::serves(options)) {
    if (options.progress)
      options.progress("cache", 0);
    cache.emplace(model->getBuffer(), suffix, baseDir, output, options, *target);
    if (cache->fetch())
      return llvm::Error::success();
  }
  Compilation compilation(output, options);
  if (llvm::Error error = compilation.run(import))
    return error;
  if (cache)
    cache->store(compilation.externalFiles);
  return llvm::Error::success();
}

llvm::Error mlir::ac::compileModel(StringRef input, StringRef output, const CompileOptions &options) {
  StringRef suffix = llvm::sys::path::extension(input);
  auto model = llvm::MemoryBuffer::getFile(input, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  return compile(model ? std::move(*model) : nullptr, suffix, llvm::sys::path::parent_path(input), output, options,
                 [&](MLIRContext &context, const ImportOptions &importOptions) {
                   if (suffix == ".mlir")
                     return parseSourceFile<ModuleOp>(input, &context);
                   return importONNX(input, &context, importOptions);
                 });
}

llvm::Error mlir::ac::compileModelBytes(StringRef bytes, StringRef baseDir, StringRef output,
                                        const CompileOptions &options) {
  return compile(llvm::MemoryBuffer::getMemBuffer(bytes, "model", /*RequiresNullTerminator=*/false), "", baseDir,
                 output, options, [&](MLIRContext &context, const ImportOptions &importOptions) {
                   return importONNXBytes(bytes, baseDir, &context, importOptions);
                 });
}
