//===- KernelCache.h - Kernels of another generator --------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Objects of kernels (lib/Kernels/KernelDescription.h) that a program beside the compiler makes, `ac-halide-generate`.
// They are kept in a folder under a hash of the description and of that program: $AC_KERNEL_CACHE, or accordion/kernels
// in $XDG_CACHE_HOME or ~/.cache. Files appear by a rename and carry a hash of what they hold, so any number of
// processes may use the folder; what is damaged is made again, and a folder that cannot be written only costs time.
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_KERNELCACHE_H
#define COMPILER_KERNELCACHE_H

#include "Support/TemporaryFolder.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>

namespace mlir::ac {

class KernelCache {
public:
  /// `generator` is the path of the program, which need not exist.
  explicit KernelCache(std::string generator);

  /// Whether kernels can be made; the error says how to get there.
  llvm::Error check() const;
  /// Object files in `folder`, one for each description.
  llvm::Expected<SmallVector<std::string>> getObjects(ArrayRef<std::string> descriptions,
                                                      const TemporaryFolder &folder);
  /// Kernels that `getObjects` found in the folder, and that it had made.
  int64_t numFound = 0, numMade = 0;

  /// Which generator was the fastest for this work (`describeWork`) on this processor, as far as it was measured.
  std::optional<std::string> getChoice(StringRef processor, StringRef work) const;
  void setChoice(StringRef processor, StringRef work, StringRef generator) const;

private:
  /// 0 if the program is not there.
  uint64_t hashOfGenerator() const;
  std::string fileOf(StringRef kind, StringRef text) const;
  std::optional<std::string> read(StringRef kind, StringRef text) const;
  void write(StringRef kind, StringRef text, StringRef content) const;
  llvm::Error generate(ArrayRef<std::string> descriptions, ArrayRef<std::string> outputs,
                       const TemporaryFolder &folder) const;

  std::string generator;
  std::string directory; ///< empty: nothing is kept
  mutable std::optional<uint64_t> generatorHash; ///< read when first needed: most models ask for no kernels
};

/// Object files in `folder` of the kernels that a module calls after the codegen stage.
llvm::Expected<SmallVector<std::string>> getKernelObjects(ModuleOp module, KernelCache &cache,
                                                          const TemporaryFolder &folder);

} // namespace mlir::ac

#endif // COMPILER_KERNELCACHE_H
