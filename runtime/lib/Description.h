//===- Description.h - What a compiled model says of itself -----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The text format is described in ac/Runtime/ABI.h.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_DESCRIPTION_H
#define AC_RUNTIME_LIB_DESCRIPTION_H

#include "ac/Runtime/Runtime.h"

#include <string>
#include <string_view>
#include <vector>

namespace accordion {

struct TensorDeclaration {
  std::string name;
  AcType type = AC_TYPE_F32;
  std::vector<int64_t> dims;        ///< -1 where only known at run time
  std::vector<std::string> symbols; ///< one per dimension, empty where there is none
};

/// A number that the user sets for a run.
struct BudgetDeclaration {
  std::string name;
  AcType type = AC_TYPE_F32; ///< or AC_TYPE_I64
  double initial = 0, least = 0, most = 0;
};

/// A place in the model that decides how much is computed.
struct SiteDeclaration {
  std::string name, kind;
  std::vector<std::string> counters;
  std::vector<int64_t> flops; ///< what one unit of each counter costs; -1 where it is not known
  size_t firstCounter = 0;    ///< where its counters begin among those of the model
};

struct Description {
  std::string compilerVersion;
  uint64_t weightsSize = 0;
  uint64_t weightsHash = 0;
  std::string triple;
  std::string cpu;
  std::vector<std::string> features; ///< instructions that the code may use, in LLVM's names
  std::vector<TensorDeclaration> inputs;
  std::vector<TensorDeclaration> outputs;
  std::vector<BudgetDeclaration> budgets;
  std::vector<SiteDeclaration> sites;
  size_t numCounters = 0;
};

/// Throws a Failure that names `origin` and the line when the text is not a description of this ABI version.
Description parseDescription(std::string_view text, const std::string &origin);

/// `[2, batch, ?]`: the declared dimensions with their symbols.
std::string declaredShapeText(const TensorDeclaration &tensor);

} // namespace accordion
#endif // AC_RUNTIME_LIB_DESCRIPTION_H
