//===- DequantizedProduct.cpp - Products with matrices of small integers --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "dialects/AC/IR/ACDialect.h"

namespace mlir::ac {

static LogicalResult lowerDequantizedProduct(Node &node) {
  Emitter &emit = node.emit;
  auto op = cast<DequantizedProductOp>(node.op);
  SmallVector<Value> inputs = node.inputs(); // rows, weights, scales, zeros, offsets
  Value rows = inputs[0];
  Dims dims = emit.dims(rows);
  if (failed(requireSame(node, dims.back(), emit.dim(inputs[1], 1), "the inner dimensions of the product")))
    return failure();
  // [n, k or blocks] to [1, k or blocks, n].
  auto matrix = [&](Value value) { return emit.expandAxes(emit.transpose(value, {1, 0}), {0}); };
  OpFoldResult one = emit.dimension(1);
  dims.pop_back();
  OpFoldResult numRows = emit.product(dims), width = emit.dim(inputs[1], 0);
  Value lhs = emit.reshape(rows, {one, numRows, emit.dim(inputs[1], 1)});
  Dims result{one, numRows, width};
  AffineMap each = emit.getMultiDimIdentityMap(1);
  Value weights = matrix(inputs[1]), scales = matrix(inputs[2]);
  Value zeros = op.getZeros() ? matrix(inputs[3]) : Value(),
        offsets = op.getOffsets() ? matrix(inputs.back()) : Value();
  auto product = ContractOp::create(emit, lhs, weights, emit.empty(result, emit.getF32Type()), each, each);
  product.getScalesMutable().assign(scales);
  if (zeros)
    product.getZerosMutable().assign(zeros);
  if (offsets)
    product.getOffsetsMutable().assign(offsets);
  product.setBlockSize(op.getBlockSize());
  if (Attribute precision = op->getAttr(kPrecisionAttribute))
    product->setAttr(kPrecisionAttribute, precision);
  dims.push_back(width);
  return node.finish(emit.reshape(emit.withDims(product.getResult(0), result), dims));
}

void populateDequantizedProductLowerings(LoweringTable &table) {
  table.add("ac.dequantized_product", lowerDequantizedProduct);
}

} // namespace mlir::ac
