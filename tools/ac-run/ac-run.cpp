//===- ac-run.cpp - Run models ----------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CommandLine.h"
#include "Failure.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <spawn.h>
#include <sys/wait.h>

namespace fs = std::filesystem;
using namespace accordion;

extern char **environ;

namespace {

/// A folder that goes away with the program.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::error_code ignored;
    std::string pattern = (fs::temp_directory_path(ignored) / "ac-run-XXXXXX").string();
    if (!mkdtemp(&pattern[0]))
      fail(AC_ERROR_FILE, "cannot make a temporary folder `%s`: %s", pattern.c_str(), strerror(errno));
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

/// The compiler is the one installed beside this program.
std::string compilerPath() {
  std::error_code ignored;
  fs::path compiler = fs::read_symlink("/proc/self/exe", ignored).parent_path() / "ac-compile";
  if (!fs::exists(compiler, ignored))
    fail(AC_ERROR_FILE, "there is no `%s` to compile the model with", compiler.c_str());
  return compiler.string();
}

std::string compile(const std::string &model, const std::vector<std::string> &flags, const fs::path &folder) {
  std::string compiler = compilerPath(), output = (folder / "model.so").string();
  std::vector<std::string> words = {compiler, model, "-o", output};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(&word[0]);
  arguments.push_back(nullptr);
  pid_t child;
  int error = posix_spawn(&child, compiler.c_str(), nullptr, nullptr, arguments.data(), environ), status = 0;
  if (error)
    fail(AC_ERROR_FILE, "cannot start `%s`: %s", compiler.c_str(), strerror(error));
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (!WIFEXITED(status))
    fail(AC_ERROR_MODEL, "the compiler was ended by signal %d", WTERMSIG(status));
  // It has said itself what is wrong: an empty text adds nothing to that.
  if (WEXITSTATUS(status))
    throw Failure(AC_ERROR_MODEL, "");
  return output;
}

} // namespace

int main(int argc, char **argv) {
  // Made only when something is compiled, and kept until the run is over.
  std::unique_ptr<TemporaryFolder> folder;
  Program program;
  program.compile = [&](const std::string &model, const std::vector<std::string> &flags) {
    folder = std::make_unique<TemporaryFolder>();
    return compile(model, flags, folder->path);
  };
  return runCommandLine(program, argc, argv);
}
