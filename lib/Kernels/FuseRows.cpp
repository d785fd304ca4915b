//===- FuseRows.cpp - Chains of operations row by row ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A softmax is five loops over the same rows: maximum, exponentials, sum, reciprocal, product. One after another they
// move the whole tensor through the caches each time, and each asks the threads for help. Here they become one loop
// over rows whose body holds the same operations on views of one row.
//
// Around each reduction of trailing dimensions a group grows to both sides as long as operations stand next to each
// other (between them only what does not touch memory), share a buffer, and every buffer that one of them writes is
// touched in the row at hand only. Then no row depends on another one, and the order of rows is free.
//
//===----------------------------------------------------------------------===//
#include "Kernels/FlattenedLoop.h"
#include "Kernels/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEROWS
#include "Kernels/Passes.h.inc"

namespace {

/// Fewer rows are better split along their columns.
constexpr int64_t kFewestRows = 4;
/// Elements a range of rows should hold, and elements of all rows below which threads do not pay.
constexpr int64_t kGrainElements = 8192, kSerialElements = 2048;

/// The buffer that a view shows, and how many leading dimensions of the view are those of the buffer.
struct Root {
  Value buffer;
  int64_t leading;
};

Root findRoot(Value value) {
  int64_t leading = cast<MemRefType>(value.getType()).getRank();
  auto keep = [&](ArrayRef<ReassociationIndices> groups) {
    int64_t same = 0;
    while (same < static_cast<int64_t>(groups.size()) && groups[same].size() == 1)
      ++same;
    return same;
  };
  while (Operation *op = value.getDefiningOp()) {
    if (auto expand = dyn_cast<memref::ExpandShapeOp>(op)) {
      SmallVector<ReassociationIndices> groups = expand.getReassociationIndices();
      int64_t same = keep(groups);
      // A dimension followed by dimensions of one is itself.
      if (same < static_cast<int64_t>(groups.size()) &&
          llvm::all_of(ArrayRef<int64_t>(groups[same]).drop_front(),
                       [&](int64_t dim) { return expand.getResultType().getDimSize(dim) == 1; }))
        ++same;
      leading = std::min(leading, same);
      value = expand.getSrc();
    } else if (auto collapse = dyn_cast<memref::CollapseShapeOp>(op)) {
      SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
      int64_t same = keep(groups);
      if (same < static_cast<int64_t>(groups.size()) &&
          llvm::all_of(ArrayRef<int64_t>(groups[same]).drop_front(),
                       [&](int64_t dim) { return collapse.getSrcType().getDimSize(dim) == 1; }))
        ++same;
      leading = std::min(leading, same);
      value = collapse.getSrc();
    } else if (auto cast = dyn_cast<memref::CastOp>(op)) {
      value = cast.getSource();
    } else if (auto view = dyn_cast<ViewLikeOpInterface>(op)) {
      leading = 0;
      value = view.getViewSource();
    } else {
      break;
    }
  }
  return {value, leading};
}

/// Operations and the number of leading loops that they share.
class Group {
public:
  Group(linalg::GenericOp reduction, int64_t rows) : numRowDims(rows), ops{reduction} {}

  bool fits(linalg::GenericOp op) const;
  /// Whether all conditions hold for the group with `op` in it.
  bool holdsWith(linalg::GenericOp op) const;
  void emit();

  int64_t numRowDims;
  SmallVector<linalg::GenericOp> ops; // in the order of the block

private:
  bool inRow(linalg::GenericOp op, OpOperand &operand, const Root &root) const;
  void emitRow(ImplicitLocOpBuilder &b, linalg::GenericOp op, ValueRange place);
};

bool isSimple(linalg::GenericOp op) {
  return op.hasPureBufferSemantics() &&
         llvm::all_of(op.getBody()->getOperations(), [](Operation &inner) { return isMemoryEffectFree(&inner); });
}

int64_t leadingParallel(linalg::GenericOp op) {
  auto iterators = op.getIteratorTypesArray();
  auto first = llvm::find_if(iterators, [](utils::IteratorType it) { return it != utils::IteratorType::parallel; });
  return first - iterators.begin();
}

/// Whether an access stays in the row that the leading loops are at.
bool Group::inRow(linalg::GenericOp op, OpOperand &operand, const Root &root) const {
  AffineMap map = op.getMatchingIndexingMap(&operand);
  if (root.leading < numRowDims || static_cast<int64_t>(map.getNumResults()) < numRowDims)
    return false;
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    bool isRow = static_cast<int64_t>(i) < numRowDims;
    if (isRow && expr != getAffineDimExpr(i, op.getContext()))
      return false;
    for (int64_t dim = 0; dim < numRowDims && !isRow; ++dim)
      if (expr.isFunctionOfDim(dim))
        return false;
  }
  return true;
}

bool Group::fits(linalg::GenericOp op) const {
  if (!isSimple(op) || leadingParallel(op) < numRowDims)
    return false;
  // Every operand can be seen as a row: a leading loop stands alone in an index or not at all.
  for (AffineMap map : op.getIndexingMapsArray())
    for (AffineExpr expr : map.getResults())
      for (int64_t dim = 0; dim < numRowDims; ++dim)
        if (expr.isFunctionOfDim(dim) && !isa<AffineDimExpr>(expr))
          return false;
  return true;
}

bool Group::holdsWith(linalg::GenericOp added) const {
  SmallVector<linalg::GenericOp> all(ops);
  all.push_back(added);
  DenseSet<Value> written;
  for (linalg::GenericOp op : all)
    for (OpOperand &init : op.getDpsInitsMutable()) {
      // Of what is not a buffer of its own, others may be views without looking so.
      Value buffer = findRoot(init.get()).buffer;
      if (!buffer.getDefiningOp<memref::AllocOp>())
        return false;
      written.insert(buffer);
    }
  DenseSet<Value> inGroup;
  bool connected = false;
  for (linalg::GenericOp op : all) {
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<MemRefType>(operand.get().getType()))
        continue;
      Root root = findRoot(operand.get());
      bool stays = inRow(op, operand, root);
      if (written.contains(root.buffer) && !stays)
        return false;
      // Rows of one buffer are as many for both.
      if (!stays)
        continue;
      if (op == added)
        connected |= inGroup.contains(root.buffer);
      else
        inGroup.insert(root.buffer);
    }
  }
  return connected || ops.empty();
}

/// The operation on views of one row.
void Group::emitRow(ImplicitLocOpBuilder &b, linalg::GenericOp op, ValueRange place) {
  MLIRContext *context = op.getContext();
  auto isRowDim = [&](AffineExpr expr) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    return dim && dim.getPosition() < numRowDims ? static_cast<int64_t>(dim.getPosition()) : int64_t(-1);
  };
  SmallVector<AffineExpr> renamed(numRowDims, getAffineConstantExpr(0, context));
  int64_t numLoops = op.getNumLoops() - numRowDims;
  for (int64_t dim = 0; dim < numLoops; ++dim)
    renamed.push_back(getAffineDimExpr(dim, context));
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    Value value = operand.get();
    SmallVector<AffineExpr> exprs;
    if (auto type = dyn_cast<MemRefType>(value.getType())) {
      SmallVector<OpFoldResult> offsets, sizes, strides(type.getRank(), b.getIndexAttr(1));
      SmallVector<int64_t> shape;
      for (auto [axis, expr] : llvm::enumerate(map.getResults())) {
        if (int64_t dim = isRowDim(expr); dim >= 0) {
          offsets.push_back(place[dim]);
          sizes.push_back(b.getIndexAttr(1));
          continue;
        }
        offsets.push_back(b.getIndexAttr(0));
        sizes.push_back(memref::getMixedSize(b, b.getLoc(), value, axis));
        shape.push_back(type.getDimSize(axis));
        exprs.push_back(expr.replaceDims(renamed));
      }
      if (exprs.size() != map.getNumResults()) {
        auto viewType = memref::SubViewOp::inferRankReducedResultType(shape, type, offsets, sizes, strides);
        value = memref::SubViewOp::create(b, viewType, value, offsets, sizes, strides);
      }
    }
    operands.push_back(value);
    maps.push_back(AffineMap::get(numLoops, 0, exprs, context));
  }
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  iterators.erase(iterators.begin(), iterators.begin() + numRowDims);
  unsigned inputs = op.getNumDpsInputs();
  auto row = linalg::GenericOp::create(b, TypeRange{}, ArrayRef<Value>(operands).take_front(inputs),
                                       ArrayRef<Value>(operands).drop_front(inputs), maps, iterators);
  row.getRegion().takeBody(op.getRegion());
  for (auto where : llvm::make_early_inc_range(row.getBody()->getOps<linalg::IndexOp>())) {
    int64_t dim = where.getDim();
    if (dim >= numRowDims) {
      where.setDim(dim - numRowDims);
      continue;
    }
    where.replaceAllUsesWith(place[dim]);
    where.erase();
  }
}

void Group::emit() {
  SmallVector<Location> locations;
  for (linalg::GenericOp op : ops)
    locations.push_back(op.getLoc());
  linalg::GenericOp last = ops.back();
  ImplicitLocOpBuilder b(FusedLoc::get(last.getContext(), locations), last);
  // The sizes of the operation with the most loops, which goes through whole rows.
  linalg::LinalgOp widest = *llvm::max_element(
      ops, [](linalg::GenericOp x, linalg::GenericOp y) { return x.getNumLoops() < y.getNumLoops(); });
  SmallVector<OpFoldResult> shapes = widest.createFlatListOfOperandDims(b, b.getLoc());
  AffineMap toLoops = widest.getShapesToLoopsMap();
  SmallVector<Value> rowSizes;
  auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  Value count = constant(1), perRow = constant(ops.size());
  int64_t known = 1;
  for (auto [dim, size] : llvm::enumerate(widest.getStaticLoopRanges())) {
    Value value =
        !ShapedType::isDynamic(size)
            ? constant(size)
            : getValueOrCreateConstantIndexOp(
                  b, b.getLoc(),
                  affine::makeComposedFoldedAffineApply(
                      b, b.getLoc(), AffineMap::get(toLoops.getNumDims(), 0, toLoops.getResult(dim)), shapes));
    known = ShapedType::isDynamic(size) || known > kSerialElements ? kSerialElements + 1 : known * size;
    bool isRow = static_cast<int64_t>(dim) < numRowDims;
    (isRow ? count : perRow) = b.createOrFold<arith::MulIOp>(isRow ? count : perRow, value);
    if (isRow)
      rowSizes.push_back(value);
  }
  auto emitRange = [&](Value begin, Value end) {
    emitFlattenedLoop(b, rowSizes, begin, end, [&](ValueRange place) {
      for (linalg::GenericOp op : ops) {
        b.setLoc(op.getLoc());
        emitRow(b, op, place);
      }
      b.setLoc(FusedLoc::get(last.getContext(), locations));
    });
  };
  if (known <= kSerialElements) {
    emitRange(constant(0), count);
  } else {
    Value work = b.createOrFold<arith::MaxSIOp>(perRow, constant(1));
    auto parallel = ParallelOp::create(b, count, b.createOrFold<arith::CeilDivSIOp>(constant(kGrainElements), work));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(parallel.getBody().front().getTerminator());
    emitRange(parallel.getBegin(), parallel.getEnd());
  }
  for (linalg::GenericOp op : llvm::reverse(ops))
    op.erase();
}

/// What may stand between two operations of a group: the group moves behind it.
bool isTransparent(Operation *op) { return op->getNumRegions() == 0 && (isPure(op) || isa<memref::AllocOp>(op)); }

struct FuseRows : impl::FuseRowsBase<FuseRows> {
  void runOnBlock(Block &block) {
    // Operations without anything between them that touches memory.
    SmallVector<SmallVector<linalg::GenericOp>> runs(1);
    for (Operation &op : block) {
      if (auto generic = dyn_cast<linalg::GenericOp>(op))
        runs.back().push_back(generic);
      else if (!isTransparent(&op) && !runs.back().empty())
        runs.emplace_back();
    }
    for (SmallVector<linalg::GenericOp> &run : runs) {
      size_t free = 0; // operations before are in a group already
      for (size_t at = 0; at < run.size(); ++at) {
        int64_t rows = leadingParallel(run[at]);
        if (at < free || rows == 0 || rows == static_cast<int64_t>(run[at].getNumLoops()) || !isLarge(run[at], rows))
          continue;
        Group group(run[at], rows);
        if (!group.fits(run[at]))
          continue;
        auto take = [&](linalg::GenericOp op, bool inFront) {
          if (!group.fits(op) || !group.holdsWith(op))
            return false;
          group.ops.insert(inFront ? group.ops.begin() : group.ops.end(), op);
          return true;
        };
        size_t begin = at, end = at + 1;
        while (begin > free && take(run[begin - 1], /*inFront=*/true))
          --begin;
        while (end < run.size() && take(run[end], /*inFront=*/false))
          ++end;
        if (group.ops.size() < 2)
          continue;
        free = end;
        group.emit();
      }
    }
  }

  static bool isLarge(linalg::GenericOp op, int64_t rows) {
    int64_t count = 1;
    for (int64_t size : ArrayRef<int64_t>(op.getStaticLoopRanges()).take_front(rows))
      count = ShapedType::isDynamic(size) || count >= kFewestRows ? kFewestRows : count * size;
    return count >= kFewestRows;
  }

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<linalg::LinalgOp, ParallelOp, ContractOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks)
      runOnBlock(*block);
  }
};

} // namespace
} // namespace mlir::ac
