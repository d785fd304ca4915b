//===- ac-launcher.cpp - The front part of compiled executables --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CommandLine.h"

#include <filesystem>

int main(int argc, char **argv) {
  accordion::Program program;
  // The model is in this very file, behind the launcher.
  std::error_code error;
  program.artefact = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error)
    program.artefact = argv[0];
  return accordion::runCommandLine(program, argc, argv);
}
