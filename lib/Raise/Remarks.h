//===- Remarks.h - What became of a candidate --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The passes of the raise stage tell by a remark for each candidate what it became, or the first condition that failed.
// The remark's text is for people. What a report needs besides is metadata of the diagnostic, which is not printed: a
// dictionary with `raised` (bool) and, where known, `at` (location: the node where the condition failed), `flops` (i64:
// what may be skipped) and `unit` (string: of what, "row" or "run").
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_REMARKS_H
#define RAISE_REMARKS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"
#include <string>

namespace mlir::ac {

/// The first condition that failed, and the node where it did.
struct Reason {
  Reason() = default;
  /// Without a node of its own: it is the candidate that fails.
  Reason(const Twine &text, Operation *at = nullptr);

  bool empty() const { return text.empty(); }
  std::string text;
  LocationAttr at;
};

/// A remark at `at` whose text begins with "became "; the rest is for the caller. `made` is what the candidate became,
/// if that is an operation with branches of its own.
InFlightDiagnostic remarkRaised(Location at, Operation *made = nullptr);
/// The remark `what`: `reason`.
void remarkRefused(Operation *candidate, const Twine &what, const Reason &reason);

} // namespace mlir::ac

#endif // RAISE_REMARKS_H
