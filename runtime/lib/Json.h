//===- Json.h - Writes JSON -----------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_JSON_H
#define AC_RUNTIME_LIB_JSON_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace accordion {

/// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD: no reader takes them.
std::string quotedJson(std::string_view text);

/// Puts a JSON text together; commas come by themselves. Whoever calls it closes what was opened.
class JsonWriter {
public:
  JsonWriter &beginObject() { return open('{'); }
  JsonWriter &endObject() { return close('}'); }
  JsonWriter &beginArray() { return open('['); }
  JsonWriter &endArray() { return close(']'); }
  /// The name of the member whose value comes next.
  JsonWriter &key(std::string_view name);
  JsonWriter &value(std::string_view text);
  JsonWriter &value(const char *text) { return value(std::string_view(text)); }
  /// Read back as the same double. Infinity, which JSON has not, is a number that is too large, and NaN is null.
  JsonWriter &value(double number);
  JsonWriter &value(int64_t number);
  JsonWriter &value(bool truth);
  /// What follows in this object or array begins on a new line.
  JsonWriter &newLine();

  const std::string &text() const { return result; }

private:
  JsonWriter &open(char bracket);
  JsonWriter &close(char bracket);
  JsonWriter &put(std::string_view text);

  std::string result;
  /// Of each object or array that is open, whether something stands in it.
  std::vector<bool> hasItems;
  bool isAfterKey = false, wantsLine = false;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_JSON_H
