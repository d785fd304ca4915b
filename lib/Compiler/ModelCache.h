//===- ModelCache.h - Artefacts of models compiled before -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a compilation writes, kept under a hash of all that it depends on: the model and its external data, the options,
// the compiler with its libraries, the target. The folder is $ACCORDION_CACHE_DIR (empty: there is no cache), or
// accordion/models in $XDG_CACHE_HOME or ~/.cache; its size is bounded by $ACCORDION_CACHE_POLICY, in the words of
// LLVM's `parseCachePruningPolicy`. Files appear by a rename and carry hashes of what they hold, so that any number of
// processes may use the folder; what is damaged counts as absent, and a folder that cannot be written only costs time.
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_MODELCACHE_H
#define COMPILER_MODELCACHE_H

#include "Support/TargetInfo.h"
#include "ac/Compiler/Compiler.h"
#include "llvm/Support/MemoryBuffer.h"
#include <set>

namespace mlir::ac {

class ModelCache {
public:
  /// `model` is the content of the model's file and `suffix` its kind; external data is named relative to `baseDir`.
  ModelCache(StringRef model, StringRef suffix, StringRef baseDir, StringRef output, const CompileOptions &options,
             const TargetInfo &target);

  /// Whether a compilation with these options may be served: what it prints, or measures, it cannot.
  static bool serves(const CompileOptions &options);

  /// Writes all that the compilation would write, and says whether it was there. The report then has `cached: true`,
  /// and one step.
  bool fetch();
  /// Keeps what a compilation wrote that read these files of external data.
  void store(const std::set<std::string> &externalFiles);

private:
  /// The files that a compilation leaves, by what they are, where it asks for them.
  std::vector<std::pair<std::string, std::string>> parts() const;
  /// The key of the artefact, if all external files can be read.
  std::optional<std::string> keyWith(ArrayRef<std::string> externalFiles) const;
  std::unique_ptr<llvm::MemoryBuffer> read(StringRef key) const;
  void write(StringRef key, llvm::function_ref<void(llvm::raw_pwrite_stream &)> content) const;
  void discard(StringRef key) const;
  bool restore(StringRef entry) const;

  std::string directory, baseDir, output, modelKey;
  const CompileOptions &options;
};

} // namespace mlir::ac

#endif // COMPILER_MODELCACHE_H
