//===- Generator.cpp - Prints the onnx dialect's ops as TableGen ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: accordion-gen-onnx SHARDS FOLDER
//
// Writes FOLDER/ONNXOps<i>.td. Every op has the operator's full list of operands and results; an absent one has type
// `none`. An attribute's accessor answers the schema's default where all versions that share the op agree on it.
//
//===----------------------------------------------------------------------===//

#include "dialects/ONNX/Generator/SchemaNames.h"
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

using namespace mlir::onnx;
using ::onnx::AttributeProto;
using ::onnx::OpSchema;

namespace {

const std::set<std::string> randomOps = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
                                         "Bernoulli",    "Multinomial",      "Dropout"};

const char *attributeKind(AttributeProto::AttributeType type) {
  switch (type) {
  case AttributeProto::FLOAT:
    return "ONNX_FloatAttr";
  case AttributeProto::INT:
    return "ONNX_IntAttr";
  case AttributeProto::STRING:
    return "StrAttr";
  case AttributeProto::TENSOR:
    return "ElementsAttr";
  case AttributeProto::TYPE_PROTO:
    return "TypeAttr";
  case AttributeProto::FLOATS:
    return "DenseF32ArrayAttr";
  case AttributeProto::INTS:
    return "DenseI64ArrayAttr";
  case AttributeProto::STRINGS:
    return "StrArrayAttr";
  case AttributeProto::SPARSE_TENSOR:
    return "DictionaryAttr";
  default:
    return "ArrayAttr";
  }
}

/// The C++ expression of an attribute's default, or nothing.
std::string defaultOf(const OpSchema::Attribute &attribute) {
  const AttributeProto &value = attribute.default_value;
  if (attribute.required || value.name().empty())
    return "";
  std::ostringstream text;
  switch (attribute.type) {
  case AttributeProto::INT:
    text << value.i();
    if (value.i() > INT32_MAX || value.i() < INT32_MIN)
      return "";
    return text.str();
  case AttributeProto::FLOAT:
    text.precision(9);
    text << std::showpoint << value.f() << "f";
    return text.str();
  case AttributeProto::STRING:
    if (value.s().find_first_of("\"\\\n") != std::string::npos)
      return "";
    return "\\\"" + value.s() + "\\\"";
  default:
    return "";
  }
}

std::string className(const std::string &mnemonic) {
  auto [domain, name] = getDomainAndOpType(mnemonic);
  std::string prefix;
  if (domain == "ai.onnx.ml")
    prefix = "ML";
  else if (!domain.empty())
    prefix = domain == "ai.onnx.preview" ? "Preview" : domain == "ai.onnx.training" ? "Training" : "PreviewTraining";
  size_t dot = mnemonic.rfind('.');
  return prefix + (dot == std::string::npos ? mnemonic : mnemonic.substr(dot + 1)) + "Op";
}

/// A name for an operand or result that clashes with nothing, also after its accessor's capital letter.
std::string uniqueName(std::string name, std::set<std::string> &used, const char *suffix) {
  for (char &c : name)
    if (!isalnum(static_cast<unsigned char>(c)))
      c = '_';
  auto key = [](std::string s) {
    s.erase(std::remove(s.begin(), s.end(), '_'), s.end());
    if (!s.empty())
      s[0] = toupper(s[0]);
    return s;
  };
  static const std::set<std::string> taken = {"Operation",  "Loc",    "Context", "Operands", "Results", "Result",
                                              "Properties", "Region", "Regions", "Body",     "Type",    "Name"};
  if (taken.count(key(name)))
    name += suffix;
  while (!used.insert(key(name)).second)
    name += suffix;
  return name;
}

void printOp(std::ostream &os, const OpSchema &schema, const std::vector<OpSchema> &sharing) {
  std::string mnemonic = getMnemonic(schema);
  std::vector<std::string> regions = getGraphAttributes(schema);
  bool isConstant = mnemonic == "Constant";
  std::string traits = randomOps.count(schema.Name()) ? "" : "Pure";
  if (!regions.empty())
    traits = "RecursiveMemoryEffects, SingleBlock";
  if (isConstant)
    traits = "Pure, ConstantLike";
  os << "def ONNX_" << className(mnemonic) << " : " << (regions.empty() ? "ONNX_Op" : "ONNX_RegionOp") << "<\""
     << mnemonic << "\", [" << traits << "]> {\n";
  os << "  let summary = \"ONNX operator " << schema.Name() << ", since version " << schema.SinceVersion()
     << (schema.domain().empty() ? "" : " of " + schema.domain()) << "\";\n";

  // Attributes keep their names, so they claim them first.
  std::set<std::string> used;
  std::map<std::string, const OpSchema::Attribute *> attributes;
  for (const auto &[name, attribute] : schema.attributes()) {
    attributes[name] = &attribute;
    uniqueName(name, used, "");
  }
  std::vector<std::string> arguments;
  for (const auto &input : schema.inputs()) {
    std::string type = input.GetOption() == OpSchema::Variadic ? "Variadic<AnyType>" : "AnyType";
    arguments.push_back(type + ":$" + uniqueName(input.GetName(), used, "_input"));
  }
  for (const auto &[name, attribute] : attributes) {
    if (attribute->type == AttributeProto::GRAPH)
      continue;
    std::string value = defaultOf(*attribute);
    for (const OpSchema &other : sharing) {
      auto it = other.attributes().find(name);
      if (it != other.attributes().end() && defaultOf(it->second) != value)
        value.clear();
    }
    std::string kind = attributeKind(attribute->type);
    arguments.push_back(
        (value.empty() ? "OptionalAttr<" + kind + ">" : "DefaultValuedOptionalAttr<" + kind + ", \"" + value + "\">") +
        ":$" + name);
  }
  os << "  let arguments = (ins";
  for (size_t i = 0; i < arguments.size(); ++i)
    os << (i ? ",\n    " : "\n    ") << arguments[i];
  os << ");\n  let results = (outs";
  const char *separator = "\n    ";
  for (const auto &output : schema.outputs()) {
    os << separator << (output.GetOption() == OpSchema::Variadic ? "Variadic<AnyType>" : "AnyType") << ":$"
       << uniqueName(output.GetName(), used, "_output");
    separator = ",\n    ";
  }
  os << ");\n";
  if (!regions.empty()) {
    os << "  let regions = (region";
    for (size_t i = 0; i < regions.size(); ++i)
      os << (i ? ", " : " ") << (attributes[regions[i]]->required ? "SizedRegion<1>:$" : "AnyRegion:$") << regions[i];
    os << ");\n";
  }
  if (isConstant)
    os << "  let hasFolder = 1;\n  let hasVerifier = 1;\n";
  os << "}\n\n";
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::cerr << "usage: accordion-gen-onnx SHARDS FOLDER\n";
    return 1;
  }
  size_t shards = std::atoi(argv[1]);
  std::map<std::string, std::vector<OpSchema>> ops; // by mnemonic: the versions that share the op
  std::map<std::pair<std::string, std::string>, std::set<int>> versions;
  for (const OpSchema &schema : ::onnx::OpSchemaRegistry::get_all_schemas_with_history())
    versions[{schema.domain(), schema.Name()}].insert(schema.SinceVersion());
  for (const OpSchema &schema : ::onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
    const auto &all = versions[{schema.domain(), schema.Name()}];
    auto next = all.upper_bound(schema.SinceVersion());
    bool endedEarly = schema.domain().empty() && next != all.end() && *next <= kOldestOpset;
    if (!endedEarly && !schema.Deprecated())
      ops[getMnemonic(schema)].push_back(schema);
  }
  std::vector<std::ofstream> files;
  for (size_t i = 0; i < shards; ++i) {
    files.emplace_back(std::string(argv[2]) + "/ONNXOps" + std::to_string(i) + ".td");
    files.back() << "// Written by accordion-gen-onnx.\n\ninclude \"dialects/ONNX/IR/ONNXDialect.td\"\n\n";
  }
  size_t index = 0;
  for (const auto &[mnemonic, sharing] : ops) {
    const OpSchema *newest = &sharing.front();
    for (const OpSchema &schema : sharing)
      if (schema.SinceVersion() > newest->SinceVersion())
        newest = &schema;
    printOp(files[index++ * shards / ops.size()], *newest, sharing);
  }
  for (std::ofstream &file : files) {
    file.close();
    if (!file) {
      std::cerr << "cannot write into " << argv[2] << "\n";
      return 1;
    }
  }
  return 0;
}
