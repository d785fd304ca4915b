//===- ExpandFunctions.cpp - Operators as their functions -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library's inliner infers the shapes of the whole model once per node, and gives up at a value without type. Here
// a round replaces all nodes that have a body, with types inferred once; bodies that hold such operators themselves
// wait for the next round.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Prepare.h"
#include "onnx/checker.h"
#include "onnx/shape_inference/attribute_binder.h"
#include <unordered_map>
#include <unordered_set>

using namespace mlir;
using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::OpSchema;
using ::onnx::TypeProto;

namespace {

using Types = std::unordered_map<std::string, TypeProto>;

/// Gives the values of a body names of their own.
class Renamer {
public:
  Renamer(std::unordered_set<std::string> &taken, std::string prefix) : taken(taken), prefix(std::move(prefix)) {}

  void bind(const std::string &formal, const std::string &actual) { names[formal] = actual; }

  void rename(NodeProto &node) {
    for (std::string &name : *node.mutable_input())
      use(name);
    for (auto &attribute : *node.mutable_attribute()) {
      if (attribute.has_g())
        rename(*attribute.mutable_g());
      for (GraphProto &graph : *attribute.mutable_graphs())
        rename(graph);
    }
    for (std::string &name : *node.mutable_output())
      define(name);
  }

private:
  std::unordered_set<std::string> &taken;
  std::string prefix;
  std::unordered_map<std::string, std::string> names;

  void use(std::string &name) {
    auto it = names.find(name);
    if (!name.empty() && it != names.end())
      name = it->second;
  }
  void define(std::string &name) {
    if (name.empty())
      return;
    auto [it, isNew] = names.try_emplace(name);
    if (isNew) {
      it->second = prefix + name;
      for (int i = 1; !taken.insert(it->second).second; ++i)
        it->second = prefix + name + "_" + std::to_string(i);
    }
    name = it->second;
  }
  void rename(GraphProto &graph) {
    auto outer = names;
    for (auto &input : *graph.mutable_input())
      define(*input.mutable_name());
    for (auto &tensor : *graph.mutable_initializer())
      define(*tensor.mutable_name());
    for (NodeProto &node : *graph.mutable_node())
      rename(node);
    for (auto &output : *graph.mutable_output())
      use(*output.mutable_name());
    names = std::move(outer);
  }
};

class Expander {
public:
  Expander(ModelProto &model, const std::function<bool(StringRef, StringRef)> &keep) : model(model), keep(keep) {
    walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
      for (const auto &input : graph.input())
        taken.insert(input.name());
      for (const auto &tensor : graph.initializer())
        taken.insert(tensor.name());
      for (const NodeProto &node : graph.node())
        taken.insert(node.output().begin(), node.output().end());
    });
  }

  /// True if anything was replaced.
  bool run() {
    changed = false;
    Types types;
    process(*model.mutable_graph(), types);
    return changed;
  }

private:
  ModelProto &model;
  const std::function<bool(StringRef, StringRef)> &keep;
  std::unordered_set<std::string> taken;
  /// Nodes whose schema offers no body for their attributes and types, not to be tried in every round.
  std::unordered_set<std::string> refused;
  unsigned counter = 0;
  bool changed = false;

  void process(GraphProto &graph, Types types) {
    for (const auto *values : {&graph.input(), &graph.output(), &graph.value_info()})
      for (const auto &value : *values)
        if (value.has_type())
          types[value.name()] = value.type();
    for (const auto &tensor : graph.initializer()) {
      TypeProto type;
      type.mutable_tensor_type()->set_elem_type(tensor.data_type());
      for (int64_t size : tensor.dims())
        type.mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(size);
      type.mutable_tensor_type()->mutable_shape();
      types[tensor.name()] = std::move(type);
    }
    google::protobuf::RepeatedPtrField<NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    for (NodeProto &node : nodes) {
      FunctionProto body;
      if (!keep(node.domain(), node.op_type()) && getBody(node, types, body)) {
        append(node, body, graph);
        changed = true;
        continue;
      }
      for (auto &attribute : *node.mutable_attribute())
        if (attribute.has_g())
          process(*attribute.mutable_g(), types);
      *graph.add_node() = std::move(node);
    }
  }

  bool getBody(const NodeProto &node, const Types &types, FunctionProto &body) {
    int opset = getOpset(model, node.domain());
    const OpSchema *schema = opset ? ::onnx::OpSchemaRegistry::Schema(node.op_type(), opset, node.domain()) : nullptr;
    if (!schema || (!schema->HasFunction() && !schema->HasContextDependentFunction()))
      return false;
    std::string key = node.output_size() ? node.domain() + node.op_type() + node.output(0) : "";
    if (refused.count(key))
      return false;
    try {
      if (const FunctionProto *known = schema->HasFunction() ? schema->GetFunction(opset) : nullptr) {
        body = *known;
        // Older schemas leave the formal parameters to their own list.
        if (body.input().empty() && body.output().empty())
          schema->BuildFunction(body);
      } else if (schema->HasContextDependentFunction()) {
        std::vector<TypeProto> inputTypes;
        for (const std::string &input : node.input()) {
          auto it = types.find(input);
          inputTypes.push_back(it == types.end() || input.empty() ? TypeProto() : it->second);
        }
        ::onnx::FunctionBodyBuildContextImpl context(node, inputTypes);
        if (!schema->BuildContextDependentFunction(context, body, opset))
          body.clear_node();
      }
      if (body.node_size() && bind(node, *schema, body) && isValid(body))
        return true;
    } catch (const std::exception &) {
    }
    refused.insert(key);
    return false;
  }

  /// Puts the node's attributes, or the schema's defaults, in the place of references to them.
  static bool bind(const NodeProto &node, const OpSchema &schema, FunctionProto &body) {
    std::unordered_map<std::string, const AttributeProto *> values;
    for (const auto &[name, attribute] : schema.attributes())
      if (!attribute.required && !attribute.default_value.name().empty())
        values[name] = &attribute.default_value;
    for (const AttributeProto &attribute : node.attribute())
      values[attribute.name()] = &attribute;
    ::onnx::internal::AttributeBinder(values).VisitFunction(body);
    return true;
  }

  /// A body may have been written for an older opset than the model's: its nodes must be right at this one.
  bool isValid(const FunctionProto &body) {
    for (const NodeProto &node : body.node()) {
      std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
      int opset = getOpset(model, domain);
      for (const auto &import : body.opset_import())
        if (!opset && import.domain() == domain)
          opset = import.version();
      const OpSchema *schema = opset ? ::onnx::OpSchemaRegistry::Schema(node.op_type(), opset, domain) : nullptr;
      if (!schema || schema->Deprecated())
        return false;
      ::onnx::checker::CheckerContext context;
      context.set_ir_version(::onnx::IR_VERSION);
      context.set_is_main_graph(false);
      std::unordered_map<std::string, int> opsets{{domain, opset}};
      for (const auto &import : model.opset_import())
        opsets[import.domain()] = import.version();
      context.set_opset_imports(opsets);
      for (const auto &attribute : node.attribute())
        if (attribute.has_g()) // the checker wants the values that the subgraph captures
          return true;
      ::onnx::checker::check_node(node, context, {});
    }
    for (const auto &import : body.opset_import())
      if (!getOpset(model, import.domain()))
        *model.add_opset_import() = import;
    return true;
  }

  void append(const NodeProto &call, FunctionProto &body, GraphProto &graph) {
    std::string base = call.name().empty() ? call.op_type() + "_" + std::to_string(counter) : call.name();
    Renamer renamer(taken, base + "/" + std::to_string(counter++) + "/");
    for (int i = 0; i < body.input_size(); ++i)
      renamer.bind(body.input(i), i < call.input_size() ? call.input(i) : "");
    for (int i = 0; i < body.output_size(); ++i)
      if (i < call.output_size() && !call.output(i).empty())
        renamer.bind(body.output(i), call.output(i));
    for (NodeProto &node : *body.mutable_node()) {
      if (node.domain() == "ai.onnx")
        node.clear_domain();
      renamer.rename(node);
      // All nodes of a body say where they come from.
      node.set_name(base);
      *graph.add_node() = std::move(node);
    }
  }
};

} // namespace

void mlir::ac::expandFunctions(ModelProto &model, const std::function<bool(StringRef, StringRef)> &keep,
                               llvm::function_ref<void()> infer) {
  Expander expander(model, keep);
  // Functions are built from simpler ones; no chain of the standard is this long.
  for (int round = 0; round < 16 && expander.run(); ++round)
    infer();
}
