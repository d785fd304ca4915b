//===- Artefact.cpp - Open compiled models ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Artefact.h"

#include "Failure.h"
#include "Processor.h"
#include "ac/Runtime/Artefact.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <filesystem>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace accordion {

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

#if defined(__x86_64__)
static constexpr int hostMachine = EM_X86_64;
#elif defined(__aarch64__)
static constexpr int hostMachine = EM_AARCH64;
#elif defined(__riscv)
static constexpr int hostMachine = EM_RISCV;
#else
static constexpr int hostMachine = EM_NONE;
#endif

static const char *machineName(int machine) {
  return machine == EM_X86_64    ? "x86-64"
         : machine == EM_AARCH64 ? "aarch64"
         : machine == EM_RISCV   ? "riscv"
                                 : "another machine";
}

/// The system's loader trusts the headers of what it maps; what it would crash on must not reach it.
static void checkElf(const File &file, uint64_t offset, uint64_t size) {
  const char *path = file.path.c_str();
  Elf64_Ehdr header;
  if (size < sizeof(header))
    fail(AC_ERROR_FILE, "`%s` is not a compiled model: it is too short", path);
  file.readAt(&header, sizeof(header), offset);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    fail(AC_ERROR_FILE, "`%s` is not a compiled model: it is not an ELF file", path);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    fail(AC_ERROR_FILE, "`%s` is not a compiled model: it is not a 64-bit shared object", path);
  if (header.e_machine != hostMachine)
    fail(AC_ERROR_FILE, "`%s` was compiled for %s, this machine is %s: compile the model with another --march", path,
         machineName(header.e_machine), machineName(hostMachine));
  if (header.e_phoff > size || size - header.e_phoff < uint64_t(header.e_phnum) * sizeof(Elf64_Phdr))
    fail(AC_ERROR_FILE, "`%s` is truncated or damaged: its program headers lie outside the file", path);
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  file.readAt(segments.data(), segments.size() * sizeof(Elf64_Phdr), offset + header.e_phoff);
  for (const Elf64_Phdr &segment : segments) {
    if (segment.p_type == PT_INTERP)
      fail(AC_ERROR_FILE, "`%s` is a program without a compiled model in it", path);
    if (segment.p_type != PT_GNU_STACK && (segment.p_offset > size || size - segment.p_offset < segment.p_filesz))
      fail(AC_ERROR_FILE, "`%s` is truncated or damaged: a segment of its code lies outside the file", path);
  }
}

ArtefactLayout readLayout(const File &file) {
  const char *path = file.path.c_str();
  uint64_t size = file.size();
  ArtefactLayout layout;
  layout.elfSize = size;
  ArtefactTrailer trailer;
  if (size >= sizeof(trailer)) {
    file.readAt(&trailer, sizeof(trailer), size - sizeof(trailer));
    layout.hasTrailer = memcmp(trailer.magic, artefactMagic, sizeof(trailer.magic)) == 0;
  }
  if (layout.hasTrailer) {
    uint64_t end = size - sizeof(trailer);
    bool external = trailer.flags & artefactWeightsExternal;
    uint64_t stored = external ? trailer.nameLength : trailer.weightsSize;
    auto inside = [&](uint64_t offset, uint64_t bytes) { return offset <= end && bytes <= end - offset; };
    // The parts follow one another as the writer lays them out; anything else is a damaged trailer.
    auto roundedUp = [](uint64_t value, uint64_t to) { return (value + to - 1) / to * to; };
    bool isGood = !(trailer.flags & ~artefactWeightsExternal) && inside(trailer.elfOffset, trailer.elfSize) &&
                  inside(trailer.weightsOffset, stored) && trailer.elfOffset % artefactPageSize == 0 &&
                  trailer.weightsOffset == roundedUp(trailer.elfOffset + trailer.elfSize, artefactPageSize) &&
                  end == roundedUp(trailer.weightsOffset + stored, sizeof(trailer)) &&
                  (external ? stored > 0 && stored <= 4096 : trailer.nameLength == 0);
    if (!isGood)
      fail(AC_ERROR_FILE, "`%s` is damaged: its trailer names parts that are not in the file", path);
    layout.elfOffset = trailer.elfOffset;
    layout.elfSize = trailer.elfSize;
    layout.elfHash = trailer.elfHash;
    layout.weightsOffset = trailer.weightsOffset;
    layout.weightsSize = trailer.weightsSize;
    layout.weightsHash = trailer.weightsHash;
    layout.weightsExternal = external;
    if (external) {
      layout.weightsName.resize(stored);
      file.readAt(&layout.weightsName[0], stored, trailer.weightsOffset);
    }
  }
  checkElf(file, layout.elfOffset, layout.elfSize);
  return layout;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

namespace {

/// What was loaded directly from each path. The C library takes a second `dlopen` of a path for the first one, even if
/// the file has been replaced since: such a file must be loaded from a copy, or the old model would run.
struct LoadedFile {
  dev_t device;
  ino_t inode;
  timespec changed;
  int users;
};
std::mutex loadedMutex;
std::map<std::string, LoadedFile> loadedFiles;

bool registerDirectLoad(const File &file) {
  struct stat status;
  if (fstat(file.fd, &status) != 0)
    return false;
  std::lock_guard<std::mutex> lock(loadedMutex);
  auto inserted = loadedFiles.try_emplace(file.path, LoadedFile{status.st_dev, status.st_ino, status.st_mtim, 0});
  LoadedFile &known = inserted.first->second;
  if (known.device != status.st_dev || known.inode != status.st_ino || known.changed.tv_sec != status.st_mtim.tv_sec ||
      known.changed.tv_nsec != status.st_mtim.tv_nsec)
    return false;
  ++known.users;
  return true;
}

void unregisterDirectLoad(const File &file) {
  std::lock_guard<std::mutex> lock(loadedMutex);
  auto known = loadedFiles.find(file.path);
  if (known != loadedFiles.end() && --known->second.users == 0)
    loadedFiles.erase(known);
}

/// A copy of part of a file in memory, which `dlopen` can load through /proc.
File copyToMemory(const File &file, uint64_t offset, uint64_t size) {
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
  int fd = memfd_create("accordion-model", MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0) // before Linux 6.3 there is no such flag, and every such file can be executed
    fd = memfd_create("accordion-model", MFD_CLOEXEC);
  if (fd < 0)
    fail(AC_ERROR_MEMORY, "cannot load the code of `%s`: %s", file.path.c_str(), strerror(errno));
  File image(fd, file.path);
  std::vector<char> buffer(std::min<uint64_t>(size, 1 << 20));
  while (size) {
    size_t step = std::min<uint64_t>(size, buffer.size());
    file.readAt(buffer.data(), step, offset);
    for (size_t done = 0; done < step;) {
      ssize_t put = write(fd, buffer.data() + done, step - done);
      if (put < 0 && errno != EINTR)
        fail(AC_ERROR_MEMORY, "cannot load the code of `%s`: %s", file.path.c_str(), strerror(errno));
      done += put > 0 ? static_cast<size_t>(put) : 0;
    }
    offset += step;
    size -= step;
  }
  return image;
}

/// Compiled code calls the maths library without naming it, so it must be in the global scope of the process.
void provideMathsLibrary() {
  static void *maths = dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
  (void)maths;
}

} // namespace

static void checkProcessor(const Description &description, const std::string &path) {
  std::string list;
  for (const std::string &feature : missingFeatures(description.features))
    list += (list.empty() ? "" : ", ") + feature;
  if (!list.empty())
    fail(AC_ERROR_FILE, "`%s` was compiled for %s, this processor lacks %s: compile the model with another --march",
         path.c_str(), description.cpu.c_str(), list.c_str());
  const std::vector<std::string> &features = description.features;
  if (std::find(features.begin(), features.end(), "amx-tile") == features.end())
    return;
  if (int error = permitTiles())
    fail(AC_ERROR_FILE,
         "`%s` was compiled for %s, whose tile registers (AMX) the system does not give to this process: %s; compile "
         "the "
         "model with another --march, such as icelake-server",
         path.c_str(), description.cpu.c_str(), strerror(error));
}

void Artefact::load(const ArtefactLayout &layout) {
  provideMathsLibrary();
  // The hash is checked here and not with the layout: only what is going to run needs to be whole.
  if (layout.hasTrailer) {
    Mapping code(file, layout.elfOffset, layout.elfSize);
    if (contentHash(code.data(), code.size()) != layout.elfHash)
      fail(AC_ERROR_FILE, "`%s` is damaged: its code does not have the recorded hash", file.path.c_str());
  }
  std::string loadPath;
  registered = layout.elfOffset == 0 && registerDirectLoad(file);
  if (registered) {
    // A bare file name would be searched for in the library path.
    loadPath = file.path.find('/') == std::string::npos ? "./" + file.path : file.path;
  } else {
    image = copyToMemory(file, layout.elfOffset, layout.elfSize);
    loadPath = format("/proc/self/fd/%d", image.fd);
  }
  handle = dlopen(loadPath.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    fail(AC_ERROR_FILE, "cannot load the code of `%s`: %s", file.path.c_str(), dlerror());
  auto *text = static_cast<const char *>(dlsym(handle, "ac_model_description"));
  entry = reinterpret_cast<Entry>(dlsym(handle, "ac_model_run"));
  if (!text || !entry)
    fail(AC_ERROR_FILE, "`%s` is not a compiled model: it has no `%s`", file.path.c_str(),
         text ? "ac_model_run" : "ac_model_description");
  description = parseDescription(text, file.path);
  checkProcessor(description, file.path);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void Artefact::mapWeights(const ArtefactLayout &layout, const std::string &given) {
  alignas(AC_ALIGNMENT) static const uint8_t none[AC_ALIGNMENT] = {};
  const char *path = file.path.c_str();
  uint64_t expected = description.weightsSize;
  weights = none;
  if (layout.hasTrailer &&
      (layout.weightsSize != expected || (expected && layout.weightsHash != description.weightsHash)))
    fail(AC_ERROR_FILE,
         "`%s` is damaged: its code expects %llu bytes of weights with hash %016llx, its trailer has %llu "
         "with %016llx",
         path, (unsigned long long)expected, (unsigned long long)description.weightsHash,
         (unsigned long long)layout.weightsSize, (unsigned long long)layout.weightsHash);
  if (expected == 0)
    return;
  if (given.empty() && !layout.weightsExternal) {
    if (!layout.hasTrailer)
      fail(AC_ERROR_FILE, "`%s` has no weights: %llu bytes are missing at its end", path, (unsigned long long)expected);
    weightsMapping = Mapping(file, layout.weightsOffset, expected);
    weights = weightsMapping.data();
    return;
  }

  weightsPath = given;
  if (given.empty()) {
    std::error_code ignored;
    std::filesystem::path real = std::filesystem::canonical(file.path, ignored);
    weightsPath = ((ignored ? std::filesystem::path(file.path) : real).parent_path() / layout.weightsName).string();
  }
  File external;
  try {
    external = File::openForReading(weightsPath);
  } catch (const Failure &failure) {
    throw Failure(failure.status,
                  format("the weights of `%s` are missing: %s; name the file with --weights", path, failure.what()));
  }
  if (external.size() != expected)
    fail(AC_ERROR_FILE, "`%s` does not hold the weights of `%s`: it has %llu bytes, expected %llu", weightsPath.c_str(),
         path, (unsigned long long)external.size(), (unsigned long long)expected);
  weightsMapping = Mapping(external, 0, expected);
  uint64_t hash = contentHash(weightsMapping.data(), expected);
  if (hash != description.weightsHash)
    fail(AC_ERROR_FILE, "`%s` does not hold the weights of `%s`: its hash is %016llx, expected %016llx",
         weightsPath.c_str(), path, (unsigned long long)hash, (unsigned long long)description.weightsHash);
  weights = weightsMapping.data();
}

//===----------------------------------------------------------------------===//
// Artefact
//===----------------------------------------------------------------------===//

Artefact::Artefact(const std::string &path, const std::string &weights) : file(File::openForReading(path)) {
  ArtefactLayout layout = readLayout(file);
  try {
    load(layout);
    mapWeights(layout, weights);
  } catch (...) {
    // The destructor does not run for an object that was never finished.
    if (handle)
      dlclose(handle);
    if (registered)
      unregisterDirectLoad(file);
    throw;
  }
}

Artefact::~Artefact() {
  if (handle)
    dlclose(handle);
  if (registered)
    unregisterDirectLoad(file);
}

} // namespace accordion
