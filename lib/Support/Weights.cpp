//===- Weights.cpp - Large constants as blobs -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support/Weights.h"
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
