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

struct Description {
  std::string compilerVersion;
  uint64_t weightsSize = 0;
  uint64_t weightsHash = 0;
  std::string triple;
  std::string cpu;
  std::vector<std::string> features; ///< instructions that the code may use, in LLVM's names
  std::vector<TensorDeclaration> inputs;
  std::vector<TensorDeclaration> outputs;
};

/// Throws a Failure that names `origin` and the line when the text is not a description of this ABI version.
Description parseDescription(std::string_view text, const std::string &origin);

/// `[2, batch, ?]`: the declared dimensions with their symbols.
std::string declaredShapeText(const TensorDeclaration &tensor);

} // namespace accordion
#endif // AC_RUNTIME_LIB_DESCRIPTION_H
