//===- DescriptionTest.cpp - Unit tests of model descriptions ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Description.h"
#include "Failure.h"

#include <gmock/gmock.h>

using namespace accordion;
using testing::HasSubstr;

namespace {

std::string errorOf(const std::string &text) {
  try {
    parseDescription(text, "m.so");
  } catch (const Failure &failure) {
    EXPECT_EQ(failure.status, AC_ERROR_FILE);
    return failure.what();
  }
  return "no error";
}

TEST(Description, ReadsEveryFact) {
  Description d =
      parseDescription("accordion\t1\t0.1.0\nweights\t4096\t00ff\ntarget\tx86_64-linux-gnu\tx86-64-v4\tavx,fma\n"
                       "input\ta%09b%25\tf16\tbatch,3,?\ninput\tc\tbool\t-\noutput\ty\tu64\t0\n",
                       "m.so");
  EXPECT_EQ(d.compilerVersion, "0.1.0");
  EXPECT_EQ(d.weightsSize, 4096u);
  EXPECT_EQ(d.weightsHash, 255u);
  EXPECT_EQ(d.triple, "x86_64-linux-gnu");
  EXPECT_EQ(d.cpu, "x86-64-v4");
  EXPECT_EQ(d.features, (std::vector<std::string>{"avx", "fma"}));
  ASSERT_EQ(d.inputs.size(), 2u);
  EXPECT_EQ(d.inputs[0].name, "a\tb%");
  EXPECT_EQ(d.inputs[0].type, AC_TYPE_F16);
  EXPECT_EQ(d.inputs[0].dims, (std::vector<int64_t>{-1, 3, -1}));
  EXPECT_EQ(d.inputs[0].symbols, (std::vector<std::string>{"batch", "", ""}));
  EXPECT_EQ(declaredShapeText(d.inputs[0]), "[batch, 3, ?]");
  EXPECT_TRUE(d.inputs[1].dims.empty());
  EXPECT_EQ(d.outputs[0].dims, std::vector<int64_t>{0});
}

TEST(Description, IgnoresFactsOfNewerCompilers) {
  EXPECT_EQ(parseDescription("accordion\t1\t9\nbudget\tk\t4\n", "m.so").inputs.size(), 0u);
}

TEST(Description, SaysWhatIsWrong) {
  EXPECT_THAT(errorOf(""), HasSubstr("empty"));
  EXPECT_THAT(errorOf("input\tx\tf32\t1\n"), HasSubstr("expected `accordion"));
  EXPECT_THAT(errorOf("accordion\t2\t1\n"), HasSubstr("version 2 of the runtime interface, this runtime has 1"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx\tf32\n"), HasSubstr("line 2"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx\tf31\t1\n"), HasSubstr("unknown element type `f31`"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx\tf32\t1,,2\n"), HasSubstr("empty dimension"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx\tf32\t99999999999999999999\n"), HasSubstr("not a number"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx\tf32\t-\ninput\tx\tf32\t-\n"), HasSubstr("declared twice"));
  EXPECT_THAT(errorOf("accordion\t1\t1\ninput\tx%2\tf32\t-\n"), HasSubstr("inside an escape"));
  EXPECT_THAT(errorOf("accordion\t1\t1\nweights\t-4\t0\n"), HasSubstr("`-4` is not a number"));
}

} // namespace
