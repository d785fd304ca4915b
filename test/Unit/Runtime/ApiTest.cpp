//===- ApiTest.cpp - Unit tests of the C API --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Fixtures.h"
#include "ac/Runtime/Runtime.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

using namespace accordion;
using testing::HasSubstr;

namespace {

/// One run of the model of Model.c with inputs of our own.
class Session {
public:
  Session(AcModel *model) { EXPECT_EQ(ac_run_create(model, &run), AC_OK) << ac_last_error(); }
  ~Session() { ac_run_destroy(run); }

  void bind(int64_t n, int64_t newMode) {
    x.resize(static_cast<size_t>(n) * 4);
    std::iota(x.begin(), x.end(), 0.f);
    z.resize(static_cast<size_t>(n) + 1);
    mode = newMode;
    xDims[0] = zDims[0] = n;
    AcTensor xTensor = {x.data(), AC_TYPE_F32, 2, xDims}, modeTensor = {&mode, AC_TYPE_I64, 0, nullptr},
             zTensor = {z.data(), AC_TYPE_F32, 1, zDims};
    ASSERT_EQ(ac_run_set_input(run, 0, &xTensor), AC_OK) << ac_last_error();
    ASSERT_EQ(ac_run_set_input(run, 1, &modeTensor), AC_OK) << ac_last_error();
    ASSERT_EQ(ac_run_set_input(run, 2, &zTensor), AC_OK) << ac_last_error();
  }
  AcStatus execute(int64_t n, int64_t mode) {
    bind(n, mode);
    return ac_run_execute(run);
  }
  void expectResult(float scale = 2) {
    AcTensor y, count;
    ASSERT_EQ(ac_run_output(run, 0, &y), AC_OK) << ac_last_error();
    ASSERT_EQ(ac_run_output(run, 1, &count), AC_OK) << ac_last_error();
    ASSERT_EQ(y.rank, 2);
    ASSERT_EQ(y.dims[0], xDims[0]);
    ASSERT_EQ(*static_cast<int64_t *>(count.data), xDims[0]);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_EQ(static_cast<float *>(y.data)[i], scale * x[i] + static_cast<float>(i % 4)) << i;
  }

  AcRun *run = nullptr;
  std::vector<float> x, z;
  int64_t mode = 0, xDims[2] = {0, 4}, zDims[1] = {0};
};

class ApiTest : public FolderTest {
protected:
  ApiTest() { EXPECT_EQ(ac_model_open(writeModel("m.so").c_str(), nullptr, 3, &model), AC_OK) << ac_last_error(); }
  ~ApiTest() override { ac_model_close(model); }

  AcModel *model = nullptr;
};

TEST_F(ApiTest, DescribesTheModel) {
  EXPECT_EQ(ac_model_num_inputs(model), 3);
  EXPECT_EQ(ac_model_num_outputs(model), 2);
  AcTensorInfo info;
  ASSERT_EQ(ac_model_input(model, 0, &info), AC_OK);
  EXPECT_STREQ(info.name, "x");
  EXPECT_EQ(info.rank, 2);
  EXPECT_EQ(info.dims[0], -1);
  EXPECT_STREQ(info.symbols[0], "n");
  EXPECT_EQ(info.symbols[1], nullptr);
  ASSERT_EQ(ac_model_input(model, 1, &info), AC_OK);
  EXPECT_STREQ(info.name, "mode\t");
  ASSERT_EQ(ac_model_output(model, 1, &info), AC_OK);
  EXPECT_EQ(info.type, AC_TYPE_I64);
  EXPECT_EQ(ac_model_input(model, 3, &info), AC_ERROR_ARGUMENT);
  EXPECT_STREQ(ac_last_error(), "there is no input 3: the model has 3");
  EXPECT_STREQ(ac_type_name(AC_TYPE_BF16), "bf16");
  EXPECT_EQ(ac_type_size(AC_TYPE_I16), 2u);
}

TEST_F(ApiTest, RunsAnyNumberOfRows) {
  Session session(model);
  for (int64_t n : {5, 0, 1, 1000, 2, 0, 77})
    for (int64_t mode : {0, 5, 6}) {
      ASSERT_EQ(session.execute(n, mode), AC_OK) << ac_last_error();
      session.expectResult();
    }
}

TEST_F(ApiTest, AllocatesNothingWhenShapesRepeat) {
  Session session(model);
  ASSERT_EQ(session.execute(100000, 0), AC_OK);
  ASSERT_EQ(session.execute(100000, 0), AC_OK);
  AcTensor first, again;
  AcStatistics before, after;
  ac_run_output(session.run, 0, &first);
  ac_run_statistics(session.run, &before);
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(session.execute(100000, 0), AC_OK);
  ac_run_output(session.run, 0, &again);
  ac_run_statistics(session.run, &after);
  EXPECT_EQ(before.system_allocations, after.system_allocations);
  EXPECT_GE(after.peak_bytes, 1600000);
  EXPECT_EQ(first.data, again.data);
  session.expectResult();
}

TEST_F(ApiTest, ReportsErrorsOfTheModelAndGoesOn) {
  struct {
    int64_t mode;
    AcStatus status;
    const char *text;
  } cases[] = {
      {1, AC_ERROR_MODEL, "node `Add_1` (Add): shapes [2] and [3] do not agree"},
      {2, AC_ERROR_MODEL, "node `Gather_3` (Gather): index 9 is not in [0, 4)"},
      {3, AC_ERROR_MEMORY, "out of memory: the model needs 35184372088832 bytes more"},
      {4, AC_ERROR_MODEL, "without its output `count`"},
      {7, AC_ERROR_MODEL, "status 17"},
      {8, AC_ERROR_MODEL, "asked for output 0"},
      {9, AC_ERROR_MODEL, "node `Gather_4`"},
      {10, AC_ERROR_MEMORY, "out of memory"},
      {11, AC_ERROR_MEMORY, "out of memory"},
  };
  Session session(model);
  for (int repeat = 0; repeat < 20; ++repeat)
    for (auto &c : cases) {
      EXPECT_EQ(session.execute(40, c.mode), c.status) << c.mode;
      EXPECT_THAT(ac_last_error(), HasSubstr(c.text));
      AcTensor y;
      EXPECT_EQ(ac_run_output(session.run, 0, &y), AC_ERROR_ARGUMENT);
      ASSERT_EQ(session.execute(40, 0), AC_OK) << ac_last_error();
      session.expectResult();
    }
}

TEST_F(ApiTest, ChecksInputs) {
  Session session(model);
  EXPECT_EQ(ac_run_execute(session.run), AC_ERROR_INPUT);
  EXPECT_STREQ(ac_last_error(), "no value was given for input `x`, `mode\t`, `z`");
  float data[64] = {};
  int64_t dims[3] = {5, 4, 1};
  auto set = [&](int index, AcTensor tensor) {
    AcStatus status = ac_run_set_input(session.run, index, &tensor);
    return std::to_string(status) + " " + (status ? ac_last_error() : "");
  };
  EXPECT_EQ(set(0, {data, AC_TYPE_F64, 2, dims}), "2 input `x` has element type f64, expected f32");
  EXPECT_EQ(set(0, {data, AC_TYPE_F32, 3, dims}), "2 input `x` has rank 3 (shape [5, 4, 1]), expected rank 2 ([n, 4])");
  dims[1] = 3;
  EXPECT_EQ(set(0, {data, AC_TYPE_F32, 2, dims}),
            "2 input `x` has size 3 in dimension 1 (shape [5, 3]), expected 4 ([n, 4])");
  dims[1] = 4, dims[0] = -2;
  EXPECT_THAT(set(0, {data, AC_TYPE_F32, 2, dims}), HasSubstr("negative size -2"));
  dims[0] = int64_t(1) << 62;
  EXPECT_THAT(set(0, {data, AC_TYPE_F32, 2, dims}), HasSubstr("larger than any memory"));
  dims[0] = 5;
  EXPECT_THAT(set(0, {nullptr, AC_TYPE_F32, 2, dims}), HasSubstr("no data"));
  EXPECT_THAT(set(0, {data, AC_TYPE_F32, 2, nullptr}), HasSubstr("no dimensions"));
  EXPECT_THAT(set(0, {reinterpret_cast<char *>(data) + 1, AC_TYPE_F32, 2, dims}), HasSubstr("not aligned"));
  EXPECT_THAT(set(7, {data, AC_TYPE_F32, 2, dims}), HasSubstr("there is no input 7"));

  session.bind(5, 0);
  int64_t six = 6;
  AcTensor z = {data, AC_TYPE_F32, 1, &six};
  ASSERT_EQ(ac_run_set_input(session.run, 2, &z), AC_OK);
  EXPECT_EQ(ac_run_execute(session.run), AC_ERROR_INPUT);
  EXPECT_STREQ(ac_last_error(), "input `z` has size 6 in dimension 0 (`n`), expected 5 as in dimension 0 of input `x`");
}

TEST_F(ApiTest, WritesToTheCallersBuffer) {
  Session session(model);
  std::vector<float> buffer(40);
  ASSERT_EQ(ac_run_set_output(session.run, 0, buffer.data(), buffer.size() * 4), AC_OK);
  ASSERT_EQ(session.execute(10, 0), AC_OK);
  AcTensor y;
  ASSERT_EQ(ac_run_output(session.run, 0, &y), AC_OK);
  EXPECT_EQ(y.data, buffer.data());
  session.expectResult();
  EXPECT_EQ(session.execute(11, 0), AC_ERROR_OUTPUT);
  EXPECT_STREQ(ac_last_error(), "output `y` needs 176 bytes, the buffer given for it has 160");
  ASSERT_EQ(ac_run_set_output(session.run, 0, nullptr, 0), AC_OK);
  ASSERT_EQ(session.execute(11, 0), AC_OK);
  session.expectResult();
  EXPECT_EQ(ac_run_set_output(session.run, 0, reinterpret_cast<char *>(buffer.data()) + 2, 8), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_set_output(session.run, 2, buffer.data(), 8), AC_ERROR_ARGUMENT);
}

TEST_F(ApiTest, ChecksTheDeclaredShapeForTheCallersBuffer) {
  Session session(model);
  int64_t count = 0;
  ASSERT_EQ(ac_run_set_output(session.run, 1, &count, sizeof(count)), AC_OK);
  ASSERT_EQ(session.execute(7, 0), AC_OK);
  EXPECT_EQ(count, 7);
  EXPECT_EQ(session.execute(7, 12), AC_ERROR_OUTPUT);
  EXPECT_STREQ(ac_last_error(), "output `count` does not have the shape that the model declares for it");
  ASSERT_EQ(ac_run_set_output(session.run, 1, nullptr, 0), AC_OK);
  ASSERT_EQ(session.execute(7, 12), AC_OK);
  AcTensor tensor;
  ASSERT_EQ(ac_run_output(session.run, 1, &tensor), AC_OK);
  EXPECT_EQ(tensor.rank, 1);
}

TEST_F(ApiTest, RunsOnSeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Session session(model);
      for (int i = 0; i < 300; ++i) {
        int64_t n = (i * 7 + t * 31) % 200;
        int64_t mode = i % 5 == 0 ? 2 : i % 5 == 1 ? 5 : i % 5 == 2 ? 9 : i % 5 == 3 ? 6 : 0;
        AcStatus status = session.execute(n, mode);
        if ((mode == 2 && n > 5) || (mode == 9 && n > 2)) {
          ASSERT_EQ(status, AC_ERROR_MODEL);
          ASSERT_THAT(ac_last_error(), HasSubstr(mode == 2 ? "Gather_3" : "Gather_4"));
          continue;
        }
        ASSERT_EQ(status, AC_OK) << ac_last_error();
        session.expectResult();
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(ApiTest, DescribesBudgetsAndSites) {
  ASSERT_EQ(ac_model_num_budgets(model), 2);
  AcBudgetInfo budget;
  ASSERT_EQ(ac_model_budget(model, 1, &budget), AC_OK);
  EXPECT_STREQ(budget.name, "exit/steps");
  EXPECT_EQ(budget.type, AC_TYPE_I64);
  EXPECT_EQ(budget.initial, 2);
  EXPECT_EQ(budget.least, 0);
  EXPECT_EQ(budget.most, 100);
  EXPECT_EQ(ac_model_budget(model, 2, &budget), AC_ERROR_ARGUMENT);
  EXPECT_STREQ(ac_last_error(), "there is no budget 2: the model has 2");
  ASSERT_EQ(ac_model_num_sites(model), 2);
  AcSiteInfo site;
  ASSERT_EQ(ac_model_site(model, 0, &site), AC_OK);
  EXPECT_STREQ(site.name, "mlp\t");
  EXPECT_STREQ(site.kind, "learner_chain");
  ASSERT_EQ(site.num_counters, 3);
  EXPECT_STREQ(site.counters[2], "second,");
  EXPECT_EQ(site.flops[1], 100);
  EXPECT_EQ(ac_model_site(model, -1, &site), AC_ERROR_ARGUMENT);
}

TEST_F(ApiTest, SetsBudgetsOfOneRun) {
  Session session(model), other(model);
  double value = 0;
  ASSERT_EQ(ac_run_get_budget(session.run, "gain", &value), AC_OK);
  EXPECT_EQ(value, 1);
  ASSERT_EQ(ac_run_set_budget(session.run, "gain", -3), AC_OK);
  ASSERT_EQ(session.execute(5, 0), AC_OK);
  AcTensor y;
  ASSERT_EQ(ac_run_output(session.run, 0, &y), AC_OK);
  EXPECT_EQ(static_cast<float *>(y.data)[5], -33);
  ASSERT_EQ(other.execute(5, 0), AC_OK);
  other.expectResult();

  auto set = [&](const char *name, double number) {
    EXPECT_EQ(ac_run_set_budget(session.run, name, number), AC_ERROR_INPUT);
    return std::string(ac_last_error());
  };
  EXPECT_EQ(set("gian", 1), "the model has no budget `gian`, did you mean `gain`?");
  EXPECT_EQ(set("exit.step", 1), "the model has no budget `exit.step`, did you mean `exit/steps`?");
  EXPECT_EQ(set("gain", 10.5), "budget `gain` was given 10.5, expected a number from -10 to 10");
  EXPECT_EQ(set("gain", NAN), "budget `gain` was given nan, expected a number from -10 to 10");
  EXPECT_EQ(set("gain", -INFINITY), "budget `gain` was given -inf, expected a number from -10 to 10");
  EXPECT_EQ(set("exit/steps", 2.5), "budget `exit/steps` was given 2.5, expected a whole number from 0 to 100");
  EXPECT_EQ(set("exit/steps", 101), "budget `exit/steps` was given 101, expected a whole number from 0 to 100");
  ASSERT_EQ(ac_run_get_budget(session.run, "gain", &value), AC_OK);
  EXPECT_EQ(value, -3);
  EXPECT_EQ(ac_run_get_budget(session.run, "steps", &value), AC_ERROR_INPUT);
}

TEST_F(ApiTest, CountsEachExecutionFromZero) {
  Session session(model);
  int64_t counts[3];
  AcFlops flops;
  EXPECT_EQ(ac_run_counters(session.run, 0, counts), AC_ERROR_ARGUMENT);
  EXPECT_STREQ(ac_last_error(), "nothing was counted: the last execution failed or there was none");
  for (int repeat = 0; repeat < 3; ++repeat) {
    ASSERT_EQ(session.execute(5, 0), AC_OK);
    ASSERT_EQ(ac_run_counters(session.run, 0, counts), AC_OK);
    EXPECT_THAT(counts, testing::ElementsAre(5, 2, 1));
  }
  ASSERT_EQ(ac_run_counters(session.run, 1, counts), AC_OK);
  EXPECT_EQ(counts[0], 1);
  ASSERT_EQ(ac_run_flops(session.run, &flops), AC_OK);
  EXPECT_EQ(flops.done, 2 * 100 + 1 * 7);
  EXPECT_EQ(flops.avoided, 3 * 100 + 4 * 7);
  EXPECT_TRUE(flops.unknown);
  ASSERT_EQ(ac_run_set_budget(session.run, "exit/steps", 100), AC_OK);
  ASSERT_EQ(session.execute(5, 0), AC_OK);
  ASSERT_EQ(ac_run_counters(session.run, 0, counts), AC_OK);
  EXPECT_THAT(counts, testing::ElementsAre(5, 5, 1));
  EXPECT_EQ(ac_run_counters(session.run, 2, counts), AC_ERROR_ARGUMENT);
  // A run that fails has counted before, which nobody sees.
  for (int64_t mode : {1, 2, 7}) {
    EXPECT_EQ(session.execute(40, mode), AC_ERROR_MODEL);
    EXPECT_EQ(ac_run_counters(session.run, 0, counts), AC_ERROR_ARGUMENT);
    EXPECT_EQ(ac_run_flops(session.run, &flops), AC_ERROR_ARGUMENT);
  }
  ASSERT_EQ(session.execute(0, 0), AC_OK);
  ASSERT_EQ(ac_run_counters(session.run, 0, counts), AC_OK);
  EXPECT_THAT(counts, testing::ElementsAre(0, 0, 0));
}

TEST_F(ApiTest, KeepsTheModelForItsRuns) {
  AcModel *other = nullptr;
  ASSERT_EQ(ac_model_open(writeModel("n.so", "", "", TEST_MODEL_TRIPLE).c_str(), nullptr, 1, &other), AC_OK);
  Session session(other);
  ac_model_close(other);
  ASSERT_EQ(session.execute(5, 0), AC_OK);
  session.expectResult(3);
}

TEST_F(ApiTest, SurvivesNullPointers) {
  AcModel *none = nullptr;
  AcTensor tensor;
  EXPECT_EQ(ac_model_open(nullptr, nullptr, 1, &none), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_model_open("m.so", nullptr, 1, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_create(nullptr, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_execute(nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_output(nullptr, 0, &tensor), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_model_num_budgets(nullptr), 0);
  EXPECT_EQ(ac_model_num_sites(nullptr), 0);
  EXPECT_EQ(ac_model_budget(model, 0, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_model_site(nullptr, 0, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_set_budget(nullptr, "gain", 1), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_get_budget(nullptr, "gain", nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_counters(nullptr, 0, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_run_flops(nullptr, nullptr), AC_ERROR_ARGUMENT);
  EXPECT_EQ(ac_model_open(at("missing.so").c_str(), nullptr, 1, &none), AC_ERROR_FILE);
  EXPECT_EQ(none, nullptr);
  ac_model_close(nullptr);
  ac_run_destroy(nullptr);
}

} // namespace
