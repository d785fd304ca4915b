//===- EmitLoops.cpp - Loop nests for linalg on buffers -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop nest is built in this order:
//
//   the parallel dimensions but the last, flattened   split between threads
//   (accumulating in memory) reductions, last parallel dimension
//   (accumulating in registers) last parallel dimension, reductions
//
// Registers are used when the innermost dimension of the operation is a long reduction: LLVM vectorises it where the
// additions may be reassociated. Memory is used when a reduction is short or not innermost (windows of convolutions,
// reductions of leading dimensions): the last parallel dimension is contiguous, and LLVM vectorises along it.
//
//===----------------------------------------------------------------------===//
#include "Kernels/FlattenedLoop.h"
#include "Kernels/LoopGrain.h"
#include "Kernels/LoopGuards.h"
#include "Kernels/Passes.h"
#include "Kernels/TransposeLoops.h"
#include "Kernels/WindowVectors.h"
#include "Support/TargetInfo.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITLOOPS
#include "Kernels/Passes.h.inc"

namespace {

/// Iterations below which handing work to threads costs more than it gives.
constexpr int64_t kSerialIterations = 2048;
/// Columns that a range should hold where rows are summed along them: a few cache lines of each row.
constexpr int64_t kGrainColumns = 128;
/// A reduction of at most this many steps is accumulated in memory along the last parallel dimension.
constexpr int64_t kShortReduction = 32;

class LoopEmitter {
public:
  LoopEmitter(linalg::LinalgOp op, const TargetInfo &target)
      : op(op), b(op.getLoc(), op), target(target), hasMasks(target.hasMasks) {}
  void emit();

private:
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  void findOrder();
  void findRows();
  /// A lone parallel dimension that is the contiguous one: its loop goes inside the reductions.
  bool sharesColumns() { return shared.size() == 1 && parallelTail.empty() && !inRegisters && !reductions.empty(); }
  /// Turns of the loop over a shared dimension.
  Value tasksOf(unsigned dim) {
    return inPairs && dim == shared.back() ? b.createOrFold<arith::CeilDivUIOp>(sizes[dim], index(2)) : sizes[dim];
  }
  void emitRange(Value begin, Value end);
  void emitSerial(ArrayRef<unsigned> dims, llvm::function_ref<void()> body);
  void emitInnermost(unsigned dim, llvm::function_ref<void()> body);
  void emitLoop(unsigned dim, Value begin, Value end, llvm::function_ref<void()> body);
  void foldTail(scf::ForOp loop);
  void hoistInvariants(scf::ForOp loop);
  SmallVector<Value> operandIndices(OpOperand &operand);
  SmallVector<Value> emitBody(ValueRange accumulators);
  void emitInMemory();
  void emitInRegisters();

  linalg::LinalgOp op;
  ImplicitLocOpBuilder b;
  const TargetInfo &target;
  bool hasMasks;
  SmallVector<Value> sizes; // by loop dimension
  SmallVector<int64_t> staticSizes;
  SmallVector<Value> position;        // by loop dimension, as loops are opened
  SmallVector<unsigned> shared;       // dimensions flattened and split between threads
  SmallVector<unsigned> parallelTail; // the last parallel dimension, unless it is shared
  SmallVector<unsigned> reductions;
  bool inRegisters = false;
  std::optional<WindowVectors> windows;      // if that is what rows of the last parallel dimension are made of
  std::optional<WindowVectors> rows;         // if rows without windows are vectors, too
  bool inPairs = false;                      // of rows of the last shared dimension
  const LoopGuards *guards = nullptr;        // of the innermost loop
  bool innerHold = false, outerHold = false; // where the body is emitted for positions at which they hold
  bool mayBeEmpty = false;                   // a loop may be entered whose inner loops have no iteration
};

void LoopEmitter::findOrder() {
  SmallVector<unsigned> parallel;
  for (auto [dim, iterator] : llvm::enumerate(op.getIteratorTypesArray()))
    (iterator == utils::IteratorType::parallel ? parallel : reductions).push_back(dim);
  int64_t reductionSize = 1;
  for (unsigned dim : reductions)
    reductionSize = ShapedType::isDynamic(staticSizes[dim]) || reductionSize > kShortReduction
                        ? kShortReduction + 1
                        : reductionSize * staticSizes[dim];
  bool lastIsReduction = !reductions.empty() && (parallel.empty() || reductions.back() > parallel.back());
  bool narrow = !parallel.empty() && staticSizes[parallel.back()] >= 0 && staticSizes[parallel.back()] < 8;
  inRegisters =
      !reductions.empty() && lastIsReduction && (parallel.empty() || reductionSize > kShortReduction || narrow);
  shared = parallel;
  // The last parallel dimension is the vector one, unless registers leave the reduction innermost.
  if (!inRegisters && parallel.size() > 1)
    parallelTail.push_back(shared.pop_back_val());
}

/// LLVM computes what is left of a row of vectors element by element. That matters where rows are short, as those of a
/// chain that is done row by row are, and for reductions. And it makes no vectors of what branches.
void LoopEmitter::findRows() {
  unsigned dim = sizes.size() - 1;
  bool isReduction = inRegisters && reductions.size() == 1 && reductions.front() == dim;
  bool isRow = reductions.empty() && sizes.size() == 1;
  if (!isReduction && !isRow)
    return;
  rows.emplace(op, dim, target);
  if (!rows->isRowOfRuns() || (isRow && !op->getParentOfType<ParallelOp>() && !rows->branches()))
    rows.reset();
}

void LoopEmitter::emitSerial(ArrayRef<unsigned> dims, llvm::function_ref<void()> body) {
  if (dims.empty())
    return body();
  if (dims.size() == 1)
    return emitInnermost(dims.front(), body);
  emitLoop(dims.front(), index(0), sizes[dims.front()], [&] { emitSerial(dims.drop_front(), body); });
}

/// The part of a row that is inside is seldom a number of whole vectors, and often short: what is left takes longer
/// element by element than all of the vectors before. LLVM makes it a last vector under a mask if told to. Not where
/// elements are read a stride apart: those it would read one by one.
void LoopEmitter::foldTail(scf::ForOp loop) {
  if (!hasMasks)
    return;
  MLIRContext *context = loop.getContext();
  BoolAttr no = BoolAttr::get(context, false), yes = BoolAttr::get(context, true);
  auto vectorize = LLVM::LoopVectorizeAttr::get(context, no, yes, {}, {}, {}, {}, {});
  loop->setAttr("loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, {}, {}, {}, {}, {}, {}, {},
                                                                 {}, {}, {}, {}, {}));
}

void LoopEmitter::emitLoop(unsigned dim, Value begin, Value end, llvm::function_ref<void()> body) {
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  if (guards && innerHold && guards->isContiguous())
    foldTail(loop);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  position[dim] = loop.getInductionVar();
  body();
  hoistInvariants(loop);
}

/// The innermost loop, split where it enters and leaves the interval in which all bounds checks hold: between the two
/// there is nothing to check, and the loop is one over contiguous memory. What lies before and behind is one loop.
void LoopEmitter::emitInnermost(unsigned dim, llvm::function_ref<void()> body) {
  LoopGuards found(op, dim);
  if (!found.splitsLoop())
    return emitLoop(dim, index(0), sizes[dim], body);
  guards = &found;
  Value size = sizes[dim];
  position[dim] = index(0);
  auto [low, high] = found.interval(b, position, index(0), size);
  innerHold = true;
  if (found.hasOuter()) {
    // Most rows have no padding above or below.
    auto choice = scf::IfOp::create(b, found.outerHold(b, position), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    for (bool holds : {true, false}) {
      outerHold = holds;
      b.setInsertionPointToStart(holds ? choice.thenBlock() : choice.elseBlock());
      emitLoop(dim, low, high, body);
    }
  } else {
    emitLoop(dim, low, high, body);
  }
  innerHold = outerHold = false;
  Value middle = b.createOrFold<arith::SubIOp>(high, low);
  auto loop = scf::ForOp::create(b, index(0), b.createOrFold<arith::SubIOp>(size, middle), index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value before = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, loop.getInductionVar(), low);
  Value skip = arith::SelectOp::create(b, before, index(0), middle);
  position[dim] = arith::AddIOp::create(b, loop.getInductionVar(), skip);
  body();
  guards = nullptr;
}

/// Moves what does not depend on a loop in front of it, and so leaves a contiguous innermost loop where rows are looked
/// up. Other than LLVM, we know that what is stored is not what is loaded here: bufferization lets an operand share the
/// destination's buffer only if both are visited in the same order, which an invariant load is not. Where a dimension
/// is empty no loop is entered at all (see `emit`), so that each load would have happened.
void LoopEmitter::hoistInvariants(scf::ForOp loop) {
  for (Operation &inner : llvm::make_early_inc_range(loop.getBody()->without_terminator())) {
    auto load = dyn_cast<memref::LoadOp>(inner);
    bool movable = load ? !mayBeEmpty && !llvm::is_contained(op.getDpsInits(), load.getMemRef()) : isPure(&inner);
    if (movable && inner.getNumRegions() == 0 &&
        llvm::all_of(inner.getOperands(), [&](Value value) { return loop.isDefinedOutsideOfLoop(value); }))
      inner.moveBefore(loop);
  }
}

SmallVector<Value> LoopEmitter::operandIndices(OpOperand &operand) {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  SmallVector<Value> indices;
  SmallVector<OpFoldResult> dims(position.begin(), position.end());
  for (AffineExpr expr : map.getResults()) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      indices.push_back(position[dim.getPosition()]);
    else if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      indices.push_back(index(constant.getValue()));
    else
      indices.push_back(affine::makeComposedAffineApply(b, b.getLoc(), AffineMap::get(dims.size(), 0, expr), dims));
  }
  return indices;
}

/// The operation's region at the current position; returns what it yields.
SmallVector<Value> LoopEmitter::emitBody(ValueRange accumulators) {
  Block *body = op.getBlock();
  IRMapping mapping;
  for (OpOperand *input : op.getDpsInputOperands()) {
    BlockArgument argument = body->getArgument(input->getOperandNumber());
    if (argument.use_empty())
      continue;
    Value value = input->get();
    if (isa<MemRefType>(value.getType()))
      value = memref::LoadOp::create(b, value, operandIndices(*input));
    mapping.map(argument, value);
  }
  for (auto [i, accumulator] : llvm::enumerate(accumulators))
    mapping.map(body->getArgument(op.getNumDpsInputs() + i), accumulator);
  for (Operation &inner : body->without_terminator()) {
    if (auto where = dyn_cast<linalg::IndexOp>(inner)) {
      mapping.map(where.getResult(), position[where.getDim()]);
      continue;
    }
    if (guards && ((innerHold && guards->isInner(&inner)) || (outerHold && guards->isOuter(&inner)))) {
      mapping.map(inner.getResult(0), arith::ConstantOp::create(b, b.getBoolAttr(true)).getResult());
      continue;
    }
    b.clone(inner, mapping);
  }
  SmallVector<Value> results;
  for (Value value : body->getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(value));
  return results;
}

void LoopEmitter::emitInMemory() {
  if (windows && !mayBeEmpty) {
    if (inPairs)
      return windows->emitPair(b, position, shared.back(), sizes[shared.back()], sizes[parallelTail.front()]);
    return windows->emitRow(b, position, sizes[parallelTail.front()]);
  }
  SmallVector<unsigned> dims(reductions);
  dims.append(parallelTail);
  emitSerial(dims, [&] {
    SmallVector<Value> accumulators;
    SmallVector<SmallVector<Value>> where;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      where.push_back(operandIndices(init));
      bool used = op.payloadUsesValueFromOperand(&init);
      accumulators.push_back(used ? memref::LoadOp::create(b, init.get(), where.back()).getResult() : Value());
    }
    SmallVector<Value> given;
    for (auto [i, value] : llvm::enumerate(accumulators)) {
      if (!value) { // never read: any value will do
        Type type = getElementTypeOrSelf(op.getDpsInits()[i].getType());
        value = arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(type)));
      }
      given.push_back(value);
    }
    SmallVector<Value> results = emitBody(given);
    for (auto [i, init] : llvm::enumerate(op.getDpsInits()))
      memref::StoreOp::create(b, results[i], init, where[i]);
  });
}

void LoopEmitter::emitInRegisters() {
  emitSerial(parallelTail, [&] {
    SmallVector<SmallVector<Value>> where;
    SmallVector<Value> start;
    for (OpOperand &init : op.getDpsInitsMutable()) {
      where.push_back(operandIndices(init));
      start.push_back(memref::LoadOp::create(b, init.get(), where.back()));
    }
    if (rows) {
      unsigned dim = reductions.front();
      auto step = [&](Value before, Value at) {
        position[dim] = at;
        return emitBody(before).front();
      };
      Value result = rows->emitReduction(b, position, sizes[dim], start.front(), step);
      memref::StoreOp::create(b, result, op.getDpsInits().front(), where.front());
      return;
    }
    std::function<SmallVector<Value>(ArrayRef<unsigned>, SmallVector<Value>)> nest =
        [&](ArrayRef<unsigned> dims, SmallVector<Value> carried) -> SmallVector<Value> {
      if (dims.empty())
        return emitBody(carried);
      auto loop = scf::ForOp::create(b, index(0), sizes[dims.front()], index(1), carried);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      position[dims.front()] = loop.getInductionVar();
      scf::YieldOp::create(b, nest(dims.drop_front(), SmallVector<Value>(loop.getRegionIterArgs())));
      return SmallVector<Value>(loop.getResults());
    };
    SmallVector<Value> results = nest(reductions, start);
    for (auto [i, init] : llvm::enumerate(op.getDpsInits()))
      memref::StoreOp::create(b, results[i], init, where[i]);
  });
}

/// Everything but the shared dimensions, whose flattened range is [begin, end).
void LoopEmitter::emitRange(Value begin, Value end) {
  auto inner = [&] { inRegisters ? emitInRegisters() : emitInMemory(); };
  if (shared.empty())
    return inner();
  if (rows && reductions.empty() && !mayBeEmpty)
    return rows->emitRow(b, position, end, begin);
  if (sharesColumns()) {
    emitSerial(reductions, [&] {
      auto loop = scf::ForOp::create(b, begin, end, index(1));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(loop.getBody()->getTerminator());
      position[shared[0]] = loop.getInductionVar();
      SmallVector<unsigned> saved;
      std::swap(saved, reductions);
      emitInMemory();
      std::swap(saved, reductions);
    });
    return;
  }
  SmallVector<Value> sharedSizes;
  for (unsigned dim : shared)
    sharedSizes.push_back(tasksOf(dim));
  emitFlattenedLoop(b, sharedSizes, begin, end, [&](ValueRange places) {
    for (auto [dim, place] : llvm::zip_equal(shared, places))
      position[dim] = place;
    if (inPairs)
      position[shared.back()] = b.createOrFold<arith::MulIOp>(places.back(), index(2));
    inner();
  });
}

void LoopEmitter::emit() {
  staticSizes = op.getStaticLoopRanges();
  AffineMap toLoops = op.getShapesToLoopsMap();
  SmallVector<OpFoldResult> shapes = op.createFlatListOfOperandDims(b, b.getLoc());
  for (auto [dim, expr] : llvm::enumerate(toLoops.getResults())) {
    sizes.push_back(!ShapedType::isDynamic(staticSizes[dim])
                        ? index(staticSizes[dim])
                        : getValueOrCreateConstantIndexOp(
                              b, b.getLoc(),
                              affine::makeComposedFoldedAffineApply(
                                  b, b.getLoc(), AffineMap::get(toLoops.getNumDims(), 0, expr), shapes)));
  }
  position.resize(sizes.size());
  findOrder();
  if (reductions.empty() && parallelTail.size() == 1) {
    windows.emplace(op, parallelTail.front(), target);
    if (!windows->isWorthwhile() && !windows->fill(staticSizes[parallelTail.front()]))
      windows.reset();
    inPairs = windows && windows->sharesRows() && !shared.empty();
  }
  findRows();
  bool isStatic = llvm::none_of(staticSizes, ShapedType::isDynamic);
  int64_t total = 1;
  for (int64_t size : staticSizes)
    total = total > kSerialIterations ? total : total * size;
  Value count = index(1), innerWork = index(1);
  for (auto [dim, size] : llvm::enumerate(sizes)) {
    bool isShared = llvm::is_contained(shared, dim);
    Value &product = isShared ? count : innerWork;
    product = b.createOrFold<arith::MulIOp>(product, isShared ? tasksOf(dim) : size);
  }
  if (!isStatic) {
    mayBeEmpty = shared.empty();
    Value empty = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, innerWork, index(0));
    count = b.createOrFold<arith::SelectOp>(empty, index(0), count);
  }
  // Rows that other threads share already are not split any further.
  if (shared.empty() || (isStatic && total <= kSerialIterations) || op->getParentOfType<ParallelOp>())
    return emitRange(index(0), count);
  Value grain = loopGrain(b, count, innerWork, costOfBody(*op.getBlock()));
  if (sharesColumns())
    grain = b.createOrFold<arith::MaxSIOp>(grain, index(kGrainColumns));
  auto parallel = ParallelOp::create(b, count, grain);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  emitRange(parallel.getBegin(), parallel.getEnd());
}

/// Whether elements follow each other without gaps, from wherever the first one is: views of rows do.
bool isContiguous(MemRefType type) {
  if (type.getLayout().isIdentity())
    return true;
  SmallVector<int64_t> strides;
  int64_t offset, expected = 1;
  if (!type.hasStaticShape() || failed(type.getStridesAndOffset(strides, offset)))
    return false;
  for (auto [size, stride] : llvm::reverse(llvm::zip_equal(type.getShape(), strides))) {
    if (stride != expected)
      return false;
    expected *= size;
  }
  return true;
}

/// Merges neighbouring dimensions that every operand walks together, so that inner loops are long.
linalg::LinalgOp mergeDimensions(RewriterBase &rewriter, linalg::LinalgOp op) {
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic || generic.getNumLoops() < 2 || generic.hasIndexSemantics())
    return op;
  for (Value operand : generic->getOperands())
    if (auto type = dyn_cast<MemRefType>(operand.getType()); type && !isContiguous(type))
      return op;
  auto iterators = generic.getIteratorTypesArray();
  auto maps = generic.getIndexingMapsArray();
  auto together = [&](unsigned first, unsigned second) {
    if (iterators[first] != iterators[second])
      return false;
    for (AffineMap map : maps) {
      int64_t at = -1;
      bool hasSecond = false;
      for (auto [i, expr] : llvm::enumerate(map.getResults())) {
        auto dim = dyn_cast<AffineDimExpr>(expr);
        if (!dim && (expr.isFunctionOfDim(first) || expr.isFunctionOfDim(second)))
          return false;
        if (!dim)
          continue;
        if (dim.getPosition() == first)
          at = i;
        if (dim.getPosition() == second) {
          hasSecond = true;
          if (at < 0 || at != static_cast<int64_t>(i) - 1)
            return false;
        }
      }
      if (at >= 0 && !hasSecond)
        return false;
    }
    return true;
  };
  SmallVector<ReassociationIndices> groups{{0}};
  for (unsigned dim = 1; dim < generic.getNumLoops(); ++dim) {
    if (together(dim - 1, dim))
      groups.back().push_back(dim);
    else
      groups.push_back({static_cast<int64_t>(dim)});
  }
  if (groups.size() == generic.getNumLoops())
    return op;
  rewriter.setInsertionPoint(generic);
  // Constants in a map (a dimension of size one) are not handled by the upstream rewrite.
  for (AffineMap map : maps)
    if (!map.isProjectedPermutation())
      return op;
  FailureOr<linalg::CollapseResult> merged = linalg::collapseOpIterationDims(generic, groups, rewriter);
  if (failed(merged))
    return op;
  rewriter.eraseOp(generic);
  return merged->collapsedOp;
}

struct EmitLoops : impl::EmitLoopsBase<EmitLoops> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp op) { copies.push_back(op); });
    for (memref::CopyOp op : copies) {
      rewriter.setInsertionPoint(op);
      linalg::makeMemRefCopyOp(rewriter, op.getLoc(), op.getSource(), op.getTarget());
      rewriter.eraseOp(op);
    }
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (op.hasPureBufferSemantics())
        ops.push_back(op);
    });
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      if (!isa<linalg::GenericOp>(op)) {
        FailureOr<linalg::GenericOp> generic = linalg::generalizeNamedOp(rewriter, op);
        if (failed(generic)) {
          op.emitError("has no loop nest");
          return signalPassFailure();
        }
        op = *generic;
      }
      // Nothing is done for a dimension that is known to be empty, and it cannot be merged with others.
      if (!llvm::is_contained(op.getStaticLoopRanges(), 0)) {
        op = mergeDimensions(rewriter, op);
        if (!emitTranspose(op, target))
          LoopEmitter(op, target).emit();
      }
      rewriter.eraseOp(op);
    }
  }
};

} // namespace
} // namespace mlir::ac
