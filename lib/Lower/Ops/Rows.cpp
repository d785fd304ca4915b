//===- Rows.cpp - Rows of tensors -----------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Rows.h"

using namespace mlir;
using namespace mlir::ac;

std::string ac::typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

OpFoldResult ac::folded(Emitter &emit, OpFoldResult value) {
  auto constant = getConstantIntValue(value);
  return constant ? OpFoldResult(emit.getIndexAttr(*constant)) : value;
}

bool ac::hasOneElement(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && tensor.getNumElements() == 1;
}

Value ac::takeRow(Emitter &emit, Value tensor, int64_t axis, OpFoldResult index) {
  Dims sizes = emit.dims(tensor), rest = sizes;
  rest.erase(rest.begin() + axis);
  RankedTensorType type = Emitter::tensorType(rest, Emitter::elementType(tensor));
  if (hasOneElement(type)) {
    SmallVector<Value> indices(sizes.size(), emit.constantIndex(0));
    indices[axis] = emit.asValue(index);
    Value scalar = tensor::ExtractOp::create(emit, tensor, indices);
    return emit.withDims(emit.fromElements(type.getShape(), type.getElementType(), scalar), rest);
  }
  Dims offsets(sizes.size(), emit.getIndexAttr(0)), strides(sizes.size(), emit.getIndexAttr(1));
  offsets[axis] = folded(emit, index);
  sizes[axis] = emit.getIndexAttr(1);
  for (OpFoldResult &size : sizes)
    size = folded(emit, size);
  return emit.withDims(tensor::ExtractSliceOp::create(emit, type, tensor, offsets, sizes, strides), rest);
}

Value ac::putRow(Emitter &emit, Value row, Value whole, int64_t axis, OpFoldResult index) {
  Dims dims = emit.dims(whole);
  if (hasOneElement(row.getType())) {
    SmallVector<Value> indices(dims.size(), emit.constantIndex(0));
    indices[axis] = emit.asValue(index);
    return emit.withDims(tensor::InsertOp::create(emit, emit.scalar(row), whole, indices), dims);
  }
  Dims sizes = emit.dims(row), offsets(dims.size(), emit.getIndexAttr(0)), strides(dims.size(), emit.getIndexAttr(1));
  sizes.insert(sizes.begin() + axis, emit.getIndexAttr(1));
  offsets[axis] = folded(emit, index);
  for (OpFoldResult &size : sizes)
    size = folded(emit, size);
  return emit.withDims(tensor::InsertSliceOp::create(emit, row, whole, offsets, sizes, strides), dims);
}
