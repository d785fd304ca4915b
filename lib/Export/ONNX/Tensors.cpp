//===- Tensors.cpp - Attributes as ONNX tensors ---------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Export/ONNX/Tensors.h"
#include "Import/ONNX/Types.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using ::onnx::TensorProto;

namespace {

/// Bits of an element in a file where that is less than a byte, otherwise 8.
unsigned packedBits(int32_t dataType) {
  switch (dataType) {
  case TensorProto::INT2:
  case TensorProto::UINT2:
    return 2;
  case TensorProto::INT4:
  case TensorProto::UINT4:
  case TensorProto::FLOAT4E2M1:
    return 4;
  case TensorProto::FLOAT6E2M3:
  case TensorProto::FLOAT6E3M2:
    return 6;
  default:
    return 8;
  }
}

std::string pack(llvm::StringRef bytes, unsigned bits) {
  std::string packed((bytes.size() * bits + 7) / 8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    size_t position = i * bits;
    unsigned value = (static_cast<uint8_t>(bytes[i]) & ((1u << bits) - 1)) << (position % 8);
    packed[position / 8] |= static_cast<char>(value);
    if (value >> 8)
      packed[position / 8 + 1] |= static_cast<char>(value >> 8);
  }
  return packed;
}

/// One element after the other, each in whole bytes.
bool getBytes(ElementsAttr value, std::string &bytes) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return false;
    bytes.assign(blob->getData().data(), blob->getData().size());
    return true;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return false;
  if (dense.getElementType().isInteger(1)) {
    for (bool element : dense.getValues<bool>())
      bytes.push_back(element);
    return true;
  }
  ArrayRef<char> raw = dense.getRawData();
  int64_t copies = dense.isSplat() ? dense.getNumElements() : 1;
  bytes.reserve(raw.size() * copies);
  for (int64_t i = 0; i < copies; ++i)
    bytes.append(raw.data(), raw.size());
  return true;
}

} // namespace

ArrayRef<char> mlir::ac::getPlainBytes(ElementsAttr value) {
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  if (!resource || packedBits(elementTypeToONNX(value.getElementType())) < 8)
    return {};
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  return blob ? blob->getData() : ArrayRef<char>();
}

bool mlir::ac::tensorToONNX(ElementsAttr value, bool withData, TensorProto &tensor) {
  int32_t dataType = elementTypeToONNX(value.getElementType());
  if (dataType == TensorProto::UNDEFINED)
    return false;
  tensor.set_data_type(dataType);
  for (int64_t size : cast<ShapedType>(value.getType()).getShape())
    tensor.add_dims(size);
  if (!withData || value.getNumElements() == 0)
    return true;
  if (dataType == TensorProto::STRING) {
    auto strings = dyn_cast<DenseStringElementsAttr>(value);
    if (!strings)
      return false;
    for (llvm::StringRef element : strings.getValues<llvm::StringRef>())
      tensor.add_string_data(element.data(), element.size());
    return true;
  }
  std::string bytes;
  if (!getBytes(value, bytes))
    return false;
  unsigned bits = packedBits(dataType);
  tensor.set_raw_data(bits < 8 ? pack(bytes, bits) : std::move(bytes));
  return true;
}
