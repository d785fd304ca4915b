//===- Npz.h - Archives of arrays -------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_NPZ_H
#define AC_RUNTIME_LIB_NPZ_H

#include "File.h"
#include "Tensor.h"

#include <functional>
#include <string>
#include <vector>

namespace accordion {

/// A `.npz` file open for reading: a zip archive of `.npy` files, stored or deflated, with 64-bit sizes where needed.
class NpzReader {
public:
  explicit NpzReader(const std::string &path);

  /// The names of the arrays, without `.npy`.
  std::vector<std::string> names() const;
  bool contains(const std::string &name) const { return find(name) != nullptr; }
  HostTensor read(const std::string &name) const;

private:
  struct Entry {
    std::string name;
    uint32_t method, crc;
    uint64_t compressedSize, size, headerOffset;
  };
  const Entry *find(const std::string &name) const;
  void readDirectory(uint64_t offset, uint64_t size, uint64_t count);
  [[noreturn]] void damaged(const char *why) const;

  File file;
  uint64_t fileSize;
  std::vector<Entry> entries;
};

/// Writes the tensors uncompressed, as `numpy.savez` does.
void writeNpz(AtomicFile &out, const std::vector<std::pair<std::string, AcTensor>> &tensors);

} // namespace accordion
#endif // AC_RUNTIME_LIB_NPZ_H
