//===- CommandLine.cpp - The command line of compiled models ----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CommandLine.h"

#include "Failure.h"
#include "File.h"
#include "Options.h"
#include "Run.h"
#include "Stats.h"
#include "Summary.h"
#include "TensorFiles.h"
#include "ac/Runtime/ABI.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>

namespace accordion {

namespace {

struct Release {
  void operator()(AcModel *model) const { model->release(); }
};

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

bool endsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string locateModel(const Program &program, const Options &options) {
  if (!program.artefact.empty())
    return program.artefact;
  if (options.model.empty())
    fail(AC_ERROR_ARGUMENT, "no model was given; --help shows examples");
  bool isSource = endsWith(options.model, ".onnx") || endsWith(options.model, ".onnxtxt") ||
                  endsWith(options.model, ".mlir");
  if (!isSource) {
    if (!options.compileFlags.empty())
      fail(AC_ERROR_ARGUMENT, "`%s` is compiled already, the flags after `--` would have no effect",
           options.model.c_str());
    return options.model;
  }
  std::error_code ignored;
  if (!std::filesystem::exists(options.model, ignored))
    fail(AC_ERROR_FILE, "there is no file `%s`", options.model.c_str());
  return program.compile(options.model, options.compileFlags);
}

std::vector<double> execute(AcRun &run, const Options &options, Stats &stats) {
  bool isTimed = options.repeat > 0 || options.printTimes;
  if (isTimed)
    run.execute();
  if (!options.profile.empty())
    run.profile = std::make_unique<Profile>();
  std::vector<double> times;
  for (int i = 0; i < std::max(options.repeat, 1); ++i) {
    double began = seconds();
    run.execute();
    times.push_back(seconds() - began);
    if (!options.stats.empty())
      stats.add(run, times.back());
  }
  return times;
}

void writeFile(const std::string &path, const std::string &text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

void runModel(AcModel &model, const Options &options) {
  if (options.inputs.empty() && !model.inputs().empty()) {
    std::string names;
    for (const TensorDeclaration &input : model.inputs())
      names += (names.empty() ? "`" : ", `") + input.name + "`";
    fail(AC_ERROR_INPUT, "the model needs input %s: give --inputs=FILE.npz with these keys, or --info for their types",
         names.c_str());
  }
  AcRun run(&model);
  for (const auto &[name, value] : options.budgets)
    run.setBudget(name, value);
  InputFiles inputs;
  if (!options.inputs.empty())
    inputs = readInputs(options.inputs, model.inputs());
  for (size_t i = 0; i < inputs.tensors.size(); ++i)
    run.setInput(static_cast<int>(i), inputs.tensors[i].view());

  // What a person knows the model by: an ONNX file was compiled to a temporary one.
  Stats stats(model, options.model.empty() ? model.path : options.model);
  std::vector<double> times = execute(run, options, stats);

  std::vector<AcTensor> outputs;
  for (size_t i = 0; i < model.outputs().size(); ++i)
    outputs.push_back(run.output(static_cast<int>(i)));
  if (!options.outputs.empty())
    writeOutputs(options.outputs, inputs.format, model.outputs(), outputs);
  if (!options.profile.empty())
    writeFile(options.profile, run.profile->json());
  if (!options.stats.empty())
    writeFile(options.stats, stats.json());
  if (options.printTimes) {
    printf("times_s");
    for (double time : times)
      printf(" %.9f", time);
    printf("\n");
  }
  if (options.outputs.empty())
    for (size_t i = 0; i < outputs.size(); ++i)
      printf("%s\n", tensorSummary(model.outputs()[i].name, outputs[i]).c_str());
}

void runProgram(const Program &program, int argc, char **argv) {
  bool takesModel = program.artefact.empty();
  Options options = parseOptions(argc, argv, takesModel);
  if (options.help) {
    std::string name = std::filesystem::path(argc > 0 ? argv[0] : "model").filename().string();
    printf("%s", helpText(name, takesModel).c_str());
    return;
  }
  if (options.version) {
    printf("accordion %s (runtime interface %d)\n", ACCORDION_VERSION, AC_ABI_VERSION);
    return;
  }
  std::unique_ptr<AcModel, Release> model(new AcModel(locateModel(program, options), options.weights, options.threads));
  if (options.info)
    printf("%s", modelSummary(*model).c_str());
  else
    runModel(*model, options);
}

} // namespace

int runCommandLine(const Program &program, int argc, char **argv) {
  try {
    runProgram(program, argc, argv);
    // A full disk behind a redirected standard output is an error as well.
    if (fflush(stdout) == 0)
      return 0;
    fprintf(stderr, "error: cannot write to the standard output\n");
  } catch (const std::bad_alloc &) {
    fprintf(stderr, "error: out of memory\n");
  } catch (const std::exception &error) {
    if (*error.what())
      fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}

} // namespace accordion
