//===- File.cpp - Files by descriptor ---------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "File.h"

#include "Failure.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace accordion {

File &File::operator=(File &&other) noexcept {
  std::swap(fd, other.fd);
  std::swap(path, other.path);
  return *this;
}

File::~File() {
  if (fd >= 0)
    close(fd);
}

File File::openForReading(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail(AC_ERROR_FILE, "cannot open `%s`: %s", path.c_str(), strerror(errno));
  File file(fd, path);
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    fail(AC_ERROR_FILE, "cannot read `%s`: it is not a regular file", path.c_str());
  return file;
}

uint64_t File::size() const {
  struct stat status;
  if (fstat(fd, &status) != 0)
    fail(AC_ERROR_FILE, "cannot read `%s`: %s", path.c_str(), strerror(errno));
  return static_cast<uint64_t>(status.st_size);
}

void File::readAt(void *data, size_t bytes, uint64_t offset) const {
  char *target = static_cast<char *>(data);
  while (bytes) {
    ssize_t got = pread(fd, target, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      fail(AC_ERROR_FILE, "cannot read `%s`: %s", path.c_str(), strerror(errno));
    if (got == 0)
      fail(AC_ERROR_FILE, "`%s` is truncated: it ends at byte %llu, %zu more were expected", path.c_str(),
           static_cast<unsigned long long>(offset), bytes);
    target += got;
    bytes -= static_cast<size_t>(got);
    offset += static_cast<uint64_t>(got);
  }
}

Mapping::Mapping(const File &file, uint64_t offset, uint64_t size) : length(size) {
  if (size == 0)
    return;
  uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t slack = offset % page;
  mapped = size + slack;
  base = mmap(nullptr, mapped, PROT_READ, MAP_PRIVATE, file.fd, static_cast<off_t>(offset - slack));
  if (base == MAP_FAILED) {
    base = nullptr;
    fail(errno == ENOMEM ? AC_ERROR_MEMORY : AC_ERROR_FILE, "cannot map %llu bytes of `%s`: %s",
         static_cast<unsigned long long>(size), file.path.c_str(), strerror(errno));
  }
  start = static_cast<const uint8_t *>(base) + slack;
}

Mapping::Mapping(Mapping &&other) noexcept { *this = std::move(other); }

Mapping &Mapping::operator=(Mapping &&other) noexcept {
  std::swap(base, other.base);
  std::swap(mapped, other.mapped);
  std::swap(start, other.start);
  std::swap(length, other.length);
  return *this;
}

Mapping::~Mapping() {
  if (base)
    munmap(base, mapped);
}

AtomicFile::AtomicFile(std::string target) : path(std::move(target)) {
  static std::atomic<unsigned> counter{0};
  temporary = path + format(".%d.%u.tmp", static_cast<int>(getpid()), counter.fetch_add(1));
  fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    fail(AC_ERROR_FILE, "cannot write `%s`: %s", path.c_str(), strerror(errno));
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : path(std::move(other.path)), temporary(std::move(other.temporary)), fd(other.fd), written(other.written) {
  other.fd = -1;
  other.temporary.clear();
}

AtomicFile::~AtomicFile() {
  if (fd >= 0)
    close(fd);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

void AtomicFile::write(const void *data, size_t bytes) {
  const char *source = static_cast<const char *>(data);
  while (bytes) {
    ssize_t put = ::write(fd, source, bytes);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      fail(AC_ERROR_FILE, "cannot write `%s`: %s", path.c_str(), strerror(errno));
    source += put;
    bytes -= static_cast<size_t>(put);
    written += static_cast<uint64_t>(put);
  }
}

void AtomicFile::finish() {
  int descriptor = std::exchange(fd, -1);
  if (descriptor >= 0 && close(descriptor) != 0)
    fail(AC_ERROR_FILE, "cannot write `%s`: %s", path.c_str(), strerror(errno));
}

void AtomicFile::makeExecutable() {
  // As the linker does: executable for those who may read it.
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, 0777 & ~mask) != 0)
    fail(AC_ERROR_FILE, "cannot make `%s` executable: %s", path.c_str(), strerror(errno));
}

void AtomicFile::commit() {
  finish();
  if (rename(temporary.c_str(), path.c_str()) != 0)
    fail(AC_ERROR_FILE, "cannot write `%s`: %s", path.c_str(), strerror(errno));
  temporary.clear();
}

} // namespace accordion
