//===- Types.cpp - ONNX types and MLIR types ------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Types.h"
#include "Import/ONNX/ImportError.h"
#include "dialects/ONNX/IR/ONNXDialect.h"

using namespace mlir;
using ::onnx::TensorProto;
using ::onnx::TypeProto;

Type mlir::ac::elementTypeFromONNX(int32_t dataType, MLIRContext *context) {
  auto integer = [&](unsigned width, bool isUnsigned = false) -> Type {
    return IntegerType::get(context, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return Float32Type::get(context);
  case TensorProto::DOUBLE:
    return Float64Type::get(context);
  case TensorProto::FLOAT16:
    return Float16Type::get(context);
  case TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT6E2M3:
    return Float6E2M3FNType::get(context);
  case TensorProto::FLOAT6E3M2:
    return Float6E3M2FNType::get(context);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case TensorProto::BOOL:
    return integer(1);
  case TensorProto::INT2:
    return integer(2);
  case TensorProto::INT4:
    return integer(4);
  case TensorProto::INT8:
    return integer(8);
  case TensorProto::INT16:
    return integer(16);
  case TensorProto::INT32:
    return integer(32);
  case TensorProto::INT64:
    return integer(64);
  case TensorProto::UINT2:
    return integer(2, true);
  case TensorProto::UINT4:
    return integer(4, true);
  case TensorProto::UINT8:
    return integer(8, true);
  case TensorProto::UINT16:
    return integer(16, true);
  case TensorProto::UINT32:
    return integer(32, true);
  case TensorProto::UINT64:
    return integer(64, true);
  case TensorProto::COMPLEX64:
    return ComplexType::get(Float32Type::get(context));
  case TensorProto::COMPLEX128:
    return ComplexType::get(Float64Type::get(context));
  case TensorProto::STRING:
    return mlir::onnx::StringType::get(context);
  default:
    return {};
  }
}

int32_t mlir::ac::elementTypeToONNX(Type type) {
  for (int32_t candidate = TensorProto::FLOAT; candidate <= TensorProto::FLOAT6E3M2; ++candidate)
    if (elementTypeFromONNX(candidate, type.getContext()) == type)
      return candidate;
  return TensorProto::UNDEFINED;
}

Type mlir::ac::typeFromONNX(const TypeProto &type, MLIRContext *context) {
  switch (type.value_case()) {
  case TypeProto::kTensorType: {
    const auto &tensor = type.tensor_type();
    Type element = elementTypeFromONNX(tensor.elem_type(), context);
    if (!element && tensor.elem_type() == TensorProto::UNDEFINED)
      return {};
    if (!element)
      throw ImportError("unknown tensor element type " + Twine(tensor.elem_type()));
    if (!tensor.has_shape())
      return UnrankedTensorType::get(element);
    SmallVector<int64_t> shape;
    for (const auto &dim : tensor.shape().dim())
      shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : ShapedType::kDynamic);
    return RankedTensorType::get(shape, element);
  }
  case TypeProto::kSequenceType: {
    Type element = typeFromONNX(type.sequence_type().elem_type(), context);
    return element ? mlir::onnx::SeqType::get(context, element) : Type();
  }
  case TypeProto::kOptionalType: {
    Type element = typeFromONNX(type.optional_type().elem_type(), context);
    return element ? mlir::onnx::OptType::get(context, element) : Type();
  }
  case TypeProto::kMapType: {
    Type key = elementTypeFromONNX(type.map_type().key_type(), context);
    Type value = typeFromONNX(type.map_type().value_type(), context);
    return key && value ? mlir::onnx::MapType::get(context, key, value) : Type();
  }
  case TypeProto::kSparseTensorType:
    throw ImportError("sparse tensors as values are not supported: make them dense, or constants");
  case TypeProto::kOpaqueType:
    throw ImportError("opaque types are not supported");
  default:
    return {};
  }
}

bool mlir::ac::typeToONNX(Type type, TypeProto &result) {
  if (auto tensor = dyn_cast<TensorType>(type)) {
    int32_t element = elementTypeToONNX(tensor.getElementType());
    result.mutable_tensor_type()->set_elem_type(element);
    if (tensor.hasRank()) {
      auto *shape = result.mutable_tensor_type()->mutable_shape();
      for (int64_t size : tensor.getShape()) {
        auto *dim = shape->add_dim();
        if (!ShapedType::isDynamic(size))
          dim->set_dim_value(size);
      }
    }
    return element != TensorProto::UNDEFINED;
  }
  if (auto sequence = dyn_cast<mlir::onnx::SeqType>(type))
    return typeToONNX(sequence.getElementType(), *result.mutable_sequence_type()->mutable_elem_type());
  if (auto optional = dyn_cast<mlir::onnx::OptType>(type))
    return typeToONNX(optional.getElementType(), *result.mutable_optional_type()->mutable_elem_type());
  if (auto map = dyn_cast<mlir::onnx::MapType>(type)) {
    int32_t key = elementTypeToONNX(map.getKeyType());
    result.mutable_map_type()->set_key_type(key);
    return key != TensorProto::UNDEFINED &&
           typeToONNX(map.getValueType(), *result.mutable_map_type()->mutable_value_type());
  }
  return false;
}
