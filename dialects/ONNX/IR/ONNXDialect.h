//===- ONNXDialect.h - The onnx dialect and its types ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_ONNX_IR_ONNXDIALECT_H
#define DIALECTS_ONNX_IR_ONNXDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/ONNX/ONNXDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/ONNX/ONNXTypes.h.inc"

namespace mlir::onnx::detail {
ParseResult parseOp(OpAsmParser &parser, OperationState &result);
void printOp(Operation *op, OpAsmPrinter &p);
ParseResult parseRegionOp(OpAsmParser &parser, OperationState &result);
void printRegionOp(Operation *op, OpAsmPrinter &p);
} // namespace mlir::onnx::detail

#endif // DIALECTS_ONNX_IR_ONNXDIALECT_H
