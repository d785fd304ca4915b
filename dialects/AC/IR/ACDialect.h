//===- ACDialect.h - The `ac` dialect ----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef DIALECTS_AC_IR_ACDIALECT_H
#define DIALECTS_AC_IR_ACDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/AC/IR/ACDialect.h.inc"
#include "dialects/AC/IR/ACEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/AC/IR/ACAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/AC/IR/ACOps.h.inc"

namespace mlir::ac {
/// "bf16" where products of f32 with constant matrices may round what they multiply to it: on a module all of them, or on
/// the one product.
constexpr llvm::StringLiteral kPrecisionAttribute = "ac.precision";
/// Of `math.exp`: the argument is at most zero, or NaN, and the difference of two larger numbers.
constexpr llvm::StringLiteral kAtMostZeroAttribute = "ac.at_most_zero";

/// Lets one-shot bufferization see through the tensor forms of `ac` operations.
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);
} // namespace mlir::ac

#endif // DIALECTS_AC_IR_ACDIALECT_H
