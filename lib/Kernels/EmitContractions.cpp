//===- EmitContractions.cpp - Register-blocked matrix kernels -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Turns `ac.contract` on buffers into a parallel loop around a microkernel of explicit vectors. The result is cut into
// panels of `tile_vectors` vectors of columns and into chunks of rows; a task is one chunk of one panel. Inside, a tile
// of `tile_rows` x `tile_vectors` accumulators stays in registers over the whole inner dimension: each step loads one
// row of the panel and broadcasts one element of each row of the lhs. The rows left over at the end of a chunk have
// tiles of exactly their number, and the columns left over in the last panel tiles of no more vectors than they fill: no
// row and no vector is computed that is not needed. The epilogue runs on the accumulators before they are stored.
//
// Rows that stand apart cost nothing: a tile looks up where its rows are once, before it walks along them.
//
// The kernel is a function of its own whose operands are buffers of dynamic size: one serves all products with the same
// epilogue, whatever their shapes.
//
//===----------------------------------------------------------------------===//
#include "Kernels/FusedSums.h"
#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITCONTRACTIONS
#include "Kernels/Passes.h.inc"

namespace {

/// Rows of a task: enough to use a panel that is in the cache sixteen times over, few enough to share the work.
constexpr int64_t kTilesPerTask = 16;
/// Steps between the request for a row of a panel and its use: as many lines as a core can wait for.
constexpr int64_t kStepsAhead = 24;

class ContractEmitter {
public:
  ContractEmitter(ContractOp op, const TargetInfo &target)
      : op(op), b(op.getLoc(), op), element(op.getElementType()), lanes(target.lanes(element)),
        vectors(op.getPacked() ? op.getLanes() / target.lanes(element) : target.tileVectors), rows(target.tileRows),
        hasMasks(target.hasMasks), vectorType(VectorType::get({static_cast<int64_t>(lanes)}, element)),
        maskType(VectorType::get({static_cast<int64_t>(lanes)}, b.getI1Type())) {}

  /// Makes the parallel loop, and the kernel unless `kernels` has one like it.
  void emit(llvm::StringMap<func::FuncOp> &kernels);

private:
  void emitKernel(func::FuncOp kernel, ValueRange captured, ArrayRef<Operation *> constants);
  std::string fingerprint(ValueRange operands, ArrayRef<Operation *> constants);
  struct Tile {
    Value batch, lhsBatch, rhsBatch, panel, column; // column: first column of the panel
    unsigned vectors;                               // of columns that are computed
    bool masked;                                    // whether the last of them may be partly outside
  };
  /// What the columns that fill no whole panel need.
  struct Remainder {
    bool mayBeWhole = true;          // there may be whole panels
    SmallVector<unsigned> vectors;   // numbers of vectors that cover what is left, smallest first; empty: nothing is left
  };
  Remainder remainder();

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value addIndex(Value a, int64_t constant) { return constant ? arith::AddIOp::create(b, a, index(constant)) : a; }
  Value makeDynamic(Value buffer, int64_t staticTrailing);
  Value withUnitStride(Value buffer);
  Value applyBatch(AffineMap map, Value batch);
  /// Whether an extra read by `map` is read along the columns, so by vectors.
  bool alongColumns(AffineMap map) {
    return map.getNumResults() && map.getResult(map.getNumResults() - 1) == b.getAffineDimExpr(2);
  }
  /// Matrix coordinates in the order of the operand's dimensions.
  SmallVector<Value> ordered(std::optional<ArrayRef<int64_t>> order, ArrayRef<Value> coordinates) {
    return order ? llvm::map_to_vector(*order, [&](int64_t dim) { return coordinates[dim]; })
                 : llvm::to_vector(coordinates);
  }
  Value dimOf(Value buffer, std::optional<ArrayRef<int64_t>> order, int64_t matrixDim) {
    return memref::DimOp::create(b, buffer, ContractOp::dimOf(order, matrixDim));
  }
  /// Rows of the product, which may be a part of the lhs's or the result's.
  Value numRowsOf(Value lhsPlaces, Value resultPlaces) {
    if (lhsPlaces || resultPlaces)
      return memref::DimOp::create(b, lhsPlaces ? lhsPlaces : resultPlaces, 0);
    return dimOf(result, op.getOutOrder(), 1);
  }
  void emitPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft);
  void emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd);
  /// What a tile fetches from memory on its way. A panel takes as long to arrive as the work of some ten rows on it.
  enum class Fetch {
    Nothing,
    Panel,  // its part of the next panel, which all tiles fetch together
    Stream  // what it will read itself in a while: with few rows there is nobody else to do it
  };
  void emitRowLoop(const Tile &tile, Value rowBegin, Value fullEnd, Fetch fetch);
  void emitTile(const Tile &tile, Value row, unsigned numRows, Fetch fetch, Value tileNumber = {});
  Value loadRhs(const Tile &tile, Value k, unsigned vector);
  Value epilogue(Value sum, const Tile &tile, Value row, unsigned vector);
  Value loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked);

  ContractOp op;
  ImplicitLocOpBuilder b;
  Type element;
  unsigned lanes, vectors, rows;
  bool hasMasks;
  VectorType vectorType, maskType;
  Value lhs, rhs, result;
  Value lhsRows, outRows; // places of rows, or null
  SmallVector<Value> extras;
  SmallVector<Value> masks; // per vector of the panel at hand
  Value aheadShift;         // see emitRowBlocks
  IRMapping inside;         // what the epilogue captures, in the kernel
};

/// Forgets static sizes but for `staticTrailing` dimensions, keeping the unit stride of the last if it has one.
Value ContractEmitter::makeDynamic(Value buffer, int64_t staticTrailing) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  SmallVector<int64_t> shape(type.getShape()), strides(rank, ShapedType::kDynamic);
  for (int64_t i = 0; i < rank - staticTrailing; ++i)
    shape[i] = ShapedType::kDynamic;
  int64_t stride = 1;
  for (int64_t i = rank - 1; i >= 0 && type.isLastDimUnitStride(); --i) {
    strides[i] = stride;
    if (ShapedType::isDynamic(shape[i]))
      break;
    stride *= shape[i];
  }
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides);
  auto wanted = MemRefType::get(shape, type.getElementType(), layout, type.getMemorySpace());
  return wanted == type ? buffer : memref::CastOp::create(b, wanted, buffer).getResult();
}

/// Vectors are loaded along the last dimension: a buffer strided there is copied.
Value ContractEmitter::withUnitStride(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getRank() == 0 || type.isLastDimUnitStride())
    return buffer;
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(b, buffer, i));
  Value copy = memref::AllocOp::create(b, MemRefType::get(type.getShape(), type.getElementType()), sizes);
  memref::CopyOp::create(b, buffer, copy);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(op);
  memref::DeallocOp::create(b, copy);
  return copy;
}

Value ContractEmitter::applyBatch(AffineMap map, Value batch) {
  return affine::makeComposedAffineApply(b, b.getLoc(), map, {OpFoldResult(batch)});
}

/// Equal texts, equal kernels: the types of what comes in, the maps, and the epilogue.
std::string ContractEmitter::fingerprint(ValueRange operands, ArrayRef<Operation *> constants) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Type type : operands.getTypes())
    os << type << ";";
  os << op.getLhsBatch() << op.getRhsBatch() << op.getExtraMaps() << bool(op.getPacked()) << bool(op.getAccumulate())
     << bool(op.getLhsRows()) << bool(op.getOutRows());
  for (DenseI64ArrayAttr order : {op.getLhsOrderAttr(), op.getRhsOrderAttr(), op.getOutOrderAttr()})
    os << order << ";";
  Remainder left = remainder();
  os << left.mayBeWhole;
  llvm::interleaveComma(left.vectors, os);
  // Values of the epilogue are numbered in order: arguments, what is captured, constants, results.
  DenseMap<Value, unsigned> numbers;
  auto number = [&](Value value) { return numbers.try_emplace(value, numbers.size()).first->second; };
  for (Value argument : op.getEpilogueBody()->getArguments())
    number(argument);
  for (Operation *constant : constants)
    os << number(constant->getResult(0)) << cast<arith::ConstantOp>(constant).getValue();
  for (Operation &inner : *op.getEpilogueBody()) {
    os << inner.getName() << inner.getAttrDictionary();
    if (inner.getPropertiesStorage())
      os << inner.getPropertiesAsAttribute();
    for (Value operand : inner.getOperands())
      os << number(operand) << operand.getType();
    for (Value result : inner.getResults())
      os << number(result) << result.getType();
  }
  return text;
}

void ContractEmitter::emit(llvm::StringMap<func::FuncOp> &kernels) {
  lhs = makeDynamic(op.getLhs(), 0);
  rhs = op.getPacked() ? makeDynamic(op.getRhs(), 1) : makeDynamic(withUnitStride(op.getRhs()), 0);
  result = makeDynamic(op.getInit(), 0);
  SmallVector<Value> operands{lhs, rhs, result};
  for (auto [extra, map] : llvm::zip_equal(op.getExtras(), op.getExtraMaps().getAsValueRange<AffineMapAttr>())) {
    Value buffer = alongColumns(map) ? withUnitStride(extra) : extra;
    operands.push_back(makeDynamic(buffer, 0));
  }
  for (Value places : {op.getLhsRows(), op.getOutRows()})
    if (places)
      operands.push_back(makeDynamic(places, 0));
  // The epilogue may capture scalars: constants are made again in the kernel, others are handed over.
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(op.getEpilogue(), used);
  SmallVector<Value> captured;
  SmallVector<Operation *> constants;
  for (Value value : used) {
    if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      constants.push_back(constant);
    else
      captured.push_back(value);
  }
  operands.append(captured);

  int64_t panelSize = lanes * vectors, chunkRows = rows * kTilesPerTask;
  Value batches = dimOf(result, op.getOutOrder(), 0), numRows = numRowsOf(op.getLhsRows(), op.getOutRows()),
        numColumns = dimOf(result, op.getOutOrder(), 2), depth = dimOf(lhs, op.getLhsOrder(), 2);
  Value panels = arith::CeilDivSIOp::create(b, numColumns, index(panelSize)),
        chunks = arith::CeilDivSIOp::create(b, numRows, index(chunkRows));
  Value tasks = arith::MulIOp::create(b, arith::MulIOp::create(b, batches, panels), chunks);
  // A range should hold some ten thousand multiply-adds at least.
  Value depthOrOne = arith::MaxSIOp::create(b, depth, index(1));
  Value grain = arith::CeilDivSIOp::create(b, index(128), depthOrOne);
  auto parallel = ParallelOp::create(b, tasks, grain);
  func::FuncOp &kernel = kernels[fingerprint(operands, constants)];
  if (!kernel) {
    OpBuilder::InsertionGuard guard(b);
    auto module = op->getParentOfType<ModuleOp>();
    b.setInsertionPointToEnd(module.getBody());
    SmallVector<Type> types(ValueRange(operands).getTypes());
    types.append(2, b.getIndexType());
    kernel = func::FuncOp::create(b, "ac_contract_" + std::to_string(kernels.size() - 1), b.getFunctionType(types, {}));
    kernel.setPrivate();
    b.setInsertionPointToStart(kernel.addEntryBlock());
    SmallVector<Value> outside{lhs, rhs, result};
    emitKernel(kernel, captured, constants);
    lhs = outside[0], rhs = outside[1], result = outside[2];
  }
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  operands.append({parallel.getBegin(), parallel.getEnd()});
  func::CallOp::create(b, kernel, operands);
}

/// The function over a range of tasks. From here on, the members name its arguments.
void ContractEmitter::emitKernel(func::FuncOp kernel, ValueRange captured, ArrayRef<Operation *> constants) {
  auto arguments = kernel.getArguments();
  lhs = arguments[0], rhs = arguments[1], result = arguments[2];
  extras.assign(arguments.begin() + 3, arguments.begin() + 3 + op.getExtras().size());
  arguments = arguments.drop_front(3 + extras.size());
  for (auto [given, places] : {std::pair{op.getLhsRows(), &lhsRows}, std::pair{op.getOutRows(), &outRows}}) {
    if (!given)
      continue;
    *places = arguments.front();
    arguments = arguments.drop_front();
  }
  for (auto [value, argument] : llvm::zip(captured, arguments))
    inside.map(value, argument);
  for (Operation *constant : constants)
    b.clone(*constant, inside);
  Value begin = kernel.getArguments().drop_back().back(), end = kernel.getArguments().back();
  int64_t panelSize = lanes * vectors, chunkRows = rows * kTilesPerTask;
  Value numRows = numRowsOf(lhsRows, outRows), numColumns = dimOf(result, op.getOutOrder(), 2);
  Value panels = arith::CeilDivSIOp::create(b, numColumns, index(panelSize)),
        chunks = arith::CeilDivSIOp::create(b, numRows, index(chunkRows));
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  func::ReturnOp::create(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  // Chunks run fastest: the panel stays in the cache while the rows pass by.
  Value chunk = arith::RemUIOp::create(b, loop.getInductionVar(), chunks);
  Value rest = arith::DivUIOp::create(b, loop.getInductionVar(), chunks);
  Tile tile;
  tile.panel = arith::RemUIOp::create(b, rest, panels);
  tile.batch = arith::DivUIOp::create(b, rest, panels);
  tile.lhsBatch = applyBatch(op.getLhsBatch(), tile.batch);
  tile.rhsBatch = applyBatch(op.getRhsBatch(), tile.batch);
  tile.column = arith::MulIOp::create(b, tile.panel, index(panelSize));
  Value rowBegin = arith::MulIOp::create(b, chunk, index(chunkRows));
  Value rowEnd = arith::MinSIOp::create(b, numRows, addIndex(rowBegin, chunkRows));
  Value columnsLeft = arith::SubIOp::create(b, numColumns, tile.column);
  emitPanel(tile, rowBegin, rowEnd, columnsLeft);
}

ContractEmitter::Remainder ContractEmitter::remainder() {
  int64_t panelSize = lanes * vectors;
  int64_t columns = cast<MemRefType>(op.getInit().getType()).getDimSize(ContractOp::dimOf(op.getOutOrder(), 2));
  if (!ShapedType::isDynamic(columns)) {
    Remainder left{columns >= panelSize, {}};
    if (columns % panelSize)
      left.vectors.push_back(llvm::divideCeil(columns % panelSize, lanes));
    return left;
  }
  // Not known: halves of the panel, down to one vector. Where masks are cheap, whole panels are the last of them too.
  Remainder left{!hasMasks, {}};
  for (unsigned few = 1; few < vectors; few *= 2)
    left.vectors.push_back(few);
  left.vectors.push_back(vectors);
  return left;
}

/// Chooses how many vectors of the panel are computed.
void ContractEmitter::emitPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft) {
  OpBuilder::InsertionGuard guard(b);
  Remainder left = remainder();
  auto ifColumns = [&](arith::CmpIPredicate predicate, int64_t count) {
    Value holds = arith::CmpIOp::create(b, predicate, columnsLeft, index(count));
    auto choice = scf::IfOp::create(b, holds, /*withElseRegion=*/true);
    b.setInsertionPointToStart(choice.thenBlock());
    return choice;
  };
  tile.masked = false;
  tile.vectors = vectors;
  if (left.vectors.empty())
    return emitRowBlocks(tile, rowBegin, rowEnd);
  if (left.mayBeWhole) {
    auto choice = ifColumns(arith::CmpIPredicate::sge, lanes * vectors);
    emitRowBlocks(tile, rowBegin, rowEnd);
    b.setInsertionPointToStart(choice.elseBlock());
  }
  tile.masked = true;
  masks.clear();
  for (unsigned v = 0; v < left.vectors.back(); ++v)
    masks.push_back(vector::CreateMaskOp::create(
        b, maskType, ValueRange{arith::SubIOp::create(b, columnsLeft, index(v * lanes)).getResult()}));
  for (unsigned few : ArrayRef(left.vectors).drop_back()) {
    tile.vectors = few;
    auto choice = ifColumns(arith::CmpIPredicate::sle, lanes * few);
    emitRowBlocks(tile, rowBegin, rowEnd);
    b.setInsertionPointToStart(choice.elseBlock());
  }
  tile.vectors = left.vectors.back();
  emitRowBlocks(tile, rowBegin, rowEnd);
}

void ContractEmitter::emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd) {
  Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
  Value left = arith::RemUIOp::create(b, count, index(rows));
  Value fullEnd = arith::SubIOp::create(b, rowEnd, left);
  if (!op.getPacked()) {
    emitRowLoop(tile, rowBegin, fullEnd, Fetch::Nothing);
  } else {
    Value tiles = arith::DivUIOp::create(b, count, index(rows));
    auto atLeast = [&](int64_t number) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::uge, tiles, index(number));
    };
    // One line a step, each of them twice or four times where there are tiles enough.
    auto doubled = [&](int64_t times) {
      return arith::SelectOp::create(b, atLeast(vectors * times), index(1), index(0));
    };
    aheadShift = arith::AddIOp::create(b, doubled(2), doubled(4));
    auto many = scf::IfOp::create(b, atLeast(vectors), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(many.thenBlock());
    emitRowLoop(tile, rowBegin, fullEnd, Fetch::Panel);
    b.setInsertionPointToStart(many.elseBlock());
    emitRowLoop(tile, rowBegin, fullEnd, Fetch::Stream);
  }
  if (rows == 1)
    return;
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, rows));
  auto remainder = scf::IndexSwitchOp::create(b, TypeRange{}, left, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [i, numRows] : llvm::enumerate(cases)) {
    b.createBlock(&remainder.getCaseRegions()[i]);
    emitTile(tile, fullEnd, numRows, op.getPacked() ? Fetch::Stream : Fetch::Nothing);
    scf::YieldOp::create(b);
  }
  b.createBlock(&remainder.getDefaultRegion());
  scf::YieldOp::create(b);
}

void ContractEmitter::emitRowLoop(const Tile &tile, Value rowBegin, Value fullEnd, Fetch fetch) {
  auto loop = scf::ForOp::create(b, rowBegin, fullEnd, index(rows));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value number = arith::DivUIOp::create(b, arith::SubIOp::create(b, loop.getInductionVar(), rowBegin), index(rows));
  emitTile(tile, loop.getInductionVar(), rows, fetch, number);
}

Value ContractEmitter::loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked) {
  if (!masked)
    return vector::LoadOp::create(b, type, buffer, indices);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
  return vector::MaskedLoadOp::create(b, type, buffer, indices, masks[vector], zero);
}

Value ContractEmitter::loadRhs(const Tile &tile, Value k, unsigned vector) {
  // The padding of a packed panel is zero: no mask is needed.
  if (op.getPacked())
    return loadVector(rhs, {tile.rhsBatch, tile.panel, k, index(vector * lanes)}, vectorType, vector, false);
  return loadVector(rhs, ordered(op.getRhsOrder(), {tile.rhsBatch, k, addIndex(tile.column, vector * lanes)}),
                    vectorType, vector, tile.masked);
}

void ContractEmitter::emitTile(const Tile &tile, Value row, unsigned numRows, Fetch fetch, Value tileNumber) {
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
  Value depth = dimOf(lhs, op.getLhsOrder(), 2);
  unsigned vectors = tile.vectors;
  SmallVector<Value> rowIndex, lhsRow, outRow;
  for (unsigned r = 0; r < numRows; ++r) {
    rowIndex.push_back(addIndex(row, r));
    auto place = [&](Value places) -> Value {
      return places ? memref::LoadOp::create(b, places, rowIndex[r]).getResult() : rowIndex[r];
    };
    lhsRow.push_back(place(lhsRows));
    outRow.push_back(place(outRows));
  }
  // One sum over the whole depth whatever the tile: what a row is computed to does not depend on its neighbours.
  unsigned perTile = numRows * vectors;
  Value nextPanel, firstStep;
  if (fetch == Fetch::Panel) {
    nextPanel = addIndex(tile.panel, 1);
    firstStep = arith::MulIOp::create(b, tileNumber, depth);
  }
  auto prefetch = [&](Value panel, Value k, Value column) {
    memref::PrefetchOp::create(b, rhs, ValueRange{tile.rhsBatch, panel, k, column}, /*isWrite=*/false,
                               /*localityHint=*/2, /*isDataCache=*/true);
  };
  auto step = [&](Value k, MutableArrayRef<Value> sum) {
    if (fetch == Fetch::Panel) {
      // Lines of the panel one after another, spread over the tiles.
      Value line = arith::ShRUIOp::create(b, arith::AddIOp::create(b, firstStep, k), aheadShift);
      prefetch(nextPanel, index(0), arith::MulIOp::create(b, line, index(lanes)));
    } else if (fetch == Fetch::Stream) {
      Value later = addIndex(k, kStepsAhead); // past the end of the panel the next one begins
      for (unsigned v = 0; v < vectors; ++v)
        prefetch(tile.panel, later, index(v * lanes));
    }
    SmallVector<Value> panelRow;
    for (unsigned v = 0; v < vectors; ++v)
      panelRow.push_back(loadRhs(tile, k, v));
    for (unsigned r = 0; r < numRows; ++r) {
      Value scalar = memref::LoadOp::create(b, lhs, ordered(op.getLhsOrder(), {tile.lhsBatch, lhsRow[r], k}));
      Value broadcast = vector::BroadcastOp::create(b, vectorType, scalar);
      for (unsigned v = 0; v < vectors; ++v)
        sum[r * vectors + v] = vector::FMAOp::create(b, broadcast, panelRow[v], sum[r * vectors + v]);
    }
  };
  auto loop = scf::ForOp::create(b, index(0), depth, index(1), SmallVector<Value>(perTile, zero));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> next(loop.getRegionIterArgs());
    step(loop.getInductionVar(), next);
    scf::YieldOp::create(b, next);
  }
  SmallVector<Value> sum(loop.getResults());
  for (unsigned r = 0; r < numRows; ++r) {
    for (unsigned v = 0; v < vectors; ++v) {
      Value value = epilogue(sum[r * vectors + v], tile, rowIndex[r], v);
      SmallVector<Value> position =
          ordered(op.getOutOrder(), {tile.batch, outRow[r], addIndex(tile.column, v * lanes)});
      if (op.getAccumulate())
        value = fusedSum(b, loadVector(result, position, vectorType, v, tile.masked), value, /*minus=*/false);
      if (tile.masked)
        vector::MaskedStoreOp::create(b, result, position, masks[v], value);
      else
        vector::StoreOp::create(b, value, result, position);
    }
  }
}

/// Runs the epilogue's scalar operations on vectors.
Value ContractEmitter::epilogue(Value sum, const Tile &tile, Value row, unsigned vector) {
  Block *body = op.getEpilogueBody();
  IRMapping mapping = inside;
  mapping.map(body->getArgument(0), sum);
  Value column = addIndex(tile.column, vector * lanes);
  auto vectorOf = [&](Type scalar) { return VectorType::get({static_cast<int64_t>(lanes)}, scalar); };
  for (auto [i, extra] : llvm::enumerate(extras)) {
    AffineMap map = cast<AffineMapAttr>(op.getExtraMaps()[i]).getValue();
    Type scalar = cast<MemRefType>(extra.getType()).getElementType();
    SmallVector<Value> indices;
    for (AffineExpr expr : map.getResults())
      indices.push_back(affine::makeComposedAffineApply(
          b, b.getLoc(), AffineMap::get(3, 0, expr),
          {OpFoldResult(tile.batch), OpFoldResult(row), OpFoldResult(column)}));
    Value loaded = alongColumns(map)
                       ? loadVector(extra, indices, vectorOf(scalar), vector, tile.masked)
                       : vector::BroadcastOp::create(b, vectorOf(scalar),
                                                     memref::LoadOp::create(b, extra, indices).getResult());
    mapping.map(body->getArgument(i + 1), loaded);
  }
  for (Operation &scalarOp : body->without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(scalarOp)) {
      auto splat = DenseElementsAttr::get(vectorOf(constant.getType()), constant.getValue());
      mapping.map(constant.getResult(), arith::ConstantOp::create(b, splat).getResult());
      continue;
    }
    for (Value operand : scalarOp.getOperands()) {
      Value known = mapping.lookupOrDefault(operand);
      if (!isa<VectorType>(known.getType())) // captured
        mapping.map(operand, vector::BroadcastOp::create(b, vectorOf(known.getType()), known).getResult());
    }
    if (emitFusedSum(b, scalarOp, mapping))
      continue;
    Operation *clone = b.clone(scalarOp, mapping);
    for (OpResult value : clone->getResults())
      value.setType(vectorOf(value.getType()));
  }
  Value yielded = mapping.lookup(body->getTerminator()->getOperand(0));
  return isa<VectorType>(yielded.getType()) ? yielded
                                             : vector::BroadcastOp::create(b, vectorType, yielded).getResult();
}

struct EmitContractions : impl::EmitContractionsBase<EmitContractions> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() == 0)
        ops.push_back(op);
    });
    llvm::StringMap<func::FuncOp> kernels;
    for (ContractOp op : ops) {
      ContractEmitter(op, target).emit(kernels);
      op.erase();
    }
  }
};

} // namespace
} // namespace mlir::ac
