//===- Constructs.cpp - What a model was found to decide ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/Constructs.h"
#include "Lower/Ops/Costs.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

llvm::json::Array mlir::ac::listConstructs(ModuleOp module) {
  llvm::json::Array constructs;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    bool ofRows = isa<LearnerChainOp, MoeDispatchOp, MaskedRowsOp>(op);
    if (!ofRows && !isa<ExitOp, SkipOp, HaltingLoopOp>(op))
      return;
    llvm::json::Array flops;
    // Of a loop, the part that tests who runs is no work.
    for (Region &region : op->getRegions().drop_front(isa<HaltingLoopOp>(op) ? 1 : 0))
      flops.push_back(ofRows ? flopsPerRow(region) : flopsPerRun(region));
    constructs.push_back(llvm::json::Object{{"site", counterSite(op)},
                                            {"kind", op->getName().stripDialect().str()},
                                            {"unit", ofRows ? "row" : "run"},
                                            {"flops", std::move(flops)}});
  });
  return constructs;
}
