//===- RaiseExpertSlots.cpp - Experts with a capacity -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One product of matrices puts rows in places of experts, another takes the answers back; experts run for all of their
// places. Which rows have a place, and the weights of the answers, say which rows an expert gets.
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"
#include "Raise/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEEXPERTSLOTS
#include "Raise/Passes.h.inc"

namespace {

struct RaiseExpertSlots : impl::RaiseExpertSlotsBase<RaiseExpertSlots> {
  using Base::Base;

  void runOnOperation() override {
    raiseExpertSums(getOperation(), ExpertSum::Kind::Slots, "experts with a capacity", dense);
  }
};

} // namespace
} // namespace mlir::ac
