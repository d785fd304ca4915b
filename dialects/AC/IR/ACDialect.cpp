//===- ACDialect.cpp - The `ac` dialect -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

#include "dialects/AC/IR/ACDialect.cpp.inc"

void ACDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/AC/IR/ACOps.cpp.inc"
      >();
}
