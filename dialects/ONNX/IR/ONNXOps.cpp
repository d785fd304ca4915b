//===- ONNXOps.cpp - What is written by hand about onnx ops ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/ONNX/IR/ONNXOps.h"

using namespace mlir;
using namespace mlir::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXCoreOps.cpp.inc"

namespace mlir::onnx {

void registerCoreOps(ONNXDialect &dialect) {
  dialect.addOps<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXCoreOps.cpp.inc"
      >();
}

} // namespace mlir::onnx

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

LogicalResult ConstantOp::verify() {
  ElementsAttr value = getValueAttr();
  if (!value)
    return emitOpError("has no `value`");
  if (value.getType() != getOutput().getType())
    return emitOpError("has a result of type ") << getOutput().getType() << " but a value of type " << value.getType();
  return success();
}

Operation *ONNXDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  OperationState state(loc, ConstantOp::getOperationName());
  state.addTypes(type);
  state.addAttribute("value", elements);
  return builder.create(state);
}
