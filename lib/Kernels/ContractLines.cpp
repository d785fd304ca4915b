//===- ContractLines.cpp - Columns of an image in groups ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Instructions that multiply groups of small numbers read the steps of a group side by side, while the lines of an image
// (`rhs_starts`) have the columns of one step so. So the columns are copied to groups in panels in front of the product.
// As they are copied anyway, the rows of positions of an image are merged to one: rows of seven positions would leave
// panels of 32 or 64 columns empty. A panel then has segments from several rows, each a load under a mask.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/KernelBuffers.h"

namespace mlir::ac {

/// Whether the last two dimensions of a buffer are one run of elements.
static bool isRun(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  if (type.getLayout().isIdentity())
    return true;
  auto [strides, offset] = type.getStridesAndOffset();
  if (strides[rank - 1] == 1 && !type.isDynamicDim(rank - 1) && strides[rank - 2] == type.getDimSize(rank - 1))
    return true;
  // Whole rows of a buffer without strides.
  auto view = buffer.getDefiningOp<memref::SubViewOp>();
  if (!view || !cast<MemRefType>(view.getSource().getType()).getLayout().isIdentity() ||
      !view.getDroppedDims().none() || getConstantIntValue(view.getMixedStrides()[rank - 1]) != 1 ||
      getConstantIntValue(view.getMixedStrides()[rank - 2]) != 1)
    return false;
  int64_t width = cast<MemRefType>(view.getSource().getType()).getDimSize(rank - 1);
  OpFoldResult taken = view.getMixedSizes()[rank - 1];
  auto value = dyn_cast<Value>(taken);
  auto dim = value ? value.getDefiningOp<memref::DimOp>() : nullptr;
  return (!ShapedType::isDynamic(width) && getConstantIntValue(taken) == width) ||
         (dim && dim.getSource() == view.getSource() && dim.getConstantIndex() == rank - 1);
}

/// The buffer with its last two dimensions as one. Where they are no run of elements, a copy for `user`: one that is made
/// before it, or with `isResult` one that is copied back.
static Value mergeRows(ImplicitLocOpBuilder &b, Value buffer, Operation *user, bool isResult) {
  if (!isRun(buffer)) {
    Value copy = allocateLike(b, buffer, user);
    OpBuilder::InsertionGuard guard(b);
    if (isResult)
      b.setInsertionPointAfter(user);
    memref::CopyOp::create(b, isResult ? copy : buffer, isResult ? buffer : copy);
    buffer = copy;
  }
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  auto metadata = memref::ExtractStridedMetadataOp::create(b, buffer);
  SmallVector<OpFoldResult> sizes = metadata.getConstifiedMixedSizes(), strides = metadata.getConstifiedMixedStrides();
  sizes[rank - 2] = affine::makeComposedFoldedAffineApply(b, b.getLoc(), b.getAffineDimExpr(0) * b.getAffineDimExpr(1),
                                                          {sizes[rank - 2], sizes[rank - 1]});
  sizes.pop_back();
  strides.pop_back();
  strides.back() = b.getIndexAttr(1);
  SmallVector<int64_t> shape, steps;
  for (auto [size, stride] : llvm::zip_equal(sizes, strides)) {
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
    steps.push_back(getConstantIntValue(stride).value_or(ShapedType::kDynamic));
  }
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, steps);
  return memref::ReinterpretCastOp::create(b, MemRefType::get(shape, type.getElementType(), layout),
                                           metadata.getBaseBuffer(), OpFoldResult(metadata.getOffset()), sizes, strides);
}

/// How an extra is read where the rows of positions are merged: (image, row, column) instead of (row of positions, row,
/// position, image). Null if it has positions other than as its last two dimensions.
static AffineMap mergedMap(AffineMap map) {
  MLIRContext *context = map.getContext();
  AffineExpr image = getAffineDimExpr(0, context), row = getAffineDimExpr(1, context),
             column = getAffineDimExpr(2, context);
  SmallVector<AffineExpr> results(map.getResults());
  size_t last = results.size();
  bool hasPositions = last >= 2 && results[last - 2] == image && results[last - 1] == column;
  if (hasPositions)
    results.truncate(last - 2);
  for (AffineExpr &expr : results) {
    if (expr.isFunctionOfDim(0) || expr.isFunctionOfDim(2))
      return {};
    expr = expr.replaceDims({image, row, column, image});
  }
  if (hasPositions)
    results.push_back(column);
  return AffineMap::get(3, 0, results, context);
}

/// The kernel that copies columns of lines: its arguments are the lines, where each step begins, the memory for panels,
/// the rows of positions of an image and the positions of each, and the range of panels.
void ContractEmitter::emitLineGrouping(func::FuncOp kernel, int64_t group) {
  auto arguments = kernel.getArguments();
  Value from = arguments[0], starts = arguments[1], to = arguments[2], height = arguments[3], width = arguments[4];
  auto toType = cast<MemRefType>(to.getType());
  int64_t columns = toType.getDimSize(3) / group;
  auto rowType = VectorType::get({columns}, toType.getElementType());
  Type bits = b.getIntegerType(columns);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(rowType, b.getZeroAttr(rowType.getElementType())));
  auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(b, x, y); };
  auto sub = [&](Value x, Value y) -> Value { return arith::SubIOp::create(b, x, y); };
  auto times = [&](Value x, Value y) -> Value { return arith::MulIOp::create(b, x, y); };
  Value depth = memref::DimOp::create(b, starts, 0), panels = memref::DimOp::create(b, to, 1),
        groups = memref::DimOp::create(b, to, 2), pitch = memref::DimOp::create(b, from, 1);
  Value full = arith::DivUIOp::create(b, depth, index(group)),
        partial = arith::CeilDivUIOp::create(b, depth, index(group));
  func::ReturnOp::create(b);
  b.setInsertionPoint(kernel.front().getTerminator());
  Value task = enterLoop(arguments[5], arguments[6]);
  Value panel = arith::RemUIOp::create(b, task, panels), image = arith::DivUIOp::create(b, task, panels);
  Value lines = arith::DivUIOp::create(b, memref::DimOp::create(b, from, 0), memref::DimOp::create(b, to, 0));
  Value first = times(panel, index(columns));
  Value count = arith::MinUIOp::create(b, sub(times(height, width), first), index(columns));
  Value row = arith::DivUIOp::create(b, first, width), column = arith::RemUIOp::create(b, first, width);
  Value segments = arith::CeilDivUIOp::create(b, add(column, count), width);
  Value rowLine = applyBatch(op.getRhsBatch(), row), firstLine = add(times(image, lines), rowLine);

  // Segment `s` has the lanes from where it begins up to where the next one does, its first being `begin` lanes behind
  // the panel's; its elements are loaded to where they belong, from `offset` behind a step's start in the first line.
  struct Segment {
    Value offset, mask;
  };
  auto segmentAt = [&](Value s) -> Segment {
    Value before = times(s, width), line = applyBatch(op.getRhsBatch(), add(row, s));
    Value offset = add(times(sub(line, rowLine), pitch), sub(column, before));
    Value begin = arith::MaxSIOp::create(b, sub(before, column), index(0));
    Value end = arith::MinSIOp::create(b, sub(add(before, width), column), count);
    auto shift = [&](Value by) { return arith::IndexCastOp::create(b, bits, by).getResult(); };
    Value ones = arith::ConstantOp::create(b, b.getIntegerAttr(bits, -1));
    Value upTo = arith::ShRUIOp::create(b, ones, shift(sub(index(columns), end)));
    Value lanes = arith::AndIOp::create(b, upTo, arith::ShLIOp::create(b, ones, shift(begin)));
    Value word = vector::BroadcastOp::create(b, VectorType::get({1}, bits), lanes);
    return {offset, vector::BitCastOp::create(b, rowType.clone(b.getI1Type()), word)};
  };
  auto load = [&](Value start, const Segment &segment, Value otherwise) -> Value {
    return vector::MaskedLoadOp::create(b, rowType, from, ValueRange{firstLine, add(start, segment.offset)},
                                        segment.mask, otherwise);
  };
  auto store = [&](Value groupIndex, const SmallVector<Value> &rows) {
    vector::StoreOp::create(b, interleave(rows), to, ValueRange{image, panel, groupIndex, index(0)});
  };
  auto copyGroups = [&](llvm::function_ref<SmallVector<Value>(ArrayRef<Value>)> loadRows) {
    for (bool isPartial : {false, true}) {
      OpBuilder::InsertionGuard guard(b);
      Value groupIndex = enterLoop(isPartial ? full : index(0), isPartial ? partial : full);
      SmallVector<Value> places, insides;
      for (int64_t i = 0; i < group; ++i) {
        Value k = addIndex(times(groupIndex, index(group)), i);
        if (isPartial) {
          insides.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::ult, k, depth));
          k = arith::SelectOp::create(b, insides.back(), k, index(0));
        }
        places.push_back(memref::LoadOp::create(b, starts, k));
      }
      SmallVector<Value> rows = loadRows(places);
      for (auto [inside, loaded] : llvm::zip(insides, rows))
        loaded = arith::SelectOp::create(b, inside, loaded, zero);
      store(groupIndex, rows);
    }
  };
  // One or two segments are known in front of the loop over groups.
  auto known = [&](int64_t number) {
    SmallVector<Segment> all;
    for (int64_t s = 0; s < number; ++s)
      all.push_back(segmentAt(index(s)));
    copyGroups([&](ArrayRef<Value> places) {
      return llvm::map_to_vector(places, [&](Value start) {
        Value loaded = zero;
        for (const Segment &segment : all)
          loaded = load(start, segment, loaded);
        return loaded;
      });
    });
  };
  {
    OpBuilder::InsertionGuard guard(b);
    auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, segments, ArrayRef<int64_t>{1, 2}, 2);
    for (int64_t number : {1, 2}) {
      b.createBlock(&choice.getCaseRegions()[number - 1]);
      known(number);
      scf::YieldOp::create(b);
    }
    b.createBlock(&choice.getDefaultRegion());
    copyGroups([&](ArrayRef<Value> places) {
      return emitLoop(index(0), segments, SmallVector<Value>(group, zero), [&](Value s, SmallVectorImpl<Value> &rows) {
        Segment segment = segmentAt(s);
        for (auto [start, loaded] : llvm::zip(places, rows))
          loaded = load(start, segment, loaded);
      });
    });
    scf::YieldOp::create(b);
  }
  // Tiles are filled up.
  store(enterLoop(partial, groups), SmallVector<Value>(group, zero));
}

Value ContractEmitter::groupLines(Kernels &kernels, DotUnit with) {
  bool isImage = op.hasImages();
  ArrayRef<int64_t> order = op.getOutOrder().value_or(ArrayRef<int64_t>());
  if (op.getLhsBatch().isFunctionOfDim(0) || op.getLhsRows() || op.readsInit() ||
      !(isImage ? order == ArrayRef<int64_t>{3, 1, 0, 2} : order.empty() && op.getRhsBatch().isIdentity()))
    return {};
  SmallVector<AffineMap> maps(op.getExtraMaps().getAsValueRange<AffineMapAttr>());
  SmallVector<Value> extras(op.getExtras());
  if (isImage)
    for (auto [map, extra] : llvm::zip_equal(maps, extras)) {
      AffineMap merged = mergedMap(map);
      if (!merged)
        return {};
      if (merged.getNumResults() != map.getNumResults())
        extra = mergeRows(b, extra, op, /*isResult=*/false);
      map = merged;
    }
  Type small = getElementTypeOrSelf(op.getRhs());
  int64_t group = 32 / small.getIntOrFloatBitWidth(), columns = target.groupedPanel(with);
  Value init = op.getInit(), from = makeDynamic(b, op.getRhs(), 0), starts = makeDynamic(b, op.getRhsStarts(), 0);
  Value images = memref::DimOp::create(b, init, 0), height = index(1), width = memref::DimOp::create(b, init, 2);
  if (isImage) {
    height = width;
    width = memref::DimOp::create(b, init, 3);
    init = mergeRows(b, init, op, /*isResult=*/true);
  }
  Value panels = arith::CeilDivUIOp::create(b, arith::MulIOp::create(b, height, width), index(columns));
  Value memory = allocateGroups(images, panels, memref::DimOp::create(b, starts, 0), with, small);
  std::string key;
  llvm::raw_string_ostream(key) << op.getRhsBatch();
  Value groups = memref::DimOp::create(b, memory, 2);
  Value grain = arith::CeilDivUIOp::create(b, index(256), arith::MaxUIOp::create(b, groups, index(1)));
  callInParallel(kernels, "lines", key, {from, starts, memory, height, width},
                 arith::MulIOp::create(b, images, panels), grain,
                 [&](func::FuncOp kernel) { emitLineGrouping(kernel, group); });
  op.getRhsMutable().assign(memory);
  op.getInitMutable().assign(init);
  op.getExtrasMutable().assign(extras);
  op.setExtraMapsAttr(b.getAffineMapArrayAttr(maps));
  op.getRhsStartsMutable().clear();
  op.setRhsBatchAttr(AffineMapAttr::get(b.getMultiDimIdentityMap(1)));
  op.removeOutOrderAttr();
  op.setPacked(true);
  op.setGroup(group);
  return memory;
}

} // namespace mlir::ac
