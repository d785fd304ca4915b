//===- Ranking.h - Which experts come first ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_RANKING_H
#define LOWER_OPS_RANKING_H

#include "Lower/Ops/Scalars.h"

namespace mlir::ac {

/// For each row and expert the sum of `values` over the experts that come before it: those with a larger score, and of
/// equal ones those with a lower index, or with `lastWins` a higher one. Scores and values are [rows, experts]; with
/// ones as values it is an expert's place. It takes experts * experts comparisons for a row, on vectors and without
/// branches: the cheapest for the tens of experts that models have. NaN comes before nothing, and nothing before it.
Value sumBefore(Emitter &emit, Value scores, Value values, bool lastWins);

} // namespace mlir::ac

#endif // LOWER_OPS_RANKING_H
