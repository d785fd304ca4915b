//===- Options.cpp - Flags of the command line ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Options.h"

#include "Budgets.h"
#include "Failure.h"
#include "Nearest.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace accordion {

namespace {

struct Flag {
  const char *name;
  const char *value; ///< what the help calls the value, null for a switch
  const char *help;
};

constexpr Flag flagTable[] = {
    {"inputs", "FILE.npz|DIR",
     "input tensors: an archive whose keys are the names of the inputs,\n"
     "or a folder of input_<i>.npy or input_<i>.pb"},
    {"outputs", "FILE.npz|DIR",
     "where to write the outputs; a folder gets output_<i> files of the\n"
     "format of the inputs. Without it a summary is printed"},
    {"budget", "NAME=V",
     "set the budget NAME of the model to V, as `--budget NAME=V` too;\n"
     "once for each budget (--info lists them)"},
    {"threads", "N", "number of threads (default: one per core)"},
    {"repeat", "R", "run R times after one warm-up run"},
    {"print-times", nullptr, "print one line `times_s T1 T2 ...` with the seconds of each run"},
    {"profile", "FILE.json", "write a Chrome trace of the runs"},
    {"stats", "FILE.json", "write what the runs counted: work done and avoided at each site"},
    {"weights", "FILE", "the weights file, if it is not where the model was compiled"},
    {"info", nullptr, "print inputs, outputs, budgets, sites, weights and target"},
    {"help", nullptr, "print this text"},
    {"version", nullptr, "print the version"},
};

std::string nearestFlag(const std::string &name) {
  std::vector<std::string> names;
  for (const Flag &flag : flagTable)
    names.push_back(flag.name);
  return nearestName(name, names);
}

int parseCount(const std::string &flag, const std::string &text) {
  char *end;
  long value = strtol(text.c_str(), &end, 10);
  if (text.empty() || *end || value < 1 || value > 1000000)
    fail(AC_ERROR_ARGUMENT, "--%s takes a number from 1 to 1000000, not `%s`", flag.c_str(), text.c_str());
  return static_cast<int>(value);
}

std::pair<std::string, double> parseBudget(const std::string &text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(AC_ERROR_ARGUMENT, "--budget takes NAME=V, as in --budget %s=0.5, not `%s`",
         equals == 0 ? "NAME" : text.c_str(), text.c_str());
  std::string name = text.substr(0, equals), number = text.substr(equals + 1);
  std::optional<double> value = parseDouble(number);
  if (!value)
    fail(AC_ERROR_ARGUMENT, "--budget %s: `%s` is not a number", text.c_str(), number.c_str());
  return {name, *value};
}

void setFlag(Options &options, const std::string &name, const std::string &value) {
  if (name == "inputs")
    options.inputs = value;
  else if (name == "outputs")
    options.outputs = value;
  else if (name == "profile")
    options.profile = value;
  else if (name == "stats")
    options.stats = value;
  else if (name == "budget")
    options.budgets.push_back(parseBudget(value));
  else if (name == "weights")
    options.weights = value;
  else if (name == "threads")
    options.threads = parseCount(name, value);
  else if (name == "repeat")
    options.repeat = parseCount(name, value);
  else if (name == "print-times")
    options.printTimes = true;
  else if (name == "info")
    options.info = true;
  else if (name == "help")
    options.help = true;
  else if (name == "version")
    options.version = true;
}

} // namespace

Options parseOptions(int argc, char **argv, bool takesModel) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--" && takesModel) {
      options.compileFlags.assign(argv + i + 1, argv + argc);
      break;
    }
    if (argument == "-h")
      argument = "--help";
    if (argument.size() < 2 || argument[0] != '-') {
      if (!takesModel)
        fail(AC_ERROR_ARGUMENT, "unexpected argument `%s`; inputs are given with --inputs", argument.c_str());
      if (!options.model.empty())
        fail(AC_ERROR_ARGUMENT, "two models were given, `%s` and `%s`", options.model.c_str(), argument.c_str());
      options.model = argument;
      continue;
    }
    std::string name = argument.substr(argument[1] == '-' ? 2 : 1), value;
    size_t equals = name.find('=');
    bool hasValue = equals != std::string::npos;
    if (hasValue) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Flag *flag =
        std::find_if(std::begin(flagTable), std::end(flagTable), [&](const Flag &flag) { return name == flag.name; });
    if (flag == std::end(flagTable) || argument[1] != '-')
      fail(AC_ERROR_ARGUMENT, "unknown flag `%s`, did you mean `--%s`? (--help lists all)", argument.c_str(),
           nearestFlag(name).c_str());
    if (!flag->value && hasValue)
      fail(AC_ERROR_ARGUMENT, "--%s takes no value", flag->name);
    if (flag->value && !hasValue) {
      if (++i >= argc)
        fail(AC_ERROR_ARGUMENT, "--%s needs a value: --%s=%s", flag->name, flag->name, flag->value);
      value = argv[i];
    }
    if (flag->value && value.empty())
      fail(AC_ERROR_ARGUMENT, "--%s needs a value: --%s=%s", flag->name, flag->name, flag->value);
    setFlag(options, name, value);
  }
  return options;
}

std::string helpText(const std::string &programName, bool takesModel) {
  const char *name = programName.c_str();
  std::string text;
  if (takesModel)
    text += format("usage: %s MODEL.so|MODEL.onnx [flags] [-- flags of ac-compile]\n\n"
                   "Runs a compiled model, or compiles an ONNX file first.\n\nflags:\n",
                   name);
  else
    text += format("usage: %s [flags]\n\nA compiled model, made by ac-compile.\n\nflags:\n", name);
  for (const Flag &flag : flagTable) {
    std::string left = format("  --%s%s%s", flag.name, flag.value ? "=" : "", flag.value ? flag.value : "");
    std::string help = flag.help;
    for (size_t at = 0; (at = help.find('\n', at)) != std::string::npos; at += 26)
      help.insert(at + 1, 25, ' ');
    text += format("%-24s %s\n", left.c_str(), help.c_str());
  }
  std::string model = takesModel ? " model.so" : "";
  text +=
      format("\nexamples:\n"
             "  %s%s --info\n"
             "  %s%s --inputs=feeds.npz --outputs=results.npz\n"
             "  %s%s --inputs=test_data_set_0 --outputs=out --threads=2\n"
             "  %s%s --inputs=feeds.npz --repeat=20 --print-times\n"
             "  %s%s --inputs=feeds.npz --budget exit.confidence=0.8 --stats=stats.json\n",
             name, model.c_str(), name, model.c_str(), name, model.c_str(), name, model.c_str(), name, model.c_str());
  if (takesModel)
    text += format("  %s model.onnx --inputs=feeds.npz -- --march=x86-64-v3\n", name);
  return text;
}

} // namespace accordion
