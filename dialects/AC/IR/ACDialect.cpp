//===- ACDialect.cpp - The `ac` dialect -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::ac;

#include "dialects/AC/IR/ACDialect.cpp.inc"

#include "dialects/AC/IR/ACEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/AC/IR/ACAttrs.cpp.inc"

void ACDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/AC/IR/ACAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/AC/IR/ACOps.cpp.inc"
      >();
}
