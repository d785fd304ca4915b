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
// tiles of exactly their number, chosen by `scf.index_switch`: no row is computed that is not needed. The epilogue runs
// on the accumulators before they are stored.
//
// The kernel is a function of its own whose operands are buffers of dynamic size: one serves all products with the same
// epilogue, whatever their shapes.
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITCONTRACTIONS
#include "Kernels/Passes.h.inc"

namespace {

/// Rows of a task: enough to use a panel that is in the cache sixteen times over, few enough to share the work.
constexpr int64_t kTilesPerTask = 16;

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
  };

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value addIndex(Value a, int64_t constant) { return constant ? arith::AddIOp::create(b, a, index(constant)) : a; }
  Value makeDynamic(Value buffer, int64_t staticTrailing);
  Value withUnitStride(Value buffer);
  Value applyBatch(AffineMap map, Value batch);
  /// Whether an extra read by `map` is read along the columns, so by vectors.
  bool alongColumns(AffineMap map) {
    return map.getNumResults() && map.getResult(map.getNumResults() - 1) == b.getAffineDimExpr(2);
  }
  void emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd, bool masked);
  void emitTile(const Tile &tile, Value row, unsigned numRows, bool masked);
  Value loadRhs(const Tile &tile, Value k, unsigned vector, bool masked);
  Value epilogue(Value sum, const Tile &tile, Value row, unsigned vector, bool masked);
  Value loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked);

  ContractOp op;
  ImplicitLocOpBuilder b;
  Type element;
  unsigned lanes, vectors, rows;
  bool hasMasks;
  VectorType vectorType, maskType;
  Value lhs, rhs, result;
  SmallVector<Value> extras;
  SmallVector<Value> masks; // per vector of the panel at hand
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
  os << op.getLhsBatch() << op.getRhsBatch() << op.getExtraMaps() << bool(op.getPacked());
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
  Value batches = memref::DimOp::create(b, result, 0), numRows = memref::DimOp::create(b, result, 1),
        numColumns = memref::DimOp::create(b, result, 2), depth = memref::DimOp::create(b, lhs, 2);
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
  for (auto [value, argument] : llvm::zip(captured, arguments.drop_front(3 + extras.size())))
    inside.map(value, argument);
  for (Operation *constant : constants)
    b.clone(*constant, inside);
  Value begin = arguments[arguments.size() - 2], end = arguments[arguments.size() - 1];
  int64_t panelSize = lanes * vectors, chunkRows = rows * kTilesPerTask;
  Value numRows = memref::DimOp::create(b, result, 1), numColumns = memref::DimOp::create(b, result, 2);
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
  for (unsigned v = 0; v < vectors; ++v)
    masks.push_back(vector::CreateMaskOp::create(
        b, maskType, ValueRange{arith::SubIOp::create(b, columnsLeft, index(v * lanes)).getResult()}));
  if (hasMasks) {
    emitRowBlocks(tile, rowBegin, rowEnd, /*masked=*/true);
    return;
  }
  Value full = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, columnsLeft, index(panelSize));
  auto choice = scf::IfOp::create(b, full, /*withElseRegion=*/true);
  b.setInsertionPointToStart(choice.thenBlock());
  emitRowBlocks(tile, rowBegin, rowEnd, /*masked=*/false);
  b.setInsertionPointToStart(choice.elseBlock());
  emitRowBlocks(tile, rowBegin, rowEnd, /*masked=*/true);
}

void ContractEmitter::emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd, bool masked) {
  Value count = arith::SubIOp::create(b, rowEnd, rowBegin);
  Value left = arith::RemUIOp::create(b, count, index(rows));
  Value fullEnd = arith::SubIOp::create(b, rowEnd, left);
  auto loop = scf::ForOp::create(b, rowBegin, fullEnd, index(rows));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    emitTile(tile, loop.getInductionVar(), rows, masked);
  }
  if (rows == 1)
    return;
  SmallVector<int64_t> cases = llvm::to_vector(llvm::seq<int64_t>(1, rows));
  auto remainder = scf::IndexSwitchOp::create(b, TypeRange{}, left, cases, cases.size());
  OpBuilder::InsertionGuard guard(b);
  for (auto [i, numRows] : llvm::enumerate(cases)) {
    b.createBlock(&remainder.getCaseRegions()[i]);
    emitTile(tile, fullEnd, numRows, masked);
    scf::YieldOp::create(b);
  }
  b.createBlock(&remainder.getDefaultRegion());
  scf::YieldOp::create(b);
}

Value ContractEmitter::loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked) {
  if (!masked)
    return vector::LoadOp::create(b, type, buffer, indices);
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
  return vector::MaskedLoadOp::create(b, type, buffer, indices, masks[vector], zero);
}

Value ContractEmitter::loadRhs(const Tile &tile, Value k, unsigned vector, bool masked) {
  // The padding of a packed panel is zero: no mask is needed.
  if (op.getPacked())
    return loadVector(rhs, {tile.rhsBatch, tile.panel, k, index(vector * lanes)}, vectorType, vector, false);
  return loadVector(rhs, {tile.rhsBatch, k, addIndex(tile.column, vector * lanes)}, vectorType, vector, masked);
}

void ContractEmitter::emitTile(const Tile &tile, Value row, unsigned numRows, bool masked) {
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
  Value depth = memref::DimOp::create(b, lhs, 2);
  SmallVector<Value> rowIndex;
  for (unsigned r = 0; r < numRows; ++r)
    rowIndex.push_back(addIndex(row, r));
  // With few rows the chain of dependent additions is what takes time: two interleaved sums halve it.
  unsigned sums = numRows * vectors <= 8 ? 2 : 1;
  unsigned perSum = numRows * vectors;
  auto step = [&](Value k, MutableArrayRef<Value> sum) {
    SmallVector<Value> panelRow;
    for (unsigned v = 0; v < vectors; ++v)
      panelRow.push_back(loadRhs(tile, k, v, masked));
    for (unsigned r = 0; r < numRows; ++r) {
      Value scalar = memref::LoadOp::create(b, lhs, ValueRange{tile.lhsBatch, rowIndex[r], k});
      Value broadcast = vector::BroadcastOp::create(b, vectorType, scalar);
      for (unsigned v = 0; v < vectors; ++v)
        sum[r * vectors + v] = vector::FMAOp::create(b, broadcast, panelRow[v], sum[r * vectors + v]);
    }
  };
  auto loopOver = [&](Value from, Value to, unsigned stride, SmallVector<Value> start) {
    auto loop = scf::ForOp::create(b, from, to, index(stride), start);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(loop.getBody());
    SmallVector<Value> sum(loop.getRegionIterArgs());
    for (unsigned s = 0; s < stride; ++s)
      step(addIndex(loop.getInductionVar(), s), MutableArrayRef<Value>(sum).slice(s * perSum % sum.size(), perSum));
    scf::YieldOp::create(b, sum);
    return SmallVector<Value>(loop.getResults());
  };
  SmallVector<Value> sum(perSum * sums, zero);
  if (sums == 1) {
    sum = loopOver(index(0), depth, 1, sum);
  } else {
    Value odd = arith::RemUIOp::create(b, depth, index(2));
    Value even = arith::SubIOp::create(b, depth, odd);
    sum = loopOver(index(0), even, 2, sum);
    SmallVector<Value> both;
    for (unsigned i = 0; i < perSum; ++i)
      both.push_back(arith::AddFOp::create(b, sum[i], sum[perSum + i]));
    sum = loopOver(even, depth, 1, both);
  }
  for (unsigned r = 0; r < numRows; ++r) {
    for (unsigned v = 0; v < vectors; ++v) {
      Value value = epilogue(sum[r * vectors + v], tile, rowIndex[r], v, masked);
      SmallVector<Value> position{tile.batch, rowIndex[r], addIndex(tile.column, v * lanes)};
      if (masked)
        vector::MaskedStoreOp::create(b, result, position, masks[v], value);
      else
        vector::StoreOp::create(b, value, result, position);
    }
  }
}

/// Runs the epilogue's scalar operations on vectors.
Value ContractEmitter::epilogue(Value sum, const Tile &tile, Value row, unsigned vector, bool masked) {
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
                       ? loadVector(extra, indices, vectorOf(scalar), vector, masked)
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
