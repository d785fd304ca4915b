//===- InferTypes.cpp - The types of all values of a model ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the library's inference. What the file itself says of a value counts only where that finds nothing: files are
// edited, and then it is stale.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Prepare.h"
#include "onnx/shape_inference/implementation.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::OpSchemaRegistry;
using ::onnx::TypeProto;

namespace {

bool hasElementType(const TypeProto &type) {
  if (type.has_tensor_type())
    return type.tensor_type().elem_type() != ::onnx::TensorProto::UNDEFINED;
  return type.value_case() != TypeProto::VALUE_NOT_SET;
}

/// What `declared` knows of a value and `inferred` does not: the type, the rank, names of dimensions.
void complete(TypeProto &inferred, const TypeProto &declared) {
  if (!hasElementType(inferred)) {
    inferred = declared;
    return;
  }
  if (!inferred.has_tensor_type() || !declared.has_tensor_type() || !declared.tensor_type().has_shape())
    return;
  const auto &shape = declared.tensor_type().shape();
  if (!inferred.tensor_type().has_shape()) {
    *inferred.mutable_tensor_type()->mutable_shape() = shape;
    return;
  }
  auto &result = *inferred.mutable_tensor_type()->mutable_shape();
  if (result.dim_size() != shape.dim_size())
    return;
  for (int i = 0; i < shape.dim_size(); ++i) {
    auto &dim = *result.mutable_dim(i);
    if (!dim.has_dim_value() && !hasSymbol(dim) && (shape.dim(i).has_dim_value() || !shape.dim(i).dim_param().empty()))
      dim = shape.dim(i);
  }
}

/// Callers allocate outputs by what the file says of them: an element type that no node makes is not stale, but wrong.
void checkElementType(const GraphProto &graph, const ::onnx::ValueInfoProto &declared, const TypeProto &inferred) {
  if (!declared.type().has_tensor_type() || !inferred.has_tensor_type() || !hasElementType(declared.type()) ||
      !hasElementType(inferred) || declared.type().tensor_type().elem_type() == inferred.tensor_type().elem_type())
    return;
  std::string maker;
  for (const NodeProto &node : graph.node())
    if (llvm::is_contained(node.output(), declared.name()))
      maker = describe(node);
  auto name = [](const TypeProto &type) {
    return ::onnx::TensorProto_DataType_Name(::onnx::TensorProto_DataType(type.tensor_type().elem_type()));
  };
  throw ImportError(maker + ": the graph declares its output `" + declared.name() + "` as " + name(declared.type()) +
                    ", but it is " + name(inferred));
}

/// Propagation of shape data holds one message per element of a vector, whatever the vector is for. True if some vector
/// that meets a propagating operator is too long for that.
bool hasLongVectors(ModelProto &model) {
  constexpr int64_t longest = int64_t(1) << 16;
  llvm::StringSet<> longVectors;
  auto note = [&](const std::string &name, const auto &dims, auto sizeOf) {
    if (dims.size() == 1 && sizeOf(dims.Get(0)) > longest)
      longVectors.insert(name);
  };
  bool found = false;
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (const auto *values : {&graph.input(), &graph.output(), &graph.value_info()})
      for (const auto &value : *values)
        note(value.name(), value.type().tensor_type().shape().dim(), [](const auto &dim) { return dim.dim_value(); });
    for (const auto &tensor : graph.initializer())
      if (tensor.data_type() == ::onnx::TensorProto::INT64 || tensor.data_type() == ::onnx::TensorProto::INT32)
        note(tensor.name(), tensor.dims(), [](int64_t size) { return size; });
  });
  walkGraphs(*model.mutable_graph(), [&](GraphProto &graph) {
    for (const NodeProto &node : graph.node()) {
      if (longVectors.empty() || llvm::none_of(node.input(), [&](auto &name) { return longVectors.contains(name); }))
        continue;
      int opset = getOpset(model, node.domain());
      const auto *schema = opset ? OpSchemaRegistry::Schema(node.op_type(), opset, node.domain()) : nullptr;
      found |= schema && schema->has_data_propagation_function();
    }
  });
  return found;
}

void runInference(ModelProto &model) {
  auto run = [&](bool propagate) {
    ::onnx::ShapeInferenceOptions options(/*check_type=*/false, /*strict_mode=*/0, propagate);
    ::onnx::shape_inference::DataValueMap data;
    // One failing node must not lose the types that were found: they are already in the model.
    try {
      ::onnx::shape_inference::InferShapes(model, OpSchemaRegistry::Instance(), options, &data);
    } catch (const std::exception &) {
    }
  };
  run(/*propagate=*/false);
  if (!hasLongVectors(model))
    run(/*propagate=*/true);
}

} // namespace

bool mlir::ac::hasSymbol(const ::onnx::TensorShapeProto::Dimension &dim) {
  return !dim.dim_param().empty() && !llvm::StringRef(dim.dim_param()).starts_with("unk__");
}

void mlir::ac::inferTypes(ModelProto &model) {
  // Subgraphs keep what they declare: a body's inputs have no other source of types.
  GraphProto &graph = *model.mutable_graph();
  google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto> declared, outputs = graph.output();
  declared.Swap(graph.mutable_value_info());
  for (auto &output : *graph.mutable_output())
    output.clear_type();
  runInference(model);

  llvm::StringSet<> typed;
  for (const auto &value : graph.value_info())
    if (hasElementType(value.type()))
      typed.insert(value.name());
  bool again = false;
  for (auto &value : declared)
    if (!typed.contains(value.name()) && hasElementType(value.type())) {
      *graph.add_value_info() = std::move(value);
      again = true;
    }
  for (int i = 0; i < outputs.size(); ++i)
    if (!hasElementType(graph.output(i).type())) {
      *graph.mutable_output(i)->mutable_type() = outputs.Get(i).type();
    }
  if (again)
    runInference(model);
  for (int i = 0; i < outputs.size(); ++i)
    checkElementType(graph, outputs.Get(i), graph.output(i).type());
  for (int i = 0; i < outputs.size(); ++i)
    complete(*graph.mutable_output(i)->mutable_type(), outputs.Get(i).type());
}
