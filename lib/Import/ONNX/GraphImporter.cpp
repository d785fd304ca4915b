//===- GraphImporter.cpp - Builds the module of a model -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/GraphImporter.h"
#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Prepare.h"
#include "Import/ONNX/Types.h"
#include "dialects/ONNX/Generator/SchemaNames.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::OpSchema;
using ::onnx::TensorProto;
using ::onnx::TypeProto;
using ::onnx::ValueInfoProto;

namespace {

/// The names that are visible in a graph; a subgraph sees those of the graphs around it.
struct Scope {
  const Scope *parent = nullptr;
  llvm::StringMap<Value> values;
  llvm::StringMap<const TypeProto *> types;

  Value find(llvm::StringRef name) const {
    for (const Scope *scope = this; scope; scope = scope->parent)
      if (Value value = scope->values.lookup(name))
        return value;
    return {};
  }
};

class GraphImporter {
public:
  GraphImporter(ModelProto &model, ExternalData &external, MLIRContext *context)
      : model(model), external(external), context(context), builder(context) {}

  OwningOpRef<ModuleOp> run();

private:
  ModelProto &model;
  ExternalData &external;
  MLIRContext *context;
  OpBuilder builder;
  Value none;
  unsigned unnamed = 0;

  void importBody(GraphProto &graph, Scope &scope);
  void importNode(NodeProto &node, Scope &scope);
  void importConstant(NodeProto &node, Scope &scope, Location loc);
  void importRegion(GraphProto &graph, const Scope &outer, Region &region);
  void addAttributes(NodeProto &node, const OpSchema *schema, OperationState &state);
  Attribute importAttribute(AttributeProto &attribute, const std::string &name);
  Value createConstant(ElementsAttr value, Location loc);
  Type getType(llvm::StringRef name, const Scope &scope);
  void declareTypes(const GraphProto &graph, Scope &scope);
  SmallVector<Value> importOutputs(const GraphProto &graph, const Scope &scope);

  Location getLoc(llvm::StringRef name) { return NameLoc::get(builder.getStringAttr(name)); }
  DictionaryAttr describeValue(const ValueInfoProto &value);
};

Value GraphImporter::createConstant(ElementsAttr value, Location loc) {
  OperationState state(loc, "onnx.Constant");
  state.addTypes(value.getType());
  state.addAttribute("value", value);
  return builder.create(state)->getResult(0);
}

void GraphImporter::declareTypes(const GraphProto &graph, Scope &scope) {
  for (const auto *values : {&graph.value_info(), &graph.output(), &graph.input()})
    for (const ValueInfoProto &value : *values)
      if (value.has_type())
        scope.types[value.name()] = &value.type();
}

Type GraphImporter::getType(llvm::StringRef name, const Scope &scope) {
  auto it = scope.types.find(name);
  Type type;
  try {
    type = it == scope.types.end() ? Type() : typeFromONNX(*it->second, context);
  } catch (const ImportError &error) {
    throw ImportError("value `" + name + "`: " + error.what());
  }
  return type ? type : UnrankedTensorType::get(mlir::onnx::UnknownType::get(context));
}

/// Name, and dimensions as sizes or symbols; an unnamed dynamic one is `?`.
DictionaryAttr GraphImporter::describeValue(const ValueInfoProto &value) {
  SmallVector<NamedAttribute> attributes{builder.getNamedAttr("onnx.name", builder.getStringAttr(value.name()))};
  if (value.type().has_tensor_type() && value.type().tensor_type().has_shape()) {
    SmallVector<Attribute> dims;
    for (const auto &dim : value.type().tensor_type().shape().dim())
      if (dim.has_dim_value() && dim.dim_value() >= 0)
        dims.push_back(builder.getI64IntegerAttr(dim.dim_value()));
      else
        dims.push_back(builder.getStringAttr(hasSymbol(dim) ? dim.dim_param() : "?"));
    attributes.push_back(builder.getNamedAttr("onnx.dims", builder.getArrayAttr(dims)));
  }
  return builder.getDictionaryAttr(attributes);
}

Attribute GraphImporter::importAttribute(AttributeProto &attribute, const std::string &name) {
  switch (attribute.type()) {
  case AttributeProto::FLOAT:
    return builder.getF32FloatAttr(attribute.f());
  case AttributeProto::INT:
    return builder.getI64IntegerAttr(attribute.i());
  case AttributeProto::STRING:
    return builder.getStringAttr(attribute.s());
  case AttributeProto::FLOATS:
    return builder.getDenseF32ArrayAttr(SmallVector<float>(attribute.floats().begin(), attribute.floats().end()));
  case AttributeProto::INTS:
    return builder.getDenseI64ArrayAttr(SmallVector<int64_t>(attribute.ints().begin(), attribute.ints().end()));
  case AttributeProto::STRINGS:
    return builder.getStrArrayAttr(
        SmallVector<llvm::StringRef>(attribute.strings().begin(), attribute.strings().end()));
  case AttributeProto::TENSOR:
    return tensorFromONNX(*attribute.mutable_t(), name, external, context);
  case AttributeProto::TENSORS: {
    SmallVector<Attribute> tensors;
    for (TensorProto &tensor : *attribute.mutable_tensors())
      tensors.push_back(tensorFromONNX(tensor, name, external, context));
    return builder.getArrayAttr(tensors);
  }
  case AttributeProto::SPARSE_TENSOR:
    return sparseTensorFromONNX(*attribute.mutable_sparse_tensor(), name, external, context);
  case AttributeProto::TYPE_PROTO:
    if (Type type = typeFromONNX(attribute.tp(), context))
      return TypeAttr::get(type);
    break;
  default:
    break;
  }
  throw ImportError("attribute `" + attribute.name() + "` is of a kind that is not supported");
}

void GraphImporter::addAttributes(NodeProto &node, const OpSchema *schema, OperationState &state) {
  for (AttributeProto &attribute : *node.mutable_attribute()) {
    if (attribute.has_g() || attribute.graphs_size())
      continue;
    // A file may leave the type of an attribute's value to the schema.
    if (schema && attribute.type() == AttributeProto::UNDEFINED) {
      auto it = schema->attributes().find(attribute.name());
      if (it != schema->attributes().end())
        attribute.set_type(it->second.type);
    }
    if (state.attributes.get(attribute.name()))
      throw ImportError("attribute `" + attribute.name() + "` has a name that `onnx.Custom` uses itself");
    state.addAttribute(attribute.name(), importAttribute(attribute, node.output_size() ? node.output(0) : ""));
  }
}

/// All kinds of constants become `value`.
void GraphImporter::importConstant(NodeProto &node, Scope &scope, Location loc) {
  if (node.attribute_size() != 1 || node.output_size() != 1)
    throw ImportError("a constant has one attribute and one output, this one has " + Twine(node.attribute_size()) +
                      " and " + Twine(node.output_size()));
  AttributeProto &attribute = *node.mutable_attribute(0);
  const std::string &name = attribute.name();
  ElementsAttr value;
  auto tensorOf = [&](int64_t size, Type element, bool isScalar) {
    return isScalar ? RankedTensorType::get({}, element) : RankedTensorType::get({size}, element);
  };
  if (name == "value" || name == "sparse_value") {
    value = dyn_cast_if_present<ElementsAttr>(importAttribute(attribute, node.output(0)));
  } else if (name == "value_int") {
    value = DenseElementsAttr::get(tensorOf(1, builder.getI64Type(), true), attribute.i());
  } else if (name == "value_float") {
    value = DenseElementsAttr::get(tensorOf(1, builder.getF32Type(), true), attribute.f());
  } else if (name == "value_ints") {
    SmallVector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
    value = DenseElementsAttr::get(tensorOf(values.size(), builder.getI64Type(), false), ArrayRef<int64_t>(values));
  } else if (name == "value_floats") {
    SmallVector<float> values(attribute.floats().begin(), attribute.floats().end());
    value = DenseElementsAttr::get(tensorOf(values.size(), builder.getF32Type(), false), ArrayRef<float>(values));
  } else if (name == "value_string" || name == "value_strings") {
    SmallVector<llvm::StringRef> values(attribute.strings().begin(), attribute.strings().end());
    if (name == "value_string")
      values.push_back(attribute.s());
    value = DenseElementsAttr::get(
        tensorOf(values.size(), mlir::onnx::StringType::get(context), name == "value_string"), values);
  }
  if (!value)
    throw ImportError("attribute `" + name + "` gives no tensor");
  scope.values[node.output(0)] = createConstant(value, loc);
}

void GraphImporter::importRegion(GraphProto &graph, const Scope &outer, Region &region) {
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region);
  Scope scope;
  scope.parent = &outer;
  declareTypes(graph, scope);
  for (const ValueInfoProto &input : graph.input()) {
    BlockArgument argument = block->addArgument(getType(input.name(), scope), getLoc(input.name()));
    scope.values[input.name()] = argument;
  }
  importBody(graph, scope);
  OperationState yield(builder.getUnknownLoc(), "onnx.Yield");
  yield.addOperands(importOutputs(graph, scope));
  builder.create(yield);
}

void GraphImporter::importNode(NodeProto &node, Scope &scope) {
  std::string name = node.name();
  if (name.empty())
    name = node.op_type() + "_" + std::to_string(unnamed++);
  Location loc = getLoc(name);
  int opset = getOpset(model, node.domain());
  const OpSchema *schema = opset ? ::onnx::OpSchemaRegistry::Schema(node.op_type(), opset, node.domain()) : nullptr;
  if (schema && node.op_type() == "Constant" && node.domain().empty())
    return importConstant(node, scope, loc);

  OperationState state(loc, schema ? "onnx." + mlir::onnx::getMnemonic(*schema) : "onnx.Custom");
  const OpSchema *signature = schema ? &mlir::onnx::getSignature(*schema) : nullptr;
  std::vector<std::string> graphs;
  if (signature) {
    graphs = mlir::onnx::getGraphAttributes(*signature);
  } else {
    state.addAttribute("domain", builder.getStringAttr(node.domain()));
    state.addAttribute("op_type", builder.getStringAttr(node.op_type()));
    for (const AttributeProto &attribute : node.attribute())
      if (attribute.has_g())
        graphs.push_back(attribute.name());
    if (!graphs.empty())
      state.addAttribute("graphs", builder.getStrArrayAttr(SmallVector<llvm::StringRef>(graphs.begin(), graphs.end())));
  }

  for (const std::string &input : node.input()) {
    Value value = input.empty() ? none : scope.find(input);
    if (!value)
      throw ImportError("input `" + input + "` is not defined before the node");
    state.operands.push_back(value);
  }
  for (const std::string &output : node.output())
    state.addTypes(output.empty() ? none.getType() : getType(output, scope));
  if (signature) {
    // An absent variadic parameter has no value; any other absent one has `none`.
    size_t inputs = signature->inputs().size() - mlir::onnx::hasVariadicInput(*signature);
    size_t outputs = signature->outputs().size() - mlir::onnx::hasVariadicOutput(*signature);
    while (state.operands.size() < inputs)
      state.operands.push_back(none);
    while (state.types.size() < outputs)
      state.addTypes(none.getType());
    if ((state.operands.size() > inputs && !mlir::onnx::hasVariadicInput(*signature)) ||
        (state.types.size() > outputs && !mlir::onnx::hasVariadicOutput(*signature)))
      throw ImportError("the node has " + Twine(node.input_size()) + " inputs and " + Twine(node.output_size()) +
                        " outputs, more than its operator");
  }
  addAttributes(node, schema, state);
  for (size_t i = 0; i < graphs.size(); ++i)
    state.addRegion();
  Operation *op = builder.create(state);
  // An attribute of a wrong kind is dropped when the op is made.
  for (NamedAttribute attribute : state.attributes)
    if (!op->getAttr(attribute.getName()))
      throw ImportError("attribute `" + attribute.getName().str() + "` is of another kind than its operator wants");
  for (size_t i = 0; i < graphs.size(); ++i) {
    auto it =
        llvm::find_if(*node.mutable_attribute(), [&](const auto &attribute) { return attribute.name() == graphs[i]; });
    if (it != node.mutable_attribute()->end())
      importRegion(*it->mutable_g(), scope, op->getRegion(i));
  }
  for (auto [output, result] : llvm::zip_first(node.output(), op->getResults()))
    if (!output.empty())
      scope.values[output] = result;
}

void GraphImporter::importBody(GraphProto &graph, Scope &scope) {
  for (TensorProto &tensor : *graph.mutable_initializer())
    scope.values[tensor.name()] =
        createConstant(tensorFromONNX(tensor, tensor.name(), external, context), getLoc(tensor.name()));
  for (auto &tensor : *graph.mutable_sparse_initializer()) {
    std::string name = tensor.values().name();
    scope.values[name] = createConstant(sparseTensorFromONNX(tensor, name, external, context), getLoc(name));
  }
  for (NodeProto &node : *graph.mutable_node()) {
    try {
      importNode(node, scope);
    } catch (const ImportError &error) {
      std::string message = error.what();
      throw ImportError(llvm::StringRef(message).starts_with("in ") || llvm::StringRef(message).starts_with("node ")
                            ? "in " + describe(node) + ": " + message
                            : describe(node) + ": " + message);
    }
  }
}

SmallVector<Value> GraphImporter::importOutputs(const GraphProto &graph, const Scope &scope) {
  SmallVector<Value> outputs;
  for (const ValueInfoProto &output : graph.output()) {
    Value value = scope.find(output.name());
    if (!value)
      throw ImportError("graph `" + graph.name() + "` never computes its output `" + output.name() + "`");
    outputs.push_back(value);
  }
  return outputs;
}

OwningOpRef<ModuleOp> GraphImporter::run() {
  GraphProto &graph = *model.mutable_graph();
  OwningOpRef<ModuleOp> module = ModuleOp::create(getLoc(graph.name()));
  SmallVector<NamedAttribute> opsets, metadata;
  for (const auto &opset : model.opset_import())
    opsets.push_back(builder.getNamedAttr(opset.domain().empty() ? "ai.onnx" : opset.domain(),
                                          builder.getI64IntegerAttr(opset.version())));
  for (const auto &entry : model.metadata_props())
    if (!entry.key().empty())
      metadata.push_back(builder.getNamedAttr(entry.key(), builder.getStringAttr(entry.value())));
  ModuleOp op = *module;
  op->setAttr("onnx.ir_version", builder.getI64IntegerAttr(model.ir_version()));
  op->setAttr("onnx.opset", builder.getDictionaryAttr(opsets));
  op->setAttr("onnx.graph", builder.getStringAttr(graph.name()));
  if (!model.producer_name().empty())
    op->setAttr("onnx.producer",
                builder.getStringAttr(model.producer_name() + (model.producer_version().empty() ? "" : " ") +
                                      model.producer_version()));
  if (!metadata.empty())
    op->setAttr("onnx.metadata", builder.getDictionaryAttr(metadata));

  Scope scope;
  declareTypes(graph, scope);
  // An initialiser that is also an input is a default that callers may override; here it is a constant.
  llvm::StringSet<> initialized;
  for (const TensorProto &tensor : graph.initializer())
    initialized.insert(tensor.name());
  for (const auto &tensor : graph.sparse_initializer())
    initialized.insert(tensor.values().name());
  SmallVector<const ValueInfoProto *> inputs;
  SmallVector<Type> inputTypes;
  for (const ValueInfoProto &input : graph.input()) {
    if (initialized.contains(input.name()))
      continue;
    inputs.push_back(&input);
    inputTypes.push_back(getType(input.name(), scope));
  }
  builder.setInsertionPointToEnd(op.getBody());
  auto function = func::FuncOp::create(builder, getLoc(graph.name()), "main", builder.getFunctionType(inputTypes, {}));
  Block *block = function.addEntryBlock();
  builder.setInsertionPointToStart(block);
  OperationState noValue(builder.getUnknownLoc(), "onnx.NoValue");
  noValue.addTypes(builder.getNoneType());
  none = builder.create(noValue)->getResult(0);
  for (auto [input, argument] : llvm::zip_equal(inputs, block->getArguments())) {
    argument.setLoc(getLoc(input->name()));
    scope.values[input->name()] = argument;
  }
  importBody(graph, scope);
  SmallVector<Value> outputs = importOutputs(graph, scope);
  func::ReturnOp::create(builder, builder.getUnknownLoc(), outputs);
  if (none.use_empty())
    none.getDefiningOp()->erase();

  function.setType(builder.getFunctionType(inputTypes, TypeRange(ValueRange(outputs))));
  for (auto [index, input] : llvm::enumerate(inputs))
    function.setArgAttrs(index, describeValue(*input));
  for (auto [index, output] : llvm::enumerate(graph.output()))
    function.setResultAttrs(index, describeValue(output));
  return module;
}

} // namespace

OwningOpRef<ModuleOp> mlir::ac::buildModule(ModelProto &model, ExternalData &external, MLIRContext *context) {
  return GraphImporter(model, external, context).run();
}
