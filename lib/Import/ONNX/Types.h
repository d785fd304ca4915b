//===- Types.h - ONNX types and MLIR types -----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef IMPORT_ONNX_TYPES_H
#define IMPORT_ONNX_TYPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "onnx/onnx_pb.h"

namespace mlir::ac {

/// The type of a tensor's elements. Signed integers are signless, unsigned ones `ui8` and so on, strings
/// `!onnx.string`. Null for a data type that ONNX does not define.
Type elementTypeFromONNX(int32_t dataType, MLIRContext *context);
/// The inverse: a `TensorProto::DataType`, `UNDEFINED` for a type without counterpart.
int32_t elementTypeToONNX(Type type);

/// Null if the type is none that values have. Throws `ImportError` for an undefined element type.
Type typeFromONNX(const ::onnx::TypeProto &type, MLIRContext *context);
/// False for a type without counterpart; dynamic dimensions are left unnamed.
bool typeToONNX(Type type, ::onnx::TypeProto &result);

} // namespace mlir::ac

#endif // IMPORT_ONNX_TYPES_H
