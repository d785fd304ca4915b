//===- AttentionMask.cpp - Which keys a query sees ------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Structure gives each query a range of keys, and so does a mask.
//
// Masks of exporters are causal, hide padding, or both, and say so in numbers that a graph computes in many ways. Heads
// share them, so it costs little to look at all numbers once: each row of the mask gives the keys [begin, end) outside
// of which nothing is seen, and whether it says anything else between them. What the kernel then leaves out has the
// weight zero to the bit.
//
// A key is hidden by -inf, or by a number so far below the row's largest that e^(difference) is zero whatever the
// scores are: they would have to be of that size themselves, where a f32 has no digits left to tell keys apart. Only
// -inf counts where structure may hide the largest.
//
//===----------------------------------------------------------------------===//
#include "Kernels/AttentionEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::ac {

/// The distance from the largest number of a row at which a key is hidden: above all scores that f32 resolves to a few
/// units, and below the -1e9 and the lowest f32 that exporters write.
static constexpr float kHidden = 1e8f;

//===----------------------------------------------------------------------===//
// The mask before the kernel
//===----------------------------------------------------------------------===//

bool AttentionEmitter::hasRanges() {
  if (!op.getMask())
    return false;
  auto type = cast<MemRefType>(op.getMask().getType());
  bool isShared = type.getRank() < 3 || type.getDimSize(type.getRank() - 3) == 1;
  bool mayHide = !op.getFill() || (op.getFill()->convertToDouble() <= -kHidden && !op.hasStructure());
  return isShared && mayHide;
}

Value AttentionEmitter::maskRanges() {
  Value mask = operands.mask;
  auto type = cast<MemRefType>(mask.getType());
  int64_t rank = type.getRank();
  auto extent = [&](int64_t fromLast) -> Value {
    return rank < fromLast ? index(1) : memref::DimOp::create(b, mask, rank - fromLast).getResult();
  };
  Value batches = extent(4), maskRows = extent(2);
  int64_t dynamic = ShapedType::kDynamic;
  Value ranges = memref::AllocOp::create(b, MemRefType::get({dynamic, dynamic, 3}, b.getIndexType()),
                                         ValueRange{batches, maskRows});
  constexpr int64_t kGrainElements = 1 << 14;
  auto parallel =
      ParallelOp::create(b, mul(batches, maskRows), ceilDiv(index(kGrainElements), max(sizes.keys, index(1))));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  loop(parallel.getBegin(), parallel.getEnd(), index(1), [&](Value task) {
    Value row = arith::RemUIOp::create(b, task, maskRows), batch = arith::DivUIOp::create(b, task, maskRows);
    SmallVector<Value> place{batch, index(0), row, index(0)};
    place.erase(place.begin(), place.end() - rank);
    auto found = emitMaskRow(place);
    for (auto [i, value] : llvm::enumerate(found))
      memref::StoreOp::create(b, value, ranges, ValueRange{batch, row, index(i)});
  });
  return ranges;
}

/// The keys that a row of the mask, which begins at `place`, leaves: begin, end, and 1 if all between them are seen
/// with nothing added, else 0.
SmallVector<Value> AttentionEmitter::emitMaskRow(ArrayRef<Value> place) {
  Type element = cast<MemRefType>(operands.mask.getType()).getElementType();
  bool isFloat = isa<FloatType>(element);
  auto type = VectorType::get({lanes}, element), intType = VectorType::get({lanes}, b.getI32Type());
  auto ints = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(intType, value));
  };
  auto within = [&](Value key) -> Value {
    return vector::CreateMaskOp::create(b, maskType, ValueRange{sub(sizes.keys, key)});
  };
  auto load = [&](Value key, Value mask, Value otherwise) -> Value {
    SmallVector<Value> at(place);
    at.back() = key;
    return vector::MaskedLoadOp::create(b, type, operands.mask, at, mask, otherwise);
  };
  auto reduced = [&](Value vector, vector::CombiningKind kind) -> Value {
    return vector::ReductionOp::create(b, kind, vector);
  };
  Value none = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(element)));

  Value lowest; // numbers below it hide
  if (isFloat && !op.hasStructure()) {
    auto tops = scf::ForOp::create(b, index(0), sizes.keys, index(lanes), ValueRange{infinity()});
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(tops.getBody());
      Value key = tops.getInductionVar();
      scf::YieldOp::create(b, math.max(load(key, within(key), infinity()), tops.getRegionIterArg(0)));
    }
    Value top = math.reduce(tops.getResult(0), [&](Value x, Value y) -> Value {
      return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y), x, y);
    });
    lowest = math.sub(math.broadcast(top), math.splat(kHidden));
  }
  SmallVector<int32_t> steps = llvm::to_vector(llvm::seq<int32_t>(0, lanes));
  Value iota = arith::ConstantOp::create(b, DenseElementsAttr::get(intType, ArrayRef<int32_t>(steps)));
  constexpr int32_t kNone = std::numeric_limits<int32_t>::max();
  auto scan = scf::ForOp::create(b, index(0), sizes.keys, index(lanes), ValueRange{ints(kNone), ints(0), ints(0)});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(scan.getBody());
    Value key = scan.getInductionVar(), inside = within(key);
    Value numbers = load(key, inside, none), seen = inside, plain;
    if (isFloat) {
      // NaN is seen.
      Value hidden = math.compare(arith::CmpFPredicate::OEQ, numbers, infinity());
      if (lowest)
        hidden = arith::OrIOp::create(b, hidden, math.compare(arith::CmpFPredicate::OLT, numbers, lowest));
      seen = math.select(hidden, arith::ConstantOp::create(b, DenseElementsAttr::get(maskType, false)), inside);
      plain = arith::AndIOp::create(b, seen, math.compare(arith::CmpFPredicate::OEQ, numbers, math.splat(0)));
    } else {
      plain = seen = arith::AndIOp::create(b, inside, numbers);
    }
    Value first = arith::IndexCastOp::create(b, b.getI32Type(), key);
    Value at = arith::AddIOp::create(b, vector::BroadcastOp::create(b, intType, first).getResult(), iota);
    Value next = arith::AddIOp::create(b, at, ints(1));
    Value begin = arith::MinSIOp::create(b, scan.getRegionIterArg(0), math.select(seen, at, ints(kNone)));
    Value end = arith::MaxSIOp::create(b, scan.getRegionIterArg(1), math.select(seen, next, ints(0)));
    Value count = arith::AddIOp::create(b, scan.getRegionIterArg(2), math.select(plain, ints(1), ints(0)));
    scf::YieldOp::create(b, ValueRange{begin, end, count});
  }
  auto asIndex = [&](Value vector, vector::CombiningKind kind) -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(), reduced(vector, kind));
  };
  Value begin = min(asIndex(scan.getResult(0), vector::CombiningKind::MINSI), sizes.keys);
  Value end = asIndex(scan.getResult(1), vector::CombiningKind::MAXSI);
  Value count = asIndex(scan.getResult(2), vector::CombiningKind::ADD);
  Value isPlain = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, count, sub(end, begin));
  if (op.getFill()) {
    // Where all scores are the same number, all keys are seen.
    Value any = isLess(begin, end);
    begin = arith::SelectOp::create(b, any, begin, index(0));
    end = arith::SelectOp::create(b, any, end, sizes.keys);
    isPlain = arith::AndIOp::create(b, isPlain, any);
  }
  return {begin, end, arith::IndexCastUIOp::create(b, b.getIndexType(), isPlain)};
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

AttentionEmitter::Row AttentionEmitter::rowAt(Value batch, Value head, Value position) {
  Row row{batch, head, position, index(0), sizes.keys, {}};
  auto entry = [&](Value list) -> Value {
    Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, memref::DimOp::create(b, list, 0), index(1));
    return memref::LoadOp::create(b, list, ValueRange{arith::SelectOp::create(b, isShared, index(0), batch)});
  };
  if (operands.lengths)
    row.end = min(row.end, entry(operands.lengths));
  Value place = operands.offsets ? add(position, entry(operands.offsets)) : position;
  if (op.getAfter())
    row.end = min(row.end, add(place, *op.getAfter() + 1));
  if (op.getBefore())
    row.begin = max(row.begin, add(place, -static_cast<int64_t>(*op.getBefore())));
  if (operands.ranges) {
    auto own = [&](Value at, int64_t dim) -> Value {
      Value size = memref::DimOp::create(b, operands.ranges, dim);
      Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, size, index(1));
      return arith::SelectOp::create(b, isShared, index(0), at);
    };
    SmallVector<Value> found{own(batch, 0), own(position, 1), {}};
    auto load = [&](int64_t i) -> Value {
      found[2] = index(i);
      return memref::LoadOp::create(b, operands.ranges, found);
    };
    row.begin = max(row.begin, load(0));
    row.end = min(row.end, load(1));
    row.isPlain = load(2);
  }
  return row;
}

std::pair<Value, Value> AttentionEmitter::seenBy(ArrayRef<Row> rows, bool ascend) {
  Value begin = rows.front().begin, end = rows.back().end;
  if (ascend && !operands.ranges)
    return {begin, end};
  for (const Row &row : rows) {
    end = max(end, row.end);
    begin = min(begin, row.begin);
  }
  return {begin, end};
}

std::pair<Value, Value> AttentionEmitter::seenByTask(Value batch, Value head, Value rowBegin, Value rowEnd) {
  if (!operands.ranges)
    return seenBy({rowAt(batch, head, rowBegin), rowAt(batch, head, add(rowEnd, -1))}, /*ascend=*/true);
  auto all = scf::ForOp::create(b, rowBegin, rowEnd, index(1), ValueRange{sizes.keys, index(0)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(all.getBody());
  Row row = rowAt(batch, head, all.getInductionVar());
  scf::YieldOp::create(b, ValueRange{min(all.getRegionIterArg(0), row.begin), max(all.getRegionIterArg(1), row.end)});
  return {all.getResult(0), all.getResult(1)};
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

/// Scales scores, and adds the mask or selects by it.
SmallVector<Value> AttentionEmitter::emitAdded(ArrayRef<Row> rows, Value firstKey, SmallVector<Value> scores,
                                               double scale) {
  int64_t width = scores.size() / rows.size();
  Value factor = math.splat(scale), mask = operands.mask;
  auto type = cast<MemRefType>(mask.getType());
  Type element = type.getElementType();
  SmallVector<Value> within;
  for (int64_t v = 0; v < width; ++v)
    within.push_back(vector::CreateMaskOp::create(b, maskType, ValueRange{sub(sizes.keys, add(firstKey, v * lanes))}));
  for (auto [r, row] : llvm::enumerate(rows)) {
    SmallVector<Value> place, all{row.batch, row.head, row.position, firstKey};
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      Value own = all[4 - type.getRank() + dim];
      if (dim == type.getRank() - 1 || (!type.isDynamicDim(dim) && type.getDimSize(dim) != 1)) {
        place.push_back(own);
        continue;
      }
      Value repeats = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, memref::DimOp::create(b, mask, dim), index(1));
      place.push_back(arith::SelectOp::create(b, repeats, index(0), own));
    }
    for (int64_t v = 0; v < width; ++v) {
      Value &score = scores[r * width + v];
      SmallVector<Value> indices(place);
      indices.back() = add(firstKey, v * lanes);
      auto vectorType = VectorType::get({lanes}, element);
      Value nothing = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
      Value loaded = vector::MaskedLoadOp::create(b, vectorType, mask, indices, within[v], nothing);
      if (isa<FloatType>(element)) {
        score = math.fma(score, factor, loaded);
      } else {
        Value fill = op.getFill() ? math.splat(op.getFill()->convertToDouble()) : infinity();
        score = math.select(loaded, math.mul(score, factor), fill);
      }
    }
  }
  return scores;
}

double AttentionEmitter::scoreFactor() {
  double scale = op.getScale().convertToDouble();
  return op.getSoftcap() ? scale / op.getSoftcap()->convertToDouble() : scale;
}

/// Scale, softcap and mask, then minus infinity for keys that a row does not see.
SmallVector<Value> AttentionEmitter::emitMasked(ArrayRef<Row> rows, Value firstKey, SmallVector<Value> scores,
                                                bool isPart) {
  int64_t width = scores.size() / rows.size();
  double scale = queries ? 1 : scoreFactor();
  if (op.getSoftcap()) {
    for (Value &score : scores)
      score = math::TanhOp::create(b, scale == 1 ? score : math.mul(score, math.splat(scale)));
    scale = op.getSoftcap()->convertToDouble(); // which is still to be multiplied with
  }
  auto emitScaled = [&] {
    SmallVector<Value> scaled(scores);
    for (Value &score : scaled)
      score = scale == 1 ? score : math.mul(score, math.splat(scale));
    return scaled;
  };
  if (!operands.mask) {
    scores = emitScaled();
  } else if (!operands.ranges) {
    scores = emitAdded(rows, firstKey, scores, scale);
  } else {
    Value arePlain = rows.front().isPlain;
    for (const Row &row : rows.drop_front())
      arePlain = arith::AndIOp::create(b, arePlain, row.isPlain);
    Value condition = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, arePlain, index(0));
    auto choice = scf::IfOp::create(b, TypeRange(ValueRange(scores)), condition, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    scf::YieldOp::create(b, emitScaled());
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, emitAdded(rows, firstKey, scores, scale));
    scores.assign(choice.getResults().begin(), choice.getResults().end());
  }
  // Most panels are seen by all rows.
  bool ascend = !isPart && !operands.ranges;
  Value lastBegin = rows.back().begin, firstEnd = rows.front().end;
  for (const Row &row : rows.drop_front(ascend ? rows.size() : 0)) {
    lastBegin = max(lastBegin, row.begin);
    firstEnd = min(firstEnd, row.end);
  }
  Value isSeen = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, add(firstKey, lanes * width), firstEnd);
  if (hasBegins())
    isSeen = arith::AndIOp::create(
        b, isSeen, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, firstKey, lastBegin).getResult());
  auto choice = scf::IfOp::create(b, TypeRange(ValueRange(scores)), isSeen, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, scores);
  b.setInsertionPointToStart(choice.elseBlock());
  for (auto [r, row] : llvm::enumerate(rows))
    for (int64_t v = 0; v < width; ++v) {
      Value &score = scores[r * width + v];
      auto upTo = [&](Value end) -> Value {
        return vector::CreateMaskOp::create(b, maskType, ValueRange{sub(end, add(firstKey, v * lanes))});
      };
      score = math.select(upTo(row.end), score, infinity());
      if (hasBegins())
        score = math.select(upTo(row.begin), infinity(), score);
    }
  scf::YieldOp::create(b, scores);
  return choice.getResults();
}

} // namespace mlir::ac
