//===- Export.cpp - From the onnx dialect to ONNX models ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constants become initialisers, every other op a node with its location as name. A result that a graph hands out
// twice, or that is a constant, an argument or a value of an outer graph, goes through an Identity: ONNX wants each
// output to come from a node of its graph.
//
//===----------------------------------------------------------------------===//

#include "Export/ONNX/Tensors.h"
#include "Import/ONNX/Types.h"
#include "ac/Export/ONNX.h"
#include "dialects/ONNX/Generator/SchemaNames.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using ::onnx::ValueInfoProto;

namespace {

/// What protobuf can hold, less some room for everything that is not weights.
constexpr size_t maxModelBytes = (size_t(1) << 31) - (size_t(1) << 26);
/// Constants from this size on go into the external file.
constexpr size_t minExternalBytes = 1024;
/// The offset of an external tensor: a cache line, enough for any vector load from a mapped file.
constexpr uint64_t externalAlignment = 64;

class Exporter {
public:
  Exporter(ModuleOp module, ModelProto &model, llvm::StringRef dataFile)
      : module(module), model(model), dataFile(dataFile) {}

  LogicalResult run();
  /// The tensors that the external file holds, by offset.
  ArrayRef<std::pair<uint64_t, ArrayRef<char>>> getExternal() const { return external; }

private:
  ModuleOp module;
  ModelProto &model;
  std::string dataFile; // empty: all data inside
  llvm::DenseMap<Value, std::string> names;
  llvm::StringSet<> taken, nodeNames;
  SmallVector<std::pair<uint64_t, ArrayRef<char>>> external;
  uint64_t externalSize = 0;
  bool failed = false;

  void exportModule();
  void exportBlock(Block &block, GraphProto &graph, ArrayRef<std::string> outputs);
  void exportOp(Operation *op, GraphProto &graph);
  void exportConstant(Operation *op, GraphProto &graph);
  void exportAttribute(Operation *op, NamedAttribute attribute, NodeProto &node);
  void exportRegion(Region &region, llvm::StringRef name, NodeProto &node);
  ValueInfoProto makeValueInfo(llvm::StringRef name, Type type, DictionaryAttr attributes, Location loc);

  InFlightDiagnostic fail(Location loc) {
    failed = true;
    return emitError(loc);
  }
  std::string makeUnique(llvm::StringRef name, llvm::StringSet<> &used) {
    std::string result = name.empty() ? "value" : name.str();
    for (int i = 1; !used.insert(result).second; ++i)
      result = (name + "_" + Twine(i)).str();
    return result;
  }
  static std::string nameOf(Location loc) {
    if (auto named = dyn_cast<NameLoc>(loc))
      return named.getName().str();
    if (auto fused = dyn_cast<FusedLoc>(loc))
      for (Location inner : fused.getLocations())
        if (std::string name = nameOf(inner); !name.empty())
          return name;
    return "";
  }
};

ValueInfoProto Exporter::makeValueInfo(llvm::StringRef name, Type type, DictionaryAttr attributes, Location loc) {
  ValueInfoProto info;
  info.set_name(name.str());
  bool isUnknown = isa<TensorType>(type) && isa<mlir::onnx::UnknownType>(cast<TensorType>(type).getElementType());
  if (!isUnknown && !typeToONNX(type, *info.mutable_type()))
    fail(loc) << "`" << name << "` has the type " << type << ", which no value of an ONNX model can have";
  auto dims = attributes ? attributes.getAs<ArrayAttr>("onnx.dims") : ArrayAttr();
  if (!dims || !info.type().has_tensor_type())
    return info;
  auto &shape = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
  if (!cast<TensorType>(type).hasRank())
    for (size_t i = 0; i < dims.size(); ++i)
      shape.add_dim();
  if (shape.dim_size() != static_cast<int>(dims.size()))
    return info;
  for (auto [dim, attribute] : llvm::zip_equal(*shape.mutable_dim(), dims)) {
    if (dim.has_dim_value())
      continue;
    if (auto symbol = dyn_cast<StringAttr>(attribute); symbol && symbol != "?")
      dim.set_dim_param(symbol.str());
    else if (auto size = dyn_cast<IntegerAttr>(attribute))
      dim.set_dim_value(size.getInt());
  }
  return info;
}

void Exporter::exportConstant(Operation *op, GraphProto &graph) {
  auto value = op->getAttrOfType<ElementsAttr>("value");
  TensorProto &tensor = *graph.add_initializer();
  std::string name = makeUnique(nameOf(op->getLoc()), taken);
  tensor.set_name(name);
  names[op->getResult(0)] = name;
  ArrayRef<char> bytes = value ? getPlainBytes(value) : ArrayRef<char>();
  bool isExternal = !dataFile.empty() && bytes.size() >= minExternalBytes;
  if (!value || !tensorToONNX(value, !isExternal, tensor)) {
    fail(op->getLoc()) << "constant `" << name << "` of type " << op->getResult(0).getType()
                       << " cannot be written: its elements are missing or of a type that ONNX does not have";
    return;
  }
  if (!isExternal)
    return;
  externalSize = llvm::alignTo(externalSize, externalAlignment);
  tensor.set_data_location(TensorProto::EXTERNAL);
  auto add = [&](const char *key, std::string text) {
    auto *entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(std::move(text));
  };
  add("location", dataFile);
  add("offset", std::to_string(externalSize));
  add("length", std::to_string(bytes.size()));
  external.push_back({externalSize, bytes});
  externalSize += bytes.size();
}

void Exporter::exportAttribute(Operation *op, NamedAttribute attribute, NodeProto &node) {
  llvm::StringRef name = attribute.getName();
  // Attributes of other dialects say nothing to ONNX.
  if (name.contains('.') || name == "graphs")
    return;
  AttributeProto result;
  result.set_name(name.str());
  Attribute value = attribute.getValue();
  bool ok = true;
  if (auto integer = dyn_cast<IntegerAttr>(value); integer && integer.getType().isSignlessInteger(64)) {
    result.set_type(AttributeProto::INT);
    result.set_i(integer.getInt());
  } else if (auto real = dyn_cast<FloatAttr>(value); real && real.getType().isF32()) {
    result.set_type(AttributeProto::FLOAT);
    result.set_f(real.getValue().convertToFloat());
  } else if (auto string = dyn_cast<StringAttr>(value)) {
    result.set_type(AttributeProto::STRING);
    result.set_s(string.str());
  } else if (auto integers = dyn_cast<DenseI64ArrayAttr>(value)) {
    result.set_type(AttributeProto::INTS);
    for (int64_t element : integers.asArrayRef())
      result.add_ints(element);
  } else if (auto reals = dyn_cast<DenseF32ArrayAttr>(value)) {
    result.set_type(AttributeProto::FLOATS);
    for (float element : reals.asArrayRef())
      result.add_floats(element);
  } else if (auto type = dyn_cast<TypeAttr>(value)) {
    result.set_type(AttributeProto::TYPE_PROTO);
    ok = typeToONNX(type.getValue(), *result.mutable_tp());
  } else if (auto elements = dyn_cast<ElementsAttr>(value)) {
    result.set_type(AttributeProto::TENSOR);
    ok = tensorToONNX(elements, /*withData=*/true, *result.mutable_t());
  } else if (auto array = dyn_cast<ArrayAttr>(value)) {
    // An empty list is one of strings: the standard has no attribute that lists tensors.
    bool areTensors = !array.empty() && llvm::all_of(array, llvm::IsaPred<ElementsAttr>);
    result.set_type(areTensors ? AttributeProto::TENSORS : AttributeProto::STRINGS);
    for (Attribute element : array)
      if (areTensors)
        ok &= tensorToONNX(cast<ElementsAttr>(element), /*withData=*/true, *result.add_tensors());
      else if (auto string = dyn_cast<StringAttr>(element))
        result.add_strings(string.str());
      else
        ok = false;
  } else {
    ok = false;
  }
  if (!ok) {
    fail(op->getLoc()) << "attribute `" << name << "` of `" << op->getName() << "` is " << value
                       << ", which has no ONNX form";
    return;
  }
  *node.add_attribute() = std::move(result);
}

void Exporter::exportRegion(Region &region, llvm::StringRef name, NodeProto &node) {
  AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name.str());
  attribute.set_type(AttributeProto::GRAPH);
  GraphProto &graph = *attribute.mutable_g();
  graph.set_name(name.str());
  Block &block = region.front();
  for (BlockArgument argument : block.getArguments()) {
    std::string argumentName = makeUnique(nameOf(argument.getLoc()), taken);
    names[argument] = argumentName;
    *graph.add_input() = makeValueInfo(argumentName, argument.getType(), {}, argument.getLoc());
  }
  SmallVector<std::string> outputs;
  for (unsigned i = 0; i < block.getTerminator()->getNumOperands(); ++i)
    outputs.push_back(makeUnique((node.name() + "_" + name + "_" + Twine(i)).str(), taken));
  exportBlock(block, graph, outputs);
}

void Exporter::exportOp(Operation *op, GraphProto &graph) {
  llvm::StringRef opName = op->getName().getStringRef();
  if (opName == "onnx.NoValue")
    return;
  if (opName == "onnx.Constant")
    return exportConstant(op, graph);
  NodeProto node;
  std::vector<std::string> graphs;
  bool isCustom = opName == "onnx.Custom";
  if (isCustom) {
    node.set_domain(op->getAttrOfType<StringAttr>("domain").str());
    node.set_op_type(op->getAttrOfType<StringAttr>("op_type").str());
    if (auto list = op->getAttrOfType<ArrayAttr>("graphs"))
      for (auto name : list.getAsRange<StringAttr>())
        graphs.push_back(name.str());
  } else if (opName.consume_front("onnx.")) {
    auto [domain, opType] = mlir::onnx::getDomainAndOpType(opName.str());
    node.set_domain(domain);
    node.set_op_type(opType);
    if (op->getNumRegions())
      if (const auto *schema = ::onnx::OpSchemaRegistry::Schema(opType, domain))
        graphs = mlir::onnx::getGraphAttributes(*schema);
  } else {
    fail(op->getLoc()) << "`" << opName << "` is no ONNX operator"
                       << (opName.starts_with("ac.") ? "; write the model as it is before the raise stage" : "");
    return;
  }
  if (graphs.size() != op->getNumRegions()) {
    fail(op->getLoc()) << "`" << op->getName() << "` has " << op->getNumRegions() << " regions, its operator has "
                       << graphs.size();
    return;
  }
  node.set_name(makeUnique(nameOf(op->getLoc()), nodeNames));
  for (Value operand : op->getOperands())
    node.add_input(isa<NoneType>(operand.getType()) ? "" : names.lookup(operand));
  while (node.input_size() && node.input(node.input_size() - 1).empty())
    node.mutable_input()->RemoveLast();
  for (OpResult result : op->getResults()) {
    std::string &name = names[result];
    if (isa<NoneType>(result.getType()))
      name.clear();
    else if (name.empty())
      name = makeUnique(op->getNumResults() == 1 ? node.name() + "_out"
                                                 : node.name() + "_out" + std::to_string(result.getResultNumber()),
                        taken);
    node.add_output(name);
    if (isCustom && !name.empty())
      *graph.add_value_info() = makeValueInfo(name, result.getType(), {}, op->getLoc());
  }
  while (node.output_size() && node.output(node.output_size() - 1).empty())
    node.mutable_output()->RemoveLast();
  for (NamedAttribute attribute : op->getAttrs())
    if (!isCustom || (attribute.getName() != "domain" && attribute.getName() != "op_type"))
      exportAttribute(op, attribute, node);
  for (auto [region, name] : llvm::zip_equal(op->getRegions(), graphs))
    if (!region.empty()) // an optional subgraph
      exportRegion(region, name, node);
  *graph.add_node() = std::move(node);
}

void Exporter::exportBlock(Block &block, GraphProto &graph, ArrayRef<std::string> outputs) {
  Operation *terminator = block.getTerminator();
  SmallVector<std::pair<Value, std::string>> copies;
  for (auto [value, output] : llvm::zip_equal(terminator->getOperands(), outputs)) {
    Operation *definition = value.getDefiningOp();
    bool isOwn =
        definition && definition->getBlock() == &block && definition->getName().getStringRef() != "onnx.Constant";
    if (isOwn && names.try_emplace(value, output).second)
      continue;
    copies.push_back({value, output});
  }
  for (Operation &op : block.without_terminator())
    exportOp(&op, graph);
  for (auto &[value, output] : copies) {
    NodeProto &node = *graph.add_node();
    node.set_op_type("Identity");
    node.set_name(makeUnique(output, nodeNames));
    node.add_input(names.lookup(value));
    node.add_output(output);
  }
  for (auto [value, output] : llvm::zip_equal(terminator->getOperands(), outputs))
    if (!isa<func::ReturnOp>(terminator))
      *graph.add_output() = makeValueInfo(output, value.getType(), {}, terminator->getLoc());
}

void Exporter::exportModule() {
  auto functions = llvm::to_vector(module.getOps<func::FuncOp>());
  func::FuncOp main = module.lookupSymbol<func::FuncOp>("main");
  if (!main && functions.size() == 1)
    main = functions.front();
  if (!main || main.isExternal() || !main.getBody().hasOneBlock()) {
    fail(module.getLoc()) << "a module needs a function `main` of one block to become an ONNX model";
    return;
  }
  auto version = module->getAttrOfType<IntegerAttr>("onnx.ir_version");
  // Since version 4 an initialiser need not be an input.
  model.set_ir_version(version ? std::max<int64_t>(version.getInt(), 4) : int64_t(::onnx::IR_VERSION));
  auto addOpset = [&](llvm::StringRef domain, int64_t opset) {
    auto *import = model.add_opset_import();
    import->set_domain(domain == "ai.onnx" ? "" : domain.str());
    import->set_version(opset);
  };
  if (auto opsets = module->getAttrOfType<DictionaryAttr>("onnx.opset")) {
    for (NamedAttribute opset : opsets)
      if (auto value = dyn_cast<IntegerAttr>(opset.getValue()))
        addOpset(opset.getName(), value.getInt());
  } else {
    addOpset("", mlir::onnx::getNewestOpset());
  }
  if (auto producer = module->getAttrOfType<StringAttr>("onnx.producer"))
    model.set_producer_name(producer.str());
  if (auto metadata = module->getAttrOfType<DictionaryAttr>("onnx.metadata"))
    for (NamedAttribute entry : metadata)
      if (auto text = dyn_cast<StringAttr>(entry.getValue())) {
        auto *property = model.add_metadata_props();
        property->set_key(entry.getName().str());
        property->set_value(text.str());
      }
  GraphProto &graph = *model.mutable_graph();
  auto graphName = module->getAttrOfType<StringAttr>("onnx.graph");
  graph.set_name(graphName && !graphName.empty() ? graphName.str() : "main");
  auto nameFrom = [&](DictionaryAttr attributes, const Twine &fallback) {
    auto name = attributes ? attributes.getAs<StringAttr>("onnx.name") : StringAttr();
    return makeUnique(name ? name.str() : fallback.str(), taken);
  };
  for (BlockArgument argument : main.getArguments()) {
    DictionaryAttr attributes = main.getArgAttrDict(argument.getArgNumber());
    std::string name = nameFrom(attributes, "input_" + Twine(argument.getArgNumber()));
    names[argument] = name;
    *graph.add_input() = makeValueInfo(name, argument.getType(), attributes, argument.getLoc());
  }
  SmallVector<std::string> outputs;
  for (auto [index, type] : llvm::enumerate(main.getResultTypes())) {
    DictionaryAttr attributes = main.getResultAttrDict(index);
    outputs.push_back(nameFrom(attributes, "output_" + Twine(index)));
    *graph.add_output() = makeValueInfo(outputs.back(), type, attributes, main.getLoc());
  }
  exportBlock(main.getBody().front(), graph, outputs);
}

LogicalResult Exporter::run() {
  exportModule();
  return failure(failed);
}

size_t countWeightBytes(ModuleOp module) {
  size_t bytes = 0;
  module.walk([&](Operation *op) {
    if (auto value = op->getAttrOfType<ElementsAttr>("value"))
      bytes += getPlainBytes(value).size();
  });
  return bytes;
}

/// Writes through a temporary file in the same folder, so that `path` is never half a file.
LogicalResult writeFile(llvm::StringRef path, Location loc, llvm::function_ref<void(raw_ostream &)> write) {
  llvm::Error error = llvm::writeToOutput(path, [&](raw_ostream &os) -> llvm::Error {
    write(os);
    os.flush();
    return llvm::Error::success();
  });
  if (!error)
    return success();
  return emitError(loc) << "cannot write " << path << ": " << llvm::toString(std::move(error));
}

} // namespace

LogicalResult mlir::ac::exportONNX(ModuleOp module, StringRef path, const ExportOptions &options) {
  bool isExternal = options.externalData || countWeightBytes(module) > maxModelBytes;
  std::string dataPath = (path + ".data").str();
  ModelProto model;
  Exporter exporter(module, model, isExternal ? llvm::sys::path::filename(dataPath) : "");
  if (failed(exporter.run()))
    return failure();
  std::string bytes;
  if (!model.SerializeToString(&bytes))
    return module.emitError("the model has more than 2 GiB of small constants, which protobuf cannot hold");
  if (!exporter.getExternal().empty() && failed(writeFile(dataPath, module.getLoc(), [&](raw_ostream &os) {
        uint64_t position = 0;
        for (auto [offset, data] : exporter.getExternal()) {
          os.write_zeros(offset - position);
          os.write(data.data(), data.size());
          position = offset + data.size();
        }
      })))
    return failure();
  return writeFile(path, module.getLoc(), [&](raw_ostream &os) { os << bytes; });
}

LogicalResult mlir::ac::exportONNX(ModuleOp module, raw_ostream &os) {
  if (countWeightBytes(module) > maxModelBytes)
    return module.emitError(
        "the weights take more than 2 GiB, which one protobuf file cannot hold: name an output file with `-o`");
  ModelProto model;
  std::string bytes;
  if (failed(Exporter(module, model, "").run()))
    return failure();
  if (!model.SerializeToString(&bytes))
    return module.emitError("the model has more than 2 GiB, which protobuf cannot hold");
  os << bytes;
  return success();
}
