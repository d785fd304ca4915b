//===- Budgets.cpp - Numbers that the user sets, and what a run counts -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Budgets.h"

#include "Failure.h"
#include "Nearest.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace accordion {

std::optional<double> parseDouble(std::string_view text) {
  double value;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::string doubleText(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  for (int digits : {15, 16}) {
    std::string text = format("%.*g", digits, value);
    if (strtod(text.c_str(), nullptr) == value)
      return text;
  }
  return format("%.17g", value);
}

std::string budgetText(const BudgetDeclaration &budget, double value) {
  return budget.type == AC_TYPE_I64 && isWholeNumber(value) ? format("%.0f", value) : doubleText(value);
}

bool isWholeNumber(double value) { return std::trunc(value) == value && std::fabs(value) <= 9007199254740992.0; }

size_t findBudget(const std::vector<BudgetDeclaration> &budgets, const std::string &name) {
  std::vector<std::string> names;
  for (size_t i = 0; i < budgets.size(); ++i) {
    if (budgets[i].name == name)
      return i;
    names.push_back(budgets[i].name);
  }
  if (names.empty())
    fail(AC_ERROR_INPUT, "the model has no budgets, `%s` cannot be set or read", name.c_str());
  fail(AC_ERROR_INPUT, "the model has no budget `%s`, did you mean `%s`?", name.c_str(),
       nearestName(name, names).c_str());
}

void checkBudget(const BudgetDeclaration &budget, double value) {
  bool isWhole = budget.type == AC_TYPE_I64;
  // NaN is in no range.
  if (value >= budget.least && value <= budget.most && (!isWhole || isWholeNumber(value)))
    return;
  fail(AC_ERROR_INPUT, "budget `%s` was given %s, expected a %s from %s to %s", budget.name.c_str(),
       doubleText(value).c_str(), isWhole ? "whole number" : "number", budgetText(budget, budget.least).c_str(),
       budgetText(budget, budget.most).c_str());
}

AcFlops countFlops(const std::vector<SiteDeclaration> &sites, const std::vector<int64_t> &counters) {
  AcFlops result = {0, 0, 0};
  for (const SiteDeclaration &site : sites) {
    double opportunities = static_cast<double>(counters[site.firstCounter]);
    for (size_t i = 1; i < site.counters.size(); ++i) {
      double taken = static_cast<double>(counters[site.firstCounter + i]), cost = static_cast<double>(site.flops[i]);
      if (cost < 0) {
        result.unknown |= taken != 0 || opportunities != 0;
        continue;
      }
      result.done += taken * cost;
      result.avoided += (opportunities - taken) * cost;
    }
  }
  return result;
}

} // namespace accordion
