//===- ONNXOps.h - All ops of the onnx dialect -------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_ONNX_IR_ONNXOPS_H
#define DIALECTS_ONNX_IR_ONNXOPS_H

#include "dialects/ONNX/IR/ONNXDialect.h"

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXCoreOps.h.inc"
#include "dialects/ONNX/ONNXOps.h.inc"

namespace mlir::onnx {

/// True if `value` stands for an input that the model leaves out.
inline bool isAbsent(Value value) { return isa<NoneType>(value.getType()); }

} // namespace mlir::onnx

#endif // DIALECTS_ONNX_IR_ONNXOPS_H
