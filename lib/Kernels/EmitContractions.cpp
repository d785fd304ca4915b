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
// tiles of exactly their number, and the columns left over in the last panel tiles of no more vectors than they fill:
// no row and no vector is computed that is not needed. The epilogue runs on the accumulators before they are stored.
//
// Rows that stand apart cost nothing: a tile looks up where its rows are once, before it walks along them.
//
// How a row of a panel becomes numbers is in ContractPanels.cpp; a quantised panel that many rows use is computed once,
// to memory of the range of tasks at hand.
//
// The kernel is a function of its own whose operands are buffers of dynamic size: one serves all products with the same
// epilogue, whatever their shapes.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/HalideCall.h"
#include "Kernels/KernelBuffers.h"
#include "Kernels/KernelDescription.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITCONTRACTIONS
#include "Kernels/Passes.h.inc"

/// Multiply-adds that a range of tasks should hold as long as there are enough ranges for several threads, and what it
/// holds at least.
static constexpr int64_t kGrainProducts = 1 << 19, kFewestRanges = 8, kLeastProducts = 1 << 15;
/// Bytes of weights that stay in a second-level cache of a megabyte from one turn of a loop to the next, or nearly.
static constexpr int64_t kMostResidentBytes = 1 << 20;

/// Whether the weights are those of the turn before, and still in the cache.
static bool areResident(ContractOp op) {
  auto type = cast<MemRefType>(op.getRhs().getType());
  return op.getPacked() && op->getParentOfType<LoopLikeOpInterface>() && type.hasStaticShape() &&
         type.getNumElements() * type.getElementTypeBitWidth() / 8 <= kMostResidentBytes &&
         constantBehindBuffer(op.getRhs());
}

Value ContractEmitter::applyBatch(AffineMap map, Value batch) {
  return affine::makeComposedAffineApply(b, b.getLoc(), map, {OpFoldResult(batch)});
}

Value ContractEmitter::panelsOfTask(Value panels, Value depth) {
  if (unit == DotUnit::Tiles) {
    // As many as stay in the cache; several threads need several tasks.
    Value bytes = arith::MulIOp::create(b, memref::DimOp::create(b, rhs, 2), index(vectors * kLineBytes));
    Value fitting = arith::DivUIOp::create(b, index(kTiledBytes), arith::MaxUIOp::create(b, bytes, index(1)));
    Value most = arith::MinUIOp::create(b, fitting, index(kTiledPanels));
    Value share = arith::DivUIOp::create(b, panels, index(kTiledGroups));
    return arith::MaxUIOp::create(b, arith::MinUIOp::create(b, most, share), index(1));
  }
  Value shallow = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ule, depth, index(kShallowDepth));
  Value many = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::uge, panels, index(4 * kShallowPanels));
  return b.createOrFold<arith::SelectOp>(b.createOrFold<arith::AndIOp>(shallow, many), index(kShallowPanels), index(1));
}

/// Equal texts, equal kernels: the types of what comes in, the maps, and the epilogue.
std::string ContractEmitter::fingerprint(ValueRange operands) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Type type : operands.getTypes())
    os << type << ";";
  os << entry << op.getLhsBatch() << op.getRhsBatch() << op.getExtraMaps() << bool(op.getPacked())
     << bool(op.getAccumulate()) << bool(op.getLhsRows()) << bool(op.getOutRows()) << bool(op.getRhsStarts())
     << bool(op.getCopied()) << bool(op.getOutPanels()) << bool(op.getRowsFirst()) << bool(op.getZeros())
     << bool(op.getOffsets()) << bool(op.getLhsUnsigned()) << bool(op.getRhsUnsigned()) << isResident
     << bool(op.getTurned());
  if (op.getTurned())
    os << cast<MemRefType>(op.getInit().getType()).getDimSize(op.getOutDim(1));
  os << op.getBlockSize().value_or(0) << ";" << op.getGroup().value_or(0) << ";" << op.getLeast().value_or(0) << ";";
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

Value ContractEmitter::addressOfPanel(ImplicitLocOpBuilder &b, Value rhs, Value batch, Value panel) {
  auto metadata = memref::ExtractStridedMetadataOp::create(b, rhs);
  Value element = metadata.getOffset();
  for (auto [position, stride] : llvm::zip(ValueRange{batch, panel}, metadata.getStrides()))
    element = arith::AddIOp::create(b, element, arith::MulIOp::create(b, position, stride));
  Value bytes = arith::ConstantIndexOp::create(b, cast<MemRefType>(rhs.getType()).getElementTypeBitWidth() / 8);
  return arith::AddIOp::create(b, memref::ExtractAlignedPointerAsIndexOp::create(b, rhs),
                               arith::MulIOp::create(b, element, bytes));
}

void ContractEmitter::emit(Kernels &kernels, Value next) {
  if (op->hasAttr(kKernelAttribute))
    if (std::optional<std::string> description = describeKernel(op, target)) {
      auto module = op->getParentOfType<ModuleOp>();
      entry = kernelEntry(*description);
      addKernel(module, *description);
      if (op.isQuantized()) {
        description = describeUnpackedKernel(op, target);
        unpackedEntry = kernelEntry(*description);
        addKernel(module, *description);
      }
      // Those kernels have no tile registers; they read panels of any width.
      unit = op.getGroup() ? DotUnit::Vectors : DotUnit::None;
      rows = target.tileRows;
    }
  isResident = areResident(op);
  Value constantTiles = unit == DotUnit::Tiles ? arrangeConstantRows() : Value();
  lhs = makeDynamic(b, op.getLhs(), op.getTurned());
  rhs = op.getPacked() ? makeDynamic(b, op.getRhs(), 1) : makeDynamic(b, withUnitStride(b, op.getRhs(), op), 0);
  result = makeDynamic(b, op.getInit(), op.getOutPanels());
  SmallVector<Value> operands{lhs, rhs, result};
  for (auto [extra, map] : llvm::zip_equal(op.getExtras(), op.getExtraMaps().getAsValueRange<AffineMapAttr>())) {
    Value buffer = alongColumns(map) ? withUnitStride(b, extra, op) : extra;
    operands.push_back(makeDynamic(b, buffer, 0));
  }
  for (Value list : {op.getLhsRows(), op.getOutRows(), op.getRhsStarts()})
    if (list)
      operands.push_back(makeDynamic(b, list, 0));
  for (Value parameters : {op.getScales(), op.getZeros(), op.getOffsets()})
    if (parameters)
      operands.push_back(makeDynamic(b, parameters, op.getPacked()));
  size_t scratchAt = operands.size();
  Value tiles = constantTiles || !usesTiles() ? constantTiles : arrangeRows(kernels);
  if (tiles)
    operands.push_back(makeDynamic(b, tiles, 1));
  // The epilogue may capture scalars: constants are made again in the kernel, others are handed over.
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(op.getEpilogue(), used);
  for (Value value : used) {
    if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      constants.push_back(constant);
    else
      captured.push_back(value);
  }
  operands.append(captured);

  int64_t panelSize = lanes * vectors;
  Value batches = memref::DimOp::create(b, result, op.getOutDim(0)),
        numRows = numRowsOf(op.getLhsRows(), op.getOutRows()), numColumns = this->numColumns(),
        depth = dimOf(lhs, op.getLhsOrder(), 2);
  if (op.hasImages())
    batches = arith::MulIOp::create(b, batches, dimOf(result, op.getOutOrder(), 3));
  Value panels = arith::CeilDivSIOp::create(b, numColumns, index(panelSize)),
        chunks = arith::CeilDivSIOp::create(b, numRows, chunkRows(numRows));
  Value groups = arith::CeilDivSIOp::create(b, panels, panelsOfTask(panels, depth));
  Value rowsOfTask = arith::MinUIOp::create(b, numRows, chunkRows(numRows));
  if (op.getTurned()) {
    std::tie(groups, chunks) = turnedTasks();
    rowsOfTask = arith::MinUIOp::create(b, numColumns, index(kTurnedColumns));
  }
  Value tasks = arith::MulIOp::create(b, arith::MulIOp::create(b, batches, groups), chunks);
  if (fetchesPanels())
    operands.push_back(next ? next : addressOfPanel(b, rhs, index(0), panels));
  // A range should hold some hundred thousand multiply-adds, if as many threads as there may be have something to do.
  Value work = arith::MulIOp::create(b, arith::MulIOp::create(b, depth, rowsOfTask), index(panelSize));
  Value grain = arith::DivUIOp::create(b, index(kGrainProducts), arith::MaxUIOp::create(b, work, index(1)));
  grain = arith::MinUIOp::create(b, grain, arith::DivUIOp::create(b, tasks, index(kFewestRanges)));
  // Some ten thousand of them are no work for a thread of their own.
  Value least = arith::CeilDivUIOp::create(b, index(kLeastProducts), arith::MaxUIOp::create(b, work, index(1)));
  grain = arith::MaxUIOp::create(b, grain, least);
  auto parallel = ParallelOp::create(b, tasks, grain);
  if (tiles && !constantTiles)
    memref::DeallocOp::create(b, tiles);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  Value unpacked;
  if (usesScratch()) {
    // One panel for each range.
    Value length = op.getTurned() ? index(kTurnedColumns) : depth;
    auto type = MemRefType::get({ShapedType::kDynamic, panelSize}, element);
    if (unpacksToTiles()) { // groups of two, as many as fill tiles, for each half of the panel
      int64_t stepsOfTile = 2 * kTileRows;
      Value filled = arith::CeilDivUIOp::create(b, depth, index(stepsOfTile));
      length = arith::MulIOp::create(b, filled, index(kTileRows * vectors / kBlockVectors));
      type = MemRefType::get({ShapedType::kDynamic, kLineBytes}, b.getBF16Type());
    }
    if (op.isQuantized()) { // few rows do not use it
      Value isUsed = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, numRows, index(rows));
      length = arith::SelectOp::create(b, isUsed, length, index(0));
    }
    unpacked = memref::AllocOp::create(b, type, ValueRange{length});
    operands.insert(operands.begin() + scratchAt, unpacked);
  }
  func::FuncOp &kernel = kernels[fingerprint(operands)];
  if (!kernel) {
    OpBuilder::InsertionGuard guard(b);
    auto module = op->getParentOfType<ModuleOp>();
    b.setInsertionPointToEnd(module.getBody());
    SmallVector<Type> types(ValueRange(operands).getTypes());
    types.append(2, b.getIndexType());
    kernel = func::FuncOp::create(b, "ac_contract_" + std::to_string(kernels.size() - 1), b.getFunctionType(types, {}));
    kernel.setPrivate();
    b.setInsertionPointToStart(kernel.addEntryBlock());
    emitKernel(kernel);
  }
  operands.append({parallel.getBegin(), parallel.getEnd()});
  func::CallOp::create(b, kernel, operands);
  if (unpacked)
    memref::DeallocOp::create(b, unpacked);
}

namespace {

/// The packed weights that are read first after `op`, where its block tells and they can be named in front of it.
Value weightsAfter(ContractOp op) {
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode()) {
    auto contract = dyn_cast<ContractOp>(next);
    if (!contract || !contract.getPacked())
      continue;
    Operation *source = contract.getRhs().getDefiningOp();
    bool isKnown = !source || source->getBlock() != op->getBlock() || source->isBeforeInBlock(op);
    return isKnown ? contract.getRhs() : Value();
  }
  return {};
}

/// Erases constants that nothing reads any more, and what gave them another shape.
void eraseUnusedConstants(ModuleOp module) {
  SmallVector<Operation *> views;
  module.walk([&](Operation *op) {
    if (isa<memref::GetGlobalOp, memref::CastOp, memref::CollapseShapeOp, memref::ExpandShapeOp>(op))
      views.push_back(op);
  });
  for (Operation *view : llvm::reverse(views))
    if (view->use_empty())
      view->erase();
  // A search for each constant would walk all kernels each time.
  DenseSet<Attribute> used;
  if (auto uses = SymbolTable::getSymbolUses(&module.getBodyRegion()))
    for (SymbolTable::SymbolUse use : *uses)
      used.insert(use.getSymbolRef().getRootReference());
  for (auto global : llvm::make_early_inc_range(module.getOps<memref::GlobalOp>()))
    if (global.getConstant() && global.isPrivate() && !used.contains(global.getSymNameAttr()))
      global.erase();
}

struct EmitContractions : impl::EmitContractionsBase<EmitContractions> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<ContractOp> ops;
    getOperation().walk([&](ContractOp op) {
      if (op->getNumResults() == 0)
        ops.push_back(op);
    });
    Kernels kernels;
    for (ContractOp op : ops) {
      if (op.getGroup() && target.dotUnit(getElementTypeOrSelf(op.getLhs())) == DotUnit::None) {
        op.emitError("is packed in groups of ") << getElementTypeOrSelf(op.getLhs()) << ", which target '" << target.cpu
                                                << "' has no instructions for; pack the weights for this target";
        return signalPassFailure();
      }
      ImplicitLocOpBuilder b(op.getLoc(), op);
      Value next;
      if (Value weights = op.getPacked() ? weightsAfter(op) : Value()) {
        Value zero = arith::ConstantIndexOp::create(b, 0);
        next = ContractEmitter::addressOfPanel(b, weights, zero, zero);
      }
      Value columns = ContractEmitter(op, target).groupColumns(kernels);
      ContractEmitter(op, target).emit(kernels, next);
      if (columns)
        memref::DeallocOp::create(b, columns);
      op.erase();
    }
    eraseUnusedConstants(getOperation());
  }
};

} // namespace
} // namespace mlir::ac
