//===- Processor.cpp - What this machine can run ----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Processor.h"
#include <cerrno>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace accordion {

#if defined(__x86_64__)
namespace {
/// Bits of CPUID that compilers' builtins do not know by name everywhere. That the system saves tiles is another
/// question, see `permitTiles`.
class Extended {
public:
  Extended() {
    unsigned eax, ebx, ecx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
      return;
    unsigned rest;
    if (eax >= 1)
      __get_cpuid_count(7, 1, &eaxOfOne, &ebx, &ecx, &rest);
  }
  bool hasTiles() const { return edx >> 24 & 1; }
  bool hasTilesOfInt8() const { return edx >> 25 & 1; }
  bool hasTilesOfBF16() const { return edx >> 22 & 1; }
  bool hasShortVNNI() const { return eaxOfOne >> 4 & 1; }

private:
  unsigned edx = 0, eaxOfOne = 0;
};

struct Feature {
  const char *name;
  bool isHere;
};
} // namespace

std::vector<std::string> missingFeatures(const std::vector<std::string> &features) {
  // Instructions that the compiler uses for numbers; the compiler builtin also asks the system whether it saves the
  // registers.
#define FEATURE(name)                                                                                                  \
  { name, __builtin_cpu_supports(name) != 0 }
  const Extended extended;
  const Feature known[] = {{"amx-tile", extended.hasTiles()},
                           {"amx-int8", extended.hasTilesOfInt8()},
                           {"amx-bf16", extended.hasTilesOfBF16()},
                           {"avxvnni", extended.hasShortVNNI()},
                           FEATURE("avx"),
                           FEATURE("avx2"),
                           FEATURE("fma"),
                           FEATURE("f16c"),
                           FEATURE("bmi"),
                           FEATURE("bmi2"),
                           FEATURE("avx512f"),
                           FEATURE("avx512bw"),
                           FEATURE("avx512cd"),
                           FEATURE("avx512dq"),
                           FEATURE("avx512vl"),
                           FEATURE("avx512vbmi"),
                           FEATURE("avx512vnni"),
                           FEATURE("avx512bf16"),
                           FEATURE("avx512vbmi2")};
#undef FEATURE
  std::vector<std::string> missing;
  for (const std::string &feature : features)
    for (const Feature &row : known)
      if (!row.isHere && feature == row.name)
        missing.push_back(feature);
  return missing;
}

int permitTiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  // Asking again is allowed, and no fault.
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 0 : errno;
}
#else
std::vector<std::string> missingFeatures(const std::vector<std::string> &) { return {}; }
int permitTiles() { return ENOSYS; }
#endif

} // namespace accordion
