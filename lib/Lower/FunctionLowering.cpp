//===- FunctionLowering.cpp - Walks a graph node by node ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/FunctionLowering.h"

using namespace mlir;
using namespace mlir::ac;

RankedTensorType mlir::ac::toSignless(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return {};
  Type element = tensor.getElementType();
  if (auto integer = dyn_cast<IntegerType>(element))
    element = IntegerType::get(type.getContext(), integer.getWidth());
  else if (!isa<FloatType>(element))
    return {};
  return RankedTensorType::get(tensor.getShape(), element);
}

StringRef mlir::ac::elementTypeName(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1: return "bool";
    case 8: return isUnsigned ? "u8" : "i8";
    case 16: return isUnsigned ? "u16" : "i16";
    case 32: return isUnsigned ? "u32" : "i32";
    case 64: return isUnsigned ? "u64" : "i64";
    default: return "";
    }
  }
  if (element.isF16())
    return "f16";
  if (element.isBF16())
    return "bf16";
  if (element.isF32())
    return "f32";
  if (element.isF64())
    return "f64";
  return "";
}

FunctionLowering::FunctionLowering(func::FuncOp source, const LoweringTable &table)
    : emit(source.getContext()), source(source), table(table) {}

int64_t FunctionLowering::opset(StringRef domain) const {
  auto versions = source->getParentOp()->getAttrOfType<DictionaryAttr>("onnx.opset");
  if (!versions)
    return 1 << 20; // hand-written IR: the newest
  auto version = dyn_cast_if_present<IntegerAttr>(versions.get(domain.empty() ? StringRef("ai.onnx") : domain));
  return version ? version.getInt() : 1;
}

LogicalResult FunctionLowering::lowerArguments(func::FuncOp target) {
  llvm::StringMap<OpFoldResult> symbols;
  for (auto [index, original] : llvm::enumerate(source.getArguments())) {
    Value argument = target.getArgument(index);
    Dims dims;
    auto declared = source.getArgAttrOfType<ArrayAttr>(index, "onnx.dims");
    for (auto [axis, size] : llvm::enumerate(Emitter::type(argument).getShape())) {
      if (!ShapedType::isDynamic(size)) {
        dims.push_back(emit.getIndexAttr(size));
        continue;
      }
      StringAttr symbol = declared && axis < declared.size() ? dyn_cast<StringAttr>(declared[axis]) : StringAttr();
      bool named = symbol && !symbol.empty() && symbol != "?";
      OpFoldResult *known = named ? &symbols[symbol.getValue()] : nullptr;
      // Inputs that share a symbol share the size: the runtime has checked that.
      if (known && !known->isNull()) {
        dims.push_back(*known);
        continue;
      }
      OpFoldResult dim = tensor::DimOp::create(emit, argument, axis).getResult();
      if (known)
        *known = dim;
      dims.push_back(dim);
    }
    map(original, emit.withDims(argument, dims));
  }
  return success();
}

LogicalResult FunctionLowering::run() {
  SmallVector<Type> argumentTypes;
  for (auto [index, type] : llvm::enumerate(source.getArgumentTypes())) {
    RankedTensorType lowered = toSignless(type);
    if (!lowered || elementTypeName(cast<RankedTensorType>(type).getElementType()).empty()) {
      auto name = source.getArgAttrOfType<StringAttr>(index, "onnx.name");
      return source.emitError() << "input '" << (name ? name.getValue() : StringRef("?")) << "' has type " << type
                                << ", expected a tensor of known rank with f16, bf16, f32, f64, bool or 8 to 64-bit "
                                   "integer elements";
    }
    argumentTypes.push_back(lowered);
  }
  emit.setLoc(source.getLoc());
  emit.setInsertionPoint(source);
  // The result types are known at the end.
  auto target = func::FuncOp::create(emit, source.getLoc(), source.getName(),
                                     emit.getFunctionType(argumentTypes, {}));
  emit.setInsertionPointToStart(target.addEntryBlock());
  if (failed(lowerArguments(target)))
    return failure();
  FailureOr<SmallVector<Value>> results = lowerBlock(source.getBody().front());
  if (failed(results) || anyRefused) {
    target.erase();
    return failure();
  }
  for (auto [index, type] : llvm::enumerate(source.getResultTypes()))
    if (elementTypeName(getElementTypeOrSelf(type)).empty()) {
      auto name = source.getResultAttrOfType<StringAttr>(index, "onnx.name");
      target.erase();
      return source.emitError() << "output '" << (name ? name.getValue() : StringRef("?")) << "' has type " << type
                                << ", expected a tensor with f16, bf16, f32, f64, bool or 8 to 64-bit integer elements";
    }
  func::ReturnOp::create(emit, source.getLoc(), *results);
  target.setType(emit.getFunctionType(argumentTypes, TypeRange(ValueRange(*results))));
  for (unsigned i = 0; i < source.getNumArguments(); ++i) {
    if (DictionaryAttr attrs = source.getArgAttrDict(i))
      target.setArgAttrs(i, attrs);
    // Inputs belong to the caller: a loop that begins with one must not update it in place.
    target.setArgAttr(i, "bufferization.writable", emit.getBoolAttr(false));
    target.setArgAttr(i, "ac.type",
                      emit.getStringAttr(elementTypeName(getElementTypeOrSelf(source.getArgumentTypes()[i]))));
  }
  for (unsigned i = 0; i < source.getNumResults(); ++i) {
    if (DictionaryAttr attrs = source.getResultAttrDict(i))
      target.setResultAttrs(i, attrs);
    StringRef name = elementTypeName(getElementTypeOrSelf(source.getResultTypes()[i]));
    if (name.empty() || toSignless(RankedTensorType::get({}, getElementTypeOrSelf(source.getResultTypes()[i])))
                                .getElementType() != Emitter::elementType((*results)[i]))
      name = elementTypeName(Emitter::elementType((*results)[i]));
    target.setResultAttr(i, "ac.type", emit.getStringAttr(name));
    // What the model does not say of the shape: the results of operators that inference does not know.
    if (!isa<RankedTensorType>(source.getResultTypes()[i]) && !target.getResultAttr(i, "onnx.dims")) {
      auto dims = llvm::map_to_vector(Emitter::type((*results)[i]).getShape(), [&](int64_t size) -> Attribute {
        return ShapedType::isDynamic(size) ? Attribute(emit.getStringAttr("?")) : emit.getI64IntegerAttr(size);
      });
      target.setResultAttr(i, "onnx.dims", emit.getArrayAttr(dims));
    }
  }
  target.setVisibility(source.getVisibility());
  source.erase();
  return success();
}

FailureOr<SmallVector<Value>> FunctionLowering::lowerFrom(Block &block, Block::iterator first) {
  for (Operation &op : llvm::make_range(first, std::prev(block.end()))) {
    if (failed(lowerNode(&op)))
      anyRefused = true;
    if (auto results = std::exchange(blockResults, std::nullopt))
      return std::move(*results);
  }
  SmallVector<Value> results;
  for (Value operand : block.getTerminator()->getOperands()) {
    Value lowered = lookup(operand);
    if (!lowered) {
      anyRefused = true;
      return failure();
    }
    results.push_back(lowered);
  }
  return results;
}

std::optional<SmallVector<Value>> FunctionLowering::tryLowerAfter(Operation *op, std::string &why) {
  bool refusedBefore = std::exchange(anyRefused, false);
  ScopedDiagnosticHandler quiet(op->getContext(), [&](Diagnostic &diagnostic) {
    if (why.empty())
      why = diagnostic.str();
    return success();
  });
  FailureOr<SmallVector<Value>> results = lowerFrom(*op->getBlock(), std::next(op->getIterator()));
  bool refused = std::exchange(anyRefused, refusedBefore);
  if (failed(results) || refused)
    return std::nullopt;
  return std::move(*results);
}

/// Sequences and optionals are no values of the program (see Ops/Sequences.cpp): only these know what to do with them.
static bool takesSequences(StringRef name) {
  return name.contains("Sequence") || name.starts_with("Optional") || name == "Identity";
}

LogicalResult FunctionLowering::lowerNode(Operation *op) {
  if (op->getName().getStringRef() == "onnx.NoValue")
    return success();
  // An input that could not be lowered has been reported already.
  for (Value operand : op->getOperands())
    if (!isa<NoneType>(operand.getType()) && !lookup(operand))
      return failure();
  emit.setLoc(op->getLoc());
  Node node(op, emit, *this);
  LowerFunction lower = table.lookup(node.operatorName());
  if (!lower)
    return node.refuse("the operator is not supported (opset " + Twine(node.opset()) + ")");
  for (auto [index, operand] : llvm::enumerate(op->getOperands()))
    if (!isa<NoneType>(operand.getType()) && !isa<RankedTensorType>(lookup(operand).getType()) &&
        !takesSequences(node.operatorName()))
      return node.refuse("input " + Twine(index) + " is a sequence or optional, expected a tensor");
  if (failed(lower(node)))
    return failure();
  for (Value result : op->getResults())
    if (!result.use_empty() && !isa<NoneType>(result.getType()) && !lookup(result))
      return node.refuse("its output " + Twine(cast<OpResult>(result).getResultNumber()) + " is not supported");
  return success();
}
