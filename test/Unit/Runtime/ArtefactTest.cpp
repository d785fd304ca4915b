//===- ArtefactTest.cpp - Unit tests of the file format ---------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ac/Runtime/Artefact.h"
#include "Artefact.h"
#include "Failure.h"
#include "Fixtures.h"

#include <gmock/gmock.h>

#include <cstring>

using namespace accordion;
using testing::HasSubstr;

namespace {

class ArtefactTest : public FolderTest {
protected:
  std::string errorOf(const std::string &path, const std::string &weights = "") {
    try {
      Artefact artefact(path, weights);
    } catch (const Failure &failure) {
      EXPECT_EQ(failure.status, AC_ERROR_FILE);
      return failure.what();
    }
    return "no error";
  }
};

TEST(ContentHash, IsXxHash64) {
  EXPECT_EQ(contentHash("", 0), 0xef46db3751d8e999u);
  EXPECT_EQ(contentHash("abc", 3), 0x44bc2cf5ad770999u);
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += static_cast<char>(i);
  uint64_t whole = contentHash(text.data(), text.size());
  for (size_t step : {1, 7, 31, 32, 33, 500}) {
    ContentHash hash;
    for (size_t i = 0; i < text.size(); i += step)
      hash.update(text.data() + i, std::min(step, text.size() - i));
    EXPECT_EQ(hash.digest(), whole) << step;
  }
}

TEST_F(ArtefactTest, KeepsWeightsInside) {
  Artefact artefact(writeModel("m.so"), "");
  EXPECT_EQ(artefact.description.inputs.size(), 3u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(artefact.weights) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<const float *>(artefact.weights)[3], 3);
}

TEST_F(ArtefactTest, IsLoadedFromBehindTheLauncher) {
  // Any file can stand for the launcher; it is not run here.
  put("launcher", std::string(5000, 'l'));
  std::string path = writeModel("m", at("launcher"));
  Artefact artefact(path, "");
  EXPECT_EQ(reinterpret_cast<const float *>(artefact.weights)[2], 2);
  EXPECT_NE(std::filesystem::status(path).permissions() & std::filesystem::perms::owner_exec,
            std::filesystem::perms::none);
}

TEST_F(ArtefactTest, FindsExternalWeightsWhenMovedTogether) {
  writeModel("m.so", "", at("m.weights"));
  std::filesystem::create_directory(at("elsewhere"));
  std::filesystem::rename(at("m.so"), at("elsewhere/n.so"));
  EXPECT_THAT(errorOf(at("elsewhere/n.so")), AllOf(HasSubstr("weights of `" + at("elsewhere/n.so") + "` are missing"),
                                                   HasSubstr(at("elsewhere/m.weights")), HasSubstr("--weights")));
  Artefact given(at("elsewhere/n.so"), at("m.weights"));
  std::filesystem::rename(at("m.weights"), at("elsewhere/m.weights"));
  Artefact found(at("elsewhere/n.so"), "");
  EXPECT_EQ(reinterpret_cast<const float *>(found.weights)[1], 1);
}

TEST_F(ArtefactTest, ChecksExternalWeights) {
  writeModel("m.so", "", at("m.weights"));
  put("m.weights", std::string(16, 'x'));
  EXPECT_THAT(errorOf(at("m.so")), AllOf(HasSubstr("m.weights` does not hold the weights of"), HasSubstr("m.so"),
                                         HasSubstr("expected cffea34249aec64f")));
  put("m.weights", "short");
  EXPECT_THAT(errorOf(at("m.so")), HasSubstr("it has 5 bytes, expected 16"));
}

TEST_F(ArtefactTest, RunsTheNewFileAtAnOldPath) {
  writeModel("m.so");
  Artefact before(at("m.so"), "");
  writeModel("m.so", "", "", TEST_MODEL_TRIPLE);
  Artefact after(at("m.so"), "");
  EXPECT_NE(before.entry, after.entry);
}

TEST_F(ArtefactTest, RefusesWhatIsNoModel) {
  EXPECT_THAT(errorOf(at("none.so")), HasSubstr("cannot open"));
  EXPECT_THAT(errorOf(folder), HasSubstr("not a regular file"));
  put("text.so", "hello");
  EXPECT_THAT(errorOf(at("text.so")), HasSubstr("not a compiled model"));
  put("text.so", std::string(1000, 'h'));
  EXPECT_THAT(errorOf(at("text.so")), HasSubstr("not an ELF file"));
  put("empty.so", "");
  EXPECT_THAT(errorOf(at("empty.so")), HasSubstr("not a compiled model"));
  EXPECT_THAT(errorOf(TEST_NO_MODEL), HasSubstr("it has no `ac_model_description`"));
  EXPECT_THAT(errorOf(TEST_MODEL), HasSubstr("has no weights: 16 bytes are missing"));
  EXPECT_THAT(errorOf("/proc/self/exe"), HasSubstr("program without a compiled model"));
}

TEST_F(ArtefactTest, NamesTheOtherMachine) {
  writeModel("m.so");
  std::string content = get("m.so");
  content[18] = static_cast<char>(40); // 32-bit Arm
  put("m.so", content);
  EXPECT_THAT(errorOf(at("m.so")), HasSubstr("was compiled for another machine"));
}

/// Every truncation is either noticed or leaves a whole model behind; nothing crashes.
TEST_F(ArtefactTest, NoticesTruncation) {
  writeModel("m.so");
  std::string content = get("m.so");
  for (size_t size = 0; size < content.size(); size += 61) {
    put("short.so", content.substr(0, size));
    EXPECT_NE(errorOf(at("short.so")), "no error") << size;
    std::filesystem::remove(at("short.so"));
  }
}

/// A changed byte of the code or of the trailer is noticed. Bytes of padding and of weights inside are not looked at.
TEST_F(ArtefactTest, NoticesDamage) {
  writeModel("m.so");
  std::string content = get("m.so");
  ArtefactTrailer trailer;
  memcpy(&trailer, content.data() + content.size() - sizeof(trailer), sizeof(trailer));
  auto damaged = [&](size_t at) {
    std::string copy = content;
    copy[at] = static_cast<char>(copy[at] ^ 0x5a);
    put("damaged.so", copy);
    std::string error = errorOf(this->at("damaged.so"));
    std::filesystem::remove(this->at("damaged.so"));
    return error;
  };
  for (size_t i = 0; i < trailer.elfSize; i += 41)
    EXPECT_NE(damaged(i), "no error") << i;
  for (size_t i = content.size() - sizeof(trailer); i < content.size(); ++i)
    EXPECT_NE(damaged(i), "no error") << i;
}

TEST_F(ArtefactTest, WritesNothingWhenAPartIsMissing) {
  ArtefactParts parts;
  parts.sharedObject = TEST_MODEL;
  parts.weights = at("no weights");
  EXPECT_THAT(writeArtefact(at("m.so"), parts), HasSubstr("no weights"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

} // namespace
