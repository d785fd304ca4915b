//===- Artefact.h - Open compiled models ------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_ARTEFACT_H
#define AC_RUNTIME_LIB_ARTEFACT_H

#include "Description.h"
#include "File.h"
#include "ac/Runtime/ABI.h"

#include <cstdint>
#include <string>

namespace accordion {

/// Where the parts of an artefact are, checked against the size of the file.
struct ArtefactLayout {
  uint64_t elfOffset = 0;
  uint64_t elfSize = 0;
  uint64_t weightsOffset = 0;
  uint64_t weightsSize = 0;
  uint64_t weightsHash = 0;
  bool weightsExternal = false;
  std::string weightsName;
  bool hasTrailer = false;
  uint64_t elfHash = 0;
};

/// Throws a Failure when the file is neither a shared object nor an artefact, or is damaged.
ArtefactLayout readLayout(const File &file);

/// An open artefact: its code loaded, its weights mapped.
class Artefact {
public:
  /// `weights` names a weights file to use instead of the recorded one; empty for the recorded one.
  Artefact(const std::string &path, const std::string &weights);
  Artefact(const Artefact &) = delete;
  ~Artefact();

  using Entry = int32_t (*)(AcCall *);

  Description description;
  Entry entry = nullptr;
  const uint8_t *weights = nullptr;
  /// The file with the weights when they are not in the artefact.
  std::string weightsPath;

private:
  void load(const ArtefactLayout &layout);
  void mapWeights(const ArtefactLayout &layout, const std::string &given);

  File file;
  File image; ///< the copy of the model's ELF that is loaded when it cannot be loaded from `file`
  bool registered = false;
  void *handle = nullptr;
  Mapping weightsMapping;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_ARTEFACT_H
