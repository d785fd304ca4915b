//===- Stats.h - What measured runs did and avoided ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_STATS_H
#define AC_RUNTIME_LIB_STATS_H

#include "Run.h"

#include <string>
#include <vector>

namespace accordion {

/// The budgets and counters of several runs of one model, for `--stats`. docs/runtime.md has the format.
class Stats {
public:
  /// `name` is what the user calls the model.
  Stats(const AcModel &model, std::string name) : model(model), name(std::move(name)) {}

  /// Notes the last execution of `run`, which took so long.
  void add(const AcRun &run, double seconds);
  std::string json() const;

private:
  struct Entry {
    double seconds;
    std::vector<double> budgets;
    std::vector<int64_t> counters;
    AcFlops flops;
  };

  const AcModel &model;
  std::string name;
  std::vector<Entry> entries;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_STATS_H
