//===- Route.cpp - Lowering of ac.route -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three steps on a matrix [rows, experts]: whether a row chose an expert; the weight it has if so; what a capacity
// drops.
//
// Within a row an expert's place is the number of experts that come before it, and what `top_p` asks for the mass of
// these (Ranking.h). `expert_choice` compares rows, of which there may be many:
// the score from which on an expert takes rows is found bit by bit, one pass over the scores for each bit.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Ranking.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <limits>

using namespace mlir;
using namespace mlir::ac;

namespace {

class Routing {
public:
  explicit Routing(Node &node) : node(node), emit(node.emit), op(cast<RouteOp>(node.op)) {}
  LogicalResult lower();

private:
  /// Whether fewer than k experts (or less than the mass p) come before an expert; of equal ones the first.
  Value byPlace();
  /// For each expert the k rows that score it highest.
  Value byExpert();
  /// For each row and expert the sum of `values`, [rows, experts], over the experts that come before it.
  Value sumBefore(Value values) { return ac::sumBefore(emit, choice, values, op.getLastWins()); }
  /// The weights of all experts as if they were chosen, in the type of the scores.
  Value weigh(Value chosen);
  /// Of the true elements of a column only the first `limits[column]` ones (of i32), from the front or the back.
  Value firstOf(Value flags, Value limits, bool fromBack);

  /// The limit as a count from 0 to `most`.
  Value countLimit(OpFoldResult most);
  Value numberLimit() {
    Value limit = emit.scalar(node.input(1));
    return Scalars(emit, emit.getLoc()).widen(limit);
  }
  double lowest() { return -std::numeric_limits<double>::infinity(); }
  Value whetherEligible(Scalars &s, Value choice) { return s.greater(choice, s.constant(wide, lowest())); }
  /// `body` on what `choice` and `others` hold, where the choice is more than minus infinity.
  Value eligibleAnd(ValueRange others, llvm::function_ref<Value(Scalars &, ValueRange)> body) {
    SmallVector<Value> tensors{choice};
    llvm::append_range(tensors, others);
    return mapElements(emit, tensors, emit.getI1Type(),
                       [&](Scalars &s, ValueRange v) { return s.both(whetherEligible(s, v[0]), body(s, v)); });
  }

  Node &node;
  Emitter &emit;
  RouteOp op;
  OpFoldResult numRows, numExperts;
  Type wide;
  /// [rows, experts]: the scores as they are; without NaN; with the bias, without NaN.
  Value raw, clean, choice;
};

} // namespace

Value Routing::countLimit(OpFoldResult most) {
  Scalars s(emit, emit.getLoc());
  Value k = emit.scalar(node.input(1)), zero = s.constantInt(k.getType(), 0);
  k = s.min(s.max(k, zero), emit.asInteger(most, k.getType()));
  return s.convert(k, emit.getI32Type());
}

Value Routing::byPlace() {
  if (op.getRule() == RouteRule::TopK) {
    Value k = countLimit(numExperts);
    Value place = sumBefore(emit.fill({numRows, numExperts}, emit.constant(emit.getI32Type(), 1)));
    return eligibleAnd(place, [&](Scalars &s, ValueRange v) { return s.less(v[1], k); });
  }
  // Probabilities of what is chosen from, bias included.
  Value p = numberLimit();
  Value top = foldElements(emit, choice, {}, {1}, emit.constant(wide, lowest()),
                           [](Scalars &s, Value top, ValueRange v) { return s.max(top, v[0]); });
  Value exponent = mapElements(emit, {choice, alongRows(emit, top, {1})}, wide,
                               [](Scalars &s, ValueRange v) { return s.exp(s.sub(v[0], v[1])); });
  Value total = foldElements(emit, exponent, {}, {1}, emit.constant(wide, 0.0),
                             [](Scalars &s, Value sum, ValueRange v) { return accumulateSum(s, sum, v[0]); });
  Value share = mapElements(emit, {exponent, alongRows(emit, total, {1})}, wide,
                            [](Scalars &s, ValueRange v) { return s.div(v[0], v[1]); });
  return eligibleAnd(sumBefore(share), [&](Scalars &s, ValueRange v) { return s.less(v[1], p); });
}

Value Routing::firstOf(Value flags, Value limits, bool fromBack) {
  Type i32 = emit.getI32Type(), i1 = emit.getI1Type();
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1);
  Value rows = emit.asValue(numRows), experts = emit.asValue(numExperts);
  Value counts = emit.fill({numExperts}, emit.constant(i32, 0)), kept = emit.empty({numRows, numExperts}, i1);
  auto loop = scf::ForOp::create(
      emit, zero, rows, one, ValueRange{counts, kept}, [&](OpBuilder &b, Location loc, Value step, ValueRange outer) {
        Scalars s(b, loc);
        Value row = fromBack ? s.sub(s.sub(rows, one), step) : step;
        auto inner = scf::ForOp::create(
            b, loc, zero, experts, one, outer, [&](OpBuilder &b, Location loc, Value expert, ValueRange carried) {
              Scalars s(b, loc);
              Value flag = tensor::ExtractOp::create(b, loc, flags, ValueRange{row, expert});
              Value count = tensor::ExtractOp::create(b, loc, carried[0], expert);
              Value limit = tensor::ExtractOp::create(b, loc, limits, expert);
              Value keep = s.both(flag, s.less(count, limit));
              Value next = s.add(count, s.select(keep, s.constantInt(i32, 1), s.constantInt(i32, 0)));
              Value counts = tensor::InsertOp::create(b, loc, next, carried[0], expert);
              Value kept = tensor::InsertOp::create(b, loc, keep, carried[1], ValueRange{row, expert});
              scf::YieldOp::create(b, loc, ValueRange{counts, kept});
            });
        scf::YieldOp::create(b, loc, inner.getResults());
      });
  return emit.withDims(loop.getResult(1), {numRows, numExperts});
}

Value Routing::byExpert() {
  // As integers whose unsigned order is that of the scores; the sum turns -0 into 0, since they are equal.
  unsigned width = wide.getIntOrFloatBitWidth();
  Type key = emit.getIntegerType(width), i32 = emit.getI32Type();
  Value keys = mapElements(emit, choice, key, [&](Scalars &s, ValueRange v) {
    Value bits = s.make<arith::BitcastOp>(key, s.add(v[0], s.constant(wide, 0.0)));
    Value sign = s.make<arith::ShRSIOp>(bits, s.constantInt(key, width - 1));
    Value top = s.make<arith::ShLIOp>(s.constantInt(key, 1), s.constantInt(key, width - 1));
    return s.make<arith::XOrIOp>(bits, s.either(sign, top));
  });
  Value k = countLimit(numRows);
  auto countRows = [&](Value least, bool orMore) {
    return foldElements(
        emit, keys, least, {0}, emit.constant(i32, 0),
        [&](Scalars &s, Value count, ValueRange v) {
          Value in = orMore ? s.greaterEqual(v[0], v[1]) : s.greater(v[0], v[1]);
          return s.add(count, s.select(in, s.constantInt(i32, 1), s.constantInt(i32, 0)));
        },
        /*isUnsigned=*/true);
  };
  // The largest key that at least k rows reach, from the highest bit to the lowest.
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1), bits = emit.constantIndex(width);
  Value start = emit.fill({numExperts}, emit.constant(key, 0));
  auto search = scf::ForOp::create(emit, zero, bits, one, start);
  {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToStart(search.getBody());
    Value found = emit.withDims(search.getRegionIterArg(0), {numExperts});
    Scalars s(emit, emit.getLoc());
    Value place = s.sub(s.sub(bits, one), search.getInductionVar());
    Value bit = s.make<arith::ShLIOp>(s.constantInt(key, 1), s.make<arith::IndexCastOp>(key, place));
    Value trial = mapElements(emit, found, key, [&](Scalars &s, ValueRange v) { return s.either(v[0], bit); });
    Value next = mapElements(emit, {countRows(trial, true), trial, found}, key,
                             [&](Scalars &s, ValueRange v) { return s.select(s.greaterEqual(v[0], k), v[1], v[2]); });
    scf::YieldOp::create(emit, next);
  }
  Value least = emit.withDims(search.getResult(0), {numExperts});
  // Of the rows at that very score the first ones, as many as are left.
  Value left =
      mapElements(emit, countRows(least, false), i32, [&](Scalars &s, ValueRange v) { return s.sub(k, v[0]); });
  Value tied =
      mapElements(emit, {keys, least}, emit.getI1Type(), [](Scalars &s, ValueRange v) { return s.equal(v[0], v[1]); });
  Value taken = firstOf(tied, left, op.getLastWins());
  return eligibleAnd({keys, least, taken}, [&](Scalars &s, ValueRange v) {
    Scalars asKeys(s.b, s.loc, /*isUnsigned=*/true);
    return s.either(asKeys.greater(v[1], v[2]), v[3]);
  });
}

Value Routing::weigh(Value chosen) {
  Type element = Emitter::elementType(raw);
  switch (op.getKind()) {
  case RouteWeights::Scores:
    return raw;
  case RouteWeights::One:
    return emit.fill({numRows, numExperts}, emit.constant(element, 1.0));
  case RouteWeights::Sigmoid:
    return mapElements(emit, clean, element, [](Scalars &s, ValueRange v) { return s.sigmoid(v[0]); });
  case RouteWeights::Softmax:
  case RouteWeights::Normalized:
    break;
  }
  // The largest of what is summed is subtracted: with a bias the chosen ones may all be small.
  bool onlyChosen = op.getKind() == RouteWeights::Normalized;
  Value counted = clean;
  if (onlyChosen)
    counted = mapElements(emit, {chosen, clean}, wide,
                          [&](Scalars &s, ValueRange v) { return s.select(v[0], v[1], s.constant(wide, lowest())); });
  Value top = foldElements(emit, counted, {}, {1}, emit.constant(wide, lowest()),
                           [](Scalars &s, Value top, ValueRange v) { return s.max(top, v[0]); });
  Value exponent = mapElements(emit, {counted, alongRows(emit, top, {1})}, wide,
                               [](Scalars &s, ValueRange v) { return s.exp(s.sub(v[0], v[1])); });
  Value total = foldElements(emit, exponent, {}, {1}, emit.constant(wide, 0.0),
                             [](Scalars &s, Value sum, ValueRange v) { return accumulateSum(s, sum, v[0]); });
  return mapElements(emit, {exponent, alongRows(emit, total, {1})}, element,
                     [](Scalars &s, ValueRange v) { return s.div(v[0], v[1]); });
}

LogicalResult Routing::lower() {
  Dims dims = emit.dims(node.input(0));
  numRows = emit.product(ArrayRef(dims).drop_back());
  numExperts = dims.back();
  raw = emit.reshape(node.input(0), {numRows, numExperts});
  Type element = Emitter::elementType(raw);
  wide = computeType(element);
  auto withoutNaN = [&](Scalars &s, Value x) { return s.select(s.isNaN(x), s.constant(wide, lowest()), x); };
  clean = mapElements(emit, raw, wide, [&](Scalars &s, ValueRange v) { return withoutNaN(s, v[0]); });
  choice = clean;
  if (op.getBias())
    choice = mapElements(emit, {clean, node.input(op.getLimit() ? 2 : 1)}, wide,
                         [&](Scalars &s, ValueRange v) { return withoutNaN(s, s.add(v[0], v[1])); });

  Value chosen;
  switch (op.getRule()) {
  case RouteRule::TopK:
  case RouteRule::TopP:
    chosen = byPlace();
    break;
  case RouteRule::ExpertChoice:
    chosen = byExpert();
    break;
  case RouteRule::ReLU:
    chosen = eligibleAnd({}, [&](Scalars &s, ValueRange v) { return s.greater(v[0], s.constant(wide, 0.0)); });
    break;
  case RouteRule::Threshold: {
    Value least = numberLimit();
    chosen = eligibleAnd({}, [&](Scalars &s, ValueRange v) { return s.greaterEqual(v[0], least); });
    break;
  }
  }
  Value weights = weigh(chosen);
  if (int64_t capacity = op.getCapacity()) {
    int64_t most = std::min<int64_t>(capacity, std::numeric_limits<int32_t>::max());
    chosen = firstOf(chosen, emit.fill({numExperts}, emit.constant(emit.getI32Type(), most)), /*fromBack=*/false);
  }
  // As they are: 16-bit ones are not widened.
  Value result = emit.elementwise({chosen, weights}, element, [&](OpBuilder &b, Location loc, ValueRange v) {
    Scalars s(b, loc);
    return s.select(v[0], v[1], s.constant(element, 0.0));
  });
  return node.finish(emit.reshape(result, dims));
}

static LogicalResult lowerRoute(Node &node) { return Routing(node).lower(); }

void mlir::ac::populateRouteLowerings(LoweringTable &table) { table.add("ac.route", lowerRoute); }
