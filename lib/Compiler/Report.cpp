//===- Report.cpp - What was found in a model -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/Report.h"
#include "Support/Costs.h"
#include "Support/NodeName.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

llvm::json::Object mlir::ac::describeRegion(Diagnostic &remark) {
  llvm::json::Object region{{"node", nodeNameOf(remark.getLocation()).str()}, {"result", remark.str()}};
  for (DiagnosticArgument &argument : remark.getMetadata()) {
    auto facts = argument.getKind() == DiagnosticArgument::DiagnosticArgumentKind::Attribute
                     ? dyn_cast<DictionaryAttr>(argument.getAsAttribute())
                     : DictionaryAttr();
    if (!facts)
      continue;
    if (auto raised = facts.getAs<BoolAttr>("raised"))
      region["raised"] = raised.getValue();
    if (auto at = facts.getAs<LocationAttr>("at"))
      region["at"] = nodeNameOf(at).str();
    if (auto flops = facts.getAs<IntegerAttr>("flops"))
      region["flops"] = flops.getInt();
    if (auto unit = facts.getAs<StringAttr>("unit"))
      region["unit"] = unit.getValue().str();
  }
  return region;
}

llvm::json::Array mlir::ac::listConstructs(ModuleOp module) {
  llvm::json::Array constructs;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto cost = skippableCost(op))
      constructs.push_back(llvm::json::Object{{"site", counterSite(op)},
                                              {"kind", op->getName().stripDialect().str()},
                                              {"unit", cost->unit},
                                              {"flops", llvm::json::Array(cost->branches)}});
  });
  return constructs;
}
