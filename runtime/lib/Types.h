//===- Types.h - Element types and shapes -----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_TYPES_H
#define AC_RUNTIME_LIB_TYPES_H

#include "ac/Runtime/Runtime.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace accordion {

constexpr int numTypes = AC_TYPE_U64 + 1;

inline bool isType(int type) { return type >= 0 && type < numTypes; }
size_t typeSize(AcType type);
const char *typeName(AcType type);
std::optional<AcType> typeByName(std::string_view name);

/// The bytes of a dense tensor; nothing when a dimension is negative or the size does not fit 63 bits.
std::optional<int64_t> tensorBytes(AcType type, const int64_t *dims, int64_t rank);

/// `[2, 3, ?]`; `[]` for a scalar.
std::string shapeText(const int64_t *dims, int64_t rank);

} // namespace accordion
#endif // AC_RUNTIME_LIB_TYPES_H
