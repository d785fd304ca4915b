//===- Tensors.h - Attributes as ONNX tensors --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef EXPORT_ONNX_TENSORS_H
#define EXPORT_ONNX_TENSORS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "onnx/onnx_pb.h"

namespace mlir::ac {

/// The blob of a constant whose bytes stand in a file as they stand in memory; empty for any other constant.
ArrayRef<char> getPlainBytes(ElementsAttr value);

/// Fills in type, dimensions and, if `withData`, the elements. False for an element type or a kind of attribute that
/// has no ONNX form.
bool tensorToONNX(ElementsAttr value, bool withData, ::onnx::TensorProto &tensor);

} // namespace mlir::ac

#endif // EXPORT_ONNX_TENSORS_H
