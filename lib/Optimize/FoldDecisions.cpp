//===- FoldDecisions.cpp - Do always or never what is decided -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FOLDDECISIONS
#include "Optimize/Passes.h.inc"

namespace {
struct FoldDecisions : impl::FoldDecisionsBase<FoldDecisions> {
  using Base::Base;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    SmallVector<Operation *> decided;
    for (RegisteredOperationName name : getContext().getRegisteredOperations())
      if (isa<ACDialect>(name.getDialect()))
        name.getCanonicalizationPatterns(patterns, &getContext());
    getOperation().walk([&](Operation *op) {
      if (isa_and_nonnull<ACDialect>(op->getDialect()) && op->getNumRegions() != 0)
        decided.push_back(op);
    });
    // These operations and what they are replaced by; the others are not even looked at.
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    config.enableFolding(false);
    config.enableConstantCSE(false);
    if (failed(applyOpPatternsGreedily(decided, std::move(patterns), config)))
      signalPassFailure();
  }
};
} // namespace
} // namespace mlir::ac
