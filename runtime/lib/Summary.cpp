//===- Summary.cpp - What a person wants to see of a model and a result --*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Summary.h"

#include "Budgets.h"
#include "Failure.h"
#include "Types.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace accordion {

static double fromF16(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = exponent == 31  ? (fraction ? NAN : INFINITY)
                 : exponent == 0 ? std::ldexp(fraction, -24)
                                 : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

template <typename T> static T at(const void *data, int64_t index) {
  T value;
  memcpy(&value, static_cast<const char *>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

static double element(const AcTensor &tensor, int64_t i) {
  switch (tensor.type) {
  case AC_TYPE_F16:
    return fromF16(at<uint16_t>(tensor.data, i));
  case AC_TYPE_BF16: {
    uint32_t bits = uint32_t(at<uint16_t>(tensor.data, i)) << 16;
    return at<float>(&bits, 0);
  }
  case AC_TYPE_F32:
    return at<float>(tensor.data, i);
  case AC_TYPE_F64:
    return at<double>(tensor.data, i);
  case AC_TYPE_BOOL:
  case AC_TYPE_U8:
    return at<uint8_t>(tensor.data, i);
  case AC_TYPE_I8:
    return at<int8_t>(tensor.data, i);
  case AC_TYPE_I16:
    return at<int16_t>(tensor.data, i);
  case AC_TYPE_I32:
    return at<int32_t>(tensor.data, i);
  case AC_TYPE_I64:
    return static_cast<double>(at<int64_t>(tensor.data, i));
  case AC_TYPE_U16:
    return at<uint16_t>(tensor.data, i);
  case AC_TYPE_U32:
    return at<uint32_t>(tensor.data, i);
  case AC_TYPE_U64:
    return static_cast<double>(at<uint64_t>(tensor.data, i));
  }
  return 0;
}

static std::string elementText(const AcTensor &tensor, int64_t i) {
  if (tensor.type == AC_TYPE_BOOL)
    return at<uint8_t>(tensor.data, i) ? "true" : "false";
  if (tensor.type == AC_TYPE_I64)
    return std::to_string(at<int64_t>(tensor.data, i));
  if (tensor.type == AC_TYPE_U64)
    return std::to_string(at<uint64_t>(tensor.data, i));
  return format("%.6g", element(tensor, i));
}

std::string tensorSummary(const std::string &name, const AcTensor &tensor) {
  int64_t count =
      tensorBytes(tensor.type, tensor.dims, tensor.rank).value_or(0) / static_cast<int64_t>(typeSize(tensor.type));
  std::string text = name + "  " + typeName(tensor.type) + " " + shapeText(tensor.dims, tensor.rank) + "  ";
  constexpr int64_t shown = 6;
  for (int64_t i = 0; i < std::min(count, shown); ++i)
    text += (i ? " " : "") + elementText(tensor, i);
  if (count == 0)
    return text + "empty";
  if (count == 1)
    return text;
  int64_t numNaN = 0, least = -1, most = -1;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    double value = element(tensor, i);
    if (std::isnan(value)) {
      ++numNaN;
      continue;
    }
    sum += value;
    if (least < 0 || value < element(tensor, least))
      least = i;
    if (most < 0 || value > element(tensor, most))
      most = i;
  }
  if (count > shown)
    text += " ...";
  if (least >= 0)
    text += "  min " + elementText(tensor, least) + " max " + elementText(tensor, most) +
            format(" mean %.6g", sum / static_cast<double>(count - numNaN));
  return numNaN ? text + format("  (%lld NaN)", static_cast<long long>(numNaN)) : text;
}

static int widestName(size_t longest) { return static_cast<int>(std::min<size_t>(longest, 60)); }

static void addTensors(std::string &text, const char *title, const std::vector<TensorDeclaration> &tensors) {
  text += format("%s:\n", title);
  size_t width = 0;
  for (const TensorDeclaration &tensor : tensors)
    width = std::max(width, tensor.name.size());
  for (const TensorDeclaration &tensor : tensors)
    text += format("  %-*s  %-4s  %s\n", widestName(width), tensor.name.c_str(), typeName(tensor.type),
                   declaredShapeText(tensor).c_str());
  if (tensors.empty())
    text += "  none\n";
}

static void addBudgets(std::string &text, const std::vector<BudgetDeclaration> &budgets) {
  if (budgets.empty())
    return;
  size_t width = 0;
  for (const BudgetDeclaration &budget : budgets)
    width = std::max(width, budget.name.size());
  text += "budgets (--budget NAME=V):\n";
  for (const BudgetDeclaration &budget : budgets)
    text += format("  %-*s  %-4s  %s in [%s, %s]\n", widestName(width), budget.name.c_str(), typeName(budget.type),
                   budgetText(budget, budget.initial).c_str(), budgetText(budget, budget.least).c_str(),
                   budgetText(budget, budget.most).c_str());
}

static void addSites(std::string &text, const std::vector<SiteDeclaration> &sites) {
  if (sites.empty())
    return;
  size_t width = 0;
  for (const SiteDeclaration &site : sites)
    width = std::max(width, site.name.size());
  text += "sites (--stats=FILE.json):\n";
  for (const SiteDeclaration &site : sites) {
    text += format("  %-*s  %s:", widestName(width), site.name.c_str(), site.kind.c_str());
    for (size_t i = 0; i < site.counters.size(); ++i) {
      text += (i ? ", " : " ") + site.counters[i];
      if (site.flops[i])
        text +=
            site.flops[i] < 0 ? " (cost not known)" : format(" (%lld flops)", static_cast<long long>(site.flops[i]));
    }
    text += "\n";
  }
}

static std::string sizeText(uint64_t bytes) {
  double size = static_cast<double>(bytes);
  return bytes == 0      ? "none"
         : bytes < 10000 ? format("%.0f bytes", size)
         : size < 1e6    ? format("%.1f kB", size / 1e3)
         : size < 1e9    ? format("%.1f MB", size / 1e6)
                         : format("%.2f GB", size / 1e9);
}

std::string modelSummary(const AcModel &model) {
  const Description &description = model.artefact.description;
  std::string text;
  addTensors(text, "inputs", description.inputs);
  addTensors(text, "outputs", description.outputs);
  addBudgets(text, description.budgets);
  addSites(text, description.sites);
  text += "weights: " + sizeText(description.weightsSize);
  if (!model.artefact.weightsPath.empty())
    text += " in " + model.artefact.weightsPath;
  text += description.weightsSize
              ? format(" (xxh64 %016llx)\n", static_cast<unsigned long long>(description.weightsHash))
              : "\n";
  text += "target: " + (description.triple.empty() ? std::string("unknown") : description.triple) +
          (description.cpu.empty() ? "" : ", " + description.cpu) + "\n";
  text += "compiler: " + (description.compilerVersion.empty() ? std::string("unknown") : description.compilerVersion) +
          "\n";
  return text;
}

} // namespace accordion
