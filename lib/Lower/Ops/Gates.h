//===- Gates.h - What a sigmoid multiplies ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_GATES_H
#define LOWER_OPS_GATES_H

#include "Lower/Ops/Scalars.h"

namespace mlir::ac {

/// x * sigmoid(gate), as one division.
Value swish(Scalars &s, Value x, Value gate);

/// GELU by the hyperbolic tangent: 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
Value geluTanh(Scalars &s, Value x);

} // namespace mlir::ac

#endif // LOWER_OPS_GATES_H
