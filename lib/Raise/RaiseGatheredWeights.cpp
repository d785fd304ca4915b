//===- RaiseGatheredWeights.cpp - Matrices gathered for rows ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `W[ids]` copies the matrices of an expert for each row that chose it, to multiply each copy by one row. What was
// chosen says as much: with the weights of the choices side by side it is a dispatch to experts, whose matrices stay in
// place.
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"
#include "Raise/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEGATHEREDWEIGHTS
#include "Raise/Passes.h.inc"

namespace {

struct RaiseGatheredWeights : impl::RaiseGatheredWeightsBase<RaiseGatheredWeights> {
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
      if (!sum.match() || sum.kind != ExpertSum::Kind::Choices)
        continue;
      if (!sum.why.empty() || !sum.rewrite(dense)) {
        op->emitRemark("gathered weights not raised: ") << sum.why;
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
