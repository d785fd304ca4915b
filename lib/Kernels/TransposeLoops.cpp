//===- TransposeLoops.cpp - Transposes in tiles ---------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the contiguous dimension of the source is not that of the result, either the loads or the stores of a simple
// loop touch a cache line for each element. Here both go by vectors: a square tile is loaded along the source, turned
// over in registers by exchanging halves, quarters, ... of pairs of vectors, and stored along the result. Tiles that
// hang over the edge are copied element by element.
//
//===----------------------------------------------------------------------===//
#include "Kernels/TransposeLoops.h"
#include "Kernels/FlattenedLoop.h"
#include "Kernels/Passes.h"

using namespace mlir;
using namespace mlir::ac;

/// Elements that a range of tiles should hold.
static constexpr int64_t kGrainElements = 8192;

/// Step by step, `step` lanes of the upper vector of each pair change places with those of the lower.
void mlir::ac::turnOver(ImplicitLocOpBuilder &b, MutableArrayRef<Value> rows) {
  int64_t size = rows.size();
  for (int64_t step = 1; step < size; step *= 2) {
    SmallVector<int64_t> upper, lower;
    for (int64_t lane = 0; lane < size; ++lane) {
      bool moves = lane & step;
      upper.push_back(moves ? size + lane - step : lane);
      lower.push_back(moves ? size + lane : lane + step);
    }
    for (int64_t i = 0; i < size; ++i) {
      if (i & step)
        continue;
      Value first = rows[i], second = rows[i + step];
      rows[i] = vector::ShuffleOp::create(b, first, second, upper);
      rows[i + step] = vector::ShuffleOp::create(b, first, second, lower);
    }
  }
}

bool mlir::ac::emitTranspose(linalg::LinalgOp op, const TargetInfo &target) {
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic || generic.getNumDpsInputs() != 1 || generic.getNumDpsInits() != 1 || generic.getNumLoops() < 2 ||
      generic.getNumParallelLoops() != generic.getNumLoops())
    return false;
  Block *body = generic.getBody();
  if (body->getTerminator()->getOperand(0) != body->getArgument(0) || body->getOperations().size() != 1)
    return false;
  Value source = generic.getDpsInputs()[0], result = generic.getDpsInits()[0];
  auto sourceType = dyn_cast<MemRefType>(source.getType()), resultType = cast<MemRefType>(result.getType());
  AffineMap from = generic.getIndexingMapsArray()[0];
  Type element = resultType.getElementType();
  if (!sourceType || !element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8 || !from.isPermutation() ||
      !generic.getIndexingMapsArray()[1].isIdentity() || !sourceType.isLastDimUnitStride() ||
      !resultType.isLastDimUnitStride())
    return false;
  int64_t last = generic.getNumLoops() - 1, along = from.getDimPosition(last);
  int64_t tile = std::min<int64_t>(16, target.lanes(element));
  SmallVector<int64_t> sizes = generic.getStaticLoopRanges();
  if (along == last || (!ShapedType::isDynamic(sizes[along]) && sizes[along] < tile) ||
      (!ShapedType::isDynamic(sizes[last]) && sizes[last] < tile))
    return false;

  ImplicitLocOpBuilder b(op.getLoc(), op);
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  // By dimension of the result; the two dimensions of the tile are counted in tiles.
  SmallVector<Value> extent, counts;
  Value count = index(1);
  for (int64_t dim = 0; dim <= last; ++dim) {
    extent.push_back(getValueOrCreateConstantIndexOp(b, b.getLoc(), memref::getMixedSize(b, b.getLoc(), result, dim)));
    bool tiled = dim == last || dim == along;
    counts.push_back(tiled ? b.createOrFold<arith::CeilDivUIOp>(extent.back(), index(tile)) : extent.back());
    count = b.createOrFold<arith::MulIOp>(count, counts.back());
  }
  auto inSource = [&](ArrayRef<Value> position) {
    SmallVector<Value> indices;
    for (AffineExpr expr : from.getResults())
      indices.push_back(position[cast<AffineDimExpr>(expr).getPosition()]);
    return indices;
  };
  auto emitTile = [&](ValueRange place) {
    SmallVector<Value> begin(place);
    for (int64_t dim : {along, last})
      begin[dim] = arith::MulIOp::create(b, place[dim], index(tile));
    Value isFull;
    SmallVector<Value> end(begin);
    for (int64_t dim : {along, last}) {
      Value reach = arith::AddIOp::create(b, begin[dim], index(tile));
      Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, reach, extent[dim]);
      isFull = isFull ? arith::AndIOp::create(b, isFull, fits).getResult() : fits;
      end[dim] = arith::MinUIOp::create(b, reach, extent[dim]);
    }
    auto choice = scf::IfOp::create(b, isFull, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    auto vectorType = VectorType::get({tile}, element);
    SmallVector<Value> rows, position(begin);
    for (int64_t i = 0; i < tile; ++i) {
      position[last] = arith::AddIOp::create(b, begin[last], index(i));
      rows.push_back(vector::LoadOp::create(b, vectorType, source, inSource(position)));
    }
    turnOver(b, rows);
    position = begin;
    for (int64_t i = 0; i < tile; ++i) {
      position[along] = arith::AddIOp::create(b, begin[along], index(i));
      vector::StoreOp::create(b, rows[i], result, position);
    }
    b.setInsertionPointToStart(choice.elseBlock());
    position = begin;
    auto outer = scf::ForOp::create(b, begin[along], end[along], index(1));
    b.setInsertionPoint(outer.getBody()->getTerminator());
    auto inner = scf::ForOp::create(b, begin[last], end[last], index(1));
    b.setInsertionPoint(inner.getBody()->getTerminator());
    position[along] = outer.getInductionVar();
    position[last] = inner.getInductionVar();
    Value value = memref::LoadOp::create(b, source, inSource(position));
    memref::StoreOp::create(b, value, result, position);
  };
  if (op->getParentOfType<ParallelOp>()) {
    emitFlattenedLoop(b, counts, index(0), count, emitTile);
    return true;
  }
  auto parallel = ParallelOp::create(b, count, index(llvm::divideCeil(kGrainElements, tile * tile)));
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  emitFlattenedLoop(b, counts, parallel.getBegin(), parallel.getEnd(), emitTile);
  return true;
}
