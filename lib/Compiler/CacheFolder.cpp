//===- CacheFolder.cpp - Where files are kept between runs ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/CacheFolder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

std::string ac::cacheFolder(const char *variable, StringRef name) {
  if (auto given = llvm::sys::Process::GetEnv(variable))
    return *given;
  SmallString<128> path;
  if (!llvm::sys::path::cache_directory(path))
    return "";
  llvm::sys::path::append(path, "accordion", name);
  return path.str().str();
}

std::string ac::contentHash(StringRef content) {
  auto hash = llvm::xxh3_128bits(ArrayRef(content.bytes_begin(), content.bytes_end()));
  return llvm::formatv("{0:x-16}{1:x-16}", hash.high64, hash.low64).str();
}
