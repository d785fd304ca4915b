//===- Sequences.cpp - Sequences and optionals ----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sequences of which the length is known while compiling, as exporters make them for `torch.split` and `torch.stack`.
// Such a sequence is no value of the program: it is stood for by an `unrealized_conversion_cast` of its elements, which
// nothing uses once the operators on it have been resolved. An optional is a sequence of one element or none.
//
//===----------------------------------------------------------------------===//
#include "Lower/NodeLowering.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace mlir::ac;

static LogicalResult finishSequence(Node &node, ValueRange elements) {
  auto sequence = UnrealizedConversionCastOp::create(node.emit, node.op->getResult(0).getType(), elements);
  return node.finish(sequence.getResult(0));
}

/// The elements of input `i`.
static FailureOr<SmallVector<Value>> elementsOf(Node &node, unsigned i) {
  if (auto sequence = node.input(i).getDefiningOp<UnrealizedConversionCastOp>())
    return llvm::to_vector(sequence.getInputs());
  return node.refuse("input " + Twine(i) + " is not a sequence of a length that is known while compiling");
}

/// The position in input `i`, in [0, size); `otherwise` if it is left out.
static FailureOr<int64_t> positionOf(Node &node, unsigned i, int64_t size, int64_t otherwise) {
  int64_t position = otherwise;
  if (node.hasInput(i)) {
    auto given = node.constantInts(i);
    if (!given || given->size() != 1)
      return node.refuse("the position in a sequence is only known at run time");
    position = given->front() < 0 ? given->front() + size : given->front();
  }
  if (position < 0 || position >= size)
    return node.refuse("position " + Twine(position) + " is out of range for " + Twine(size) + " places");
  return position;
}

static LogicalResult lowerSequenceEmpty(Node &node) { return finishSequence(node, {}); }

static LogicalResult lowerSequenceConstruct(Node &node) { return finishSequence(node, node.inputs()); }

static LogicalResult lowerSequenceAt(Node &node) {
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  auto position = positionOf(node, 1, elements->size(), 0);
  return failed(position) ? failure() : node.finish((*elements)[*position]);
}

static LogicalResult lowerSequenceInsert(Node &node) {
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  int64_t size = elements->size();
  int64_t position = size;
  if (node.hasInput(2)) {
    auto given = node.constantInts(2);
    if (!given || given->size() != 1)
      return node.refuse("the position in a sequence is only known at run time");
    position = given->front() < 0 ? given->front() + size : given->front();
  }
  if (position < 0 || position > size)
    return node.refuse("position " + Twine(position) + " is out of range for " + Twine(size) + " elements");
  elements->insert(elements->begin() + position, node.input(1));
  return finishSequence(node, *elements);
}

static LogicalResult lowerSequenceErase(Node &node) {
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  auto position = positionOf(node, 1, elements->size(), int64_t(elements->size()) - 1);
  if (failed(position))
    return failure();
  elements->erase(elements->begin() + *position);
  return finishSequence(node, *elements);
}

static LogicalResult lowerSequenceLength(Node &node) {
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  Type i64 = node.emit.getI64Type();
  return node.finish(node.emit.fromElements({}, i64, node.emit.constant(i64, int64_t(elements->size()))));
}

static LogicalResult lowerConcatFromSequence(Node &node) {
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  if (elements->empty())
    return node.refuse("there is nothing to concatenate");
  Emitter &emit = node.emit;
  bool stack = node.getInt("new_axis", 0) != 0;
  int64_t rank = Emitter::rank(elements->front()) + (stack ? 1 : 0);
  auto axis = node.getAxis("axis", 0, rank);
  if (failed(axis))
    return failure();
  for (Value &element : *elements) {
    if (Emitter::rank(element) != Emitter::rank(elements->front()) && !stack)
      return node.refuse("elements of ranks " + Twine(Emitter::rank(elements->front())) + " and " +
                         Twine(Emitter::rank(element)));
    if (stack)
      element = emit.expandAxes(element, {*axis});
    if (Emitter::rank(element) != rank)
      return node.refuse("elements of different ranks");
  }
  return node.finish(emit.concat(*elements, *axis));
}

static LogicalResult lowerSplitToSequence(Node &node) {
  Emitter &emit = node.emit;
  Value input = node.input(0);
  auto axis = node.getAxis("axis", 0, Emitter::rank(input));
  if (failed(axis))
    return failure();
  auto size = getConstantIntValue(emit.dim(input, *axis));
  SmallVector<int64_t> parts;
  if (node.hasInput(1)) {
    auto split = node.constantInts(1);
    if (!split)
      return node.refuse("the sizes of the parts are only known at run time");
    parts = *split;
  }
  bool isList = node.hasInput(1) && Emitter::rank(node.input(1)) == 1;
  if (!isList) {
    if (!size)
      return node.refuse("the number of parts is only known at run time");
    int64_t part = parts.empty() ? 1 : parts.front();
    if (part <= 0)
      return node.refuse("parts of size " + Twine(part));
    parts.clear();
    for (int64_t begin = 0; begin < *size; begin += part)
      parts.push_back(std::min(part, *size - begin));
  }
  int64_t sum = 0;
  for (int64_t part : parts) {
    if (part < 0)
      return node.refuse("parts of size " + Twine(part));
    sum += part;
  }
  if (!size || *size != sum) {
    if (size)
      return node.refuse("the parts hold " + Twine(sum) + " entries of " + Twine(*size));
    node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(emit.dim(input, *axis)),
                                       emit.constantIndex(sum)),
                 "the sizes of the parts do not add up to the dimension");
  }
  bool squeeze = !node.hasInput(1) && node.getInt("keepdims", 1) == 0;
  SmallVector<Value> elements;
  int64_t begin = 0;
  for (int64_t part : parts) {
    Value element = emit.slice(input, *axis, emit.dimension(begin), emit.dimension(part));
    elements.push_back(squeeze ? emit.squeezeAxes(element, {*axis}) : element);
    begin += part;
  }
  return finishSequence(node, elements);
}

static LogicalResult lowerOptional(Node &node) { return finishSequence(node, node.inputs()); }

/// Tensors and sequences are elements of themselves.
static bool isOptional(Node &node) { return isa<onnx::OptType>(node.op->getOperand(0).getType()); }

static LogicalResult lowerOptionalGetElement(Node &node) {
  if (!isOptional(node))
    return node.finish(node.input(0));
  auto elements = elementsOf(node, 0);
  if (failed(elements))
    return failure();
  return elements->empty() ? node.refuse("the optional is empty") : node.finish(elements->front());
}

static LogicalResult lowerOptionalHasElement(Node &node) {
  bool has = node.hasInput(0);
  if (has && isOptional(node)) {
    auto elements = elementsOf(node, 0);
    if (failed(elements))
      return failure();
    has = !elements->empty();
  }
  Type i1 = node.emit.getI1Type();
  return node.finish(node.emit.fromElements({}, i1, node.emit.constant(i1, int64_t(has))));
}

void ac::populateSequenceLowerings(LoweringTable &table) {
  table.add("ConcatFromSequence", lowerConcatFromSequence);
  table.add("Optional", lowerOptional);
  table.add("OptionalGetElement", lowerOptionalGetElement);
  table.add("OptionalHasElement", lowerOptionalHasElement);
  table.add("SequenceAt", lowerSequenceAt);
  table.add("SequenceConstruct", lowerSequenceConstruct);
  table.add("SequenceEmpty", lowerSequenceEmpty);
  table.add("SequenceErase", lowerSequenceErase);
  table.add("SequenceInsert", lowerSequenceInsert);
  table.add("SequenceLength", lowerSequenceLength);
  table.add("SplitToSequence", lowerSplitToSequence);
}
