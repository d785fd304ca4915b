//===- Cast.cpp - Conversions of element types ----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/SmallFloats.h"

using namespace mlir;
using namespace mlir::ac;

/// Cast and CastLike; the latter's second input only names the type, which shape inference has read.
static LogicalResult lowerCast(Node &node) {
  Value x = node.input(0);
  Type to = node.outputElementType(0);
  if (!to || !to.isIntOrFloat())
    return node.refuse("casts to a type that is not a number");
  ConversionRules rules;
  rules.saturate = node.getInt("saturate", 1) != 0;
  StringRef mode = node.getString("round_mode", "up");
  if (mode == "down")
    rules.rounding = PowerRounding::Down;
  else if (mode == "nearest")
    rules.rounding = PowerRounding::Nearest;
  else if (mode != "up")
    return node.refuse("round_mode is '" + mode + "', expected 'up', 'down' or 'nearest'");
  if (Emitter::elementType(x) == to)
    return node.finish(x);
  bool fromUnsigned = node.isUnsigned(0), toUnsigned = node.isOutputUnsigned(0);
  return node.finish(node.emit.elementwise(x, to, [&](OpBuilder &b, Location loc, ValueRange v) {
    Scalars s(b, loc, fromUnsigned);
    return convertElement(s, v[0], to, toUnsigned, rules);
  }));
}

static LogicalResult lowerBitCast(Node &node) {
  Value x = node.input(0);
  Type from = Emitter::elementType(x), to = node.outputElementType(0);
  if (!to || !to.isIntOrFloat())
    return node.refuse("casts to a type that is not a number");
  if (from == to)
    return node.finish(x);
  // A boolean is a byte in a model, and a bit here.
  auto storage = [](Type type) { return type.isInteger(1) ? 8u : type.getIntOrFloatBitWidth(); };
  if (storage(from) != storage(to))
    return node.refuse("casts elements of " + Twine(storage(from)) + " bits to " + Twine(storage(to)) + " bits");
  return node.finish(node.emit.elementwise(x, to, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Scalars s(b, loc);
    Value bits = v[0];
    if (from.isInteger(1))
      bits = s.make<arith::ExtUIOp>(b.getI8Type(), bits);
    if (to.isInteger(1)) {
      if (Scalars::isFloat(bits))
        bits = s.make<arith::BitcastOp>(b.getI8Type(), bits);
      return s.notEqual(bits, s.constantInt(bits.getType(), 0));
    }
    return bits.getType() == to ? bits : s.make<arith::BitcastOp>(to, bits);
  }));
}

void mlir::ac::populateCastLowerings(LoweringTable &table) {
  table.add("Cast", lowerCast);
  table.add("CastLike", lowerCast);
  table.add("BitCast", lowerBitCast);
}
