//===- TemporaryFolder.h - A folder that is gone afterwards ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SUPPORT_TEMPORARYFOLDER_H
#define SUPPORT_TEMPORARYFOLDER_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

namespace mlir::ac {

/// A folder for intermediate files, removed with this object.
class TemporaryFolder {
public:
  llvm::Error create() {
    if (std::error_code code = llvm::sys::fs::createUniqueDirectory("accordion", path))
      return llvm::createStringError(code, "cannot make a temporary folder: " + code.message());
    return llvm::Error::success();
  }
  ~TemporaryFolder() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
  std::string file(llvm::StringRef name) const { return (path + "/" + name).str(); }

private:
  llvm::SmallString<128> path;
};

} // namespace mlir::ac

#endif // SUPPORT_TEMPORARYFOLDER_H
