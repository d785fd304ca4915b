//===- ac-opt.cpp - Runs passes and stages on MLIR ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/Report.h"
#include "ac/InitAll.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

namespace {

/// What `--report` writes: the candidates that the raise stage remarked on, and what is there behind the passes.
struct Report {
  llvm::json::Array regions, constructs;
};

struct CollectConstructs : PassWrapper<CollectConstructs, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CollectConstructs)
  explicit CollectConstructs(Report &report) : report(report) {}
  void runOnOperation() override {
    for (llvm::json::Value &construct : ac::listConstructs(getOperation()))
      report.constructs.push_back(std::move(construct));
  }
  Report &report;
};

/// As MlirOptMain, with a report of what passes remark on.
LogicalResult runWithReport(StringRef input, StringRef output, StringRef reportFile, DialectRegistry &registry) {
  Report report;
  MlirOptMainConfig given = MlirOptMainConfig::createFromCLOptions(), config = given;
  config.setPassPipelineSetupFn([&](PassManager &pm) {
    pm.getContext()->getDiagEngine().registerHandler([&](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Remark)
        report.regions.push_back(ac::describeRegion(diagnostic));
      return failure(); // others are to print it
    });
    if (failed(given.setupPassPipeline(pm)))
      return failure();
    pm.addPass(std::make_unique<CollectConstructs>(report));
    return success();
  });
  std::string error;
  auto buffer = openInputFile(input, &error);
  auto out = buffer ? openOutputFile(output, &error) : nullptr;
  auto json = out ? openOutputFile(reportFile, &error) : nullptr;
  if (!json) {
    llvm::errs() << "error: " << error << "\n";
    return failure();
  }
  if (failed(MlirOptMain(out->os(), std::move(buffer), registry, config)))
    return failure();
  out->keep();
  json->os() << llvm::formatv("{0:2}\n",
                              llvm::json::Value(llvm::json::Object{{"regions", std::move(report.regions)},
                                                                   {"constructs", std::move(report.constructs)}}));
  json->keep();
  return success();
}

} // namespace

int main(int argc, char **argv) {
  static llvm::cl::opt<std::string> report(
      "report", llvm::cl::value_desc("file"),
      llvm::cl::desc("Writes what the raise stage found, and what it left, as JSON"));
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllPasses();
  ac::registerDialects(registry);
  ac::registerPasses();
  auto [input, output] = registerAndParseCLIOptions(argc, argv, "Accordion optimizer driver\n", registry);
  if (report.empty())
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, registry));
  return asMainReturnCode(runWithReport(input, output, report, registry));
}
