//===- Processor.cpp - What this machine can run ----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Processor.h"

namespace accordion {

#if defined(__x86_64__)
namespace {
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
  const Feature known[] = {FEATURE("avx"),        FEATURE("avx2"),       FEATURE("fma"),        FEATURE("f16c"),
                           FEATURE("bmi"),        FEATURE("bmi2"),       FEATURE("avx512f"),    FEATURE("avx512bw"),
                           FEATURE("avx512cd"),   FEATURE("avx512dq"),   FEATURE("avx512vl"),   FEATURE("avx512vbmi"),
                           FEATURE("avx512vnni"), FEATURE("avx512bf16"), FEATURE("avx512vbmi2")};
#undef FEATURE
  std::vector<std::string> missing;
  for (const std::string &feature : features)
    for (const Feature &row : known)
      if (!row.isHere && feature == row.name)
        missing.push_back(feature);
  return missing;
}
#else
std::vector<std::string> missingFeatures(const std::vector<std::string> &) { return {}; }
#endif

} // namespace accordion
