//===- Writer.cpp - Write compiled models -----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Failure.h"
#include "File.h"
#include "ac/Runtime/Artefact.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

namespace accordion {

namespace {

void pad(AtomicFile &out, uint64_t alignment) {
  static const char zeros[artefactPageSize] = {};
  uint64_t tail = out.position() % alignment;
  if (tail)
    out.write(zeros, alignment - tail);
}

/// Appends the file and returns its size and hash. Read, not mapped: the page cache is enough, and it stays bounded.
std::pair<uint64_t, uint64_t> append(AtomicFile *out, const std::string &path) {
  File file = File::openForReading(path);
  uint64_t size = file.size();
  ContentHash hash;
  std::vector<char> buffer(std::min<uint64_t>(size, 1 << 20));
  for (uint64_t done = 0; done < size;) {
    size_t step = std::min<uint64_t>(buffer.size(), size - done);
    file.readAt(buffer.data(), step, done);
    hash.update(buffer.data(), step);
    if (out)
      out->write(buffer.data(), step);
    done += step;
  }
  return {size, hash.digest()};
}

/// How the artefact refers to its weights: relative to its own folder, so that both can be moved together.
std::string relativeName(const std::string &weights, const std::string &artefact) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path from = fs::absolute(artefact, ignored).lexically_normal().parent_path();
  fs::path to = fs::absolute(weights, ignored).lexically_normal();
  fs::path relative = to.lexically_relative(from);
  return relative.empty() ? to.string() : relative.string();
}

void write(const std::string &path, const ArtefactParts &parts) {
  AtomicFile out(path);
  std::optional<AtomicFile> outWeights;
  ArtefactTrailer trailer = {};
  memcpy(trailer.magic, artefactMagic, sizeof(trailer.magic));

  if (!parts.launcher.empty()) {
    append(&out, parts.launcher);
    pad(out, artefactPageSize);
  }
  trailer.elfOffset = out.position();
  std::tie(trailer.elfSize, trailer.elfHash) = append(&out, parts.sharedObject);
  pad(out, artefactPageSize);
  trailer.weightsOffset = out.position();
  if (!parts.externalWeights.empty() && !parts.weights.empty()) {
    std::error_code ignored;
    if (!std::filesystem::equivalent(parts.weights, parts.externalWeights, ignored))
      outWeights.emplace(parts.externalWeights);
    std::tie(trailer.weightsSize, trailer.weightsHash) = append(outWeights ? &*outWeights : nullptr, parts.weights);
    std::string name = relativeName(parts.externalWeights, path);
    trailer.flags |= artefactWeightsExternal;
    trailer.nameLength = static_cast<uint32_t>(name.size());
    out.write(name.data(), name.size());
  } else if (!parts.weights.empty()) {
    std::tie(trailer.weightsSize, trailer.weightsHash) = append(&out, parts.weights);
  } else {
    trailer.weightsHash = contentHash(nullptr, 0);
  }
  pad(out, sizeof(trailer));
  out.write(&trailer, sizeof(trailer));
  if (!parts.launcher.empty())
    out.makeExecutable();
  out.finish();
  if (outWeights)
    outWeights->commit();
  out.commit();
}

} // namespace

std::string writeArtefact(const std::string &path, const ArtefactParts &parts) {
  try {
    write(path, parts);
    return {};
  } catch (const std::exception &error) {
    return error.what();
  }
}

} // namespace accordion
