//===- Artefact.h - The file format of compiled models ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A compiled model is one file:
//
//   shared object   [launcher ELF, padding] model ELF [padding, weights | name of the weights file] trailer
//
// A plain shared object without weights needs no trailer. The trailer is the last 64 bytes, so that the ELF loader sees
// an ordinary file. Nothing here throws: the compiler, which is built without exceptions, writes artefacts too.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_ARTEFACT_H
#define AC_RUNTIME_ARTEFACT_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace accordion {

/// The last 64 bytes of an artefact, little endian.
struct ArtefactTrailer {
  char magic[8];
  uint64_t elfOffset;
  uint64_t elfSize;
  uint64_t weightsOffset; ///< of the weights, or of the name of their file if that flag is set
  uint64_t weightsSize;
  uint64_t weightsHash; ///< xxh64 with seed 0
  uint32_t flags;
  uint32_t nameLength;
  uint64_t elfHash; ///< xxh64 of the model's ELF bytes
};
static_assert(sizeof(ArtefactTrailer) == 64, "the trailer is part of the file format");

constexpr char artefactMagic[9] = "ACCORDN1";
constexpr uint32_t artefactWeightsExternal = 1;
/// The weights start on such a boundary, so that they can be mapped.
constexpr uint64_t artefactPageSize = 4096;

/// The 64-bit xxHash, fed in pieces of any size.
class ContentHash {
public:
  void update(const void *data, size_t size);
  uint64_t digest() const;

private:
  uint64_t lanes[4] = {0x60EA27EEADC0B5D6u, 0xC2B2AE3D27D4EB4Fu, 0, 0x61C8864E7A143579u};
  uint64_t total = 0;
  unsigned char pending[32];
  size_t numPending = 0;
};

uint64_t contentHash(const void *data, size_t size);

struct ArtefactParts {
  /// The launcher to put in front, which makes the artefact an executable; empty for a shared object.
  std::string launcher;
  /// The linked model.
  std::string sharedObject;
  /// File with the packed weights, empty if there are none.
  std::string weights;
  /// If not empty, the weights go to this file instead of into the artefact. May be `weights` itself.
  std::string externalWeights;
};

/// Writes `path` through a temporary file and a rename. Returns an empty text, or what went wrong.
std::string writeArtefact(const std::string &path, const ArtefactParts &parts);

} // namespace accordion
#endif // AC_RUNTIME_ARTEFACT_H
