//===- Grid.cpp - GridSample and AffineGrid -------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Sampling.h"

namespace mlir::ac {

void populateGridLowerings(LoweringTable &table) {}

} // namespace mlir::ac
