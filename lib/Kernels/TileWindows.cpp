//===- TileWindows.cpp - What windows read, a few rows at a time ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Early layers of networks for images widen a large image by a product over its pixels, and sum windows of what that
// gives: several times the image, which would go to memory and come back. So a strip of it is computed at a time, and
// its windows are read before the next one takes its place. Memory has room for two strips that take turns: rows that
// windows of the next strip read too are still there.
//
// Lines that another core has written take several times as long to arrive as those of the own cache. So the product, in
// strips or not, is shared out by channels, as its windows are. (Windows of whole images by rows, as other products are
// shared out, were slower: cores then read all of the weights.)
//
// This happens in front of `ac-pack-columns`, which then packs the columns of a strip.
//
//===----------------------------------------------------------------------===//
#include "Kernels/Strips.h"

namespace mlir::ac {
#define GEN_PASS_DEF_TILEWINDOWS
#include "Kernels/Passes.h.inc"

namespace {

/// Bytes of two strips, and of images that are worth it.
constexpr int64_t kBytesAtOnce = 3 << 18, kFewestBytes = 2 << 20;
/// Depth of the product from which on it takes longer than the memory.
constexpr int64_t kMostDepth = 128;
/// The row and the column of an image [batch, channel, row, column], of the windows too.
constexpr int64_t kRow = 2, kColumn = 3;

class WindowTiler {
public:
  WindowTiler(linalg::GenericOp windows) : windows(windows), b(windows.getLoc(), windows) {}

  /// Whether it reads windows of an image that a product computes for it alone.
  bool findImage();
  /// Threads that compute channels of the image are to sum their windows too.
  void shareRows() { product.setRowsFirst(true); }
  bool isWorthwhile();
  void rewrite();

private:
  /// Rows that the first windows of the next strip need of this one's, and that this one's last need of the next.
  int64_t shared() { return std::max<int64_t>(last - first + 1 - stride, 0); }
  int64_t ahead() { return last + 1 - stride; }
  bool readRow(Value row);
  OpFoldResult dim(Value tensor, int64_t axis) { return tensor::getMixedSize(b, b.getLoc(), tensor, axis); }
  OpFoldResult apply(AffineExpr expr, ArrayRef<OpFoldResult> operands) {
    return affine::makeComposedFoldedAffineApply(b, b.getLoc(), AffineMap::get(operands.size(), 0, expr), operands);
  }
  Value asValue(OpFoldResult value) { return getValueOrCreateConstantIndexOp(b, b.getLoc(), value); }
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value times(Value a, Value b) { return this->b.createOrFold<arith::MulIOp>(a, b); }
  Value rowsAtOnce();
  Value computeRows(Value strips, Value first, Value count, Value place);

  linalg::GenericOp windows;
  ImplicitLocOpBuilder b;
  ContractOp product;
  tensor::ExpandShapeOp image;
  SmallVector<tensor::ExtractOp> reads;
  // Windows of row `i` touch rows from `i * stride + first` to `i * stride + last` of the image.
  int64_t stride = 0, first = 0, last = 0;
};

/// Where an element is read, without the choice that keeps it inside.
static Value unclamped(Value row) {
  auto choice = row.getDefiningOp<arith::SelectOp>();
  return choice ? choice.getTrueValue() : row;
}

/// Whether `condition` must hold for `all` to.
static bool isPartOf(Value condition, Value all) {
  if (condition == all)
    return true;
  auto both = all.getDefiningOp<arith::AndIOp>();
  return both && (isPartOf(condition, both.getLhs()) || isPartOf(condition, both.getRhs()));
}

/// Whether an element whose row was chosen to be inside is only used where it was there already.
static bool isUsedInside(tensor::ExtractOp extract) {
  auto choice = extract.getIndices()[kRow].getDefiningOp<arith::SelectOp>();
  return !choice || llvm::all_of(extract->getUsers(), [&](Operation *user) {
    auto select = dyn_cast<arith::SelectOp>(user);
    return select && select.getTrueValue() == extract.getResult() && select.getFalseValue() != extract.getResult() &&
           isPartOf(choice.getCondition(), select.getCondition());
  });
}

/// Takes down what row of the image is read for a row of windows; false if that is not a constant way off.
bool WindowTiler::readRow(Value row) {
  AffineMap map = AffineMap::getMultiDimIdentityMap(1, b.getContext());
  Value position = unclamped(row);
  if (auto apply = position.getDefiningOp<affine::AffineApplyOp>()) {
    if (apply.getMapOperands().size() != 1)
      return false;
    map = apply.getAffineMap();
    position = apply.getMapOperands()[0];
    if (map.getNumSymbols())
      map = map.replaceDimsAndSymbols({}, {b.getAffineDimExpr(0)}, 1, 0);
  }
  auto loop = position.getDefiningOp<linalg::IndexOp>();
  if (!loop || loop.getDim() != kRow)
    return false;
  AffineExpr at = b.getAffineDimExpr(0), expr = map.getResult(0);
  auto zero = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replace(at, b.getAffineConstantExpr(0)), 1, 0)),
       one = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replace(at, b.getAffineConstantExpr(1)), 1, 0));
  if (!zero || !one ||
      simplifyAffineExpr(expr - (at * (one.getValue() - zero.getValue()) + zero.getValue()), 1, 0) !=
          b.getAffineConstantExpr(0))
    return false;
  int64_t step = one.getValue() - zero.getValue(), offset = zero.getValue();
  bool isFirst = reads.empty();
  if (step < 1 || (!isFirst && step != stride))
    return false;
  stride = step;
  first = isFirst ? offset : std::min(first, offset);
  last = isFirst ? offset : std::max(last, offset);
  return true;
}

bool WindowTiler::findImage() {
  if (windows->getNumResults() != 1 || windows.getNumLoops() != 4 ||
      windows.getNumParallelLoops() != windows.getNumLoops() ||
      windows.payloadUsesValueFromOperand(&windows.getDpsInitsMutable()[0]) ||
      !windows.getMatchingIndexingMap(&windows.getDpsInitsMutable()[0]).isIdentity())
    return false;
  for (OpOperand *input : windows.getDpsInputOperands())
    if (isa<RankedTensorType>(input->get().getType()) && !canCut(windows.getMatchingIndexingMap(input), kRow))
      return false;
  Value read;
  for (auto extract : windows.getBody()->getOps<tensor::ExtractOp>()) {
    auto source = extract.getTensor().getDefiningOp<tensor::ExpandShapeOp>();
    if (!source || !source.getSrc().getDefiningOp<ContractOp>())
      continue;
    if ((read && read != extract.getTensor()) || source.getResultType().getRank() != 4 ||
        !readRow(extract.getIndices()[kRow]) || !isUsedInside(extract))
      return false;
    read = extract.getTensor();
    reads.push_back(extract);
  }
  if (!read)
    return false;
  image = read.getDefiningOp<tensor::ExpandShapeOp>();
  product = image.getSrc().getDefiningOp<ContractOp>();
  return llvm::all_of(image->getUsers(),
                      [&](Operation *user) { return llvm::is_contained(reads, dyn_cast<tensor::ExtractOp>(user)); }) &&
         product->hasOneUse();
}

bool WindowTiler::isWorthwhile() {
  if (ahead() < 0 || product->getBlock() != windows->getBlock() || product->getNumResults() != 1 ||
      product.readsInit() || product.getLhsRows() || product.getOutOrder() || product.getRhsOrder() ||
      product.getRhsStarts() || product.getPacked() || product.isQuantized() ||
      image.getReassociationIndices().back().size() != 2)
    return false;
  for (AffineMap map : product.getExtraMaps().getAsValueRange<AffineMapAttr>())
    if (!canCut(map, 2))
      return false;
  int64_t depth = cast<RankedTensorType>(product.getRhs().getType()).getDimSize(1);
  if (ShapedType::isDynamic(depth) || depth > kMostDepth)
    return false;
  auto type = image.getResultType();
  return !type.hasStaticShape() || type.getNumElements() * type.getElementTypeBitWidth() / 8 > kFewestBytes;
}

/// Rows of windows that are computed together.
Value WindowTiler::rowsAtOnce() {
  Value bytes = index(2 * stride * image.getResultType().getElementTypeBitWidth() / 8);
  for (int64_t axis : {0, 1, 3})
    bytes = times(bytes, asValue(image.getMixedOutputShape()[axis]));
  Value rows = b.createOrFold<arith::DivUIOp>(index(kBytesAtOnce), b.createOrFold<arith::MaxUIOp>(bytes, index(1)));
  // In pairs: the columns of short rows then fill panels.
  Value pairs = times(b.createOrFold<arith::DivUIOp>(rows, index(2)), index(2));
  int64_t least = std::max<int64_t>(llvm::divideCeil(std::max(shared(), ahead()), stride), 1);
  return b.createOrFold<arith::MaxUIOp>(pairs, index(least));
}

/// Puts rows [from, from + count) of the image behind the first `place` rows of `strips`, [batch, channel, pixel].
Value WindowTiler::computeRows(Value strips, Value from, Value count, Value place) {
  Value width = asValue(image.getMixedOutputShape()[kColumn]);
  OpFoldResult begin = getAsOpFoldResult(times(from, width)), columns = getAsOpFoldResult(times(count, width));
  Value init = sliceAlong(b, strips, 2, getAsOpFoldResult(times(place, width)), columns);
  IRMapping mapping;
  mapping.map(product.getRhs(), sliceAlong(b, product.getRhs(), 2, begin, columns));
  mapping.map(product.getInit(), init);
  SmallVector<Value> extras;
  for (auto [extra, map] :
       llvm::zip_equal(product.getExtras(), product.getExtraMaps().getAsValueRange<AffineMapAttr>()))
    extras.push_back(cutAlong(b, extra, map, 2, begin, columns));
  auto part = cast<ContractOp>(b.clone(*product, mapping));
  part.getExtrasMutable().assign(extras);
  part->getResult(0).setType(init.getType());
  return insertBack(b, part->getResult(0), strips, init);
}

void WindowTiler::rewrite() {
  Value whole = windows.getDpsInits()[0];
  SmallVector<OpFoldResult> shape = image.getMixedOutputShape();
  Value numRows = asValue(dim(whole, kRow)), height = asValue(shape[kRow]);
  // Strip `i` is rows from `i * stripRows + ahead` on: all that windows up to the end of theirs need.
  Value rows = rowsAtOnce(), stripRows = times(rows, index(stride)), allRows = times(stripRows, index(2));
  shape[kRow] = getAsOpFoldResult(allRows);
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, b.getLoc(), product.getInit());
  sizes[2] = getAsOpFoldResult(times(allRows, asValue(shape[kColumn])));
  Value strips = tensor::EmptyOp::create(b, sizes, image.getResultType().getElementType());
  if (ahead() > 0)
    strips = computeRows(strips, index(0), b.createOrFold<arith::MinUIOp>(index(ahead()), height),
                         b.createOrFold<arith::SubIOp>(stripRows, index(ahead())));
  auto loop = scf::ForOp::create(b, index(0), numRows, rows, ValueRange{whole, strips});
  b.setInsertionPointToEnd(loop.getBody());
  Value begin = loop.getInductionVar(), all = loop.getRegionIterArg(0);
  Value count = b.createOrFold<arith::MinUIOp>(rows, b.createOrFold<arith::SubIOp>(numRows, begin));
  Value moved = times(begin, index(stride)), firstRow = b.createOrFold<arith::AddIOp>(moved, index(ahead()));
  Value from = b.createOrFold<arith::MinUIOp>(firstRow, height);
  Value to = b.createOrFold<arith::MinUIOp>(b.createOrFold<arith::AddIOp>(from, stripRows), height);
  Value place = b.createOrFold<arith::RemUIOp>(b.createOrFold<arith::AddIOp>(moved, stripRows), allRows);
  strips = computeRows(loop.getRegionIterArg(1), from, b.createOrFold<arith::SubIOp>(to, from), place);
  SmallVector<int64_t> dims(image.getResultType().getShape());
  dims[kRow] = getConstantIntValue(allRows).value_or(ShapedType::kDynamic);
  Value part = tensor::ExpandShapeOp::create(b, image.getResultType().clone(dims), strips,
                                             image.getReassociationIndices(), shape);
  Value init = sliceAlong(b, all, kRow, begin, count);
  IRMapping mapping;
  mapping.map(whole, init);
  SmallVector<Value> inputs;
  for (OpOperand *input : windows.getDpsInputOperands())
    inputs.push_back(isa<RankedTensorType>(input->get().getType())
                         ? cutAlong(b, input->get(), windows.getMatchingIndexingMap(input), kRow, begin, count)
                         : input->get());
  auto strip = cast<linalg::GenericOp>(b.clone(*windows, mapping));
  strip.getInputsMutable().assign(inputs);
  strip.getResult(0).setType(cast<RankedTensorType>(init.getType()));
  moveLoop(b, strip, kRow, begin);
  for (auto extract : strip.getBody()->getOps<tensor::ExtractOp>()) {
    if (extract.getTensor() != image.getResult())
      continue;
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(extract);
    // Rows in front of this strip are those of the one before, which is behind it if it is the first in memory.
    Value read = extract.getIndices()[kRow];
    Value row = arith::AddIOp::create(b, arith::SubIOp::create(b, unclamped(read), firstRow), place);
    Value isBefore = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, index(0));
    row = arith::SelectOp::create(b, isBefore, arith::AddIOp::create(b, row, allRows), row);
    if (auto choice = read.getDefiningOp<arith::SelectOp>())
      row = arith::SelectOp::create(b, choice.getCondition(), row, choice.getFalseValue());
    extract.getTensorMutable().assign(part);
    extract.getIndicesMutable()[kRow].assign(row);
  }
  b.setInsertionPointAfter(strip);
  scf::YieldOp::create(b, ValueRange{insertBack(b, strip.getResult(0), all, init), strips});
  windows.getResult(0).replaceAllUsesWith(loop.getResult(0));
  windows.erase();
  image.erase();
  product.erase();
}

struct TileWindows : impl::TileWindowsBase<TileWindows> {
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> ops;
    getOperation().walk([&](linalg::GenericOp op) {
      if (op.hasPureTensorSemantics())
        ops.push_back(op);
    });
    for (linalg::GenericOp op : ops) {
      WindowTiler tiler(op);
      if (!tiler.findImage())
        continue;
      tiler.shareRows();
      if (tiler.isWorthwhile())
        tiler.rewrite();
    }
  }
};

} // namespace
} // namespace mlir::ac
