//===- Comparison.cpp - Comparisons, logic, bits --------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"

using namespace mlir;
using namespace mlir::ac;

template <Value (Scalars::*method)(Value, Value)> static LogicalResult lowerComparison(Node &node) {
  return node.finish(mapElements(
      node.emit, node.inputs(), node.emit.getI1Type(), [](Scalars &s, ValueRange v) { return (s.*method)(v[0], v[1]); },
      node.isUnsigned(0)));
}

/// And, Or, Xor on booleans, and their bitwise namesakes on integers.
template <typename Op> static LogicalResult lowerBits(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.make<Op>(v[0], v[1]); });
}

static LogicalResult lowerNot(Node &node) {
  return lowerFormula(node, [](Scalars &s, ValueRange v) { return s.negate(v[0]); });
}

static LogicalResult lowerIsNaN(Node &node) {
  return node.finish(mapElements(node.emit, node.input(0), node.emit.getI1Type(),
                                 [](Scalars &s, ValueRange v) { return s.isNaN(v[0]); }));
}

static LogicalResult lowerIsInf(Node &node) {
  bool positive = node.getInt("detect_positive", 1) != 0, negative = node.getInt("detect_negative", 1) != 0;
  return node.finish(mapElements(node.emit, node.input(0), node.emit.getI1Type(), [&](Scalars &s, ValueRange v) {
    Value x = v[0];
    Value infinity = s.constant(x.getType(), std::numeric_limits<double>::infinity());
    if (!positive && !negative)
      return s.constantInt(s.b.getI1Type(), 0);
    if (positive && negative)
      return s.equal(s.abs(x), infinity);
    return s.equal(positive ? x : s.neg(x), infinity);
  }));
}

static LogicalResult lowerWhere(Node &node) {
  // The values pass through as they are, 16-bit ones too.
  return node.finish(node.emit.elementwise(
      node.inputs(), Emitter::elementType(node.input(1)),
      [](OpBuilder &b, Location loc, ValueRange v) { return Scalars(b, loc).select(v[0], v[1], v[2]); }));
}

void mlir::ac::populateComparisonLowerings(LoweringTable &table) {
  table.add("Equal", lowerComparison<&Scalars::equal>);
  table.add("Less", lowerComparison<&Scalars::less>);
  table.add("LessOrEqual", lowerComparison<&Scalars::lessEqual>);
  table.add("Greater", lowerComparison<&Scalars::greater>);
  table.add("GreaterOrEqual", lowerComparison<&Scalars::greaterEqual>);
  table.add("And", lowerBits<arith::AndIOp>);
  table.add("Or", lowerBits<arith::OrIOp>);
  table.add("Xor", lowerBits<arith::XOrIOp>);
  table.add("BitwiseAnd", lowerBits<arith::AndIOp>);
  table.add("BitwiseOr", lowerBits<arith::OrIOp>);
  table.add("BitwiseXor", lowerBits<arith::XOrIOp>);
  table.add("Not", lowerNot);
  table.add("BitwiseNot", lowerNot);
  table.add("IsNaN", lowerIsNaN);
  table.add("IsInf", lowerIsInf);
  table.add("Where", lowerWhere);
}
