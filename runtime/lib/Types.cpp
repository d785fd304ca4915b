//===- Types.cpp - Element types and shapes ---------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Types.h"

namespace accordion {

namespace {
struct TypeRow {
  const char *name;
  size_t size;
};
// In the order of AcType.
constexpr TypeRow typeTable[numTypes] = {{"f16", 2}, {"bf16", 2}, {"f32", 4}, {"f64", 8}, {"bool", 1},
                                         {"i8", 1},  {"i16", 2},  {"i32", 4}, {"i64", 8}, {"u8", 1},
                                         {"u16", 2}, {"u32", 4},  {"u64", 8}};
} // namespace

size_t typeSize(AcType type) { return isType(type) ? typeTable[type].size : 0; }

const char *typeName(AcType type) { return isType(type) ? typeTable[type].name : "unknown"; }

std::optional<AcType> typeByName(std::string_view name) {
  for (int i = 0; i < numTypes; ++i)
    if (name == typeTable[i].name)
      return static_cast<AcType>(i);
  return std::nullopt;
}

std::optional<int64_t> tensorBytes(AcType type, const int64_t *dims, int64_t rank) {
  int64_t bytes = static_cast<int64_t>(typeSize(type));
  bool empty = false;
  for (int64_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return std::nullopt;
    // An empty dimension makes the tensor empty whatever the others are, so they must not overflow the product.
    if (dims[i] == 0)
      empty = true;
    else if (__builtin_mul_overflow(bytes, dims[i], &bytes)) {
      bytes = INT64_MAX;
      for (int64_t j = i + 1; j < rank; ++j)
        empty = empty || dims[j] == 0;
      return empty ? std::optional<int64_t>(0) : std::nullopt;
    }
  }
  return empty ? 0 : bytes;
}

std::string shapeText(const int64_t *dims, int64_t rank) {
  std::string text = "[";
  for (int64_t i = 0; i < rank; ++i)
    text += (i ? ", " : "") + (dims[i] < 0 ? std::string("?") : std::to_string(dims[i]));
  return text + "]";
}

} // namespace accordion
