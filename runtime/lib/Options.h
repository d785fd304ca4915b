//===- Options.h - Flags of the command line --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_OPTIONS_H
#define AC_RUNTIME_LIB_OPTIONS_H

#include <string>
#include <utility>
#include <vector>

namespace accordion {

struct Options {
  std::string model; ///< only where the program takes one
  std::string inputs, outputs, profile, stats, weights;
  /// In the order given; of two for one name the later counts.
  std::vector<std::pair<std::string, double>> budgets;
  int threads = 0;
  int repeat = 0;
  bool printTimes = false, info = false, help = false, version = false;
  std::vector<std::string> compileFlags;
};

/// Throws a Failure that names the nearest flag when one is unknown.
Options parseOptions(int argc, char **argv, bool takesModel);

/// The text of `--help`.
std::string helpText(const std::string &programName, bool takesModel);

} // namespace accordion
#endif // AC_RUNTIME_LIB_OPTIONS_H
