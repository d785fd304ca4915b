//===- SchemaNames.cpp - From ONNX schemas to op names --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/ONNX/Generator/SchemaNames.h"
#include <algorithm>

using ::onnx::OpSchema;
using Parameters = std::vector<OpSchema::FormalParameter>;

namespace {

const std::pair<const char *, const char *> domainPrefixes[] = {
    {"", ""},
    {"ai.onnx.ml", "ml."},
    {"ai.onnx.preview.training", "preview.training."},
    {"ai.onnx.preview", "preview."},
    {"ai.onnx.training", "training."},
};

int variadicAt(const Parameters &parameters) {
  return !parameters.empty() && parameters.back().GetOption() == OpSchema::Variadic ? parameters.size() - 1 : -1;
}

/// True if values for `old` can stand at the same positions of `current`, which keep their meaning.
bool fits(const Parameters &old, const Parameters &current) {
  if (old.size() > current.size() || variadicAt(old) != variadicAt(current))
    return false;
  for (size_t i = 0; i < old.size(); ++i) {
    if (old[i].GetName() == current[i].GetName())
      continue;
    // A parameter of another name was renamed, unless its name has moved to another position.
    if (std::any_of(current.begin(), current.end(), [&](auto &p) { return p.GetName() == old[i].GetName(); }))
      return false;
  }
  return true;
}

bool fits(const OpSchema &old, const OpSchema &current) {
  if (current.Deprecated() || !fits(old.inputs(), current.inputs()) || !fits(old.outputs(), current.outputs()))
    return false;
  for (const auto &[name, attribute] : old.attributes()) {
    auto it = current.attributes().find(name);
    if (it == current.attributes().end()) {
      if (attribute.type == ::onnx::AttributeProto::GRAPH)
        return false;
    } else if (it->second.type != attribute.type) {
      return false;
    }
  }
  return mlir::onnx::getGraphAttributes(old) == mlir::onnx::getGraphAttributes(current);
}

} // namespace

int mlir::onnx::getNewestOpset() {
  return ::onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
}

const OpSchema &mlir::onnx::getSignature(const OpSchema &schema) {
  const OpSchema *newest = ::onnx::OpSchemaRegistry::Schema(schema.Name(), schema.domain());
  return newest && fits(schema, *newest) ? *newest : schema;
}

std::string mlir::onnx::getMnemonic(const OpSchema &schema) {
  const OpSchema &signature = getSignature(schema);
  const OpSchema *newest = ::onnx::OpSchemaRegistry::Schema(schema.Name(), schema.domain());
  std::string name;
  for (auto &[domain, prefix] : domainPrefixes)
    if (domain == schema.domain())
      name = prefix;
  name += schema.Name();
  if (&signature != newest && newest && signature.SinceVersion() != newest->SinceVersion())
    name += "_v" + std::to_string(signature.SinceVersion());
  return name;
}

std::vector<std::string> mlir::onnx::getGraphAttributes(const OpSchema &schema) {
  std::vector<std::string> names;
  for (const auto &[name, attribute] : schema.attributes())
    if (attribute.type == ::onnx::AttributeProto::GRAPH)
      names.push_back(name);
  // The registry keeps attributes in a hash table; `then_branch` is written before `else_branch`.
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

bool mlir::onnx::hasVariadicInput(const OpSchema &schema) { return variadicAt(schema.inputs()) >= 0; }
bool mlir::onnx::hasVariadicOutput(const OpSchema &schema) { return variadicAt(schema.outputs()) >= 0; }

std::pair<std::string, std::string> mlir::onnx::getDomainAndOpType(const std::string &mnemonic) {
  std::string domain, name = mnemonic;
  for (auto &[candidate, prefix] : domainPrefixes) {
    std::string p = prefix;
    if (!p.empty() && mnemonic.compare(0, p.size(), p) == 0) {
      domain = candidate;
      name = mnemonic.substr(p.size());
      break;
    }
  }
  size_t version = name.rfind("_v");
  if (version != std::string::npos && name.find_first_not_of("0123456789", version + 2) == std::string::npos)
    name.resize(version);
  return {domain, name};
}
