//===- Decide.cpp - Lowering of ac.decide ---------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rule is one or two numbers for each row, which are compared with the threshold; rows that decide together are
// joined by `and`, which starts from true and so stops where there is no row. Numbers are compared in the type in which
// sums of the scores are kept. Every comparison is an ordered one: false where an operand is NaN, and the folds let NaN
// through.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Scalars.h"
#include "dialects/AC/IR/ACDialect.h"
#include <limits>

using namespace mlir;
using namespace mlir::ac;

namespace {

class Decision {
public:
  explicit Decision(Node &node)
      : emit(node.emit), op(cast<DecideOp>(node.op)), scores(node.input(0)), threshold(node.input(1)),
        previous(op.getPrevious() ? node.input(2) : Value()), wide(accumulatorType(Emitter::elementType(scores))),
        lastAxis(Emitter::rank(scores) - 1) {}

  /// For each row whether it would stop, with the rank of the scores.
  Value rows();
  /// Joins the rows that decide together.
  Value join(Value rows);

private:
  /// Folds each row; of an operand as of another.
  Value fold(Value tensor, ValueRange rows, double start,
             llvm::function_ref<Value(Scalars &, Value, ValueRange)> body) {
    return foldElements(emit, tensor, rows, lastAxis, emit.constant(wide, start), body);
  }
  Value largest() {
    return fold(scores, {}, -std::numeric_limits<double>::infinity(),
                [](Scalars &s, Value top, ValueRange v) { return s.max(top, s.widen(v[0])); });
  }
  Value margin();
  Value entropy();
  /// Whether `small <= large`, or `<` if the decision is strict, for each row.
  Value compare(ValueRange tensors, llvm::function_ref<std::pair<Value, Value>(Scalars &, ValueRange)> sides) {
    return mapElements(emit, tensors, emit.getI1Type(), [&](Scalars &s, ValueRange v) {
      auto [small, large] = sides(s, v);
      return op.getStrict() ? s.less(small, large) : s.lessEqual(small, large);
    });
  }
  Value atLeastThreshold(Value score) {
    return compare({score, limit()}, [](Scalars &, ValueRange v) { return std::pair(v[1], v[0]); });
  }
  Value atMostThreshold(Value score) {
    return compare({score, limit()}, [](Scalars &, ValueRange v) { return std::pair(v[0], v[1]); });
  }
  /// The threshold without dimensions, so that it broadcasts to anything.
  Value limit() { return emit.reshape(threshold, {}); }

  Emitter &emit;
  DecideOp op;
  Value scores, threshold, previous;
  Type wide;
  int64_t lastAxis;
};

} // namespace

/// The largest score less the second largest: of a tie both are the largest. A single score has no rival, and its
/// margin is infinite.
Value Decision::margin() {
  double infinity = std::numeric_limits<double>::infinity();
  Value top = largest();
  Value ties = fold(scores, top, 0.0, [&](Scalars &s, Value count, ValueRange v) {
    Value isTop = s.equal(s.widen(v[0]), v[1]);
    return s.add(count, s.select(isTop, s.constant(wide, 1.0), s.constant(wide, 0.0)));
  });
  Value below = fold(scores, top, -infinity, [&](Scalars &s, Value second, ValueRange v) {
    Value score = s.widen(v[0]);
    return s.select(s.both(s.less(score, v[1]), s.greater(score, second)), score, second);
  });
  return mapElements(emit, {top, ties, below}, wide, [&](Scalars &s, ValueRange v) {
    Value isTied = s.greater(v[1], s.constant(wide, 1.0));
    return s.sub(v[0], s.select(isTied, v[0], v[2]));
  });
}

Value Decision::entropy() {
  Value sum = fold(scores, {}, 0.0, [&](Scalars &s, Value sum, ValueRange v) {
    Value p = s.widen(v[0]), zero = s.constant(wide, 0.0);
    return accumulateSum(s, sum, s.select(s.equal(p, zero), zero, s.mul(p, s.log(p))));
  });
  return mapElements(emit, sum, wide, [](Scalars &s, ValueRange v) { return s.neg(v[0]); });
}

Value Decision::rows() {
  Value decided;
  switch (op.getRule()) {
  case StopRule::Value:
    // Its last dimension is there already.
    return atLeastThreshold(scores);
  case StopRule::Confidence:
    decided = atLeastThreshold(largest());
    break;
  case StopRule::Margin:
    decided = atLeastThreshold(margin());
    break;
  case StopRule::Entropy:
    decided = atMostThreshold(entropy());
    break;
  case StopRule::Change: {
    auto length = [&](Value tensor, bool ofDifference) {
      Value other = ofDifference ? previous : tensor;
      Value squares = mapElements(emit, {tensor, other}, wide, [&](Scalars &s, ValueRange v) {
        Value x = ofDifference ? s.sub(v[0], v[1]) : v[0];
        return s.mul(x, x);
      });
      Value sum =
          fold(squares, {}, 0.0, [](Scalars &s, Value acc, ValueRange v) { return accumulateSum(s, acc, v[0]); });
      return mapElements(emit, sum, wide, [](Scalars &s, ValueRange v) { return s.sqrt(v[0]); });
    };
    decided = compare({length(scores, true), length(previous, false), limit()},
                      [](Scalars &s, ValueRange v) { return std::pair(v[0], s.mul(v[2], v[1])); });
    break;
  }
  }
  return emit.expandAxes(decided, lastAxis);
}

Value Decision::join(Value rows) {
  if (op.getGranularity() == Granularity::Row)
    return rows;
  bool perSample = op.getGranularity() == Granularity::Sample && lastAxis > 0;
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(perSample ? 1 : 0, lastAxis + 1));
  Value all = foldElements(emit, rows, {}, axes, emit.constant(emit.getI1Type(), 1),
                           [](Scalars &s, Value all, ValueRange v) { return s.both(all, v[0]); });
  return emit.expandAxes(all, axes);
}

static LogicalResult lowerDecide(Node &node) {
  Decision decision(node);
  return node.finish(decision.join(decision.rows()));
}

void mlir::ac::populateDecideLowerings(LoweringTable &table) { table.add("ac.decide", lowerDecide); }
