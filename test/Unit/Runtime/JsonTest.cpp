//===- JsonTest.cpp - Unit tests of the JSON writer -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Json.h"
#include "Budgets.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace accordion;

namespace {

TEST(Json, QuotesAnyText) {
  EXPECT_EQ(quotedJson(""), R"("")");
  EXPECT_EQ(quotedJson("a\"b\\c/"), R"("a\"b\\c/")");
  EXPECT_EQ(quotedJson(std::string("\n\t\0\x1f\x7f", 5)), "\"\\u000a\\u0009\\u0000\\u001f\x7f\"");
  // Whole characters stay: two, three and four bytes.
  EXPECT_EQ(quotedJson("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb9"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb9\"");
}

TEST(Json, ReplacesWhatIsNotUTF8) {
  for (const char *broken : {"\x80", "\xff", "\xc3", "\xc0", "\xc1", "\xf5"})
    EXPECT_EQ(quotedJson(broken), R"("\ufffd")") << broken;
  EXPECT_EQ(quotedJson("\xe2\x82"), R"("\ufffd\ufffd")");           // cut off
  EXPECT_EQ(quotedJson("\xe0\x80\x80"), R"("\ufffd\ufffd\ufffd")"); // longer than needed
  EXPECT_EQ(quotedJson("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")"); // half of a pair
  EXPECT_EQ(quotedJson("\xc3(b"), R"("\ufffd(b")");
}

TEST(Json, WritesNestedValues) {
  JsonWriter json;
  json.beginObject().key("a").value(int64_t(-7)).key("b\n").beginArray().value("x").value(true).value(0.5);
  json.beginArray().endArray().beginObject().endObject().endArray();
  json.newLine().key("c").beginObject().key("d").value(int64_t(1)).endObject().endObject();
  EXPECT_EQ(json.text(), "{\"a\": -7, \"b\\u000a\": [\"x\", true, 0.5, [], {}],\n\"c\": {\"d\": 1}}");
}

TEST(Json, WritesNumbersThatReadBackTheSame) {
  for (double number : {0.0, -0.0, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012345678.0, -2.5}) {
    JsonWriter json;
    std::string text = json.value(number).text();
    EXPECT_EQ(parseDouble(text), number) << text;
  }
  EXPECT_EQ(doubleText(0.1), "0.1");
  EXPECT_EQ(doubleText(4096), "4096");
  JsonWriter json;
  json.beginArray().value(INFINITY).value(-INFINITY).value(std::nan("")).endArray();
  EXPECT_EQ(json.text(), "[1e999, -1e999, null]");
}

} // namespace
