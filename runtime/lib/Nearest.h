//===- Nearest.h - What somebody may have meant ----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_NEAREST_H
#define AC_RUNTIME_LIB_NEAREST_H

#include <string>
#include <vector>

namespace accordion {

/// The one of `names`, which is not empty, that takes the fewest letters to change into `name`.
std::string nearestName(const std::string &name, const std::vector<std::string> &names);

} // namespace accordion
#endif // AC_RUNTIME_LIB_NEAREST_H
