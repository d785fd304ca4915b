//===- QuantizedMatrix.h - Constant matrices of small integers ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef OPTIMIZE_QUANTIZEDMATRIX_H
#define OPTIMIZE_QUANTIZEDMATRIX_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"
#include <optional>

namespace mlir::ac {

/// Whether the value is an `onnx.Constant` of numbers.
bool isConstant(Value value);

/// The right-hand side of an `ac.dequantized_product`, as constants.
struct QuantizedMatrix {
  int64_t columns = 0, depth = 0, blockSize = 0;
  ElementsAttr weights;        // [columns, depth], i8
  ElementsAttr scales;         // [columns, blocks], f32
  ElementsAttr zeros, offsets; // of the same shape, i8 and f32, or null

  /// What the product's right operand, [depth, columns] or `transposed`, is made of; nothing if it is not such a
  /// matrix.
  static std::optional<QuantizedMatrix> behind(Value right, bool transposed);
  /// The matrix of com.microsoft.MatMulNBits and its bias, or null; nothing with the reason in `why`.
  static std::optional<QuantizedMatrix> ofMatMulNBits(Operation *op, Value &bias, std::string &why);
};

} // namespace mlir::ac

#endif // OPTIMIZE_QUANTIZEDMATRIX_H
