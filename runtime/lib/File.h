//===- File.h - Files by descriptor -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_FILE_H
#define AC_RUNTIME_LIB_FILE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace accordion {

/// A file descriptor that is closed on destruction. The functions throw a Failure that names the file.
class File {
public:
  File() = default;
  File(int fd, std::string path) : fd(fd), path(std::move(path)) {}
  File(File &&other) noexcept : fd(other.fd), path(std::move(other.path)) { other.fd = -1; }
  File &operator=(File &&other) noexcept;
  ~File();

  static File openForReading(const std::string &path);
  uint64_t size() const;
  /// Reads exactly `bytes` at `offset`.
  void readAt(void *data, size_t bytes, uint64_t offset) const;

  int fd = -1;
  std::string path;
};

/// A read-only mapping of part of a file; the offset need not be a multiple of the page size.
class Mapping {
public:
  Mapping() = default;
  Mapping(const File &file, uint64_t offset, uint64_t size);
  Mapping(Mapping &&other) noexcept;
  Mapping &operator=(Mapping &&other) noexcept;
  ~Mapping();

  const uint8_t *data() const { return start; }
  uint64_t size() const { return length; }

private:
  void *base = nullptr;
  size_t mapped = 0;
  const uint8_t *start = nullptr;
  uint64_t length = 0;
};

/// A file that appears under its name only when it is complete: written beside it, renamed by `commit`, and removed
/// when there was no `commit`.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  ~AtomicFile();

  void write(const void *data, size_t bytes);
  uint64_t position() const { return written; }
  /// Closes the file; a full disk is noticed here at the latest.
  void finish();
  void makeExecutable();
  void commit();

private:
  std::string path, temporary;
  int fd = -1;
  uint64_t written = 0;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_FILE_H
