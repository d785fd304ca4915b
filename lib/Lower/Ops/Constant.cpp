//===- Constant.cpp - Tensors out of nothing ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mlir::ac;

/// The same bits with signless elements; null for elements that are not numbers.
static ElementsAttr toSignlessElements(ElementsAttr value) {
  auto type = cast<ShapedType>(value.getType());
  Type element = type.getElementType();
  if (!element.isIntOrFloat())
    return {};
  if (auto sparse = dyn_cast<SparseElementsAttr>(value)) {
    auto values = llvm::to_vector(sparse.getValues<Attribute>());
    value = DenseElementsAttr::get(type, values);
  }
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer || integer.isSignless())
    return value;
  Type signless = IntegerType::get(type.getContext(), integer.getWidth());
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return cast<ElementsAttr>(Attribute(dense.bitcast(signless)));
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return cast<ElementsAttr>(
        Attribute(DenseResourceElementsAttr::get(cast<ShapedType>(type.clone(signless)), resource.getRawHandle())));
  return {};
}

static LogicalResult lowerConstant(Node &node) {
  Emitter &emit = node.emit;
  for (StringRef name : {"value", "sparse_value"}) {
    auto value = node.op->getAttrOfType<ElementsAttr>(name);
    if (!value)
      continue;
    ElementsAttr signless = toSignlessElements(value);
    if (!signless)
      return node.refuse("its elements are not numbers");
    return node.finish(emit.constantTensor(signless));
  }
  Type f32 = emit.getF32Type(), i64 = emit.getI64Type();
  SmallVector<Value> scalars;
  if (node.has("value_float"))
    return node.finish(emit.fromElements({}, f32, emit.constant(f32, node.getFloat("value_float", 0.0))));
  if (node.has("value_int"))
    return node.finish(emit.fromElements({}, i64, emit.constant(i64, node.getInt("value_int", 0))));
  if (auto values = node.getFloats("value_floats")) {
    auto type = RankedTensorType::get(values->size(), f32);
    SmallVector<float> narrow(values->begin(), values->end());
    return node.finish(emit.constantTensor(DenseElementsAttr::get(type, ArrayRef<float>(narrow))));
  }
  if (auto values = node.getInts("value_ints")) {
    auto type = RankedTensorType::get(values->size(), i64);
    return node.finish(emit.constantTensor(DenseElementsAttr::get(type, ArrayRef<int64_t>(*values))));
  }
  return node.refuse("its value is not a tensor of numbers");
}

static LogicalResult lowerConstantOfShape(Node &node) {
  Emitter &emit = node.emit;
  Value shape = node.input(0);
  if (!Emitter::type(shape).hasStaticShape())
    return node.refuse("the rank of its result is not known while compiling");
  if (Emitter::type(shape).getNumElements() > 64)
    return node.refuse("its result has rank " + Twine(Emitter::type(shape).getNumElements()) + ", expected at most 64");
  Dims dims = emit.dimElements(shape);
  for (OpFoldResult size : dims) {
    if (getConstantIntValue(size).value_or(0) < 0)
      return node.refuse("its result has a dimension of size " + Twine(*getConstantIntValue(size)));
    // A size that the model reads from data, rather than from a shape.
    auto value = dyn_cast<Value>(size);
    if (value && value.getDefiningOp<arith::IndexCastOp>())
      node.require(Scalars(emit, emit.getLoc()).greaterEqual(value, emit.constantIndex(0)),
                   "a size in the shape is negative");
  }
  Value scalar = emit.constant(emit.getF32Type(), 0.0);
  if (auto value = node.op->getAttrOfType<ElementsAttr>("value")) {
    ElementsAttr signless = toSignlessElements(value);
    if (!signless || signless.getNumElements() != 1)
      return node.refuse("its value is not one number");
    scalar = emit.scalar(emit.constantTensor(signless));
  }
  return node.finish(emit.fill(dims, scalar));
}

static LogicalResult lowerEyeLike(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  if (Emitter::rank(x) != 2)
    return node.refuse("its input has rank " + Twine(Emitter::rank(x)) + ", expected 2");
  Type element = node.outputElementType(0);
  if (!element)
    return node.refuse("its elements are not numbers");
  int64_t k = node.getInt("k", 0);
  return node.finish(emit.tabulate(emit.dims(x), element, [&](OpBuilder &b, Location loc, ValueRange indices) {
    Scalars s(b, loc);
    Value column = s.add(indices[0], s.constantInt(b.getIndexType(), k));
    return s.select(s.equal(column, indices[1]), s.constantInt(element, 1), s.constantInt(element, 0));
  }));
}

static LogicalResult refuseRandom(Node &node) {
  return node.refuse("random numbers are not supported: a compiled model answers the same each time");
}

void mlir::ac::populateConstantLowerings(LoweringTable &table) {
  table.add("Constant", lowerConstant);
  table.add("ConstantOfShape", lowerConstantOfShape);
  table.add("EyeLike", lowerEyeLike);
  for (StringRef name :
       {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"})
    table.add(name, refuseRandom);
}
