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
    raiseExpertSums(getOperation(), ExpertSum::Kind::Choices, "gathered weights", dense);
  }
};

} // namespace
} // namespace mlir::ac
