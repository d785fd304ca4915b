//===- NodeLowering.cpp - One ONNX node on its way to linalg --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/NodeLowering.h"
#include "Lower/FunctionLowering.h"
#include "Support/NodeName.h"

using namespace mlir;
using namespace mlir::ac;

const LoweringTable &mlir::ac::getLoweringTable() {
  static const LoweringTable table = [] {
    LoweringTable table;
    populateActivationLowerings(table);
    populateArithmeticLowerings(table);
    populateAttentionLowerings(table);
    populateBudgetLowerings(table);
    populateCastLowerings(table);
    populateComparisonLowerings(table);
    populateConstantLowerings(table);
    populateControlFlowLowerings(table);
    populateConvolutionLowerings(table);
    populateDecideLowerings(table);
    populateDequantizedProductLowerings(table);
    populateDetectionLowerings(table);
    populateEinsumLowerings(table);
    populateExitLowerings(table);
    populateGatherLowerings(table);
    populateHaltingLoopLowerings(table);
    populateIndexingLowerings(table);
    populateMaskedRowsLowerings(table);
    populateMatMulLowerings(table);
    populateNormalizationLowerings(table);
    populatePoolingLowerings(table);
    populateQuantizationLowerings(table);
    populateRecurrentLowerings(table);
    populateReductionLowerings(table);
    populateResizeLowerings(table);
    populateRouteLowerings(table);
    populateRowSumLowerings(table);
    populateScatterLowerings(table);
    populateSequenceLowerings(table);
    populateShapeLowerings(table);
    populateSlicingLowerings(table);
    populateSignalLowerings(table);
    populateSortingLowerings(table);
    populateUniqueLowerings(table);
    return table;
  }();
  return table;
}

StringRef Node::operatorName() const {
  if (op->getName().getStringRef() == "onnx.Custom") {
    // Kept in the context, so that a reference outlives this call.
    auto domain = op->getAttrOfType<StringAttr>("domain"), type = op->getAttrOfType<StringAttr>("op_type");
    return StringAttr::get(op->getContext(), (domain ? domain.getValue() + "." : Twine("")) +
                                                 (type ? type.getValue() : StringRef("?")))
        .getValue();
  }
  StringRef name = op->getName().getStringRef();
  name.consume_front("onnx.");
  size_t suffix = name.rfind("_v");
  unsigned version;
  if (suffix != StringRef::npos && !name.substr(suffix + 2).getAsInteger(10, version))
    name = name.take_front(suffix);
  return name;
}

std::string Node::nodeName() const {
  StringRef name = nodeNameOf(op->getLoc());
  return name.empty() ? "?" : name.str();
}

int64_t Node::opset() const {
  StringRef name = operatorName();
  size_t dot = name.rfind('.');
  if (dot == StringRef::npos)
    return function.opset("ai.onnx");
  StringRef domain = name.take_front(dot);
  return function.opset(domain == "ml" ? StringRef("ai.onnx.ml") : domain);
}

bool Node::hasInput(unsigned i) const {
  return i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType());
}

bool Node::wantsOutput(unsigned i) const { return i < op->getNumResults() && !op->getResult(i).use_empty(); }

Value Node::input(unsigned i) const { return function.lookup(op->getOperand(i)); }

Value Node::captured(Value original) const { return function.lookup(original); }

SmallVector<Value> Node::inputs() const {
  SmallVector<Value> result;
  for (unsigned i = 0; i < numInputs(); ++i)
    if (hasInput(i))
      result.push_back(input(i));
  return result;
}

static bool isUnsignedTensor(Type type) {
  auto tensor = dyn_cast<TensorType>(type);
  return tensor && tensor.getElementType().isUnsignedInteger();
}

bool Node::isUnsigned(unsigned i) const { return hasInput(i) && isUnsignedTensor(op->getOperand(i).getType()); }

bool Node::isOutputUnsigned(unsigned i) const {
  return i < numOutputs() && isUnsignedTensor(op->getResult(i).getType());
}

Type Node::outputElementType(unsigned i) const {
  auto tensor = dyn_cast<TensorType>(op->getResult(i).getType());
  if (!tensor)
    return {};
  RankedTensorType lowered = toSignless(RankedTensorType::get({}, tensor.getElementType()));
  return lowered ? lowered.getElementType() : Type();
}

std::optional<SmallVector<int64_t>> Node::constantInts(unsigned i) const {
  if (!hasInput(i))
    return std::nullopt;
  Value value = input(i);
  if (!isa<IntegerType>(Emitter::elementType(value)))
    return std::nullopt;
  SmallVector<int64_t> result;
  if (auto constant = dyn_cast_if_present<DenseElementsAttr>(Emitter::constantValue(value))) {
    for (APInt element : constant.getValues<APInt>())
      result.push_back(isUnsigned(i) ? static_cast<int64_t>(element.getZExtValue()) : element.getSExtValue());
    return result;
  }
  if (!Emitter::isElementwiseKnown(value))
    return std::nullopt;
  for (Value element : emit.elements(value)) {
    APInt constant;
    if (!matchPattern(element, m_ConstantInt(&constant)))
      return std::nullopt;
    result.push_back(isUnsigned(i) ? static_cast<int64_t>(constant.getZExtValue()) : constant.getSExtValue());
  }
  return result;
}

std::optional<double> Node::constantNumber(unsigned i) const {
  if (!hasInput(i))
    return std::nullopt;
  auto constant = dyn_cast_if_present<DenseElementsAttr>(Emitter::constantValue(input(i)));
  if (!constant || constant.getNumElements() == 0 || (constant.getNumElements() != 1 && !constant.isSplat()))
    return std::nullopt;
  Attribute element = *constant.getValues<Attribute>().begin();
  if (auto number = dyn_cast<FloatAttr>(element))
    return number.getValueAsDouble();
  if (auto number = dyn_cast<IntegerAttr>(element)) {
    const APInt &bits = number.getValue();
    return isUnsigned(i) || bits.getBitWidth() == 1 ? static_cast<double>(bits.getZExtValue())
                                                    : static_cast<double>(bits.getSExtValue());
  }
  return std::nullopt;
}

int64_t Node::getInt(StringRef name, int64_t otherwise) const {
  auto attr = op->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getValue().getSExtValue() : otherwise;
}

double Node::getFloat(StringRef name, double otherwise) const {
  auto attr = op->getAttrOfType<FloatAttr>(name);
  // The default is a float as well: epsilon of a normalisation of f64 is not 1e-5.
  return attr ? attr.getValueAsDouble() : static_cast<double>(static_cast<float>(otherwise));
}

StringRef Node::getString(StringRef name, StringRef otherwise) const {
  auto attr = op->getAttrOfType<StringAttr>(name);
  return attr ? attr.getValue() : otherwise;
}

std::optional<SmallVector<int64_t>> Node::getInts(StringRef name) const {
  if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>(name))
    return llvm::to_vector(attr.asArrayRef());
  return std::nullopt;
}

std::optional<SmallVector<double>> Node::getFloats(StringRef name) const {
  if (auto attr = op->getAttrOfType<DenseF32ArrayAttr>(name))
    return llvm::to_vector_of<double>(attr.asArrayRef());
  return std::nullopt;
}

SmallVector<StringRef> Node::getStrings(StringRef name) const {
  SmallVector<StringRef> result;
  if (auto attr = op->getAttrOfType<ArrayAttr>(name))
    for (Attribute element : attr)
      if (auto text = dyn_cast<StringAttr>(element))
        result.push_back(text.getValue());
  return result;
}

FailureOr<int64_t> Node::normalizeAxis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) {
    (void)refuse("axis " + Twine(axis) + " is out of range, expected [" + Twine(-rank) + ", " + Twine(rank) + ")");
    return failure();
  }
  return axis < 0 ? axis + rank : axis;
}

FailureOr<int64_t> Node::getAxis(StringRef name, int64_t otherwise, int64_t rank) const {
  return normalizeAxis(getInt(name, otherwise), rank);
}

std::optional<SmallVector<int64_t>> Node::getIntsOrInput(StringRef attribute, unsigned input) const {
  if (auto values = getInts(attribute))
    return values;
  return constantInts(input);
}

void Node::setOutput(unsigned i, Value value) {
  if (i < op->getNumResults())
    function.map(op->getResult(i), value);
}

LogicalResult Node::finish(ValueRange values) {
  for (auto [i, value] : llvm::enumerate(values))
    setOutput(i, value);
  return success();
}

std::string Node::describe(const Twine &message) const {
  return ("node '" + Twine(nodeName()) + "' (" + operatorName() + "): " + message).str();
}

LogicalResult Node::refuse(const Twine &why) const { return emitError(op->getLoc()) << describe(why); }

void Node::require(Value condition, const Twine &message) const { emit.require(condition, describe(message)); }

std::optional<SmallVector<Value>> Node::tryLowerRest(std::string &why) {
  auto loc = emit.getLoc();
  std::optional<SmallVector<Value>> results = function.tryLowerAfter(op, why);
  emit.setLoc(loc);
  return results;
}

LogicalResult Node::finishBlock(ValueRange values) {
  function.finishBlock(values);
  return success();
}

FailureOr<SmallVector<Value>> Node::lowerRegion(unsigned i, ValueRange arguments) {
  Block &block = op->getRegion(i).front();
  if (block.getNumArguments() != arguments.size())
    return refuse("its subgraph takes " + Twine(block.getNumArguments()) + " inputs, expected " +
                  Twine(arguments.size()));
  for (auto [original, lowered] : llvm::zip(block.getArguments(), arguments))
    function.map(original, lowered);
  auto loc = emit.getLoc();
  FailureOr<SmallVector<Value>> results = function.lowerBlock(block);
  emit.setLoc(loc);
  return results;
}
