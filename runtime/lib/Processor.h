//===- Processor.h - What this machine can run ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_PROCESSOR_H
#define AC_RUNTIME_LIB_PROCESSOR_H

#include <string>
#include <vector>

namespace accordion {

/// Those of `features` (LLVM's names) that this processor is known to lack. Names that the runtime does not know are
/// taken to be there.
std::vector<std::string> missingFeatures(const std::vector<std::string> &features);

/// Asks the system to keep the tile registers (AMX) of this process's threads, which Linux does on request alone since
/// they are large. Returns 0 or the error's number.
int permitTiles();

} // namespace accordion
#endif // AC_RUNTIME_LIB_PROCESSOR_H
