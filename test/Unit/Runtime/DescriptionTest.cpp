//===- DescriptionTest.cpp - Unit tests of model descriptions ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Description.h"
#include "Failure.h"

#include <gmock/gmock.h>

#include <cmath>

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
      parseDescription("accordion\t2\t0.1.0\nweights\t4096\t00ff\ntarget\tx86_64-linux-gnu\tx86-64-v4\tavx,fma\n"
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
  EXPECT_EQ(parseDescription("accordion\t2\t9\nsomething\tk\t4\n", "m.so").inputs.size(), 0u);
}

TEST(Description, ReadsBudgetsAndSites) {
  Description d = parseDescription("accordion\t2\t1\n"
                                   "budget\texit.3%09\tf32\t0.9\t-inf\t1E+3\n"
                                   "budget\tk\ti64\t2\t1\t9007199254740992\n"
                                   "site\tmlp%25\tlearner_chain\trows:0,a%2Cb:4096,c:d:-1\n"
                                   "site\tlast\texit\truns:9223372036854775807\n",
                                   "m.so");
  ASSERT_EQ(d.budgets.size(), 2u);
  EXPECT_EQ(d.budgets[0].name, "exit.3\t");
  EXPECT_EQ(d.budgets[0].type, AC_TYPE_F32);
  EXPECT_EQ(d.budgets[0].initial, 0.9);
  EXPECT_EQ(d.budgets[0].least, -INFINITY);
  EXPECT_EQ(d.budgets[0].most, 1000);
  EXPECT_EQ(d.budgets[1].type, AC_TYPE_I64);
  EXPECT_EQ(d.budgets[1].most, 9007199254740992.0);
  ASSERT_EQ(d.sites.size(), 2u);
  EXPECT_EQ(d.sites[0].name, "mlp%");
  EXPECT_EQ(d.sites[0].kind, "learner_chain");
  EXPECT_EQ(d.sites[0].counters, (std::vector<std::string>{"rows", "a,b", "c:d"}));
  EXPECT_EQ(d.sites[0].flops, (std::vector<int64_t>{0, 4096, -1}));
  EXPECT_EQ(d.sites[1].firstCounter, 3u);
  EXPECT_EQ(d.sites[1].flops, std::vector<int64_t>{INT64_MAX});
  EXPECT_EQ(d.numCounters, 4u);
}

TEST(Description, SaysWhatIsWrongWithBudgetsAndSites) {
  auto budget = [](const std::string &fields) { return errorOf("accordion\t2\t1\nbudget\t" + fields + "\n"); };
  EXPECT_THAT(budget("k\tf32\t1\t0"), HasSubstr("`budget` has 4 fields, expected 5"));
  EXPECT_THAT(budget("\tf32\t1\t0\t2"), HasSubstr("a budget has no name"));
  EXPECT_THAT(budget("k\tf64\t1\t0\t2"), HasSubstr("budget `k` has type `f64`, expected f32 or i64"));
  EXPECT_THAT(budget("k\tf32\t1,5\t0\t2"), HasSubstr("`1,5` is not a number"));
  EXPECT_THAT(budget("k\tf32\t\t0\t2"), HasSubstr("`` is not a number"));
  EXPECT_THAT(budget("k\tf32\t1\t0\t1e400"), HasSubstr("`1e400` is not a number"));
  EXPECT_THAT(budget("k\tf32\tnan\t0\t2"), HasSubstr("budget `k` is nan at first, expected a number from 0 to 2"));
  EXPECT_THAT(budget("k\tf32\t3\t0\t2"), HasSubstr("budget `k` is 3 at first, expected a number from 0 to 2"));
  EXPECT_THAT(budget("k\tf32\t1\t2\t0"), HasSubstr("expected a number from 2 to 0"));
  EXPECT_THAT(budget("k\tf32\t0\tnan\t2"), HasSubstr("expected a number from nan"));
  EXPECT_THAT(budget("k\ti64\t1.5\t0\t2"), HasSubstr("budget `k` has `1.5`, expected a whole number"));
  EXPECT_THAT(budget("k\ti64\t1\t0\tinf"), HasSubstr("budget `k` has `inf`, expected a whole number"));
  EXPECT_THAT(budget("k\ti64\t1\t0\t9007199254740994"), HasSubstr("expected a whole number"));
  EXPECT_THAT(budget("k\tf32\t1\t0\t2\nbudget\tk\ti64\t1\t0\t2"), HasSubstr("budget `k` is declared twice"));
  auto site = [](const std::string &fields) { return errorOf("accordion\t2\t1\nsite\t" + fields + "\n"); };
  EXPECT_THAT(site("s\texit"), HasSubstr("`site` has 2 fields, expected 3"));
  EXPECT_THAT(site("\texit\truns:0"), HasSubstr("a site has no name"));
  EXPECT_THAT(site("s\texit\t"), HasSubstr("site `s` has the counter `` without a cost"));
  EXPECT_THAT(site("s\texit\truns:0,,b:1"), HasSubstr("the counter `` without a cost"));
  EXPECT_THAT(site("s\texit\truns:"), HasSubstr("a number is missing"));
  EXPECT_THAT(site("s\texit\truns:-2"), HasSubstr("`-2` is not a number"));
  EXPECT_THAT(site("s\texit\truns:9223372036854775808"), HasSubstr("site `s` has a cost that is too large"));
  EXPECT_THAT(site("s\texit\truns:0\nsite\ts\tskip\truns:0"), HasSubstr("site `s` is declared twice"));
}

TEST(Description, SaysWhatIsWrong) {
  EXPECT_THAT(errorOf(""), HasSubstr("empty"));
  EXPECT_THAT(errorOf("input\tx\tf32\t1\n"), HasSubstr("expected `accordion"));
  EXPECT_THAT(errorOf("accordion\t9\t1\n"), HasSubstr("version 9 of the runtime interface, this runtime has 2"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx\tf32\n"), HasSubstr("line 2"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx\tf31\t1\n"), HasSubstr("unknown element type `f31`"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx\tf32\t1,,2\n"), HasSubstr("empty dimension"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx\tf32\t99999999999999999999\n"), HasSubstr("not a number"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx\tf32\t-\ninput\tx\tf32\t-\n"), HasSubstr("declared twice"));
  EXPECT_THAT(errorOf("accordion\t2\t1\ninput\tx%2\tf32\t-\n"), HasSubstr("inside an escape"));
  EXPECT_THAT(errorOf("accordion\t2\t1\nweights\t-4\t0\n"), HasSubstr("`-4` is not a number"));
}

} // namespace
