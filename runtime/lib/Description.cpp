//===- Description.cpp - What a compiled model says of itself ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Description.h"

#include "Budgets.h"
#include "Failure.h"
#include "Types.h"
#include "ac/Runtime/ABI.h"

#include <set>

namespace accordion {

namespace {

class DescriptionParser {
public:
  DescriptionParser(std::string_view text, const std::string &origin) : rest(text), origin(origin) {}

  Description parse() {
    bool sawVersion = false;
    while (!rest.empty()) {
      std::vector<std::string_view> fields = split(takeUntil(rest, '\n'), '\t');
      ++line;
      if (fields.size() == 1 && fields[0].empty())
        continue;
      if (fields[0] == "accordion") {
        parseVersion(fields);
        sawVersion = true;
        continue;
      }
      // Everything else is only meaningful once the version of the format is known.
      if (!sawVersion)
        error("expected `accordion <abi version>` first");
      if (fields[0] == "weights")
        parseWeights(fields);
      else if (fields[0] == "target")
        parseTarget(fields);
      else if (fields[0] == "input")
        parseInput(fields);
      else if (fields[0] == "output")
        result.outputs.push_back(parseTensor(fields));
      else if (fields[0] == "budget")
        parseBudget(fields);
      else if (fields[0] == "site")
        parseSite(fields);
      // Other facts come from newer compilers of the same ABI version, which only adds what may be ignored.
    }
    if (!sawVersion)
      error("it is empty");
    return std::move(result);
  }

private:
  [[noreturn]] void error(const std::string &what) {
    fail(AC_ERROR_FILE, "`%s` is not a usable model: line %d of its description: %s", origin.c_str(), line,
         what.c_str());
  }

  static std::string_view takeUntil(std::string_view &text, char separator) {
    size_t end = text.find(separator);
    std::string_view head = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return head;
  }

  static std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (size_t begin = 0;;) {
      size_t end = text.find(separator, begin);
      parts.push_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
      if (end == std::string_view::npos)
        return parts;
      begin = end + 1;
    }
  }

  void expectFields(const std::vector<std::string_view> &fields, size_t atLeast) {
    if (fields.size() < atLeast)
      error(
          format("`%s` has %zu fields, expected %zu", std::string(fields[0]).c_str(), fields.size() - 1, atLeast - 1));
  }

  uint64_t parseNumber(std::string_view text, int base) {
    uint64_t value = 0;
    if (text.empty())
      error("a number is missing");
    for (char c : text) {
      int digit = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : 99;
      if (digit >= base || __builtin_mul_overflow(value, static_cast<uint64_t>(base), &value) ||
          __builtin_add_overflow(value, static_cast<uint64_t>(digit), &value))
        error("`" + std::string(text) + "` is not a number");
    }
    return value;
  }

  std::string unescape(std::string_view text) {
    std::string plain;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        plain += text[i];
        continue;
      }
      if (i + 2 >= text.size())
        error("`" + std::string(text) + "` ends inside an escape");
      plain += static_cast<char>(parseNumber(text.substr(i + 1, 2), 16));
      i += 2;
    }
    return plain;
  }

  void parseVersion(const std::vector<std::string_view> &fields) {
    expectFields(fields, 2);
    uint64_t version = parseNumber(fields[1], 10);
    if (version != AC_ABI_VERSION)
      fail(AC_ERROR_FILE,
           "`%s` was compiled for version %llu of the runtime interface, this runtime has %d: compile "
           "the model again",
           origin.c_str(), static_cast<unsigned long long>(version), AC_ABI_VERSION);
    if (fields.size() > 2)
      result.compilerVersion = unescape(fields[2]);
  }

  void parseWeights(const std::vector<std::string_view> &fields) {
    expectFields(fields, 3);
    result.weightsSize = parseNumber(fields[1], 10);
    result.weightsHash = parseNumber(fields[2], 16);
  }

  void parseTarget(const std::vector<std::string_view> &fields) {
    expectFields(fields, 2);
    result.triple = unescape(fields[1]);
    if (fields.size() > 2)
      result.cpu = unescape(fields[2]);
    if (fields.size() > 3)
      for (std::string_view feature : split(fields[3], ','))
        result.features.push_back(unescape(feature));
  }

  void parseInput(const std::vector<std::string_view> &fields) {
    TensorDeclaration tensor = parseTensor(fields);
    if (!inputNames.insert(tensor.name).second)
      error("input `" + tensor.name + "` is declared twice");
    result.inputs.push_back(std::move(tensor));
  }

  TensorDeclaration parseTensor(const std::vector<std::string_view> &fields) {
    expectFields(fields, 4);
    TensorDeclaration tensor;
    tensor.name = unescape(fields[1]);
    std::optional<AcType> type = typeByName(fields[2]);
    if (!type)
      error("`" + tensor.name + "` has the unknown element type `" + std::string(fields[2]) + "`");
    tensor.type = *type;
    if (fields[3] == "-")
      return tensor;
    for (std::string_view dim : split(fields[3], ',')) {
      bool isNumber = !dim.empty() && dim.find_first_not_of("0123456789") == std::string_view::npos;
      if (dim.empty())
        error("`" + tensor.name + "` has an empty dimension");
      int64_t size = -1;
      if (isNumber && (parseNumber(dim, 10) > INT64_MAX))
        error("`" + tensor.name + "` has a dimension that is too large");
      if (isNumber)
        size = static_cast<int64_t>(parseNumber(dim, 10));
      tensor.dims.push_back(size);
      tensor.symbols.push_back(isNumber || dim == "?" ? std::string() : unescape(dim));
    }
    return tensor;
  }

  void parseBudget(const std::vector<std::string_view> &fields) {
    expectFields(fields, 6);
    BudgetDeclaration budget;
    budget.name = unescape(fields[1]);
    if (budget.name.empty() || !budgetNames.insert(budget.name).second)
      error(budget.name.empty() ? "a budget has no name" : "budget `" + budget.name + "` is declared twice");
    if (fields[2] != "f32" && fields[2] != "i64")
      error("budget `" + budget.name + "` has type `" + std::string(fields[2]) + "`, expected f32 or i64");
    budget.type = fields[2] == "f32" ? AC_TYPE_F32 : AC_TYPE_I64;
    double *numbers[] = {&budget.initial, &budget.least, &budget.most};
    for (size_t i = 0; i < 3; ++i) {
      std::optional<double> number = parseDouble(fields[3 + i]);
      if (!number)
        error("`" + std::string(fields[3 + i]) + "` is not a number");
      if (budget.type == AC_TYPE_I64 && !isWholeNumber(*number))
        error("budget `" + budget.name + "` has `" + std::string(fields[3 + i]) + "`, expected a whole number");
      *numbers[i] = *number;
    }
    if (!(budget.least <= budget.initial && budget.initial <= budget.most))
      error("budget `" + budget.name + "` is " + doubleText(budget.initial) + " at first, expected a number from " +
            doubleText(budget.least) + " to " + doubleText(budget.most));
    result.budgets.push_back(std::move(budget));
  }

  void parseSite(const std::vector<std::string_view> &fields) {
    expectFields(fields, 4);
    SiteDeclaration site;
    site.name = unescape(fields[1]);
    site.kind = unescape(fields[2]);
    if (site.name.empty() || !siteNames.insert(site.name).second)
      error(site.name.empty() ? "a site has no name" : "site `" + site.name + "` is declared twice");
    for (std::string_view counter : split(fields[3], ',')) {
      size_t colon = counter.rfind(':');
      if (colon == std::string_view::npos)
        error("site `" + site.name + "` has the counter `" + std::string(counter) + "` without a cost");
      std::string_view cost = counter.substr(colon + 1);
      uint64_t flops = cost == "-1" ? 0 : parseNumber(cost, 10);
      if (flops > INT64_MAX)
        error("site `" + site.name + "` has a cost that is too large");
      site.counters.push_back(unescape(counter.substr(0, colon)));
      site.flops.push_back(cost == "-1" ? -1 : static_cast<int64_t>(flops));
    }
    site.firstCounter = result.numCounters;
    result.numCounters += site.counters.size();
    result.sites.push_back(std::move(site));
  }

  std::string_view rest;
  const std::string &origin;
  int line = 0;
  Description result;
  std::set<std::string> inputNames, budgetNames, siteNames;
};

} // namespace

Description parseDescription(std::string_view text, const std::string &origin) {
  return DescriptionParser(text, origin).parse();
}

std::string declaredShapeText(const TensorDeclaration &tensor) {
  std::string text = "[";
  for (size_t i = 0; i < tensor.dims.size(); ++i) {
    text += i ? ", " : "";
    text += tensor.dims[i] >= 0 ? std::to_string(tensor.dims[i]) : tensor.symbols[i].empty() ? "?" : tensor.symbols[i];
  }
  return text + "]";
}

} // namespace accordion
