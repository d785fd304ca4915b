//===- Weights.cpp - Large constants as blobs -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support/Weights.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mlir::ac;

bool mlir::ac::hasRawElements(ElementsAttr value) {
  Type element = value.getElementType();
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8)
    return false;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return resource.getRawHandle().getBlob() != nullptr;
  auto dense = dyn_cast<DenseElementsAttr>(value);
  return dense && (!dense.isSplat() || dense.getNumElements() == 1);
}

ElementsAttr mlir::ac::withRawElements(ElementsAttr value) {
  auto dense = dyn_cast_if_present<DenseElementsAttr>(value);
  auto type = dyn_cast_if_present<RankedTensorType>(value ? value.getType() : Type());
  if (!dense || !type || hasRawElements(value) || !dense.isSplat() || dense.getElementType().isInteger(1) ||
      !dense.getElementType().isIntOrFloat())
    return value && hasRawElements(value) ? value : ElementsAttr();
  ArrayRef<char> element = dense.getRawData();
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(type.getNumElements() * element.size(), /*align=*/64,
                                                       /*dataIsMutable=*/true);
  MutableArrayRef<char> bytes = blob.getMutableData();
  for (size_t at = 0; at < bytes.size(); at += element.size())
    llvm::copy(element, bytes.begin() + at);
  return DenseResourceElementsAttr::get(type, "repeated", std::move(blob));
}

ArrayRef<char> mlir::ac::getRawElements(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return resource.getRawHandle().getBlob()->getData();
  return cast<DenseElementsAttr>(value).getRawData();
}

ElementsAttr mlir::ac::reshapeElements(ElementsAttr value, RankedTensorType type) {
  if (value.getType() == type)
    return value;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    return cast<ElementsAttr>(Attribute(dense.reshape(type)));
  return {};
}

ElementsAttr mlir::ac::makeWeight(RankedTensorType type, StringRef name,
                                  llvm::function_ref<void(MutableArrayRef<char>)> write) {
  size_t bytes = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  AsmResourceBlob blob = HeapAsmResourceBlob::allocate(bytes, /*align=*/64, /*dataIsMutable=*/true);
  write(blob.getMutableData());
  if (type.getNumElements() <= 64 && type.getElementTypeBitWidth() >= 8)
    return cast<ElementsAttr>(Attribute(DenseElementsAttr::getFromRawBuffer(type, blob.getData())));
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

arith::ConstantOp mlir::ac::arrangedConstantBehind(Value value) {
  arith::ConstantOp constant = constantBehind(value);
  while (Operation *op = constant ? nullptr : value.getDefiningOp()) {
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, linalg::TransposeOp>(op))
      break;
    value = op->getOperand(0);
    constant = constantBehind(value);
  }
  return constant;
}

arith::ConstantOp mlir::ac::constantBehind(Value value) {
  while (Operation *view = value.getDefiningOp()) {
    if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(view))
      break;
    value = view->getOperand(0);
  }
  return value.getDefiningOp<arith::ConstantOp>();
}
