//===- CommandLine.h - The command line of compiled models ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_COMMANDLINE_H
#define AC_RUNTIME_LIB_COMMANDLINE_H

#include <functional>
#include <string>
#include <vector>

namespace accordion {

/// What differs between `ac-run` and a program that is a compiled model.
struct Program {
  /// The artefact to run; empty if the command line names a model.
  std::string artefact;
  /// Turns an `.onnx` file into an artefact and returns its path; empty if there is no compiler. `flags` are those
  /// that followed `--`. A Failure without a text says that the error has been printed already.
  std::function<std::string(const std::string &model, const std::vector<std::string> &flags)> compile;
};

/// Does what the arguments ask for and returns the exit status: 0, or 1 after one line `error: ...`.
int runCommandLine(const Program &program, int argc, char **argv);

} // namespace accordion
#endif // AC_RUNTIME_LIB_COMMANDLINE_H
