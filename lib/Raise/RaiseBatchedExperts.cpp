//===- RaiseBatchedExperts.cpp - Experts that run for all rows ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One batched product computes every expert for every row; weights that are mostly zero then select. The weights say
// which rows an expert gets.
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"
#include "Raise/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEBATCHEDEXPERTS
#include "Raise/Passes.h.inc"

namespace {

struct RaiseBatchedExperts : impl::RaiseBatchedExpertsBase<RaiseBatchedExperts> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Operation *> sums;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "ReduceSum" || operatorOf(op) == "MatMul" || operatorOf(op) == "Einsum")
        sums.push_back(op);
    });
    llvm::SmallPtrSet<Operation *, 32> replaced;
    SmallVector<Operation *> roots;
    for (Operation *op : llvm::reverse(sums)) {
      if (replaced.contains(op))
        continue;
      ExpertSum sum(op);
      if (!sum.match() || sum.kind != ExpertSum::Kind::Experts)
        continue;
      if (!sum.why.empty() || !sum.rewrite(dense)) {
        op->emitRemark("batched experts not raised: ") << sum.why;
        continue;
      }
      op->emitRemark("became ac.moe_dispatch of ") << sum.numExperts << " experts";
      replaced.insert(sum.members().begin(), sum.members().end());
      roots.push_back(op);
    }
    for (Operation *op : roots)
      eraseUnused(op);
  }
};

} // namespace
} // namespace mlir::ac
