//===- Ranking.cpp - Which experts come first -----------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Ranking.h"

namespace mlir::ac {

Value sumBefore(Emitter &emit, Value scores, Value values, bool lastWins) {
  using utils::IteratorType;
  Type type = Emitter::elementType(values);
  AffineExpr row = emit.getAffineDimExpr(0), expert = emit.getAffineDimExpr(1), other = emit.getAffineDimExpr(2);
  auto map = [&](AffineExpr column) { return AffineMap::get(3, 0, {row, column}, emit.getContext()); };
  Value zero = emit.constant(type, 0);
  return emit.generic({scores, scores, values}, {map(expert), map(other), map(other)},
                      emit.fill(emit.dims(scores), zero), map(expert),
                      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
                      [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                        Scalars s(b, loc);
                        auto predicate = lastWins ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::ult;
                        Value winsTie = arith::CmpIOp::create(b, loc, predicate, linalg::IndexOp::create(b, loc, 2),
                                                              linalg::IndexOp::create(b, loc, 1));
                        Value before = s.either(s.greater(v[1], v[0]), s.both(s.equal(v[1], v[0]), winsTie));
                        // In order, so that more experts never have less mass.
                        return s.add(v[3], s.select(before, v[2], s.constantInt(type, 0)));
                      });
}

} // namespace mlir::ac
