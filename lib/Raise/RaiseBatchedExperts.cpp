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
    raiseExpertSums(getOperation(), ExpertSum::Kind::Experts, "batched experts", dense);
  }
};

} // namespace
} // namespace mlir::ac
