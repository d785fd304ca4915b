//===- MatMul.cpp - Matrix products ---------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include <cmath>

namespace mlir::ac {

static LogicalResult lowerMatMul(Node &node) {
  FailureOr<Value> product = multiplyMatrices(node, node.input(0), node.input(1));
  if (failed(product))
    return failure();
  return node.finish(node.emit.castElements(*product, Emitter::elementType(node.input(0))));
}

/// A scalar factor of Gemm; null for one. Integer products take whole factors only.
static FailureOr<Value> gemmFactor(Node &node, StringRef name, Type element) {
  double factor = node.getFloat(name, 1.0);
  if (factor == 1.0)
    return Value();
  if (!isa<FloatType>(element) && factor != std::trunc(factor))
    return node.refuse("has the fractional " + name + " " + std::to_string(factor) + " for integer operands");
  return node.emit.constant(element, factor);
}

static Value multiplyScalars(OpBuilder &b, Location loc, Value x, Value y) {
  if (isa<FloatType>(x.getType()))
    return arith::MulFOp::create(b, loc, x, y);
  return arith::MulIOp::create(b, loc, x, y);
}

static LogicalResult lowerGemm(Node &node) {
  Emitter &emit = node.emit;
  Value a = node.input(0), b = node.input(1);
  if (Emitter::rank(a) != 2 || Emitter::rank(b) != 2)
    return node.refuse("has operands of rank " + Twine(Emitter::rank(a)) + " and " + Twine(Emitter::rank(b)) +
                       ", expected 2 and 2");
  if (node.getInt("transA", 0))
    a = emit.transpose(a, {1, 0});
  if (node.getInt("transB", 0))
    b = emit.transpose(b, {1, 0});
  FailureOr<Value> product = multiplyMatrices(node, a, b);
  if (failed(product))
    return failure();
  Value result = *product;
  Type element = Emitter::elementType(result);
  FailureOr<Value> alpha = gemmFactor(node, "alpha", element), beta = gemmFactor(node, "beta", element);
  if (failed(alpha) || failed(beta))
    return failure();
  bool hasBias = node.hasInput(2) && node.getFloat("beta", 1.0) != 0.0;
  if (hasBias || *alpha) {
    SmallVector<Value> operands{result};
    if (hasBias)
      operands.push_back(emit.castElements(node.input(2), element));
    result = emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value sum = *alpha ? multiplyScalars(b, loc, v[0], *alpha) : v[0];
      if (!hasBias)
        return sum;
      Value bias = *beta ? multiplyScalars(b, loc, v[1], *beta) : v[1];
      if (isa<FloatType>(element))
        return arith::AddFOp::create(b, loc, sum, bias);
      return arith::AddIOp::create(b, loc, sum, bias);
    });
  }
  return node.finish(emit.castElements(result, Emitter::elementType(node.input(0))));
}

/// The zero point of input `i`, shaped to broadcast against a matrix: a vector holds one per row or per column.
static Value zeroPointOf(Node &node, unsigned i, bool perRow) {
  if (!node.hasInput(i))
    return {};
  Value zero = node.input(i);
  if (Emitter::rank(zero) == 1 && Emitter::isOne(node.emit.dim(zero, 0)))
    return node.emit.reshape(zero, {});
  return perRow && Emitter::rank(zero) == 1 ? node.emit.expandAxes(zero, {1}) : zero;
}

static LogicalResult lowerMatMulInteger(Node &node) {
  FailureOr<Value> product =
      multiplyBytes(node, {node.input(0), node.isUnsigned(0), zeroPointOf(node, 2, /*perRow=*/true)},
                    {node.input(1), node.isUnsigned(1), zeroPointOf(node, 3, /*perRow=*/false)});
  if (failed(product))
    return failure();
  return node.finish(*product);
}

/// A scale of QLinearMatMul as f32: per row for the left operand and the result, per column for the right one.
static Value scaleOf(Node &node, unsigned i, bool perRow) {
  return node.emit.castElements(zeroPointOf(node, i, perRow), node.emit.getF32Type());
}

static LogicalResult lowerQLinearMatMul(Node &node) {
  Emitter &emit = node.emit;
  Type element = node.outputElementType(0);
  if (!isa<IntegerType>(element))
    return node.refuse("has a quantized type other than int8 and uint8, which are the ones that are lowered");
  FailureOr<Value> product =
      multiplyBytes(node, {node.input(0), node.isUnsigned(0), zeroPointOf(node, 2, /*perRow=*/true)},
                    {node.input(3), node.isUnsigned(3), zeroPointOf(node, 5, /*perRow=*/false)});
  if (failed(product))
    return failure();
  Value scale = emit.elementwise({scaleOf(node, 1, true), scaleOf(node, 4, false), scaleOf(node, 6, true)},
                                 emit.getF32Type(), [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                                   Value scales = arith::MulFOp::create(b, loc, v[0], v[1]);
                                   return arith::DivFOp::create(b, loc, scales, v[2]);
                                 });
  return node.finish(
      requantize(emit, *product, scale, zeroPointOf(node, 7, /*perRow=*/true), element, node.isOutputUnsigned(0)));
}

void populateMatMulLowerings(LoweringTable &table) {
  table.add("MatMul", lowerMatMul);
  table.add("Gemm", lowerGemm);
  table.add("MatMulInteger", lowerMatMulInteger);
  table.add("QLinearMatMul", lowerQLinearMatMul);
}

} // namespace mlir::ac
