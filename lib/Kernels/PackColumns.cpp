//===- PackColumns.cpp - Right-hand sides of products in panels -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A panel of a matrix whose rows are an image apart touches a page of memory for each row, and the same few sets of the
// caches where images have a power of two of pixels: it does not stay in the cache while the rows of the lhs pass by.
// So the kernels of products with many rows copy it, while the first rows do.
//
// Where the columns are themselves the result of such a product that nothing else uses, as in the two layers of a
// perceptron over pixels, the first product writes panels, as many at a time as stay in the second-level cache until
// the second has multiplied them. This happens after elementwise users have become epilogues, which are then in the
// loop over groups of columns too.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/Strips.h"

namespace mlir::ac {
#define GEN_PASS_DEF_PACKCOLUMNS
#include "Kernels/Passes.h.inc"

namespace {

/// Bytes of columns between two products: half of a second-level cache of a megabyte.
constexpr int64_t kBytesAtOnce = 1 << 19;
/// Panels at a time are a multiple of this, so that two threads or four have as many each.
constexpr int64_t kPanelsTogether = 4;
/// Rows of the lhs below which a panel is not read often enough to be worth the copy.
constexpr int64_t kFewestRows = 40;
/// Panels of less depth, and smaller matrices, stay in the first-level cache whatever their layout.
constexpr int64_t kLeastDepth = 40;
constexpr int64_t kFewestElements = 1 << 13;

class ColumnPacker {
public:
  ColumnPacker(ContractOp op, int64_t lanes) : op(op), b(op.getLoc(), op), lanes(lanes) {}

  bool isWorthwhile();
  bool isCut();
  /// The product whose result the columns are, if it can write panels, or null.
  ContractOp findProducer();
  /// Makes one loop of both; `producer` is erased.
  void join(ContractOp producer);

private:
  OpFoldResult dim(Value tensor, int64_t axis) { return tensor::getMixedSize(b, b.getLoc(), tensor, axis); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, b.getLoc(), AffineMap::get(operands.size(), 0, expr), operands);
  }
  Value asValue(OpFoldResult value) { return getValueOrCreateConstantIndexOp(b, b.getLoc(), value); }
  Value produce(ContractOp producer, OpFoldResult begin, OpFoldResult count);
  SmallVector<Value> cutExtras(ContractOp product, OpFoldResult begin, OpFoldResult count);
  Value multiply(Value packed, Value whole, OpFoldResult begin, OpFoldResult count);

  ContractOp op;
  ImplicitLocOpBuilder b;
  int64_t lanes;
};

bool ColumnPacker::isWorthwhile() {
  if (op.getPacked() || op.isQuantized() || op->getNumResults() != 1)
    return false;
  auto lhs = cast<RankedTensorType>(op.getLhs().getType()), rhs = cast<RankedTensorType>(op.getRhs().getType());
  // A product whose depth or rows are not known is one of activations, and seldom has this shape. (A dynamic size is
  // negative.)
  int64_t depth = lhs.getDimSize(2);
  if (op.getLhsOrder() || lhs.getDimSize(1) < kFewestRows || depth < kLeastDepth)
    return false;
  if (op.getRhsStarts())
    return true;
  return rhs.isDynamicDim(2) || (rhs.getDimSize(2) >= lanes && depth * rhs.getDimSize(2) >= kFewestElements);
}

/// Whether a group of its columns can be computed by itself.
bool ColumnPacker::isCut() {
  if (op.getRhsStarts())
    return false;
  // Extras are cut along the columns, where they have them as they are.
  return llvm::all_of(op.getExtraMaps().getAsValueRange<AffineMapAttr>(), [](AffineMap map) { return canCut(map, 2); });
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
  if (!isCut() || op.getRhsOrder() || op.getRhsBatch().getResult(0) != b.getAffineDimExpr(0) || !producer ||
      !producer->hasOneUse() || producer->getBlock() != op->getBlock() || producer.readsInit() ||
      producer.getLhsRows() || producer.getOutOrder() || producer.getRhsOrder())
    return {};
  ColumnPacker packer(producer, lanes);
  return packer.isWorthwhile() && packer.isCut() ? producer : ContractOp();
}

/// The parts of its extras that columns [begin, begin + count) of the result need.
SmallVector<Value> ColumnPacker::cutExtras(ContractOp product, OpFoldResult begin, OpFoldResult count) {
  SmallVector<Value> extras;
  for (auto [extra, map] :
       llvm::zip_equal(product.getExtras(), product.getExtraMaps().getAsValueRange<AffineMapAttr>()))
    extras.push_back(cutAlong(b, extra, map, 2, begin, count));
  return extras;
}

/// Columns [begin, begin + count) of its result, in panels.
Value ColumnPacker::produce(ContractOp producer, OpFoldResult begin, OpFoldResult count) {
  OpFoldResult panels = affine::makeComposedFoldedAffineApply(
      b, b.getLoc(), AffineMap::get(1, 0, b.getAffineDimExpr(0).ceilDiv(lanes)), {count});
  Value init = tensor::EmptyOp::create(
      b, {dim(producer.getInit(), 0), panels, dim(producer.getInit(), 1), OpFoldResult(b.getIndexAttr(lanes))},
      producer.getResultElementType());
  IRMapping mapping;
  mapping.map(producer.getRhs(), sliceAlong(b, producer.getRhs(), 2, begin, count));
  mapping.map(producer.getInit(), init);
  SmallVector<Value> extras = cutExtras(producer, begin, count);
  auto product = cast<ContractOp>(b.clone(*producer, mapping));
  product.getExtrasMutable().assign(extras);
  product.setCopied(true);
  product.setOutPanels(true);
  product->getResult(0).setType(init.getType());
  return product->getResult(0);
}

/// The product of these columns with its epilogue, written to its place in `whole`.
Value ColumnPacker::multiply(Value packed, Value whole, OpFoldResult begin, OpFoldResult count) {
  Value init = sliceAlong(b, whole, 2, begin, count);
  IRMapping mapping;
  mapping.map(op.getRhs(), packed);
  mapping.map(op.getInit(), init);
  SmallVector<Value> extras = cutExtras(op, begin, count);
  auto product = cast<ContractOp>(b.clone(*op, mapping));
  product.getExtrasMutable().assign(extras);
  product.setPacked(true);
  product->getResult(0).setType(init.getType());
  return insertBack(b, product->getResult(0), whole, init);
}

/// Erases `producer` and what gave its result, `between`, another shape.
static void eraseUnused(Value between, ContractOp producer) {
  while (between.use_empty()) {
    Operation *unused = between.getDefiningOp();
    bool isProducer = unused == producer;
    if (!isProducer)
      between = unused->getOperand(0);
    unused->erase();
    if (isProducer)
      return;
  }
}

void ColumnPacker::join(ContractOp producer) {
  Value between = op.getRhs();
  auto type = cast<RankedTensorType>(between.getType());
  OpFoldResult total = dim(producer.getRhs(), 2);
  // The matrices of a batch are multiplied together.
  int64_t columnBytes =
      type.getDimSize(1) * type.getElementTypeBitWidth() / 8 * (type.isDynamicDim(0) ? 1 : type.getDimSize(0));
  int64_t panels = std::max<int64_t>(kBytesAtOnce / std::max<int64_t>(columnBytes, 1) / lanes, 1);
  int64_t step = llvm::alignTo(panels, kPanelsTogether) * lanes;
  auto constant = getConstantIntValue(total);
  if (constant && *constant <= step + step / 2) {
    op.getRhsMutable().assign(produce(producer, b.getIndexAttr(0), total));
    op.setPacked(true);
    return eraseUnused(between, producer);
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
  Value next = multiply(produce(producer, begin, count), loop.getRegionIterArg(0), begin, count);
  scf::YieldOp::create(b, next);
  op->getResult(0).replaceAllUsesWith(loop.getResult(0));
  op.erase();
  eraseUnused(between, producer);
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
      if (!producer) {
        op.setCopied(true);
        continue;
      }
      joined.insert(producer);
      packer.join(producer);
    }
  }
};

} // namespace
} // namespace mlir::ac
