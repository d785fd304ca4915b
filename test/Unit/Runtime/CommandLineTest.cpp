//===- CommandLineTest.cpp - Unit tests of the command line -----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CommandLine.h"
#include "Fixtures.h"
#include "Npy.h"
#include "Npz.h"

#include <gmock/gmock.h>

using namespace accordion;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class CommandLineTest : public FolderTest {
protected:
  CommandLineTest() {
    writeModel("m.so");
    HostTensor x = makeTensor(AC_TYPE_F32, {5, 4}, UINT64_MAX, "x"), z = makeTensor(AC_TYPE_F32, {5}, UINT64_MAX, "z");
    HostTensor mode = makeTensor(AC_TYPE_I64, {}, UINT64_MAX, "mode");
    for (int i = 0; i < 20; ++i)
      reinterpret_cast<float *>(x.data.data())[i] = static_cast<float>(i);
    for (int64_t value : {0, 1}) {
      *reinterpret_cast<int64_t *>(mode.data.data()) = value;
      AtomicFile out(at("mode" + std::to_string(value) + ".npz"));
      writeNpz(out, {{"x", x.view()}, {"mode\t", mode.view()}, {"z", z.view()}});
      out.commit();
    }
  }

  int run(std::vector<std::string> words) {
    words.insert(words.begin(), "ac-run");
    std::vector<char *> arguments;
    for (std::string &word : words)
      arguments.push_back(&word[0]);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int status = runCommandLine(program, static_cast<int>(arguments.size()), arguments.data());
    output = testing::internal::GetCapturedStdout();
    error = testing::internal::GetCapturedStderr();
    return status;
  }
  void expectError(std::vector<std::string> words, const std::string &part) {
    EXPECT_EQ(run(words), 1);
    EXPECT_THAT(error, AllOf(StartsWith("error: "), HasSubstr(part)));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1);
    EXPECT_EQ(output, "");
  }

  Program program;
  std::string output, error;
};

TEST_F(CommandLineTest, WritesOutputsWhereAsked) {
  EXPECT_EQ(run({at("m.so"), "--inputs=" + at("mode0.npz"), "--outputs", at("out.npz"), "--threads=2"}), 0) << error;
  NpzReader archive(at("out.npz"));
  EXPECT_EQ(reinterpret_cast<float *>(archive.read("y").data.data())[5], 11);
  EXPECT_EQ(run({at("m.so"), "--inputs=" + at("mode0.npz"), "--outputs", at("out")}), 0) << error;
  EXPECT_EQ(readNpyFile(at("out/output_0.npy")).dims, (std::vector<int64_t>{5, 4}));
}

TEST_F(CommandLineTest, SummarizesForPeople) {
  EXPECT_EQ(run({"--inputs", at("mode0.npz"), at("m.so")}), 0) << error;
  EXPECT_EQ(output, "y  f32 [5, 4]  0 3 6 9 8 11 ...  min 0 max 41 mean 20.5\ncount  i64 []  5\n");
  EXPECT_EQ(run({at("m.so"), "--info"}), 0);
  EXPECT_THAT(output, AllOf(HasSubstr("x      f32   [n, 4]"), HasSubstr("weights: 16 bytes")));
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(output, AllOf(HasSubstr("usage: ac-run MODEL"), HasSubstr("examples:")));
  EXPECT_EQ(run({"--version"}), 0);
}

TEST_F(CommandLineTest, PrintsTimes) {
  EXPECT_EQ(run({at("m.so"), "--inputs", at("mode0.npz"), "--repeat=3", "--print-times", "--profile", at("p.json")}),
            0);
  EXPECT_THAT(output, testing::MatchesRegex("times_s [0-9.]+ [0-9.]+ [0-9.]+\n(.|\n)*"));
  EXPECT_THAT(get("p.json"), AllOf(StartsWith("{"), HasSubstr("\"name\": \"Add_0\"")));
}

TEST_F(CommandLineTest, SetsBudgets) {
  std::string inputs = "--inputs=" + at("mode0.npz");
  EXPECT_EQ(run({at("m.so"), inputs, "--budget", "gain=-1e1", "--budget=exit/steps=3"}), 0) << error;
  EXPECT_THAT(output, StartsWith("y  f32 [5, 4]  -0 -30 -60 -90 -80 -110"));
  // Of two values the later counts, so that a script can have a default.
  EXPECT_EQ(run({at("m.so"), inputs, "--budget=gain=7", "--budget=gain=2"}), 0) << error;
  EXPECT_THAT(output, StartsWith("y  f32 [5, 4]  0 6 12"));
  EXPECT_EQ(run({at("m.so"), "--info"}), 0);
  EXPECT_THAT(output, AllOf(HasSubstr("  gain        f32   1 in [-10, 10]\n  exit/steps  i64   2 in [0, 100]\n"),
                            HasSubstr("  mlp\t  learner_chain: rows, first (100 flops), second, (7 flops)\n"
                                      "  last  exit: runs, taken (cost not known)\n")));
}

TEST_F(CommandLineTest, WritesStats) {
  EXPECT_EQ(run({at("m.so"), "--inputs=" + at("mode0.npz"), "--stats", at("s.json"), "--repeat=2", "--threads=2",
                 "--budget", "gain=0.1"}),
            0)
      << error;
  std::string text = get("s.json");
  std::string model = R"("model": ")" + at("m.so") + R"(", "threads": 2,)";
  EXPECT_THAT(text, AllOf(StartsWith(R"({"accordion": ")"), HasSubstr(model)));
  EXPECT_THAT(text,
              HasSubstr(R"({"name": "mlp\u0009", "kind": "learner_chain", "counters": ["rows", "first", "second,"], )"
                        R"("flops": [0, 100, 7]})"));
  std::string one = R"("budgets": {"gain": 0.1, "exit/steps": 2}, "sites": {"mlp\u0009": [5, 2, 1], "last": [1, 0]}, )"
                    R"("flops_done": 207, "flops_avoided": 328, "flops_unknown": true})";
  size_t first = text.find(one);
  ASSERT_NE(first, std::string::npos) << text;
  // The warm-up run is not among them.
  size_t second = text.find(one, first + 1);
  ASSERT_NE(second, std::string::npos) << text;
  EXPECT_EQ(text.find(one, second + 1), std::string::npos);
  EXPECT_THAT(text, testing::EndsWith(R"("totals": {"flops_done": 414, "flops_avoided": 656, "flops_unknown": true}})"
                                      "\n"));
  expectError({at("m.so"), "--inputs", at("mode1.npz"), "--stats", at("none.json")}, "node `Add_1` (Add)");
  EXPECT_FALSE(std::filesystem::exists(at("none.json")));
  expectError({at("m.so"), "--inputs", at("mode0.npz"), "--stats", at("none/s.json")}, "cannot write");
}

TEST_F(CommandLineTest, SaysWhatIsWrongWithBudgets) {
  std::string model = at("m.so"), inputs = "--inputs=" + at("mode0.npz");
  expectError({model, inputs, "--budget"}, "--budget needs a value: --budget=NAME=V");
  expectError({model, inputs, "--budget", "gain"}, "--budget takes NAME=V, as in --budget gain=0.5, not `gain`");
  expectError({model, inputs, "--budget", "=1"}, "--budget takes NAME=V, as in --budget NAME=0.5, not `=1`");
  for (const char *number : {"", "x", "1x", " 1", "1 ", "0x10", "1,5", "1e999", "--1"})
    expectError({model, inputs, std::string("--budget=gain=") + number},
                std::string("`") + number + "` is not a number");
  expectError({model, inputs, "--budget=gain=nan"}, "budget `gain` was given nan, expected a number from -10 to 10");
  expectError({model, inputs, "--budget=gain=inf"}, "budget `gain` was given inf");
  expectError({model, inputs, "--budget=exit/steps=1.5"}, "was given 1.5, expected a whole number from 0 to 100");
  expectError({model, inputs, "--budget=exit/step=1"}, "no budget `exit/step`, did you mean `exit/steps`?");
}

TEST_F(CommandLineTest, SaysWhatIsWrongInOneLine) {
  std::string model = at("m.so"), inputs = "--inputs=" + at("mode0.npz");
  expectError({}, "no model was given");
  expectError({model}, "the model needs input `x`, `mode\t`, `z`: give --inputs");
  expectError({model, "--input=a"}, "unknown flag `--input=a`, did you mean `--inputs`?");
  expectError({model, "--print-time"}, "did you mean `--print-times`?");
  expectError({model, "--threads=0"}, "--threads takes a number");
  expectError({model, "--threads"}, "--threads needs a value");
  expectError({model, "--info=1"}, "takes no value");
  expectError({model, "other.so"}, "two models");
  expectError({model, inputs, "--", "--march=native"}, "compiled already");
  expectError({at("none.so"), inputs}, "cannot open");
  expectError({at("none.onnx")}, "there is no file");
  expectError({model, "--inputs", at("none.npz")}, "none.npz");
  expectError({model, "--inputs", at("mode1.npz"), "--outputs", at("out.npz")}, "node `Add_1` (Add)");
  EXPECT_FALSE(std::filesystem::exists(at("out.npz")));
  expectError({model, inputs, "--outputs", at("none/out.npz")}, "cannot write");
}

TEST_F(CommandLineTest, IsThatOfExecutables) {
  std::string path = writeModel("program", TEST_LAUNCHER);
  std::string command = path + " --inputs=" + at("mode0.npz") + " --outputs=" + at("out.npz");
  EXPECT_EQ(system(command.c_str()), 0);
  EXPECT_TRUE(NpzReader(at("out.npz")).contains("count"));
  // Started by name from another folder, it still finds itself.
  EXPECT_EQ(system(("cd " + folder + " && PATH=. program --info > info").c_str()), 0);
  EXPECT_THAT(get("info"), HasSubstr("compiler: 0.1.0"));
  EXPECT_NE(system((path + " 2> " + at("error")).c_str()), 0);
  EXPECT_THAT(get("error"), StartsWith("error: the model needs input"));
}

} // namespace
