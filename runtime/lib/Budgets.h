//===- Budgets.h - Numbers that the user sets, and what a run counts -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_BUDGETS_H
#define AC_RUNTIME_LIB_BUDGETS_H

#include "Description.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace accordion {

/// The number that all of `text` spells as C does (`0.9`, `1e-3`, `inf`), whatever the locale.
std::optional<double> parseDouble(std::string_view text);
/// The shortest text from which the same double is read; `inf`, `-inf`, `nan`.
std::string doubleText(double value);
/// A value of a budget: a whole number without exponent for i64.
std::string budgetText(const BudgetDeclaration &budget, double value);

/// True for whole numbers that a double holds exactly, with all their neighbours.
bool isWholeNumber(double value);

/// The position of a budget. Throws a Failure that names the nearest one when there is none of this name.
size_t findBudget(const std::vector<BudgetDeclaration> &budgets, const std::string &name);
/// Throws a Failure that says what was seen and expected when a budget cannot have this value.
void checkBudget(const BudgetDeclaration &budget, double value);

/// What the counters of a run come to in floating-point operations (see ABI.h).
AcFlops countFlops(const std::vector<SiteDeclaration> &sites, const std::vector<int64_t> &counters);

} // namespace accordion
#endif // AC_RUNTIME_LIB_BUDGETS_H
