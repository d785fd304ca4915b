//===- Json.cpp - Writes JSON ---------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Json.h"

#include "Budgets.h"
#include "Failure.h"

#include <cmath>

namespace accordion {

/// The bytes of the UTF-8 character at the start of `text`, 0 where there is none.
static size_t characterLength(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned first = byte(0);
  size_t length = first < 0x80                    ? 1
                  : first >= 0xc2 && first < 0xe0 ? 2
                  : first >= 0xe0 && first < 0xf0 ? 3
                  : first >= 0xf0 && first < 0xf5 ? 4
                                                  : 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80)
      return 0;
  // Longer than needed, halves of pairs, and what is past the last character.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0) || (first == 0xf0 && byte(1) < 0x90) ||
      (first == 0xf4 && byte(1) >= 0x90))
    return 0;
  return length;
}

std::string quotedJson(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    size_t length = characterLength(text);
    char c = text[0];
    if (length == 0)
      result += "\\ufffd";
    else if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (length == 1 && static_cast<unsigned char>(c) < 0x20)
      result += format("\\u%04x", c);
    else
      result += text.substr(0, length);
    text.remove_prefix(length ? length : 1);
  }
  return result + "\"";
}

JsonWriter &JsonWriter::put(std::string_view text) {
  if (!isAfterKey && !hasItems.empty()) {
    if (hasItems.back())
      result += wantsLine ? "," : ", ";
    if (wantsLine)
      result += '\n';
    hasItems.back() = true;
    wantsLine = false;
  }
  isAfterKey = false;
  result += text;
  return *this;
}

JsonWriter &JsonWriter::open(char bracket) {
  put(std::string_view(&bracket, 1));
  hasItems.push_back(false);
  return *this;
}

JsonWriter &JsonWriter::close(char bracket) {
  if (wantsLine)
    result += '\n';
  wantsLine = false;
  hasItems.pop_back();
  result += bracket;
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
  put(quotedJson(name) + ": ");
  isAfterKey = true;
  return *this;
}

JsonWriter &JsonWriter::value(std::string_view text) { return put(quotedJson(text)); }

JsonWriter &JsonWriter::value(double number) {
  if (std::isnan(number))
    return put("null");
  if (std::isinf(number))
    return put(number < 0 ? "-1e999" : "1e999");
  return put(doubleText(number));
}

JsonWriter &JsonWriter::value(int64_t number) { return put(std::to_string(number)); }
JsonWriter &JsonWriter::value(bool truth) { return put(truth ? "true" : "false"); }

JsonWriter &JsonWriter::newLine() {
  wantsLine = true;
  return *this;
}

} // namespace accordion
