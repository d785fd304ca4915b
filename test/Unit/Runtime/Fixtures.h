//===- Fixtures.h - Files for the tests of the runtime ----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_TEST_UNIT_RUNTIME_FIXTURES_H
#define AC_TEST_UNIT_RUNTIME_FIXTURES_H

#include "ac/Runtime/Artefact.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdlib.h>
#include <string>

namespace accordion {

/// A folder that is empty at the start of a test and gone at its end.
class FolderTest : public testing::Test {
protected:
  FolderTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "accordion-XXXXXX").string();
    folder = mkdtemp(&pattern[0]);
  }
  ~FolderTest() override { std::filesystem::remove_all(folder); }

  std::string at(const std::string &name) const { return folder + "/" + name; }
  void put(const std::string &name, const std::string &content) const {
    // A new file each time: some file systems flush one that is overwritten.
    std::filesystem::remove(at(name));
    std::ofstream(at(name), std::ios::binary) << content;
  }
  std::string get(const std::string &name) const {
    std::ifstream file(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// Writes the model of Model.c as an artefact.
  std::string writeModel(const std::string &name, const std::string &launcher = "", const std::string &external = "",
                         const std::string &sharedObject = TEST_MODEL) const {
    const float weights[] = {0, 1, 2, 3};
    put("packed", std::string(reinterpret_cast<const char *>(weights), sizeof(weights)));
    ArtefactParts parts;
    parts.launcher = launcher;
    parts.sharedObject = sharedObject;
    parts.weights = at("packed");
    parts.externalWeights = external;
    EXPECT_EQ(writeArtefact(at(name), parts), "");
    std::filesystem::remove(at("packed"));
    return at(name);
  }

  std::string folder;
};

} // namespace accordion
#endif // AC_TEST_UNIT_RUNTIME_FIXTURES_H
