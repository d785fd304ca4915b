//===- WindowVectors.cpp - Rows of windows on vectors ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/WindowVectors.h"
#include "Kernels/FusedSums.h"
#include "mlir/Analysis/FlatLinearValueConstraints.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ac;

/// Added to a place it is no place of a row: such a lane is not read.
static constexpr int32_t kNowhere = std::numeric_limits<int32_t>::min();

//===----------------------------------------------------------------------===//
// What the body is
//===----------------------------------------------------------------------===//

/// Bits of an element; none for places and conditions.
static unsigned widthOf(Type type) {
  return type.isIntOrFloat() && !type.isInteger(1) ? type.getIntOrFloatBitWidth() : 0;
}

WindowVectors::WindowVectors(linalg::LinalgOp op, unsigned dim, const TargetInfo &target)
    : op(op), dim(dim), hasMasks(target.hasMasks) {
  bool reduces = op.getIteratorTypesArray()[dim] == utils::IteratorType::reduction;
  if (reduces ? op.getNumDpsInits() != 1 || !findCombiner() : !hasMasks)
    return;
  // What the widest element fills; bytes among words take a part of a vector.
  bits = 0;
  for (BlockArgument argument : op.getBlock()->getArguments())
    bits = std::max(bits, widthOf(argument.getType()));
  for (Operation &inner : op.getBlock()->without_terminator())
    for (Type type : inner.getResultTypes())
      bits = std::max(bits, widthOf(type));
  if (bits != 8 && bits != 32)
    return;
  lanes = target.vectorBits / bits;
  isKnown =
      llvm::all_of(op.getDpsInits(), [&](Value init) { return isElement(getElementTypeOrSelf(init.getType())); }) &&
      classify();
}

WindowVectors::Along WindowVectors::lookup(Value value) const {
  auto found = along.find(value);
  return found == along.end() ? Along{Along::Same, 0, {}, {}} : found->second;
}

/// Whether an operand that is read or written by `map` is the same for the row, or a run of it.
static std::optional<bool> isRun(Value buffer, AffineMap map, unsigned dim) {
  auto type = dyn_cast<MemRefType>(buffer.getType());
  if (!type)
    return false;
  if (!map.isFunctionOfDim(dim))
    return false;
  bool isLast = map.getResults().back() == getAffineDimExpr(dim, map.getContext()) &&
                llvm::none_of(map.getResults().drop_back(), [&](AffineExpr expr) { return expr.isFunctionOfDim(dim); });
  return isLast && type.isLastDimUnitStride() ? std::optional(true) : std::nullopt;
}

/// Sums whose order is free, and extrema, of f32.
bool WindowVectors::findCombiner() {
  Value result = op.getBlock()->getTerminator()->getOperand(0);
  BlockArgument before = op.getBlock()->getArguments().back();
  Operation *found = result.getDefiningOp();
  if (!found || !result.getType().isF32() || !before.hasOneUse() || *before.user_begin() != found)
    return false;
  if (auto sum = dyn_cast<arith::AddFOp>(found);
      !(sum && bitEnumContainsAll(sum.getFastmath(), arith::FastMathFlags::reassoc)) &&
      !isa<arith::MaxNumFOp, arith::MinNumFOp, arith::MaximumFOp, arith::MinimumFOp>(found))
    return false;
  combiner = found;
  reduced = found->getOperand(found->getOperand(0) == before ? 1 : 0);
  along[before] = along[result] = {Along::Data, 0, {}, {}};
  return true;
}

bool WindowVectors::classifyOperands() {
  for (OpOperand &operand : op->getOpOperands()) {
    std::optional<bool> run = isRun(operand.get(), op.getMatchingIndexingMap(&operand), dim);
    bool isInit = op.isDpsInit(&operand);
    if (!run || (isInit && *run == (combiner != nullptr)))
      return false;
    BlockArgument argument = op.getBlock()->getArgument(operand.getOperandNumber());
    if (!*run || (isInit && argument.use_empty()))
      continue;
    if (!isElement(argument.getType()))
      return false;
    along[argument] = {Along::Data, 0, {}, {}};
  }
  return true;
}

bool WindowVectors::classify() {
  if (!classifyOperands())
    return false;
  for (Operation &inner : op.getBlock()->without_terminator())
    if (&inner != combiner && !classify(inner))
      return false;
  if (combiner)
    return lookup(reduced).kind == Along::Data && reads.empty();
  for (auto &[load, read] : reads) {
    hasStrides |= read.step != 1;
    for (Value condition : read.conditions)
      (isSame(condition) ? rowConditions : columnConditions).insert(condition);
  }
  hasGuards = !columnConditions.empty();
  return llvm::all_of(op.getBlock()->getTerminator()->getOperands(),
                      [&](Value yielded) { return isSame(yielded) || lookup(yielded).kind == Along::Data; });
}

bool WindowVectors::classify(Operation &inner) {
  if (inner.getNumResults() != 1 || inner.getNumRegions() != 0)
    return false;
  Value result = inner.getResult(0);
  if (auto where = dyn_cast<linalg::IndexOp>(inner)) {
    if (where.getDim() == dim)
      along[result] = {Along::Index, 1, result, {}};
    return true;
  }
  if (auto load = dyn_cast<memref::LoadOp>(inner); load && llvm::is_contained(op.getDpsInits(), load.getMemRef()))
    return false;
  if (llvm::all_of(inner.getOperands(), [&](Value operand) { return isSame(operand); }))
    return isPure(&inner) || isa<memref::LoadOp>(inner);
  if (isa<memref::LoadOp>(inner))
    return classifyLoad(inner);
  if (auto apply = dyn_cast<affine::AffineApplyOp>(inner)) {
    AffineMap map = apply.getAffineMap();
    SmallVector<int64_t> flat;
    if (!map.getResult(0).isPureAffine() ||
        failed(getFlattenedAffineExpr(map.getResult(0), map.getNumDims(), map.getNumSymbols(), &flat)) ||
        flat.size() != map.getNumInputs() + 1) // the rest would be divisions
      return false;
    int64_t step = 0;
    for (auto [operand, factor] : llvm::zip(apply.getMapOperands(), flat)) {
      Along part = lookup(operand);
      if (part.kind != Along::Same && part.kind != Along::Index)
        return false;
      step += part.kind == Along::Index ? part.step * factor : 0;
    }
    along[result] = {Along::Index, step, result, {}};
    return step == 1 || step == 2;
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(inner); compare && compare.getLhs().getType().isIndex()) {
    if (compare.getPredicate() != arith::CmpIPredicate::ult || lookup(compare.getLhs()).kind != Along::Index ||
        !isSame(compare.getRhs()))
      return false;
    Along condition{Along::Condition, 0, compare.getLhs(), {}};
    condition.conditions.insert(result);
    along[result] = condition;
    return true;
  }
  auto conditionsOf = [&](Value value, llvm::SmallSetVector<Value, 4> &all) {
    Along part = lookup(value);
    if (part.kind == Along::Condition)
      all.insert(part.conditions.begin(), part.conditions.end());
    else if (part.kind == Along::Same)
      all.insert(value);
    else
      return false;
    return true;
  };
  if (isa<arith::AndIOp>(inner) && result.getType().isInteger(1)) {
    Along both{Along::Condition, 0, {}, {}};
    if (!conditionsOf(inner.getOperand(0), both.conditions) || !conditionsOf(inner.getOperand(1), both.conditions))
      return false;
    along[result] = both;
    return true;
  }
  if (auto select = dyn_cast<arith::SelectOp>(inner)) {
    llvm::SmallSetVector<Value, 4> conditions;
    bool isGuarded = conditionsOf(select.getCondition(), conditions);
    if (result.getType().isIndex()) {
      if (!isGuarded || lookup(select.getTrueValue()).kind != Along::Index)
        return false;
      along[result] = {Along::Clamped, lookup(select.getTrueValue()).step, select.getTrueValue(), conditions};
      return true;
    }
    Operation *load = select.getTrueValue().getDefiningOp();
    if (isGuarded && reads.contains(load)) {
      // All that clamps the place must be among the conditions, and they must speak of the place that is read.
      Read &read = reads[load];
      for (Value condition : read.conditions)
        if (!conditions.contains(condition))
          return false;
      for (Value condition : conditions)
        if (!isSame(condition) && lookup(condition).index != read.index)
          return false;
      if (!load->hasOneUse() || !isSame(select.getFalseValue()))
        return false;
      read.conditions = conditions;
      read.outside = select.getFalseValue();
      along[result] = {Along::Data, 0, {}, {}};
      return true;
    }
  }
  // The rest are operations on elements.
  hasTurns |= isa<math::SinOp, math::CosOp, math::TanOp>(inner);
  if (!OpTrait::hasElementwiseMappableTraits(&inner) || !(isElement(result.getType()) || result.getType().isInteger(1)))
    return false;
  for (Value operand : inner.getOperands()) {
    Along part = lookup(operand);
    if (part.kind != Along::Same && part.kind != Along::Data)
      return false;
    if (!isElement(operand.getType()) && !operand.getType().isInteger(1))
      return false;
  }
  along[result] = {Along::Data, 0, {}, {}};
  return true;
}

bool WindowVectors::classifyLoad(Operation &inner) {
  auto load = cast<memref::LoadOp>(inner);
  if (load.getIndices().empty() || !isElement(load.getType()) || !load.getMemRefType().isLastDimUnitStride())
    return false;
  for (Value index : load.getIndices().drop_back())
    if (!isSame(index))
      return false;
  Along place = lookup(load.getIndices().back());
  if (place.kind != Along::Index && place.kind != Along::Clamped)
    return false;
  reads[load] = {place.index, place.step, place.conditions, {}};
  along[load.getResult()] = {Along::Data, 0, {}, {}};
  // A place that is clamped is only read where it is not; the choice that says so follows.
  return place.kind == Along::Index || llvm::all_of(load->getUsers(), [&](Operation *user) {
           auto select = dyn_cast<arith::SelectOp>(user);
           return select && select.getTrueValue() == load.getResult() && select.getFalseValue() != load.getResult();
         });
}

//===----------------------------------------------------------------------===//
// What it becomes
//===----------------------------------------------------------------------===//

Value WindowVectors::lanesBelow(Value first, ArrayRef<int32_t> offsets, Value size) {
  if (lanes >= 32 && offsets == ArrayRef<int32_t>(allLanes())) {
    // Lanes of bytes are many: the mask as bits of a word, from the first lane inside to the last.
    Type bits = b->getIntegerType(lanes);
    Value zero = arith::ConstantIndexOp::create(*b, 0), all = arith::ConstantIndexOp::create(*b, lanes);
    Value ones = arith::ConstantOp::create(*b, b->getIntegerAttr(bits, -1));
    auto within = [&](Value lane) -> Value {
      return arith::MinSIOp::create(*b, arith::MaxSIOp::create(*b, lane, zero), all);
    };
    auto shift = [&](Value by) -> Value { return arith::IndexCastOp::create(*b, bits, by); };
    Value begin = within(arith::SubIOp::create(*b, zero, first)), end = within(arith::SubIOp::create(*b, size, first));
    Value isAny = arith::CmpIOp::create(*b, arith::CmpIPredicate::slt, begin, end);
    // Where no lane is inside, shifts could be too wide.
    Value last = arith::SelectOp::create(*b, isAny, arith::SubIOp::create(*b, all, end), zero);
    Value lower = arith::SelectOp::create(*b, isAny, begin, zero);
    Value word = arith::AndIOp::create(*b, arith::ShRUIOp::create(*b, ones, shift(last)),
                                       arith::ShLIOp::create(*b, ones, shift(lower)));
    Value none = arith::ConstantOp::create(*b, b->getIntegerAttr(bits, 0));
    word = arith::SelectOp::create(*b, isAny, word, none);
    return vector::BitCastOp::create(*b, vectorOf(b->getI1Type()),
                                     vector::BroadcastOp::create(*b, VectorType::get({1}, bits), word));
  }
  auto type = vectorOf(b->getI32Type());
  auto splat = [&](Value index) -> Value {
    return vector::BroadcastOp::create(*b, type, arith::IndexCastOp::create(*b, b->getI32Type(), index));
  };
  Value distances = arith::ConstantOp::create(*b, DenseElementsAttr::get(type, offsets));
  Value places = arith::AddIOp::create(*b, splat(first), distances);
  return arith::CmpIOp::create(*b, arith::CmpIPredicate::ult, places, splat(size));
}

SmallVector<int32_t> WindowVectors::allLanes() const { return llvm::to_vector(llvm::seq<int32_t>(0, lanes)); }

Value WindowVectors::placeAt(Value index, Value at) {
  auto apply = index.getDefiningOp<affine::AffineApplyOp>();
  if (!apply) // of the loop itself
    return at;
  SmallVector<OpFoldResult> operands;
  for (Value operand : apply.getMapOperands())
    operands.push_back(isSame(operand) ? row->same.lookupOrDefault(operand) : placeAt(operand, at));
  return getValueOrCreateConstantIndexOp(
      *b, b->getLoc(), affine::makeComposedFoldedAffineApply(*b, b->getLoc(), apply.getAffineMap(), operands));
}

Value WindowVectors::load(Value buffer, ArrayRef<Value> rowIndices, const Read &read, Value at, const Checks &checks) {
  auto type = vectorOf(cast<MemRefType>(buffer.getType()).getElementType());
  Value outside = read.outside ? row->lane.lookup(read.outside)
                               : arith::ConstantOp::create(*b, cast<TypedAttr>(b->getZeroAttr(type))).getResult();
  // The run from `first` on. Its lane j is read if `places[j]` is one of the row, for lane `laneOf[j]` of the result.
  auto loadFrom = [&](Value first, ArrayRef<int32_t> places, ArrayRef<int32_t> laneOf) -> Value {
    SmallVector<Value> indices(rowIndices);
    indices.push_back(first);
    Value mask;
    auto require = [&](Value inside) { mask = mask ? arith::AndIOp::create(*b, mask, inside).getResult() : inside; };
    for (Value condition : read.conditions) {
      if (isSame(condition) && checks.rows)
        require(vector::BroadcastOp::create(*b, vectorOf(b->getI1Type()), row->same.lookupOrDefault(condition)));
      if (!isSame(condition) && checks.columns)
        require(
            lanesBelow(first, places, row->same.lookupOrDefault(condition.getDefiningOp<arith::CmpIOp>().getRhs())));
    }
    if (checks.end)
      require(lanesBelow(at, laneOf, checks.end));
    if (!mask)
      return vector::LoadOp::create(*b, type, buffer, indices);
    return vector::MaskedLoadOp::create(*b, type, buffer, indices, mask, outside);
  };
  Value first = placeAt(read.index, at);
  if (read.step == 1)
    return loadFrom(first, allLanes(), allLanes());
  // Every second element: the even ones of a run, and the odd ones of another that ends with the last one needed.
  SmallVector<int32_t> even, odd, lower, upper;
  SmallVector<int64_t> chosen(lanes);
  for (int32_t j = 0; j < lanes; ++j) {
    bool isOdd = j % 2;
    even.push_back(isOdd ? kNowhere : j);
    lower.push_back(isOdd ? kNowhere : j / 2);
    odd.push_back(isOdd ? j : kNowhere);
    upper.push_back(isOdd ? (lanes + j) / 2 : kNowhere);
    chosen[isOdd ? (lanes + j) / 2 : j / 2] = isOdd ? lanes + j : j;
  }
  Value last = arith::AddIOp::create(*b, first, arith::ConstantIndexOp::create(*b, lanes - 1));
  return vector::ShuffleOp::create(*b, loadFrom(first, even, lower), loadFrom(last, odd, upper), chosen);
}

SmallVector<Value> WindowVectors::placesOf(OpOperand &operand, Value at) {
  SmallVector<OpFoldResult> where(row->position.begin(), row->position.end());
  where[dim] = at;
  return llvm::map_to_vector(op.getMatchingIndexingMap(&operand).getResults(), [&](AffineExpr expr) -> Value {
    return getValueOrCreateConstantIndexOp(
        *b, b->getLoc(),
        affine::makeComposedFoldedAffineApply(*b, b->getLoc(), AffineMap::get(where.size(), 0, expr), where));
  });
}

void WindowVectors::loadInputs(Value at, const Checks &checks) {
  row->lane = row->splats;
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = op.getBlock()->getArgument(operand.getOperandNumber());
    if (isSame(argument) || argument.use_empty() || (combiner && op.isDpsInit(&operand)))
      continue;
    SmallVector<Value> indices = placesOf(operand, at);
    auto type = vectorOf(argument.getType());
    Value value;
    if (checks.end) {
      Value nothing = arith::ConstantOp::create(*b, cast<TypedAttr>(b->getZeroAttr(type)));
      value = vector::MaskedLoadOp::create(*b, type, operand.get(), indices, lanesBefore(at, checks.end), nothing);
    } else {
      value = vector::LoadOp::create(*b, type, operand.get(), indices);
    }
    row->lane.map(argument, value);
  }
}

/// One operation of the body for the vector at hand of the row at hand.
void WindowVectors::emitOperation(Operation &inner, Value at, const Checks &checks) {
  Value result = inner.getResult(0);
  auto readBy = [&](Operation *load) -> Value {
    auto access = cast<memref::LoadOp>(load);
    SmallVector<Value> indices;
    for (Value index : access.getIndices().drop_back())
      indices.push_back(row->same.lookupOrDefault(index));
    return this->load(access.getMemRef(), indices, reads.find(load)->second, at, checks);
  };
  if (isa<memref::LoadOp>(inner)) {
    // What may be outside is read by the choice that follows.
    if (reads.find(&inner)->second.conditions.empty())
      row->lane.map(result, readBy(&inner));
    return;
  }
  if (auto select = dyn_cast<arith::SelectOp>(inner)) {
    auto read = reads.find(select.getTrueValue().getDefiningOp());
    if (read != reads.end() && !read->second.conditions.empty())
      return row->lane.map(result, readBy(read->first));
  }
  if (emitFusedSum(*b, inner, row->lane))
    return;
  Operation *clone = b->clone(inner, row->lane);
  clone->getResult(0).setType(vectorOf(result.getType()));
}

/// Rows take turns at each operation: what one has read, the next one finds in a register.
void WindowVectors::emitVector(MutableArrayRef<Row> rows, Value at, const Checks &checks) {
  OpBuilder::InsertionGuard guard(*b);
  for (Row &each : rows) {
    row = &each;
    loadInputs(at, checks);
  }
  for (Operation &inner : op.getBlock()->without_terminator()) {
    if (lookup(inner.getResult(0)).kind != Along::Data)
      continue;
    for (Row &each : rows) {
      row = &each;
      emitOperation(inner, at, checks);
    }
  }
  for (Row &each : rows) {
    row = &each;
    for (auto [init, yielded] :
         llvm::zip_equal(op.getDpsInitsMutable(), op.getBlock()->getTerminator()->getOperands())) {
      Value value = row->lane.lookup(yielded);
      if (checks.end)
        vector::MaskedStoreOp::create(*b, init.get(), placesOf(init, at), lanesBefore(at, checks.end), value);
      else
        vector::StoreOp::create(*b, value, init.get(), placesOf(init, at));
    }
  }
}

/// The vectors from the first of these places up to the second hold nothing that is outside.
std::pair<Value, Value> WindowVectors::interval(Value size) {
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(*b, value); };
  Value low = index(0), high = size;
  for (Value condition : columnConditions) {
    // 0 <= first + step * i < size
    Along part = lookup(condition);
    int64_t step = lookup(part.index).step;
    Value first = placeAt(part.index, index(0));
    Value limit = row->same.lookupOrDefault(condition.getDefiningOp<arith::CmpIOp>().getRhs());
    auto roundedUp = [&](Value distance) -> Value {
      if (step == 1)
        return distance;
      return b->createOrFold<arith::ShRSIOp>(b->createOrFold<arith::AddIOp>(distance, index(1)), index(1));
    };
    low = b->createOrFold<arith::MaxSIOp>(low, roundedUp(b->createOrFold<arith::SubIOp>(index(0), first)));
    high = b->createOrFold<arith::MinSIOp>(high, roundedUp(b->createOrFold<arith::SubIOp>(limit, first)));
  }
  return {low, high};
}

void WindowVectors::loopTo(Value limit, llvm::function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(*b, from, limit, arith::ConstantIndexOp::create(*b, lanes));
  OpBuilder::InsertionGuard guard(*b);
  b->setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

/// Rows of which nothing above or below is outside.
void WindowVectors::emitInside(MutableArrayRef<Row> rows, Value size) {
  std::optional<int64_t> columns = getConstantIntValue(size);
  Value step = arith::ConstantIndexOp::create(*b, lanes), count = b->createOrFold<arith::SubIOp>(size, from);
  bool isWhole = columns && *columns % lanes == 0 && getConstantIntValue(from) == 0;
  Value full = isWhole ? size : b->createOrFold<arith::SubIOp>(size, b->createOrFold<arith::RemUIOp>(count, step));
  // Rows of a vector or two have hardly one in which nothing is outside.
  bool isWide = hasGuards && (!columns || *columns > 2 * lanes);
  row = &rows.front();
  std::pair<Value, Value> inside = isWide ? interval(size) : std::pair<Value, Value>();
  loopTo(full, [&](Value at) {
    if (!isWide)
      return emitVector(rows, at, {hasGuards, false, {}});
    Value begins = arith::CmpIOp::create(*b, arith::CmpIPredicate::sge, at, inside.first);
    Value ends =
        arith::CmpIOp::create(*b, arith::CmpIPredicate::sle, arith::AddIOp::create(*b, at, step), inside.second);
    auto choice = scf::IfOp::create(*b, arith::AndIOp::create(*b, begins, ends), /*withElseRegion=*/true);
    for (bool checked : {false, true}) {
      b->setInsertionPointToStart(checked ? choice.elseBlock() : choice.thenBlock());
      emitVector(rows, at, {checked, false, {}});
    }
  });
  if (isWhole)
    return;
  auto isLeft = scf::IfOp::create(*b, arith::CmpIOp::create(*b, arith::CmpIPredicate::ult, full, size));
  OpBuilder::InsertionGuard guard(*b);
  b->setInsertionPointToStart(isLeft.thenBlock());
  emitVector(rows, full, {hasGuards, false, size});
}

/// Whether the conditions that are the same for a row hold; null if there are none.
Value WindowVectors::holdsFor(const Row &each) {
  Value all;
  for (Value condition : rowConditions) {
    Value holds = each.same.lookupOrDefault(condition);
    all = all ? b->createOrFold<arith::AndIOp>(all, holds) : holds;
  }
  return all;
}

void WindowVectors::emitAnywhere(Row &each, Value size) {
  std::optional<int64_t> columns = getConstantIntValue(size);
  Value end = columns && *columns % lanes == 0 ? Value() : size;
  loopTo(size, [&](Value at) { emitVector(each, at, {hasGuards, !rowConditions.empty(), end}); });
}

void WindowVectors::emitRow(ImplicitLocOpBuilder &builder, ArrayRef<Value> places, Value size, Value begin) {
  b = &builder;
  from = begin ? begin : arith::ConstantIndexOp::create(*b, 0).getResult();
  OpBuilder::InsertionGuard guard(*b);
  Row only = prepareRow(places);
  Value holds = holdsFor(only);
  if (!holds)
    return emitInside(only, size);
  // Most rows have no padding above or below.
  auto choice = scf::IfOp::create(*b, holds, /*withElseRegion=*/true);
  b->setInsertionPointToStart(choice.thenBlock());
  emitInside(only, size);
  b->setInsertionPointToStart(choice.elseBlock());
  emitAnywhere(only, size);
}

void WindowVectors::emitPair(ImplicitLocOpBuilder &builder, ArrayRef<Value> places, unsigned rowDim, Value numRows,
                             Value size) {
  b = &builder;
  from = arith::ConstantIndexOp::create(*b, 0);
  OpBuilder::InsertionGuard guard(*b);
  Value one = arith::ConstantIndexOp::create(*b, 1), next = arith::AddIOp::create(*b, places[rowDim], one);
  Value hasNext = arith::CmpIOp::create(*b, arith::CmpIPredicate::ult, next, numRows);
  // Without a next row, the first one stands for it.
  SmallVector<Value> nextPlaces(places);
  nextPlaces[rowDim] = arith::SelectOp::create(*b, hasNext, next, places[rowDim]);
  SmallVector<Row, 2> rows;
  rows.push_back(prepareRow(places));
  rows.push_back(prepareRow(nextPlaces));
  Value both = hasNext;
  for (Row &each : rows)
    if (Value holds = holdsFor(each))
      both = b->createOrFold<arith::AndIOp>(both, holds);
  auto choice = scf::IfOp::create(*b, both, /*withElseRegion=*/true);
  b->setInsertionPointToStart(choice.thenBlock());
  emitInside(rows, size);
  b->setInsertionPointToStart(choice.elseBlock());
  Value end = arith::SelectOp::create(*b, hasNext, arith::AddIOp::create(*b, next, one), next);
  auto loop = scf::ForOp::create(*b, places[rowDim], end, one);
  b->setInsertionPoint(loop.getBody()->getTerminator());
  nextPlaces[rowDim] = loop.getInductionVar();
  Row each = prepareRow(nextPlaces);
  emitAnywhere(each, size);
}

/// What is the same for the row, and vectors of it where they are needed.
WindowVectors::Row WindowVectors::prepareRow(ArrayRef<Value> places) {
  Row each;
  each.position.assign(places.begin(), places.end());
  each.position[dim] = arith::ConstantIndexOp::create(*b, 0);
  row = &each;
  Block *body = op.getBlock();
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = body->getArgument(input->getOperandNumber());
    if (!isSame(argument) || argument.use_empty())
      continue;
    Value value = input->get();
    if (isa<MemRefType>(value.getType()))
      value = memref::LoadOp::create(*b, value, placesOf(*input, each.position[dim]));
    each.same.map(argument, value);
  }
  for (Operation &inner : body->without_terminator()) {
    if (!isSame(inner.getResult(0)))
      continue;
    if (auto where = dyn_cast<linalg::IndexOp>(inner))
      each.same.map(where.getResult(), each.position[where.getDim()]);
    else
      b->clone(inner, each.same);
  }
  auto addSplat = [&](Value value) {
    if (!isSame(value) || value.getType().isIndex() || each.splats.contains(value))
      return;
    Value scalar = each.same.lookupOrDefault(value);
    each.splats.map(value, vector::BroadcastOp::create(*b, vectorOf(value.getType()), scalar).getResult());
  };
  for (auto &[load, read] : reads)
    if (read.outside)
      addSplat(read.outside);
  for (Operation &inner : body->without_terminator())
    if (lookup(inner.getResult(0)).kind == Along::Data && !isa<memref::LoadOp>(inner) &&
        !(isa<arith::SelectOp>(inner) && reads.contains(inner.getOperand(1).getDefiningOp())))
      for (Value operand : inner.getOperands())
        addSplat(operand);
  for (Value yielded : body->getTerminator()->getOperands())
    addSplat(yielded);
  return each;
}
