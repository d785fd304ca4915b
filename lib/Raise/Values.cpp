//===- Values.cpp - What the passes of the raise stage ask of values ------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/Values.h"
#include "Support/NodeName.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::ac {

StringRef operatorOf(Operation *op) {
  StringRef name = op->getName().getStringRef();
  if (!name.consume_front("onnx."))
    return name;
  if (name == "Custom")
    if (auto type = op->getAttrOfType<StringAttr>("op_type"))
      return type.getValue();
  return name;
}

StringRef operatorOf(Value value) {
  Operation *op = value.getDefiningOp();
  return op ? operatorOf(op) : StringRef();
}

RankedTensorType rankedType(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

bool hasOneElement(Value value) {
  auto type = rankedType(value);
  return type && type.hasStaticShape() && type.getNumElements() == 1;
}

bool isProduct(Operation *op) {
  static const llvm::StringSet<> names = {
      "MatMul", "Gemm",        "Conv",        "ConvTranspose", "MatMulInteger", "ConvInteger",         "QLinearMatMul",
      "LSTM",   "QLinearConv", "MatMulNBits", "Attention",     "Einsum",        "GroupQueryAttention", "MoE",
      "GRU",    "RNN",         "FusedMatMul", "QMoE",          "DeformConv",    "MultiHeadAttention"};
  return names.contains(operatorOf(op));
}

static ElementsAttr constantOf(Value value) {
  Operation *op = value.getDefiningOp();
  return op && operatorOf(op) == "Constant" ? op->getAttrOfType<ElementsAttr>("value") : ElementsAttr();
}

std::optional<SmallVector<int64_t>> constantInts(Value value) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(constantOf(value));
  if (!dense || !isa<IntegerType>(dense.getElementType()) || dense.getNumElements() > 65536)
    return std::nullopt;
  SmallVector<int64_t> values;
  bool isBool = dense.getElementType().isInteger(1);
  for (APInt element : dense.getValues<APInt>())
    values.push_back(isBool ? static_cast<int64_t>(element.getZExtValue()) : element.getSExtValue());
  return values;
}

/// What a known size filled with a number, a Transpose of a matrix or a Slice along one axis makes of the integers of
/// its operand. Paddings are written so by one exporter.
static std::optional<SmallVector<int64_t>> knownMoved(Operation *op, std::optional<SmallVector<int64_t>> from) {
  auto type = rankedType(op->getResult(0)), fromType = rankedType(op->getOperand(0));
  if (!type.hasStaticShape() || type.getNumElements() > 64 || !fromType || !fromType.hasStaticShape())
    return std::nullopt;
  if (operatorOf(op) == "ConstantOfShape") {
    auto fill = op->getAttrOfType<DenseElementsAttr>("value");
    if (!fill)
      return std::nullopt;
    return SmallVector<int64_t>(type.getNumElements(), fill.getSplatValue<APInt>().getSExtValue());
  }
  if (!from || static_cast<int64_t>(from->size()) != fromType.getNumElements() || fromType.getRank() > 2)
    return std::nullopt;
  bool isMatrix = fromType.getRank() == 2;
  int64_t rows = isMatrix ? fromType.getDimSize(0) : 1, columns = fromType.getRank() ? fromType.getShape().back() : 1;
  SmallVector<int64_t> result;
  if (operatorOf(op) == "Transpose") {
    auto perm = intsOf(op, "perm", ~0u);
    if (!isMatrix || (perm && *perm != SmallVector<int64_t>{1, 0}))
      return std::nullopt;
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t row = 0; row < rows; ++row)
        result.push_back((*from)[row * columns + column]);
    return result;
  }
  auto starts = intsOf(op, "starts", 1), ends = intsOf(op, "ends", 2), steps = intsOf(op, "steps", 4);
  bool hasAxes = op->getNumOperands() > 3 && !isa<NoneType>(op->getOperand(3).getType());
  auto axes = hasAxes ? normalized(intsOf(op, "axes", 3), fromType.getRank()) : std::nullopt;
  if (!starts || !ends || !axes || axes->size() != 1 || starts->size() != 1 || ends->size() != 1)
    return std::nullopt;
  bool alongRows = isMatrix && axes->front() == 0;
  int64_t size = alongRows ? rows : columns, step = steps ? steps->front() : 1;
  auto clamp = [&](int64_t at, int64_t least, int64_t most) {
    at = at < 0 && at >= -size ? at + size : at;
    return std::min(std::max(at, least), most);
  };
  if (step != 1 && step != -1)
    return std::nullopt;
  SmallVector<int64_t> picked;
  int64_t begin = step > 0 ? clamp(starts->front(), 0, size) : clamp(starts->front(), 0, size - 1);
  int64_t end = step > 0 ? clamp(ends->front(), 0, size) : clamp(ends->front(), -1, size - 1);
  for (int64_t at = begin; step > 0 ? at < end : at > end; at += step)
    picked.push_back(at);
  for (int64_t row = 0; row < (alongRows ? static_cast<int64_t>(picked.size()) : rows); ++row)
    for (int64_t column = 0; column < (alongRows ? columns : static_cast<int64_t>(picked.size())); ++column)
      result.push_back((*from)[(alongRows ? picked[row] : row) * columns + (alongRows ? column : picked[column])]);
  return result;
}

std::optional<SmallVector<int64_t>> knownInts(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  auto type = rankedType(value);
  if (!op || depth == 0 || !type || !type.getElementType().isInteger(64))
    return std::nullopt;
  StringRef name = operatorOf(op);
  if (name == "Constant")
    return constantInts(value);
  auto operand = [&](unsigned i) { return knownInts(op->getOperand(i), depth - 1); };
  if (name == "ConstantOfShape" || name == "Transpose" || name == "Slice")
    return knownMoved(op, name == "ConstantOfShape" ? std::nullopt : operand(0));
  if (name == "Reshape" && type.hasStaticShape())
    return operand(0);
  if (type.getRank() > 1)
    return std::nullopt;
  if (name == "Identity" || name == "Cast" || name == "Squeeze" || name == "Unsqueeze" || name == "Reshape")
    return operand(0);
  if (name == "Concat") {
    SmallVector<int64_t> all;
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      auto part = operand(i);
      if (!part)
        return std::nullopt;
      all.append(*part);
    }
    return all;
  }
  if (name == "Gather") {
    // Of a shape only what is asked for need be known.
    auto indices = operand(1);
    Operation *shape = op->getOperand(0).getDefiningOp();
    auto source = shape && operatorOf(shape) == "Shape" && !shape->getAttr("start") && !shape->getAttr("end")
                      ? rankedType(shape->getOperand(0))
                      : RankedTensorType();
    auto from = rankedType(op->getOperand(0));
    auto list = source ? std::optional(llvm::to_vector(source.getShape())) : operand(0);
    if (!indices || !list || !from || from.getRank() != 1)
      return std::nullopt;
    SmallVector<int64_t> picked;
    for (int64_t index : *indices) {
      index += index < 0 ? static_cast<int64_t>(list->size()) : 0;
      if (index < 0 || index >= static_cast<int64_t>(list->size()) || (source && ShapedType::isDynamic((*list)[index])))
        return std::nullopt;
      picked.push_back((*list)[index]);
    }
    return picked;
  }
  if (name != "Add" && name != "Sub" && name != "Mul" && name != "Div")
    return std::nullopt;
  auto left = operand(0), right = operand(1);
  if (!left || !right || left->size() != 1 || right->size() != 1)
    return std::nullopt;
  int64_t a = left->front(), b = right->front(), result = 0;
  bool overflows = name == "Add"   ? llvm::AddOverflow(a, b, result)
                   : name == "Sub" ? llvm::SubOverflow(a, b, result)
                   : name == "Mul" ? llvm::MulOverflow(a, b, result)
                                   : b <= 0;
  if (overflows)
    return std::nullopt;
  return SmallVector<int64_t>{name == "Div" ? a / b : result};
}

bool areIntsBelow(Value value, int64_t end) {
  ElementsAttr constant = constantOf(value);
  auto isWithin = [&](int64_t number) { return number >= 0 && number < end; };
  if (auto dense = dyn_cast_if_present<DenseElementsAttr>(constant))
    return isa<IntegerType>(dense.getElementType()) && llvm::all_of(dense.getValues<APInt>(), [&](const APInt &number) {
             return isWithin(number.getSExtValue());
           });
  auto blob = dyn_cast_if_present<DenseResourceElementsAttr>(constant);
  if (!blob || !blob.getRawHandle().getBlob())
    return false;
  ArrayRef<char> bytes = blob.getRawHandle().getBlob()->getData();
  auto all = [&](auto zero) {
    using Number = decltype(zero);
    ArrayRef<Number> numbers(reinterpret_cast<const Number *>(bytes.data()), bytes.size() / sizeof(Number));
    return llvm::all_of(numbers, isWithin);
  };
  Type element = constant.getElementType();
  return element.isInteger(64) ? all(int64_t()) : element.isInteger(32) && all(int32_t());
}

std::optional<double> constantNumber(Value value) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(constantOf(value));
  if (!dense || dense.getNumElements() == 0 || !dense.isSplat())
    return std::nullopt;
  if (isa<FloatType>(dense.getElementType()))
    return dense.getSplatValue<APFloat>().convertToDouble();
  if (isa<IntegerType>(dense.getElementType()))
    return static_cast<double>(dense.getSplatValue<APInt>().getSExtValue());
  return std::nullopt;
}

bool isZero(Value value) {
  value = throughMoves(value, /*shapes=*/true, /*casts=*/true);
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (operatorOf(op) == "ConstantOfShape") {
    auto fill = op->getAttrOfType<DenseElementsAttr>("value");
    if (!fill)
      return true;
    return isa<FloatType>(fill.getElementType()) ? fill.getSplatValue<APFloat>().isZero()
                                                 : fill.getSplatValue<APInt>().isZero();
  }
  if (operatorOf(op) == "Expand" || operatorOf(op) == "Tile")
    return isZero(op->getOperand(0));
  if (operatorOf(op) == "Mul")
    return isZero(op->getOperand(0)) || isZero(op->getOperand(1));
  if (auto number = constantNumber(value))
    return *number == 0.0;
  // Large zero tensors are blobs.
  auto blob = dyn_cast_if_present<DenseResourceElementsAttr>(constantOf(value));
  if (!blob || !blob.getRawHandle().getBlob())
    return false;
  return llvm::all_of(blob.getRawHandle().getBlob()->getData(), [](char byte) { return byte == 0; });
}

std::optional<SmallVector<int64_t>> intsOf(Operation *op, StringRef attribute, unsigned input) {
  if (auto given = op->getAttrOfType<DenseI64ArrayAttr>(attribute))
    return llvm::to_vector(given.asArrayRef());
  if (input < op->getNumOperands())
    return constantInts(op->getOperand(input));
  return std::nullopt;
}

int64_t intOf(Operation *op, StringRef attribute, int64_t otherwise) {
  auto given = op->getAttrOfType<IntegerAttr>(attribute);
  return given ? given.getInt() : otherwise;
}

std::optional<SmallVector<int64_t>> normalized(std::optional<SmallVector<int64_t>> axes, int64_t rank) {
  if (!axes)
    return std::nullopt;
  for (int64_t &axis : *axes) {
    if (axis < 0)
      axis += rank;
    if (axis < 0 || axis >= rank)
      return std::nullopt;
  }
  return axes;
}

std::string equationOfTwo(Operation *op) {
  auto equation = op->getAttrOfType<StringAttr>("equation");
  std::string text = equation && op->getNumOperands() == 2 ? equation.str() : "";
  llvm::erase(text, ' ');
  return text;
}

Value throughMoves(Value value, bool shapes, bool casts) {
  while (Operation *op = value.getDefiningOp()) {
    StringRef name = operatorOf(op);
    bool moves = name == "Identity" || (casts && name == "Cast") ||
                 (shapes && (name == "Reshape" || name == "Squeeze" || name == "Unsqueeze" || name == "Flatten"));
    if (!moves)
      break;
    value = op->getOperand(0);
  }
  return value;
}

Value throughUnitMoves(Value value) {
  auto extents = [](RankedTensorType type) {
    SmallVector<int64_t> sizes;
    for (int64_t size : type.getShape())
      if (size != 1)
        sizes.push_back(size);
    return sizes;
  };
  while (Operation *op = value.getDefiningOp()) {
    StringRef name = operatorOf(op);
    static const llvm::StringSet<> moves = {"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose"};
    auto from = moves.contains(name) ? rankedType(op->getOperand(0)) : RankedTensorType(), to = rankedType(value);
    if (!from || !to)
      break;
    SmallVector<int64_t> sizes = extents(from);
    // With two unknown sizes, nobody can tell which went where.
    if (sizes != extents(to) || llvm::count(sizes, ShapedType::kDynamic) > 1)
      break;
    if (name == "Transpose") {
      auto perm = intsOf(op, "perm", ~0u);
      SmallVector<int64_t> moved;
      for (int64_t axis : perm.value_or(SmallVector<int64_t>()))
        if (from.getDimSize(axis) != 1)
          moved.push_back(axis);
      if (!perm || !llvm::is_sorted(moved))
        break;
    }
    value = op->getOperand(0);
  }
  return value;
}

Value make(OpBuilder &b, Location loc, StringRef name, Type type, ValueRange operands,
           ArrayRef<NamedAttribute> attributes) {
  OperationState state(loc, ("onnx." + name).str());
  state.addTypes(type);
  state.addOperands(operands);
  state.addAttributes(attributes);
  return b.create(state)->getResult(0);
}

Value makeInts(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get(shape, b.getI64Type());
  return make(b, loc, "Constant", type, {}, b.getNamedAttr("value", DenseElementsAttr::get(type, values)));
}

NamedAttribute intAttribute(OpBuilder &b, StringRef name, int64_t value) {
  return b.getNamedAttr(name, b.getIntegerAttr(b.getIntegerType(64), value));
}

Value makeCast(OpBuilder &b, Location loc, Value value, Type element) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType() == element)
    return value;
  // ONNX numbers of the types that masks and counts have.
  int64_t to = element.isF32() ? 1 : element.isF16() ? 10 : element.isF64() ? 11 : element.isBF16() ? 16 : element.isInteger(1) ? 9 : element.isInteger(32) ? 6 : 7;
  return make(b, loc, "Cast", RankedTensorType::get(type.getShape(), element), value, intAttribute(b, "to", to));
}

void eraseUnused(Operation *op, llvm::SmallPtrSetImpl<Operation *> *erased) {
  SmallVector<Operation *> open{op};
  llvm::SmallPtrSet<Operation *, 16> gone;
  while (!open.empty()) {
    Operation *next = open.pop_back_val();
    if (!next || gone.contains(next) || !next->use_empty() || !isMemoryEffectFree(next) ||
        next->hasTrait<OpTrait::IsTerminator>())
      continue;
    // What its regions use from outside as well.
    next->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (Operation *input = operand.getDefiningOp(); input && !next->isAncestor(input))
          open.push_back(input);
    });
    gone.insert(next);
    if (erased)
      erased->insert(next);
    next->erase();
  }
}

std::string describe(Operation *op) {
  StringRef name = nodeNameOf(op->getLoc());
  return ("node '" + (name.empty() ? "?" : name) + "' (" + operatorOf(op) + ")").str();
}

} // namespace mlir::ac
