//===- ac-compile.cpp - Compiles a model to native code -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ac/Compiler/Compiler.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/WithColor.h"
#include <chrono>

namespace cl = llvm::cl;
using namespace mlir::ac;

/// Made in `main`, after LLVM's own options have been forgotten: it has some of the same names.
struct Options {
  cl::OptionCategory category{"Options"};
  cl::opt<std::string> input{cl::Positional, cl::desc("MODEL.onnx"), cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("Output; its suffix says what it is: none (executable), .so, .o, .s, .ll, .mlir"),
                                   cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> emit{"emit", cl::desc("Kind of output, whatever the suffix: exe, so, obj, asm, llvm, mlir"),
                                 cl::value_desc("kind"), cl::cat(category)};
  cl::opt<std::string> march{"march", cl::desc("Machine: native (default), x86-64-v3, x86-64-v4, aarch64, or LLVM's name of an x86-64 processor (icelake-server, sapphirerapids, znver4)"),
                                  cl::init("native"), cl::cat(category)};
  cl::list<std::string> dims{"dim", cl::desc("Fixes a symbolic dimension; may be given several times"),
                                  cl::value_desc("NAME=N"), cl::cat(category)};
  cl::opt<std::string> weights{"weights", cl::desc("Puts the weights into this file instead of the output"),
                                    cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> stopAfter{"stop-after",
                                      cl::desc("Stops after a stage (import, raise, optimize, lower, kernels, bufferize, codegen) and writes MLIR"),
                                      cl::value_desc("stage"), cl::cat(category)};
  cl::opt<std::string> saveTemps{"save-temps", cl::desc("Writes numbered IR of each stage into this folder"),
                                      cl::value_desc("dir"), cl::cat(category)};
  cl::opt<std::string> report{"report", cl::desc("Writes sizes and times as JSON"), cl::value_desc("file"),
                                   cl::cat(category)};
  cl::opt<bool> timePasses{"time-passes", cl::desc("Prints the time of each pass"), cl::cat(category)};
  cl::opt<int> optLevel{"O", cl::desc("Optimisation level, 0 to 3 (default)"), cl::Prefix, cl::init(3),
                             cl::cat(category)};
  cl::opt<bool> noRaise{"no-raise", cl::desc("Computes what the model masks out, too (docs/adaptive.md)"),
                        cl::cat(category)};
  cl::opt<bool> noFold{"no-fold-constants", cl::desc("Does not compute constants while compiling"),
                            cl::cat(category)};
  cl::opt<bool> noCache{"no-cache", cl::desc("Neither takes the result of an earlier compilation nor keeps this one"),
                        cl::cat(category)};
  cl::opt<std::string> kernels{
      "kernels", cl::desc("Who makes kernels: mlir (default), halide, or auto (what --tune found to be faster)"),
      cl::init("mlir"), cl::value_desc("generator"), cl::cat(category)};
  cl::opt<std::string> precision{
      "precision",
      cl::desc("What products with constant matrices compute in where the model says f32: f32 (default), or bf16, "
               "operands of 8 significant bits and sums in f32"),
      cl::init("f32"), cl::value_desc("type"), cl::cat(category)};
  cl::opt<bool> tune{
      "tune",
      cl::desc("Measures the kernels of both generators on this machine, and remembers them; implies --kernels=auto"),
      cl::cat(category)};
  cl::opt<std::string> launcher{"launcher", cl::desc("Program that executables are built from"),
                                     cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> halideGenerator{"halide-generator", cl::desc("Program that makes Halide's kernels"),
                                       cl::value_desc("file"), cl::cat(category)};
  cl::extrahelp examples{"\nEXAMPLES:\n"
                              "  ac-compile model.onnx -o model            an executable; try ./model --help\n"
                              "  ac-compile model.onnx -o model.so         a shared object and model.h\n"
                              "  ac-compile model.onnx -o m --dim batch=1  with a fixed batch size\n"
                              "  ac-compile model.onnx --stop-after=lower -o model.mlir\n"
                              "  ac-compile model.onnx -o m --save-temps=ir --report=report.json\n"};
};

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "ac-compile") << message << "\n";
  return 1;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Options flags;
  cl::HideUnrelatedOptions(flags.category);
  cl::ParseCommandLineOptions(argc, argv, "Accordion: compiles an ONNX model to native code\n");
  std::string output = flags.output;
  if (flags.input.empty())
    return fail("no model given; see ac-compile --help");
  CompileOptions options;
  if (output.empty() && !flags.stopAfter.empty())
    output = "-";
  if (output.empty())
    return fail("no output given; add -o FILE");
  options.output = !flags.stopAfter.empty() ? OutputKind::MLIR : outputKindOf(output);
  if (!flags.emit.empty()) {
    std::map<std::string, OutputKind> kinds = {
        {"exe", OutputKind::Executable}, {"so", OutputKind::SharedObject}, {"obj", OutputKind::Object},
        {"asm", OutputKind::Assembly},   {"llvm", OutputKind::LLVMIR},     {"mlir", OutputKind::MLIR}};
    auto kind = kinds.find(flags.emit);
    if (kind == kinds.end())
      return fail("unknown kind of output '" + flags.emit + "', expected exe, so, obj, asm, llvm or mlir");
    options.output = kind->second;
  }
  for (const std::string &dim : flags.dims) {
    auto [name, size] = llvm::StringRef(dim).rsplit('=');
    int64_t value;
    if (name.empty() || size.getAsInteger(10, value) || value < 0)
      return fail("--dim=" + dim + " is not of the form NAME=N with N >= 0");
    options.dims[name.str()] = value;
  }
  std::map<std::string, KernelGenerator> generators = {
      {"mlir", KernelGenerator::MLIR}, {"halide", KernelGenerator::Halide}, {"auto", KernelGenerator::Auto}};
  auto generator = generators.find(flags.kernels);
  if (generator == generators.end())
    return fail("unknown generator of kernels '" + flags.kernels + "', expected mlir, halide or auto");
  options.kernels = generator->second;
  options.tune = flags.tune;
  if (flags.tune && flags.kernels.getNumOccurrences() && options.kernels != KernelGenerator::Auto)
    return fail("--tune chooses kernels itself; leave --kernels=" + flags.kernels + " out");
  if (flags.tune)
    options.kernels = KernelGenerator::Auto;
  std::map<std::string, Precision> precisions = {{"f32", Precision::F32}, {"bf16", Precision::BF16}};
  auto precision = precisions.find(flags.precision);
  if (precision == precisions.end())
    return fail("unknown precision '" + flags.precision + "', expected f32 or bf16");
  options.precision = precision->second;
  options.march = flags.march;
  options.weightsFile = flags.weights;
  options.stopAfter = flags.stopAfter;
  options.saveTemps = flags.saveTemps;
  options.reportFile = flags.report;
  options.timePasses = flags.timePasses;
  options.optLevel = flags.optLevel;
  options.foldConstants = !flags.noFold;
  options.raise = !flags.noRaise;
  options.cache = !flags.noCache;
  std::string self = llvm::sys::fs::getMainExecutable(argv[0], reinterpret_cast<void *>(&main));
  options.launcher = flags.launcher.empty() ? (llvm::sys::path::parent_path(self) + "/ac-launcher").str() : flags.launcher;
  options.halideGenerator = flags.halideGenerator.empty()
                                ? (llvm::sys::path::parent_path(self) + "/ac-halide-generate").str()
                                : flags.halideGenerator;
  std::string input = flags.input;
  bool stdoutOutput = output == "-";
  cl::ResetCommandLineParser(); // lld registers options of these names when it runs
  auto start = std::chrono::steady_clock::now();
  bool shown = false;
  if (llvm::sys::Process::StandardErrIsDisplayed())
    options.progress = [&](llvm::StringRef step, double fraction) {
      if (std::chrono::steady_clock::now() - start < std::chrono::seconds(2))
        return;
      shown = true;
      llvm::errs() << "\r\x1b[K" << int(100 * fraction) << "% " << step;
    };
  auto clear = llvm::make_scope_exit([&] {
    if (shown)
      llvm::errs() << "\r\x1b[K";
  });
  std::string target = output;
  llvm::SmallString<64> buffer;
  if (stdoutOutput) {
    if (llvm::sys::fs::createTemporaryFile("accordion", "mlir", buffer))
      return fail("cannot make a temporary file");
    target = buffer.str();
  }
  if (llvm::Error error = compileModel(input, target, options)) {
    std::string text = llvm::toString(std::move(error));
    clear.release();
    if (shown)
      llvm::errs() << "\r\x1b[K";
    llvm::SmallVector<llvm::StringRef> lines;
    llvm::StringRef(text).split(lines, '\n', -1, false);
    for (llvm::StringRef line : lines)
      fail(line);
    return 1;
  }
  if (stdoutOutput) {
    if (auto text = llvm::MemoryBuffer::getFile(target))
      llvm::outs() << (*text)->getBuffer();
    llvm::sys::fs::remove(target);
  }
  return 0;
}
