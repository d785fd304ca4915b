//===- CacheFolder.h - Where files are kept between runs --------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef COMPILER_CACHEFOLDER_H
#define COMPILER_CACHEFOLDER_H

#include "mlir/Support/LLVM.h"
#include <string>

namespace mlir::ac {

/// What the environment `variable` says; else the folder `accordion/<name>` in the user's cache. Empty: keep nothing.
std::string cacheFolder(const char *variable, StringRef name);

/// 128 bits as hexadecimal digits, for names of files.
std::string contentHash(StringRef content);

} // namespace mlir::ac

#endif // COMPILER_CACHEFOLDER_H
