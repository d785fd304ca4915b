//===- PoolingRegion.cpp - Pooling over regions of interest ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Window.h"

namespace mlir::ac {

void populateRegionPoolingLowerings(LoweringTable &table) {}

} // namespace mlir::ac
