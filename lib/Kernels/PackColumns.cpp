//===- PackColumns.cpp - Right-hand sides of products in panels -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A panel of a matrix whose rows are an image apart touches a page of memory for each row, and the same few sets of the
// caches where images have a power of two of pixels: it does not stay in the cache while the rows of the lhs pass by.
// So the columns of products with many of them are copied into the layout that constant weights have, as many at a time
// as stay in the second-level cache until they are multiplied.
//
// This happens after elementwise users have become epilogues, which are then in the loop over groups of columns too.
//
// Where the columns are themselves the result of such a product that nothing else uses, as in the two layers of a
// perceptron over pixels, the first product joins the loop of the second, and writes the panels: what stands between
// them never leaves the cache.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/Strips.h"

namespace mlir::ac {
#define GEN_PASS_DEF_PACKCOLUMNS
#include "Kernels/Passes.h.inc"

namespace {

/// Bytes of columns to pack at a time: half of a second-level cache of a megabyte.
constexpr int64_t kBytesAtOnce = 1 << 19;
/// Rows of the lhs below which a panel is not read often enough to be worth the copy.
constexpr int64_t kFewestRows = 40;
/// Panels of less depth, and smaller matrices, stay in the first-level cache whatever their layout.
constexpr int64_t kLeastDepth = 40;
constexpr int64_t kFewestElements = 1 << 13;

class ColumnPacker {
public:
  ColumnPacker(ContractOp op, int64_t lanes) : op(op), b(op.getLoc(), op), lanes(lanes) {}

  bool isWorthwhile();
  /// The product whose result the columns are, if it can write panels, or null.
  ContractOp findProducer();
  /// With `producer`, which is erased, in front of it.
  void rewrite(ContractOp producer);

private:
  OpFoldResult dim(Value tensor, int64_t axis) { return tensor::getMixedSize(b, b.getLoc(), tensor, axis); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, b.getLoc(), AffineMap::get(operands.size(), 0, expr), operands);
  }
  Value asValue(OpFoldResult value) { return getValueOrCreateConstantIndexOp(b, b.getLoc(), value); }
  Value pack(Value rhs, OpFoldResult begin, OpFoldResult count);
  Value produce(ContractOp producer, Value packed);
  Value multiply(Value packed, Value whole, OpFoldResult begin, OpFoldResult count);

  ContractOp op;
  ImplicitLocOpBuilder b;
  int64_t lanes;
};

bool ColumnPacker::isWorthwhile() {
  if (op.getPacked() || op.isQuantized() || op.getRhsStarts() || op->getNumResults() != 1)
    return false;
  auto rhs = cast<RankedTensorType>(op.getRhs().getType());
  auto rows = cast<RankedTensorType>(op.getLhs().getType()).getDimSize(1);
  // A product whose depth or rows are not known is one of activations, and seldom has this shape. (A dynamic size is
  // negative.)
  if (rows < kFewestRows || rhs.getDimSize(1) < kLeastDepth)
    return false;
  if (!rhs.isDynamicDim(2) && (rhs.getDimSize(2) < lanes || rhs.getDimSize(1) * rhs.getDimSize(2) < kFewestElements))
    return false;
  // Extras are cut along the columns, where they have them as they are.
  return llvm::all_of(op.getExtraMaps().getAsValueRange<AffineMapAttr>(),
                      [](AffineMap map) { return canCut(map, 2); });
}

/// The value of which `rhs` is the same shape again, after elementwise work on pixels in between.
static Value throughShapes(Value rhs) {
  auto collapse = rhs.getDefiningOp<tensor::CollapseShapeOp>();
  if (!collapse || !collapse->hasOneUse())
    return rhs;
  Value source = collapse.getSrc();
  while (auto cast = source.getDefiningOp<tensor::CastOp>()) {
    if (!cast->hasOneUse())
      return rhs;
    source = cast.getSource();
  }
  auto expand = source.getDefiningOp<tensor::ExpandShapeOp>();
  bool same = expand && expand->hasOneUse() && expand.getReassociationIndices() == collapse.getReassociationIndices();
  return same ? expand.getSrc() : rhs;
}

ContractOp ColumnPacker::findProducer() {
  auto producer = throughShapes(op.getRhs()).getDefiningOp<ContractOp>();
  if (!producer || !producer->hasOneUse() || producer->getBlock() != op->getBlock() || producer.readsInit() ||
      producer.getLhsRows() || producer.getOutOrder() || producer.getRhsOrder() ||
      !ColumnPacker(producer, lanes).isWorthwhile())
    return {};
  // Panels become its batch: nothing may depend on which batch or column it is.
  AffineExpr batch = b.getAffineDimExpr(0);
  if (producer.getLhsBatch().isFunctionOfDim(0) || producer.getRhsBatch().getResult(0) != batch ||
      op.getRhsBatch().getResult(0) != batch)
    return {};
  for (AffineMap map : producer.getExtraMaps().getAsValueRange<AffineMapAttr>())
    if (map.isFunctionOfDim(0) || map.isFunctionOfDim(2))
      return {};
  return producer;
}

/// Columns [begin, begin + count) as [batch, panels, depth, lanes], the columns past the last being zero.
Value ColumnPacker::pack(Value rhs, OpFoldResult begin, OpFoldResult count) {
  Type element = getElementTypeOrSelf(rhs);
  AffineExpr d0, d1;
  bindDims(b.getContext(), d0, d1);
  OpFoldResult batch = dim(rhs, 0), depth = dim(rhs, 1), panels = apply(d0.ceilDiv(lanes), count),
               full = apply(d0.floorDiv(lanes), count), left = apply(d0 % lanes, count);
  Value whole =
      tensor::EmptyOp::create(b, SmallVector<OpFoldResult>{batch, panels, depth, b.getIndexAttr(lanes)}, element);
  SmallVector<OpFoldResult> offsets(4, b.getIndexAttr(0)), strides(4, b.getIndexAttr(1));
  SmallVector<utils::IteratorType> iterators(4, utils::IteratorType::parallel);
  Value columns = sliceAlong(b, rhs, 2, begin, count);
  auto copyPanels = [&](OpFoldResult first, OpFoldResult number, Value source, Value valid) {
    SmallVector<OpFoldResult> sizes{batch, number, depth, b.getIndexAttr(lanes)};
    Value init = tensor::EmptyOp::create(b, sizes, element);
    MLIRContext *context = b.getContext();
    AffineExpr e0 = b.getAffineDimExpr(0), e1 = b.getAffineDimExpr(1), e2 = b.getAffineDimExpr(2),
               e3 = b.getAffineDimExpr(3);
    SmallVector<AffineMap> maps{AffineMap::get(4, 0, {e0, e2, e1, e3}, context)};
    SmallVector<Value> inputs;
    if (!valid) {
      inputs.push_back(source);
      maps.insert(maps.begin(), AffineMap::get(4, 0, {e0, e1, e2 * lanes + e3}, context));
    }
    Value part = linalg::GenericOp::create(
                     b, init.getType(), inputs, init, maps, iterators,
                     [&](OpBuilder &inner, Location loc, ValueRange values) {
                       Value result = values[0];
                       if (valid) {
                         auto at = [&](int64_t axis) -> Value { return linalg::IndexOp::create(inner, loc, axis); };
                         Value lane = at(3), zero = arith::ConstantIndexOp::create(inner, loc, 0);
                         Value inside = arith::CmpIOp::create(inner, loc, arith::CmpIPredicate::ult, lane, valid);
                         Value column = arith::SelectOp::create(inner, loc, inside, lane, zero);
                         Value read = tensor::ExtractOp::create(inner, loc, source, ValueRange{at(0), at(1), column});
                         Value nothing = arith::ConstantOp::create(inner, loc, inner.getZeroAttr(element));
                         result = arith::SelectOp::create(inner, loc, inside, read, nothing);
                       }
                       linalg::YieldOp::create(inner, loc, result);
                     })
                     .getResult(0);
    offsets[1] = first;
    whole = tensor::InsertSliceOp::create(b, part, whole, offsets, sizes, strides);
  };
  if (getConstantIntValue(full) != 0)
    copyPanels(b.getIndexAttr(0), full, columns, {});
  if (getConstantIntValue(left) == 0)
    return whole;
  Value last = sliceAlong(b, columns, 2, apply(d0 - d1, {count, left}), left);
  OpFoldResult number = apply(d0 - d1, {panels, full});
  copyPanels(full, number, last, asValue(left));
  return whole;
}

/// The product of packed columns, packed: a matrix for each panel.
Value ColumnPacker::produce(ContractOp producer, Value packed) {
  auto type = cast<RankedTensorType>(packed.getType());
  OpFoldResult batch = dim(packed, 0), panels = dim(packed, 1), width = b.getIndexAttr(lanes), depth = dim(packed, 2),
               rows = dim(producer.getLhs(), ContractOp::dimOf(producer.getLhsOrder(), 1));
  Value flat = tensor::CollapseShapeOp::create(b, packed, ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}});
  OpFoldResult matrices = dim(flat, 0);
  int64_t count = cast<RankedTensorType>(flat.getType()).getDimSize(0);
  auto single = RankedTensorType::get({count, 1, type.getDimSize(2), lanes}, type.getElementType());
  flat = tensor::ExpandShapeOp::create(b, single, flat, ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}},
                                       ArrayRef<OpFoldResult>{matrices, b.getIndexAttr(1), depth, width});
  Type element = producer.getResultElementType();
  Value init = tensor::EmptyOp::create(b, SmallVector<OpFoldResult>{matrices, rows, width}, element);
  IRMapping mapping;
  mapping.map(producer.getRhs(), flat);
  mapping.map(producer.getInit(), init);
  auto product = cast<ContractOp>(b.clone(*producer, mapping));
  product.setPacked(true);
  product->getResult(0).setType(init.getType());
  SmallVector<int64_t> shape{type.getDimSize(0), type.getDimSize(1),
                             cast<RankedTensorType>(init.getType()).getDimSize(1), lanes};
  return tensor::ExpandShapeOp::create(b, RankedTensorType::get(shape, element), product->getResult(0),
                                       ArrayRef<ReassociationIndices>{{0, 1}, {2}, {3}},
                                       ArrayRef<OpFoldResult>{batch, panels, rows, width});
}

/// The product of these columns with its epilogue, written to its place in `whole`.
Value ColumnPacker::multiply(Value packed, Value whole, OpFoldResult begin, OpFoldResult count) {
  Value init = sliceAlong(b, whole, 2, begin, count);
  IRMapping mapping;
  mapping.map(op.getRhs(), packed);
  mapping.map(op.getInit(), init);
  SmallVector<Value> extras;
  for (auto [extra, map] : llvm::zip_equal(op.getExtras(), op.getExtraMaps().getAsValueRange<AffineMapAttr>()))
    extras.push_back(cutAlong(b, extra, map, 2, begin, count));
  auto product = cast<ContractOp>(b.clone(*op, mapping));
  product.getExtrasMutable().assign(extras);
  product.setPacked(true);
  product->getResult(0).setType(init.getType());
  return insertBack(b, product->getResult(0), whole, init);
}

void ColumnPacker::rewrite(ContractOp producer) {
  auto rhs = cast<RankedTensorType>(op.getRhs().getType());
  Value first = producer ? producer.getRhs() : op.getRhs(), between = op.getRhs();
  auto packedColumns = [&](OpFoldResult begin, OpFoldResult count) {
    Value packed = pack(first, begin, count);
    return producer ? produce(producer, packed) : packed;
  };
  auto eraseProducer = [&] {
    while (producer && between.use_empty()) {
      Operation *unused = between.getDefiningOp();
      if (unused == producer)
        return unused->erase();
      between = unused->getOperand(0);
      unused->erase();
    }
  };
  int64_t elementBytes = rhs.getElementTypeBitWidth() / 8;
  OpFoldResult total = dim(first, 2);
  // A batch of matrices is packed together.
  int64_t depths = rhs.getDimSize(1) + (producer ? cast<RankedTensorType>(first.getType()).getDimSize(1) : 0);
  int64_t rowBytes = depths * elementBytes * (rhs.isDynamicDim(0) ? 1 : rhs.getDimSize(0));
  int64_t step = std::max<int64_t>(kBytesAtOnce / std::max<int64_t>(rowBytes, 1) / lanes, 1) * lanes;
  auto constant = getConstantIntValue(total);
  if (constant && *constant <= step + step / 2) {
    op.getRhsMutable().assign(packedColumns(b.getIndexAttr(0), total));
    op.setPacked(true);
    return eraseProducer();
  }
  Value zero = asValue(b.getIndexAttr(0));
  auto loop = scf::ForOp::create(b, zero, asValue(total), asValue(b.getIndexAttr(step)), op.getInit());
  b.setInsertionPointToEnd(loop.getBody());
  OpFoldResult begin = loop.getInductionVar(), count = b.getIndexAttr(step);
  if (!constant || *constant % step != 0)
    count = affine::makeComposedFoldedAffineMin(
        b, b.getLoc(),
        AffineMap::get(2, 0, {b.getAffineDimExpr(1) - b.getAffineDimExpr(0), b.getAffineConstantExpr(step)},
                       b.getContext()),
        {begin, total});
  Value next = multiply(packedColumns(begin, count), loop.getRegionIterArg(0), begin, count);
  scf::YieldOp::create(b, next);
  op->getResult(0).replaceAllUsesWith(loop.getResult(0));
  op.erase();
  eraseProducer();
}

struct PackColumns : impl::PackColumnsBase<PackColumns> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) { ops.push_back(op); });
    DenseSet<Operation *> joined;
    for (ContractOp op : llvm::reverse(ops)) {
      // Columns of small numbers are grouped where the product is emitted.
      if (joined.contains(op) || groupedUnit(op, target) != DotUnit::None)
        continue;
      ColumnPacker packer(op, target.panel(op.getElementType()));
      if (!packer.isWorthwhile())
        continue;
      ContractOp producer = packer.findProducer();
      joined.insert(producer);
      packer.rewrite(producer);
    }
  }
};

} // namespace
} // namespace mlir::ac
