//===- PlainProduct.h - Products of rows and a matrix ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_PLAINPRODUCT_H
#define OPTIMIZE_PLAINPRODUCT_H

#include "mlir/IR/Operation.h"
#include <optional>

namespace mlir::ac {

/// rows [..., k] times matrix [k, n], plus bias: MatMul, and Gemm that is no more than that.
struct PlainProduct {
  Value rows, matrix;
  Value bias;              // or null
  bool transposed = false; // the matrix is [n, k]

  static std::optional<PlainProduct> of(Operation *op);
};

} // namespace mlir::ac

#endif // OPTIMIZE_PLAINPRODUCT_H
