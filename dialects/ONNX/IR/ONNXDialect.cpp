//===- ONNXDialect.cpp - The onnx dialect and its syntax ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::onnx;

#include "dialects/ONNX/ONNXDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/ONNX/ONNXTypes.cpp.inc"

#include "dialects/ONNX/ONNXRegistration.cpp.inc"

namespace mlir::onnx {
void registerCoreOps(ONNXDialect &dialect);
} // namespace mlir::onnx

void ONNXDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/ONNX/ONNXTypes.cpp.inc"
      >();
}

void ONNXDialect::initialize() {
  registerTypes();
  registerCoreOps(*this);
  registerOps();
}

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

using Operands = SmallVector<OpAsmParser::UnresolvedOperand>;

static void printOperandList(Operation *op, OpAsmPrinter &p) { p << '(' << op->getOperands() << ')'; }

static void printTypes(Operation *op, OpAsmPrinter &p) {
  p << " : ";
  p.printFunctionalType(op);
}

static ParseResult parseTypes(OpAsmParser &parser, const Operands &operands, OperationState &result) {
  SMLoc loc = parser.getCurrentLocation();
  FunctionType type;
  if (parser.parseColonType(type) || parser.resolveOperands(operands, type.getInputs(), loc, result.operands))
    return failure();
  result.addTypes(type.getResults());
  return success();
}

/// An attribute of a wrong kind would be dropped when the op is made.
static ParseResult checkAttributes(OpAsmParser &parser, SMLoc loc, OperationState &result) {
  std::optional<RegisteredOperationName> info = result.name.getRegisteredInfo();
  if (!info)
    return success();
  return info->verifyInherentAttrs(
      result.attributes, [&] { return parser.emitError(loc) << "'" << result.name.getStringRef() << "' op "; });
}

ParseResult mlir::onnx::detail::parseOp(OpAsmParser &parser, OperationState &result) {
  Operands operands;
  SMLoc start = parser.getNameLoc();
  if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren) ||
      parser.parseOptionalAttrDict(result.attributes) || checkAttributes(parser, start, result))
    return failure();
  return parseTypes(parser, operands, result);
}

void mlir::onnx::detail::printOp(Operation *op, OpAsmPrinter &p) {
  printOperandList(op, p);
  p.printOptionalAttrDict(op->getAttrs());
  printTypes(op, p);
}

ParseResult mlir::onnx::detail::parseRegionOp(OpAsmParser &parser, OperationState &result) {
  Operands operands;
  SMLoc start = parser.getNameLoc();
  if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) || checkAttributes(parser, start, result))
    return failure();
  SmallVector<OpAsmParser::Argument> arguments;
  do {
    arguments.clear();
    auto paren = OpAsmParser::Delimiter::OptionalParen;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseArgumentList(arguments, paren, /*allowType=*/true))
      return failure();
    if (loc == parser.getCurrentLocation())
      break; // a custom operator without subgraphs
    if (parser.parseRegion(*result.addRegion(), arguments))
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  return parseTypes(parser, operands, result);
}

void mlir::onnx::detail::printRegionOp(Operation *op, OpAsmPrinter &p) {
  printOperandList(op, p);
  p.printOptionalAttrDictWithKeyword(op->getAttrs());
  llvm::interleaveComma(op->getRegions(), p, [&](Region &region) {
    p << " (";
    llvm::interleaveComma(region.getArguments(), p, [&](BlockArgument argument) { p.printRegionArgument(argument); });
    p << ") ";
    p.printRegion(region, /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
  });
  printTypes(op, p);
}
