//===- PlainProduct.cpp - Products of rows and a matrix -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/PlainProduct.h"
#include "Raise/Values.h"

using namespace mlir;
using namespace mlir::ac;

std::optional<PlainProduct> PlainProduct::of(Operation *op) {
  StringRef name = operatorOf(op);
  if (name != "MatMul" && name != "Gemm")
    return std::nullopt;
  PlainProduct product{op->getOperand(0), op->getOperand(1), {}};
  RankedTensorType rows = rankedType(product.rows), matrix = rankedType(product.matrix);
  if (!rows || !matrix || rows.getRank() < 1 || matrix.getRank() != 2)
    return std::nullopt;
  if (name == "Gemm") {
    auto factor = [&](StringRef attribute) {
      auto value = op->getAttrOfType<FloatAttr>(attribute);
      return value ? value.getValueAsDouble() : 1.0;
    };
    if (op->getNumOperands() > 2 && !isa<NoneType>(op->getOperand(2).getType()))
      product.bias = op->getOperand(2);
    if (intOf(op, "transA", 0) || factor("alpha") != 1.0 || (product.bias && factor("beta") != 1.0))
      return std::nullopt;
    product.transposed = intOf(op, "transB", 0);
  }
  return product;
}
