//===- NodeExpander.cpp - Nodes in place of a node ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Import/ONNX/NodeExpander.h"

using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

NodeExpander::NodeExpander(::onnx::ModelProto &model) : model(model) {
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (const auto &input : graph.input())
      note(input.name(), input.type().tensor_type().elem_type());
    for (const auto &value : graph.value_info())
      note(value.name(), value.type().tensor_type().elem_type());
    for (const TensorProto &tensor : graph.initializer()) {
      note(tensor.name(), tensor.data_type());
      ranks[tensor.name()] = tensor.dims_size();
    }
    for (const NodeProto &node : graph.node())
      taken.insert(node.output().begin(), node.output().end());
  });
}

void NodeExpander::note(const std::string &name, int type) {
  taken.insert(name);
  if (type != TensorProto::UNDEFINED)
    types[name] = type;
}

void NodeExpander::run() {
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    google::protobuf::RepeatedPtrField<NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    into = &graph;
    for (NodeProto &each : nodes) {
      node = &each;
      if (!expand())
        *graph.add_node() = std::move(each);
    }
  });
}

const std::string &NodeExpander::input(int i) {
  if (!has(i))
    refuse("has no input " + llvm::Twine(i) + " (it has " + llvm::Twine(node->input_size()) +
           "), which its operator needs");
  return node->input(i);
}

const AttributeProto *NodeExpander::attribute(llvm::StringRef name) {
  for (const AttributeProto &attribute : node->attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

int64_t NodeExpander::getInt(llvm::StringRef name, int64_t otherwise) {
  const AttributeProto *found = attribute(name);
  return found ? found->i() : otherwise;
}

float NodeExpander::getFloat(llvm::StringRef name, float otherwise) {
  const AttributeProto *found = attribute(name);
  return found ? found->f() : otherwise;
}

std::string NodeExpander::getString(llvm::StringRef name) {
  const AttributeProto *found = attribute(name);
  return found ? found->s() : std::string();
}

std::string NodeExpander::fresh(llvm::StringRef what) {
  std::string base = (node->name().empty() ? node->op_type() : node->name()) + "/" + what.str(), name = base;
  while (!taken.insert(name).second)
    name = base + "_" + std::to_string(++counter);
  return name;
}

NodeProto &NodeExpander::add(const char *op, const Strings &inputs, const std::string &output, const Strings &kept) {
  NodeProto &made = *into->add_node();
  // All say where they come from.
  made.set_name(node->name().empty() ? node->op_type() : node->name());
  made.set_op_type(op);
  for (const std::string &name : inputs)
    made.add_input(name);
  made.add_output(output);
  for (const AttributeProto &attribute : node->attribute())
    if (llvm::is_contained(kept, attribute.name()))
      *made.add_attribute() = attribute;
  return made;
}

TensorProto &NodeExpander::addConstant(const std::string &name, int type) {
  AttributeProto &attribute = *add("Constant", {}, name).add_attribute();
  attribute.set_name("value");
  attribute.set_type(AttributeProto::TENSOR);
  attribute.mutable_t()->set_data_type(type);
  types[name] = type;
  return *attribute.mutable_t();
}

void NodeExpander::setInt(NodeProto &made, const char *name, int64_t value) {
  AttributeProto &attribute = *made.add_attribute();
  attribute.set_name(name);
  attribute.set_type(AttributeProto::INT);
  attribute.set_i(value);
}

void NodeExpander::setFloat(NodeProto &made, const char *name, float value) {
  AttributeProto &attribute = *made.add_attribute();
  attribute.set_name(name);
  attribute.set_type(AttributeProto::FLOAT);
  attribute.set_f(value);
}

void NodeExpander::setString(NodeProto &made, const char *name, const std::string &value) {
  AttributeProto &attribute = *made.add_attribute();
  attribute.set_name(name);
  attribute.set_type(AttributeProto::STRING);
  attribute.set_s(value);
}
