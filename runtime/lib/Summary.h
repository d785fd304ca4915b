//===- Summary.h - What a person wants to see of a model and a result --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_SUMMARY_H
#define AC_RUNTIME_LIB_SUMMARY_H

#include "Run.h"

#include <string>

namespace accordion {

/// Inputs, outputs, budgets, sites, weights and target, for `--info`.
std::string modelSummary(const AcModel &model);

/// Name, type, shape, first elements, smallest, largest and mean, in one line.
std::string tensorSummary(const std::string &name, const AcTensor &tensor);

} // namespace accordion
#endif // AC_RUNTIME_LIB_SUMMARY_H
