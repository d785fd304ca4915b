//===- RecurrentActivation.h - Activations of recurrent layers ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_RECURRENTACTIVATION_H
#define LOWER_OPS_RECURRENTACTIVATION_H

#include "Lower/NodeLowering.h"

namespace mlir::ac {

/// The function of a gate.
struct Activation {
  enum Kind {
    Relu,
    Tanh,
    Sigmoid,
    Affine,
    LeakyRelu,
    ThresholdedRelu,
    ScaledTanh,
    HardSigmoid,
    Elu,
    Softsign,
    Softplus
  };
  Kind kind;
  double alpha = 0, beta = 0;

  Value apply(OpBuilder &b, Location loc, Value x) const;
};

/// The activations of all directions, one after the other; `defaults` are those of one direction.
FailureOr<SmallVector<Activation>> readActivations(Node &node, ArrayRef<StringRef> defaults, unsigned numDirections);

} // namespace mlir::ac

#endif // LOWER_OPS_RECURRENTACTIVATION_H
