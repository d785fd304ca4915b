//===- Remarks.cpp - What became of a candidate ---------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/Remarks.h"
#include "Support/Costs.h"
#include "mlir/IR/Builders.h"

namespace mlir::ac {

Reason::Reason(const Twine &text, Operation *at) : text(text.str()) {
  if (at)
    this->at = at->getLoc();
}

static InFlightDiagnostic remark(Location loc, ArrayRef<NamedAttribute> facts) {
  InFlightDiagnostic remark = emitRemark(loc);
  if (Diagnostic *diagnostic = remark.getUnderlyingDiagnostic())
    diagnostic->getMetadata().emplace_back(DictionaryAttr::get(loc.getContext(), facts));
  return remark;
}

InFlightDiagnostic remarkRaised(Location at, Operation *made) {
  Builder b(at.getContext());
  SmallVector<NamedAttribute> facts{b.getNamedAttr("raised", b.getBoolAttr(true))};
  if (auto cost = made ? skippableCost(made) : std::nullopt; cost && cost->total >= 0) {
    facts.push_back(b.getNamedAttr("flops", b.getI64IntegerAttr(cost->total)));
    facts.push_back(b.getNamedAttr("unit", b.getStringAttr(cost->unit)));
  }
  return std::move(remark(at, facts) << "became ");
}

void remarkRefused(Operation *candidate, const Twine &what, const Reason &reason) {
  Builder b(candidate->getContext());
  LocationAttr at = reason.at ? reason.at : LocationAttr(candidate->getLoc());
  remark(candidate->getLoc(), {b.getNamedAttr("raised", b.getBoolAttr(false)), b.getNamedAttr("at", at)})
      << what << ": " << reason.text;
}

} // namespace mlir::ac
