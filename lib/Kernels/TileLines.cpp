//===- TileLines.cpp - Lines of convolutions a few rows at a time ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The lines of an image (see ConvolutionLines.cpp) are as large as the image. Made all at once they leave the caches,
// and the product, which reads them in pieces too short for a processor to see where it goes, waits for each piece to
// come back. So a strip of rows of positions is made and multiplied at a time. Where windows overlap, the lines that
// the next strip needs too are made again: strips are a few windows high.
//
// This happens after elementwise users have become epilogues, which are then in the loop too.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/Strips.h"

namespace mlir::ac {
#define GEN_PASS_DEF_TILELINES
#include "Kernels/Passes.h.inc"

namespace {

/// Bytes of lines to make at a time: what stays in a second-level cache of a megabyte beside the result.
constexpr int64_t kBytesAtOnce = 3 << 18;
/// The same of columns that are copied to groups.
constexpr int64_t kColumnBytesAtOnce = 1 << 19;
/// Lines between the first ones of two strips at least: with fewer, too much is made twice.
constexpr int64_t kFewestLines = 4;

class LineTiler {
public:
  LineTiler(ContractOp op, const TargetInfo &target)
      : op(op), b(op.getLoc(), op), isGrouped(target.hasMasks && groupedUnit(op, target) != DotUnit::None) {}

  /// Whether the product has lines of its own that are made beforehand.
  bool findLines();
  void rewrite();

private:
  OpFoldResult dim(Value tensor, int64_t axis) { return tensor::getMixedSize(b, b.getLoc(), tensor, axis); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, b.getLoc(), AffineMap::get(operands.size(), 0, expr), operands);
  }
  Value asValue(OpFoldResult value) { return getValueOrCreateConstantIndexOp(b, b.getLoc(), value); }
  OpFoldResult rowsAtOnce();
  Value makeLines(OpFoldResult firstLine, OpFoldResult numLines);

  ContractOp op;
  ImplicitLocOpBuilder b;
  bool isGrouped; // the columns are copied in front of the product
  linalg::GenericOp maker;           // of lines [image, line, ...]
  tensor::CollapseShapeOp collapsed; // to [lines, pitch]
  int64_t stride = 0;                // lines from a row of positions to the next
  int64_t rowAxis = 0;               // of the result
};

bool LineTiler::findLines() {
  if (!op.getRhsStarts() || !op.hasImages() || op->getNumResults() != 1 || op.readsInit() || op.getLhsRows() ||
      op.getLhsBatch().isFunctionOfDim(0))
    return false;
  // The lines are the only thing that the maker makes, and this product their only user.
  collapsed = op.getRhs().getDefiningOp<tensor::CollapseShapeOp>();
  maker = collapsed && collapsed->hasOneUse() ? collapsed.getSrc().getDefiningOp<linalg::GenericOp>() : nullptr;
  if (!maker || !maker->hasOneUse() || maker->getBlock() != op->getBlock() || maker->getNumResults() != 1 ||
      maker.getNumDpsInputs() != 0 || maker.getNumParallelLoops() != maker.getNumLoops() ||
      !maker.getIndexingMapsArray()[0].isIdentity() ||
      maker.payloadUsesValueFromOperand(&maker.getDpsInitsMutable()[0]))
    return false;
  SmallVector<ReassociationIndices> groups = collapsed.getReassociationIndices();
  if (groups.size() != 2 || groups[0].size() != 2)
    return false;
  // Row `i` of positions begins at line `i * stride`.
  AffineExpr line = op.getRhsBatch().getResult(0), batch = b.getAffineDimExpr(0);
  for (int64_t factor = 1; factor <= 8 && !stride; ++factor)
    if (line == batch * factor)
      stride = factor;
  rowAxis = ContractOp::dimOf(op.getOutOrder(), 0);
  // Extras are cut along the rows, where they have them as they are.
  if (!llvm::all_of(op.getExtraMaps().getAsValueRange<AffineMapAttr>(), [](AffineMap map) { return canCut(map, 0); }))
    return false;
  auto type = cast<RankedTensorType>(maker.getResult(0).getType());
  int64_t elementBytes = type.getElementTypeBitWidth() / 8;
  bool isSmall = type.hasStaticShape() && type.getNumElements() * elementBytes <= kBytesAtOnce;
  if (isGrouped) {
    auto result = cast<RankedTensorType>(op.getInit().getType()), lhs = cast<RankedTensorType>(op.getLhs().getType());
    isSmall &= result.hasStaticShape() && !lhs.isDynamicDim(2) &&
               result.getNumElements() / std::max<int64_t>(result.getDimSize(1), 1) * lhs.getDimSize(2) *
                       elementBytes <=
                   kColumnBytesAtOnce;
  }
  return stride && !isSmall;
}

OpFoldResult LineTiler::rowsAtOnce() {
  if (isGrouped) {
    // Of the columns of a row of positions there are more than of its lines, for each tap of a column once.
    int64_t elementBytes = cast<RankedTensorType>(op.getRhs().getType()).getElementTypeBitWidth() / 8;
    OpFoldResult bytes = apply(b.getAffineDimExpr(0) * b.getAffineDimExpr(1) * b.getAffineDimExpr(2) * elementBytes,
                               {dim(op.getInit(), 0), dim(op.getLhs(), 2), dim(op.getInit(), 3)});
    Value least = b.createOrFold<arith::MaxUIOp>(asValue(bytes), asValue(b.getIndexAttr(1)));
    Value rows = b.createOrFold<arith::DivUIOp>(asValue(b.getIndexAttr(kColumnBytesAtOnce)), least);
    return OpFoldResult(b.createOrFold<arith::MaxUIOp>(rows, asValue(b.getIndexAttr(1))));
  }
  auto type = cast<RankedTensorType>(maker.getResult(0).getType());
  Value bytes = asValue(b.getIndexAttr(stride * type.getElementTypeBitWidth() / 8)), one = asValue(b.getIndexAttr(1));
  for (int64_t axis = 0; axis < type.getRank(); ++axis)
    if (axis != 1)
      bytes = b.createOrFold<arith::MulIOp>(bytes, asValue(dim(maker.getDpsInits()[0], axis)));
  Value rows =
      b.createOrFold<arith::DivUIOp>(asValue(b.getIndexAttr(kBytesAtOnce)), b.createOrFold<arith::MaxUIOp>(bytes, one));
  return OpFoldResult(
      b.createOrFold<arith::MaxUIOp>(rows, asValue(b.getIndexAttr(llvm::divideCeil(kFewestLines, stride)))));
}

/// The maker's lines [firstLine, firstLine + numLines) of each image, [lines, pitch].
Value LineTiler::makeLines(OpFoldResult firstLine, OpFoldResult numLines) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), maker.getDpsInits()[0]);
  sizes[1] = numLines;
  auto type = cast<RankedTensorType>(maker.getResult(0).getType());
  Value init = tensor::EmptyOp::create(b, sizes, type.getElementType());
  IRMapping mapping;
  mapping.map(maker.getDpsInits()[0], init);
  auto part = cast<linalg::GenericOp>(b.clone(*maker, mapping));
  part.getResult(0).setType(cast<RankedTensorType>(init.getType()));
  moveLoop(b, part, 1, asValue(firstLine));
  return tensor::CollapseShapeOp::create(b, part.getResult(0), collapsed.getReassociationIndices());
}

void LineTiler::rewrite() {
  Value zero = asValue(b.getIndexAttr(0));
  OpFoldResult numRows = dim(op.getInit(), rowAxis), numLines = dim(maker.getDpsInits()[0], 1);
  Value step = asValue(rowsAtOnce());
  auto loop = scf::ForOp::create(b, zero, asValue(numRows), step, op.getInit());
  b.setInsertionPointToEnd(loop.getBody());
  Value begin = loop.getInductionVar(), whole = loop.getRegionIterArg(0);
  Value left = b.createOrFold<arith::SubIOp>(asValue(numRows), begin);
  OpFoldResult count = OpFoldResult(b.createOrFold<arith::MinUIOp>(step, left));
  // The last row of all needs the last line.
  AffineExpr lines, rows, of;
  bindDims(b.getContext(), lines, rows, of);
  OpFoldResult needed = apply(lines - (rows - of) * stride, {numLines, numRows, count});
  Value made = makeLines(apply(b.getAffineDimExpr(0) * stride, {OpFoldResult(begin)}), needed);
  Value init = sliceAlong(b, whole, rowAxis, begin, count);
  IRMapping mapping;
  mapping.map(op.getRhs(), made);
  mapping.map(op.getInit(), init);
  SmallVector<Value> extras;
  for (auto [extra, map] : llvm::zip_equal(op.getExtras(), op.getExtraMaps().getAsValueRange<AffineMapAttr>()))
    extras.push_back(cutAlong(b, extra, map, 0, begin, count));
  auto product = cast<ContractOp>(b.clone(*op, mapping));
  product.getExtrasMutable().assign(extras);
  product->getResult(0).setType(init.getType());
  scf::YieldOp::create(b, insertBack(b, product->getResult(0), whole, init));
  op->getResult(0).replaceAllUsesWith(loop.getResult(0));
  op.erase();
  collapsed.erase();
  maker.erase();
}

struct TileLines : impl::TileLinesBase<TileLines> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) { ops.push_back(op); });
    for (ContractOp op : ops) {
      LineTiler tiler(op, target);
      if (tiler.findLines())
        tiler.rewrite();
    }
  }
};

} // namespace
} // namespace mlir::ac
