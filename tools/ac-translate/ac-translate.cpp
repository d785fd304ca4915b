//===- ac-translate.cpp - Between ONNX files and MLIR ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ac/Export/ONNX.h"
#include "ac/Import/ONNX.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("Options of ac-translate");
static cl::list<std::string> dims("dim", cl::cat(category), cl::desc("Fix the symbolic dimension NAME to the size N"),
                                  cl::value_desc("NAME=N"));
static cl::opt<bool> expandFunctions("expand-functions", cl::cat(category),
                                     cl::desc("Replace every operator that the standard defines by others"));

static cl::opt<bool> externalData("external-data", cl::cat(category),
                                  cl::desc("Write large weights into a file beside the model"));

/// Where `-o` puts the result; empty for standard output. Weights beside a model need its name.
static std::string outputFile;

/// A model is no text: errors name the file themselves, and have no line.
static LogicalResult printPlainly(Diagnostic &diagnostic) {
  if (!isa<UnknownLoc>(diagnostic.getLocation()) || diagnostic.getSeverity() != DiagnosticSeverity::Error)
    return failure();
  llvm::errs() << "error: " << diagnostic << "\n";
  return success();
}

static OwningOpRef<Operation *> importModel(llvm::SourceMgr &sources, MLIRContext *context) {
  ScopedDiagnosticHandler handler(context, printPlainly);
  ac::ImportOptions options;
  for (llvm::StringRef dim : dims) {
    auto [name, size] = dim.rsplit('=');
    if (size.getAsInteger(10, options.dims[name.str()])) {
      llvm::errs() << "error: --dim wants NAME=N, not `" << dim << "`\n";
      return {};
    }
  }
  if (expandFunctions)
    options.keepFunction = [](StringRef, StringRef) { return false; };
  const llvm::MemoryBuffer *buffer = sources.getMemoryBuffer(sources.getMainFileID());
  llvm::StringRef path = buffer->getBufferIdentifier();
  return ac::importONNXBytes(buffer->getBuffer(), llvm::sys::path::parent_path(path), context, options, path);
}

static LogicalResult exportModel(ModuleOp module, raw_ostream &os) {
  if (outputFile.empty() && !externalData)
    return ac::exportONNX(module, os);
  if (outputFile.empty())
    return emitError(UnknownLoc::get(module.getContext()))
           << "--external-data wants an output file: give one with `-o`";
  ac::ExportOptions options;
  options.externalData = externalData;
  return ac::exportONNX(module, outputFile, options);
}

/// Weights go from file to file; as text they would take four times their size.
static LogicalResult rewriteModel(const std::shared_ptr<llvm::SourceMgr> &sources, raw_ostream &os,
                                  MLIRContext *context) {
  OwningOpRef<Operation *> module = importModel(*sources, context);
  if (!module)
    return failure();
  return exportModel(cast<ModuleOp>(*module), os);
}

static void findOutputFile(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef argument = argv[i];
    if (argument == "-o" && i + 1 < argc)
      outputFile = argv[i + 1];
    else if (argument.consume_front("-o="))
      outputFile = argument.str();
  }
  if (outputFile == "-")
    outputFile.clear();
}

int main(int argc, char **argv) {
  TranslateToMLIRRegistration readModel("onnx-to-mlir", "Read an ONNX model (.onnx, or ONNX text syntax)", importModel);
  TranslateFromMLIRRegistration writeModel("mlir-to-onnx", "Write onnx ops as an ONNX model", exportModel,
                                           [](DialectRegistry &registry) {
                                             ac::registerImportDialects(registry);
                                             // Read in order to be refused by name.
                                             registry.insert<ac::ACDialect>();
                                           });
  TranslateRegistration rewrite("onnx-to-onnx", "Read a model and write it again, its functions inlined", rewriteModel);
  findOutputFile(argc, argv);
  // The shared libLLVM brings hundreds of options of passes that do not run here.
  for (auto &option : cl::getRegisteredOptions())
    if (!llvm::is_contained(option.second->Categories, &category))
      option.second->setHiddenFlag(cl::Hidden);
  cl::extrahelp examples("\nEXAMPLES:\n"
                         "  ac-translate --onnx-to-mlir model.onnx -o model.mlir\n"
                         "  ac-translate --onnx-to-mlir --dim batch=1 model.onnx | less\n"
                         "  ac-translate --mlir-to-onnx model.mlir -o again.onnx\n"
                         "  ac-translate --onnx-to-onnx --dim batch=1 model.onnx -o fixed.onnx\n");
  return failed(mlirTranslateMain(argc, argv, "Accordion: translate between ONNX files and MLIR\n"));
}
