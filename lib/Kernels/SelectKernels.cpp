//===- SelectKernels.cpp - Work for another generator of kernels ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/KernelDescription.h"

namespace mlir::ac {
#define GEN_PASS_DEF_SELECTKERNELS
#include "Kernels/Passes.h.inc"

namespace {

struct SelectKernels : impl::SelectKernelsBase<SelectKernels> {
  bool isForHalide(llvm::function_ref<std::string()> work) {
    Attribute generator = getOperation()->getAttr(kGeneratorAttribute);
    auto name = dyn_cast_or_null<StringAttr>(generator);
    if (auto choices = dyn_cast_or_null<DictionaryAttr>(generator))
      name = choices.getAs<StringAttr>(work());
    return name && name.getValue() == "halide";
  }

  /// Takes the operation, or what it stands for.
  void choose(DepthwiseOp op, const TargetInfo &target) {
    IRRewriter b(op);
    if (!describeKernel(op, target) || !isForHalide([&] { return describeWork(op); }))
      return b.replaceOp(op, op.getInstead());
    b.modifyOpInPlace(op, [&] { op.getInsteadMutable().clear(); });
  }

  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    getOperation().walk([&](Operation *op) {
      if (auto depthwise = dyn_cast<DepthwiseOp>(op); depthwise && depthwise.getInstead())
        return choose(depthwise, target);
      auto contract = dyn_cast<ContractOp>(op);
      if (contract && describeKernel(contract, target) && isForHalide([&] { return describeWork(contract); }))
        contract->setAttr(kKernelAttribute, StringAttr::get(&getContext(), "halide"));
    });
  }
};

} // namespace
} // namespace mlir::ac
