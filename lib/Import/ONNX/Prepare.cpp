//===- Prepare.cpp - A model made ready for translation -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Prepare.h"
#include "Import/ONNX/ImportError.h"
#include "dialects/ONNX/Generator/SchemaNames.h"
#include "onnx/checker.h"
#include "onnx/inliner/inliner.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"
#include <set>

using namespace mlir;
using namespace mlir::ac;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::OpSchemaRegistry;
using ::onnx::TypeProto;

void mlir::ac::walkGraphs(GraphProto &graph, llvm::function_ref<void(GraphProto &)> visit) {
  visit(graph);
  for (NodeProto &node : *graph.mutable_node())
    for (auto &attribute : *node.mutable_attribute()) {
      if (attribute.has_g())
        walkGraphs(*attribute.mutable_g(), visit);
      for (GraphProto &inner : *attribute.mutable_graphs())
        walkGraphs(inner, visit);
    }
}

int mlir::ac::getOpset(const ModelProto &model, const std::string &domain) {
  for (const auto &opset : model.opset_import())
    if (opset.domain() == domain)
      return opset.version();
  return 0;
}

namespace {

/// The registry knows ai.onnx by the empty name only.
void normalizeDomains(ModelProto &model) {
  auto normalize = [](auto &message) {
    if (message.domain() == "ai.onnx")
      message.clear_domain();
  };
  auto normalizeNodes = [&](auto &nodes) {
    for (NodeProto &node : nodes) {
      normalize(node);
      for (auto &attribute : *node.mutable_attribute())
        if (attribute.has_g())
          walkGraphs(*attribute.mutable_g(), [&](GraphProto &graph) {
            for (NodeProto &inner : *graph.mutable_node())
              normalize(inner);
          });
    }
  };
  normalizeNodes(*model.mutable_graph()->mutable_node());
  for (auto &opset : *model.mutable_opset_import())
    normalize(opset);
  for (auto &function : *model.mutable_functions()) {
    normalizeNodes(*function.mutable_node());
    for (auto &opset : *function.mutable_opset_import())
      normalize(opset);
  }
}

void checkVersions(ModelProto &model) {
  if (!model.has_ir_version() || !model.has_graph())
    throw ImportError("this is no ONNX model, or only a part of one: it has no graph or no `ir_version`");
  if (model.ir_version() < 3 || model.ir_version() > ::onnx::IR_VERSION)
    throw ImportError("the model has IR version " + Twine(model.ir_version()) + ", versions 3 to " +
                      Twine(int(::onnx::IR_VERSION)) + " are read");
  std::set<std::string> domains;
  for (const auto &opset : model.opset_import())
    if (!domains.insert(opset.domain()).second)
      throw ImportError("the model imports two versions of the domain `" + opset.domain() + "`");
  bool usesDefault = false;
  for (const NodeProto &node : model.graph().node())
    usesDefault |= node.domain().empty();
  if (!domains.count("")) {
    if (usesDefault)
      throw ImportError("the model uses operators of ai.onnx but imports no version of it");
    return;
  }
  int opset = getOpset(model, "");
  int newest = mlir::onnx::getNewestOpset();
  bool isKnown = opset >= mlir::onnx::kOldestOpset && opset <= newest;
  if (opset >= 1 && !isKnown && opset <= newest) {
    // An older model is as good as one of the oldest opset, if that did not change its operators.
    isKnown = true;
    walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
      for (const NodeProto &node : graph.node())
        if (node.domain().empty())
          isKnown &= OpSchemaRegistry::Schema(node.op_type(), opset, "") ==
                     OpSchemaRegistry::Schema(node.op_type(), mlir::onnx::kOldestOpset, "");
    });
  }
  if (!isKnown)
    throw ImportError("the model is of opset " + Twine(opset) + " of ai.onnx, opsets " +
                      Twine(mlir::onnx::kOldestOpset) + " to " + Twine(newest) +
                      " are read: export it again for one of those, or convert it by onnx.version_converter");
}

/// Domains whose operators the registry lists completely.
bool isStandardDomain(llvm::StringRef domain) {
  return domain.empty() || domain == "ai.onnx.ml" || domain == "ai.onnx.training" || domain == "ai.onnx.preview" ||
         domain == "ai.onnx.preview.training";
}

/// Refuses unknown operators, all of them at once.
void checkOperators(ModelProto &model) {
  llvm::StringSet<> functions;
  for (const auto &function : model.functions())
    functions.insert(function.domain() + "::" + function.name());
  llvm::MapVector<std::string, unsigned, std::map<std::string, unsigned>> unknown;
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (NodeProto &node : *graph.mutable_node()) {
      if (!isStandardDomain(node.domain()) || functions.contains(node.domain() + "::" + node.op_type()))
        continue;
      int opset = getOpset(model, node.domain());
      const auto *schema = opset ? OpSchemaRegistry::Schema(node.op_type(), opset, node.domain()) : nullptr;
      if (!schema || schema->Deprecated())
        ++unknown[describe(node) + (schema  ? ", which opset " + std::to_string(opset) + " no longer has"
                                    : opset ? ", which opset " + std::to_string(opset) + " does not have"
                                            : ", whose domain the model does not import")];
    }
  });
  if (unknown.empty())
    return;
  std::string list;
  for (const auto &[text, count] : unknown)
    list += (list.empty() ? "" : "; ") + text;
  throw ImportError("unknown operators: " + Twine(list));
}

/// External data is looked at before the library's checker does, whose words name no remedy.
void checkTensors(ModelProto &model, ExternalData &external) {
  auto check = [&](::onnx::TensorProto &tensor) {
    int64_t count = getNumElements(tensor);
    if (tensor.data_location() != ::onnx::TensorProto::EXTERNAL) {
      int64_t size = getRawSize(tensor), available = tensor.raw_data().size();
      if (tensor.has_raw_data() && available < size)
        throw ImportError("tensor `" + tensor.name() + "` takes " + Twine(size) +
                          " bytes by its shape and type, but has " + Twine(available) + ": the file is damaged");
      if (tensor.data_type() == ::onnx::TensorProto::STRING && tensor.string_data_size() != count)
        throw ImportError("tensor `" + tensor.name() + "` has " + Twine(count) + " elements but " +
                          Twine(tensor.string_data_size()) + " strings");
      return;
    }
    ExternalData::Slice slice = external.get(tensor);
    // Inference reads shapes and axes out of constants, and cannot follow them to files.
    if (slice.bytes.size() <= 1024) {
      tensor.clear_data_location();
      tensor.clear_external_data();
      tensor.set_raw_data(slice.bytes.str());
    }
  };
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (auto &tensor : *graph.mutable_initializer())
      check(tensor);
    for (NodeProto &node : *graph.mutable_node())
      for (auto &attribute : *node.mutable_attribute())
        if (attribute.has_t())
          try {
            check(*attribute.mutable_t());
          } catch (const ImportError &error) {
            throw ImportError(describe(node) + ": " + error.what());
          }
  });
}

void check(ModelProto &model, const std::string &baseDir) {
  // The checker wants a shape of every input and output, many exporters leave it out: a stand-in passes.
  std::vector<std::pair<::onnx::ValueInfoProto *, TypeProto>> withoutShape;
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (auto *values : {graph.mutable_input(), graph.mutable_output()})
      for (auto &value : *values)
        if (!value.has_type() || value.type().value_case() == TypeProto::VALUE_NOT_SET ||
            (value.type().has_tensor_type() && !value.type().tensor_type().has_shape())) {
          withoutShape.push_back({&value, value.type()});
          value.mutable_type()->mutable_tensor_type()->mutable_shape();
          if (!value.type().tensor_type().has_elem_type())
            value.mutable_type()->mutable_tensor_type()->set_elem_type(::onnx::TensorProto::FLOAT);
        }
  });
  ::onnx::checker::CheckerContext context;
  // Up to version 3 initialisers had to be inputs too. Files that forget it are harmless.
  context.set_ir_version(std::max<int>(model.ir_version(), 4));
  context.set_model_dir(baseDir.empty() ? "." : baseDir);
  context.set_skip_opset_compatibility_check(true);
  std::unordered_map<std::string, int> opsets;
  for (const auto &opset : model.opset_import())
    opsets[opset.domain()] = opset.version();
  context.set_opset_imports(opsets);
  ::onnx::checker::LexicalScopeContext scope;
  ::onnx::checker::check_graph(model.graph(), context, scope);
  if (model.ir_version() >= 8)
    ::onnx::checker::check_model_local_functions(model, context, scope);
  for (auto &[value, type] : withoutShape)
    *value->mutable_type() = type;
}

void fixDimensions(ModelProto &model, const std::map<std::string, int64_t> &dims) {
  std::set<std::string> known, used;
  std::function<void(TypeProto &)> fixType = [&](TypeProto &type) {
    if (type.has_sequence_type())
      return fixType(*type.mutable_sequence_type()->mutable_elem_type());
    if (type.has_optional_type())
      return fixType(*type.mutable_optional_type()->mutable_elem_type());
    if (!type.has_tensor_type() || !type.tensor_type().has_shape())
      return;
    for (auto &dim : *type.mutable_tensor_type()->mutable_shape()->mutable_dim()) {
      if (!dim.has_dim_param())
        continue;
      known.insert(dim.dim_param());
      auto it = dims.find(dim.dim_param());
      if (it == dims.end())
        continue;
      used.insert(it->first);
      dim.set_dim_value(it->second);
    }
  };
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (auto *values : {graph.mutable_input(), graph.mutable_output(), graph.mutable_value_info()})
      for (auto &value : *values)
        if (value.has_type())
          fixType(*value.mutable_type());
  });
  for (const auto &[name, size] : dims) {
    if (size < 0)
      throw ImportError("dimension `" + name + "` cannot have the size " + Twine(size));
    if (used.count(name))
      continue;
    std::string list;
    for (const std::string &other : known)
      list += (list.empty() ? "" : ", ") + ("`" + other + "`");
    throw ImportError("the model has no symbolic dimension `" + name + "`" +
                      (list.empty() ? "; it has none at all" : "; it has " + list));
  }
}

} // namespace

void mlir::ac::prepareModel(ModelProto &model, const std::string &baseDir, ExternalData &external,
                            const ImportOptions &options) {
  normalizeDomains(model);
  checkVersions(model);
  // Some of them stand among the operators of the standard, which has not got them.
  if (options.keepFunction)
    expandFused(model);
  checkOperators(model);
  checkTensors(model, external);
  check(model, baseDir);
  if (model.functions_size()) {
    ::onnx::inliner::InlineLocalFunctions(model, /*convert_version=*/true);
    normalizeDomains(model);
    if (options.keepFunction)
      expandFused(model);
    checkOperators(model);
    if (model.functions_size())
      throw ImportError("the model's function `" + model.functions(0).name() +
                        "` is written for other opsets than the model, and cannot be converted");
  }
  if (options.keepFunction)
    expandQuantized(model);
  fixDimensions(model, options.dims);
  inferTypes(model);
  if (options.keepFunction)
    expandFunctions(model, options.keepFunction, [&] { inferTypes(model); });
}
