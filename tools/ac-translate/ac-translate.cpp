//===- ac-translate.cpp - Between ONNX files and MLIR ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ac/Import/ONNX.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
namespace cl = llvm::cl;

static cl::list<std::string> dims("dim", cl::desc("Fix the symbolic dimension NAME to the size N"),
                                  cl::value_desc("NAME=N"));
static cl::opt<bool> expandFunctions("expand-functions",
                                     cl::desc("Replace every operator that the standard defines by others"));

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

int main(int argc, char **argv) {
  TranslateToMLIRRegistration import("onnx-to-mlir", "Read an ONNX model (.onnx, or ONNX text syntax)", importModel);
  cl::extrahelp examples("\nEXAMPLES:\n"
                         "  ac-translate --onnx-to-mlir model.onnx -o model.mlir\n"
                         "  ac-translate --onnx-to-mlir --dim batch=1 model.onnx | less\n"
                         "  ac-translate --mlir-to-onnx model.mlir -o again.onnx\n");
  return failed(mlirTranslateMain(argc, argv, "Accordion: translate between ONNX files and MLIR\n"));
}
