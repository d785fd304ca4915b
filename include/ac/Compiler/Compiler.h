//===- Compiler.h - From a model file to an artefact -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_COMPILER_COMPILER_H
#define AC_COMPILER_COMPILER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <map>
#include <string>

namespace mlir::ac {

/// Who makes the kernels of products and depthwise convolutions (docs/kernels.md).
enum class KernelGenerator {
  MLIR,   ///< the compiler itself
  Halide, ///< Halide, whatever it can
  Auto,   ///< for each size of work, the one that was measured to be the fastest on this processor; MLIR where none was
};

/// What `compileModel` writes.
enum class OutputKind {
  Executable,   ///< stands alone: the runtime, the code and the weights in one file
  SharedObject, ///< `.so` with the weights, and a `.h` beside it that describes inputs and outputs
  Object,       ///< `.o`; the weights go to a file of their own
  Assembly,     ///< `.s`
  LLVMIR,       ///< `.ll`
  MLIR,         ///< `.mlir` after the stage `stopAfter`, or after the last
};

/// What products with constant matrices compute in, where the model says f32.
enum class Precision {
  F32,  ///< f32
  BF16, ///< operands rounded to bf16, sums in f32
};

struct CompileOptions {
  /// `native`, `x86-64-v3`, `x86-64-v4`, `aarch64`, or LLVM's name of an x86-64 processor.
  std::string march = "native";
  OutputKind output = OutputKind::Executable;
  /// Sizes for symbolic dimensions.
  std::map<std::string, int64_t> dims;
  /// Stage after which to stop; only for MLIR output. Empty: the last.
  std::string stopAfter;
  /// Where to put the weights instead of into the artefact.
  std::string weightsFile;
  /// Folder for numbered IR dumps after each stage; made if missing.
  std::string saveTemps;
  /// JSON file with sizes and times of each stage.
  std::string reportFile;
  bool timePasses = false;
  /// 0 to 3: LLVM's optimisation level.
  int optLevel = 3;
  /// Whether to run the raise stage, which skips work that the model computes and masks out (docs/adaptive.md).
  bool raise = true;
  /// Whether to fold constants by running compiled code here (needs a target that runs on this machine otherwise off).
  bool foldConstants = true;
  Precision precision = Precision::F32;
  KernelGenerator kernels = KernelGenerator::MLIR;
  /// With `Auto`: measures now what has not been measured before.
  bool tune = false;
  /// The program that makes Halide's kernels; empty: `ac-halide-generate` beside the launcher.
  std::string halideGenerator;
  /// The launcher to build executables from; empty: `ac-launcher` beside the running program.
  std::string launcher;
  /// Whether what was compiled before may be taken from a folder, and what is compiled now kept there
  /// (docs/getting-started.md).
  bool cache = true;
  /// Told the name of each step as it starts, and the fraction done.
  std::function<void(llvm::StringRef step, double fraction)> progress;
};

/// Compiles the model file at `input` (ONNX, ONNX text, or MLIR of any stage by the suffix `.mlir`) into `output`, which
/// appears by a rename once it is complete. The error holds all diagnostics, one per line.
llvm::Error compileModel(llvm::StringRef input, llvm::StringRef output, const CompileOptions &options);

/// The same for a serialised ONNX model in memory; `baseDir` is where its external data is looked for.
llvm::Error compileModelBytes(llvm::StringRef bytes, llvm::StringRef baseDir, llvm::StringRef output,
                              const CompileOptions &options);

/// `.so` → SharedObject, `.o`, `.s`, `.ll`, `.mlir`; anything else is an executable.
OutputKind outputKindOf(llvm::StringRef path);

} // namespace mlir::ac

#endif // AC_COMPILER_COMPILER_H
