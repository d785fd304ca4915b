//===- ContractArrange.cpp - Operands as instructions read them -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands of one product that are computed at run time are copied in front of it: rows of the lhs to tiles, for tile
// registers; columns of a rhs of small numbers to groups in panels, as `ac-prepack-weights` does to constants. Rows that are
// constant, as those of a convolution are, are arranged here.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/KernelBuffers.h"
#include "Support/Weights.h"

namespace mlir::ac {

/// Calls a kernel over a range of `count` tasks, at least `grain` at a time, with `operands`. It is made by `emit`
/// unless there is one of this name and key for such operands.
void ContractEmitter::callInParallel(Kernels &kernels, StringRef name, StringRef key, SmallVector<Value> operands,
                                     Value count, Value grain, llvm::function_ref<void(func::FuncOp)> emit) {
  SmallVector<Type> types(ValueRange(operands).getTypes());
  types.append(2, b.getIndexType());
  std::string text;
  llvm::raw_string_ostream os(text);
  os << name << ";" << key << ";";
  for (Type type : types)
    os << type << ";";
  func::FuncOp &kernel = kernels[text];
  if (!kernel) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(op->getParentOfType<ModuleOp>().getBody());
    std::string symbol = ("ac_" + name + "_" + llvm::Twine(kernels.size() - 1)).str();
    kernel = func::FuncOp::create(b, symbol, b.getFunctionType(types, {}));
    kernel.setPrivate();
    b.setInsertionPointToStart(kernel.addEntryBlock());
    emit(kernel);
  }
  auto parallel = ParallelOp::create(b, count, grain);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  operands.append({parallel.getBegin(), parallel.getEnd()});
  func::CallOp::create(b, kernel, operands);
}

/// Begins a loop over [begin, end), inside of which the builder then stands; returns its index.
Value ContractEmitter::enterLoop(Value begin, Value end) {
  auto loop = scf::ForOp::create(b, begin, end, index(1));
  b.setInsertionPoint(loop.getBody()->getTerminator());
  return loop.getInductionVar();
}

/// The kernel that arranges rows: its arguments are the lhs, the places of its rows if they stand apart, the memory for
/// tiles, and the range of tiles of rows.
void ContractEmitter::emitArrangement(func::FuncOp kernel) {
  auto arguments = kernel.getArguments();
  Value from = arguments[0], places = op.getLhsRows() ? arguments[1] : Value(), to = arguments[arguments.size() - 3];
  auto toType = cast<MemRefType>(to.getType());
  int64_t inLine = toType.getDimSize(3) / kBlockRows;
  Type small = toType.getElementType();
  auto lineType = VectorType::get({inLine}, small);
  Value depth = dimOf(from, op.getLhsOrder(), 2), blocks = memref::DimOp::create(b, to, 1);
  Value numRows = places ? memref::DimOp::create(b, places, 0).getResult() : dimOf(from, op.getLhsOrder(), 1);
  Value whole = arith::DivUIOp::create(b, depth, index(inLine)), steps = memref::DimOp::create(b, to, 2);
  func::ReturnOp::create(b);
  b.setInsertionPoint(kernel.front().getTerminator());
  Value task = enterLoop(arguments[arguments.size() - 2], arguments.back());
  Value block = arith::RemUIOp::create(b, task, blocks), batch = arith::DivUIOp::create(b, task, blocks);
  Value first = arith::MulIOp::create(b, block, index(kBlockRows));
  Value count = arith::MinUIOp::create(b, arith::SubIOp::create(b, numRows, first), index(kBlockRows));
  Value inBlock = enterLoop(index(0), count);
  Value row = arith::AddIOp::create(b, first, inBlock), column = arith::MulIOp::create(b, inBlock, index(inLine));
  if (places)
    row = memref::LoadOp::create(b, places, row);
  auto at = [&](Value k) { return ordered(op.getLhsOrder(), {batch, row, k}); };
  auto fromType = cast<MemRefType>(from.getType());
  if (ContractOp::dimOf(op.getLhsOrder(), 2) + 1 != fromType.getRank() || !fromType.isLastDimUnitStride()) {
    // Steps stand apart: one at a time.
    Value zero = arith::ConstantOp::create(b, b.getZeroAttr(small));
    Value step = enterLoop(index(0), steps), k = arith::MulIOp::create(b, step, index(inLine));
    Value inside = enterLoop(index(0), index(inLine)), place = arith::AddIOp::create(b, k, inside);
    Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, place, depth);
    Value loaded = memref::LoadOp::create(b, from, at(arith::SelectOp::create(b, isInside, place, index(0))));
    Value put = arith::SelectOp::create(b, isInside, loaded, zero);
    memref::StoreOp::create(b, put, to, ValueRange{batch, block, step, arith::AddIOp::create(b, column, inside)});
    return;
  }
  auto copy = [&](Value step, bool isPartial) {
    Value k = arith::MulIOp::create(b, step, index(inLine)), line;
    if (isPartial) {
      Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(lineType, b.getZeroAttr(small)));
      Value left = arith::SubIOp::create(b, depth, k);
      Value mask = vector::CreateMaskOp::create(b, lineType.clone(b.getI1Type()), ValueRange{left});
      line = vector::MaskedLoadOp::create(b, lineType, from, at(k), mask, zero);
    } else {
      line = vector::LoadOp::create(b, lineType, from, at(k));
    }
    vector::StoreOp::create(b, line, to, ValueRange{batch, block, step, column});
  };
  for (bool isPartial : {false, true}) {
    OpBuilder::InsertionGuard guard(b);
    copy(enterLoop(isPartial ? whole : index(0), isPartial ? steps : whole), isPartial);
  }
}

memref::GlobalOp constantBehindBuffer(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.hasStaticShape() || !type.getLayout().isIdentity())
    return {};
  while (Operation *view = buffer.getDefiningOp()) {
    if (!isa<memref::CastOp, memref::CollapseShapeOp, memref::ExpandShapeOp>(view))
      break;
    buffer = view->getOperand(0);
    if (!cast<MemRefType>(buffer.getType()).getLayout().isIdentity())
      return {};
  }
  auto constant = buffer.getDefiningOp<memref::GetGlobalOp>();
  if (!constant)
    return {};
  auto global = constant->getParentOfType<ModuleOp>().lookupSymbol<memref::GlobalOp>(constant.getName());
  return global && global.getConstant() ? global : memref::GlobalOp();
}

/// What `op` has as its lhs if that is a constant of rows one behind the other; else null.
static memref::GlobalOp constantRows(ContractOp op) {
  return op.getLhsRows() || op.getLhsOrder() ? memref::GlobalOp() : constantBehindBuffer(op.getLhs());
}

Value ContractEmitter::arrangeConstantRows() {
  memref::GlobalOp global = constantRows(op);
  auto elements = global ? dyn_cast_or_null<ElementsAttr>(*global.getInitialValue()) : ElementsAttr();
  elements = elements ? withRawElements(elements) : elements;
  if (!elements)
    return {};
  auto type = cast<MemRefType>(op.getLhs().getType());
  Type small = type.getElementType();
  int64_t bytes = small.getIntOrFloatBitWidth() / 8, inLine = kLineBytes / bytes, batches = type.getDimSize(0),
          numRows = type.getDimSize(1), depth = type.getDimSize(2), blocks = llvm::divideCeil(numRows, rows),
          steps = llvm::divideCeil(depth, inLine);
  if (batches * blocks * steps == 0)
    return {};
  SmallVector<int64_t> shape{batches, blocks, steps, rows * inLine};
  auto module = op->getParentOfType<ModuleOp>();
  std::string name = (global.getSymName() + "_rows_" + Twine(batches) + "x" + Twine(numRows)).str();
  auto arranged = module.lookupSymbol<memref::GlobalOp>(name);
  if (!arranged) {
    const char *from = getRawElements(elements).data();
    ElementsAttr value =
        makeWeight(RankedTensorType::get(shape, small), "rows", [&](MutableArrayRef<char> to) {
          std::memset(to.data(), 0, to.size());
          for (int64_t row = 0; row < batches * numRows; ++row) {
            int64_t inBatch = row % numRows, block = row / numRows * blocks + inBatch / rows;
            for (int64_t step = 0; step < steps; ++step)
              std::memcpy(to.data() + ((block * steps + step) * rows + inBatch % rows) * kLineBytes,
                          from + (row * depth + step * inLine) * bytes,
                          std::min(inLine, depth - step * inLine) * bytes);
          }
        });
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(global);
    arranged = memref::GlobalOp::create(b, name, b.getStringAttr("private"), MemRefType::get(shape, small), value,
                                        /*constant=*/true, /*alignment=*/global.getAlignmentAttr());
  }
  Value memory = memref::GetGlobalOp::create(b, arranged.getType(), name);
  // Nobody reads the rows where they were: what is left of them are their numbers.
  auto layout = StridedLayoutAttr::get(b.getContext(), 0, {0, 0, 1});
  op.getLhsMutable().assign(memref::ReinterpretCastOp::create(
      b, MemRefType::get(type.getShape(), small, layout), memory, b.getIndexAttr(0),
      getAsIndexOpFoldResult(b.getContext(), type.getShape()), getAsIndexOpFoldResult(b.getContext(), {0, 0, 1})));
  return memory;
}

Value ContractEmitter::arrangeRows(Kernels &kernels) {
  Type small = getElementTypeOrSelf(op.getLhs());
  int64_t inLine = kLineBytes * 8 / small.getIntOrFloatBitWidth();
  Value batches = dimOf(lhs, op.getLhsOrder(), 0), numRows = numRowsOf(op.getLhsRows(), op.getOutRows());
  if (unpacksToTiles()) { // few rows do without
    Value isUsed = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, numRows, index(rows));
    numRows = arith::SelectOp::create(b, isUsed, numRows, index(0));
  }
  Value blocks = arith::CeilDivUIOp::create(b, numRows, index(kBlockRows));
  Value steps = arith::CeilDivUIOp::create(b, dimOf(lhs, op.getLhsOrder(), 2), index(inLine));
  int64_t dynamic = ShapedType::kDynamic;
  Value memory = memref::AllocOp::create(b, MemRefType::get({dynamic, dynamic, dynamic, kBlockRows * inLine}, small),
                                         ValueRange{batches, blocks, steps});
  SmallVector<Value> operands{lhs};
  if (op.getLhsRows())
    operands.push_back(makeDynamic(b, op.getLhsRows(), 0));
  operands.push_back(memory);
  std::string order;
  llvm::raw_string_ostream(order) << op.getLhsOrderAttr();
  // A range should move some ten thousands of bytes at least.
  Value grain = arith::CeilDivUIOp::create(b, index(64), arith::MaxUIOp::create(b, steps, index(1)));
  callInParallel(kernels, "rows", order, operands, arith::MulIOp::create(b, batches, blocks), grain,
                 [&](func::FuncOp kernel) { emitArrangement(kernel); });
  return memory;
}

Value ContractEmitter::interleave(SmallVector<Value> rows) {
  while (rows.size() > 1) {
    SmallVector<Value> merged;
    for (size_t i = 0; i < rows.size() / 2; ++i)
      merged.push_back(vector::InterleaveOp::create(b, rows[i], rows[i + rows.size() / 2]));
    rows = merged;
  }
  return rows.front();
}

/// The kernel that copies panels: its arguments are the rhs, the memory for panels, and the range of panels.
void ContractEmitter::emitGrouping(func::FuncOp kernel, int64_t group) {
  auto arguments = kernel.getArguments();
  Value from = arguments[0], to = arguments[1];
  auto toType = cast<MemRefType>(to.getType());
  int64_t columns = toType.getDimSize(3) / group;
  auto rowType = VectorType::get({columns}, toType.getElementType());
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(rowType, b.getZeroAttr(rowType.getElementType())));
  Value depth = dimOf(from, op.getRhsOrder(), 1), panels = memref::DimOp::create(b, to, 1);
  func::ReturnOp::create(b);
  b.setInsertionPoint(kernel.front().getTerminator());
  Value task = enterLoop(arguments[2], arguments[3]);
  Value panel = arith::RemUIOp::create(b, task, panels), batch = arith::DivUIOp::create(b, task, panels);
  Value first = arith::MulIOp::create(b, panel, index(columns));
  Value left = arith::SubIOp::create(b, dimOf(from, op.getRhsOrder(), 2), first);
  Value mask = vector::CreateMaskOp::create(b, rowType.clone(b.getI1Type()), ValueRange{left});
  Value none = vector::CreateMaskOp::create(b, rowType.clone(b.getI1Type()), ValueRange{index(0)});
  Value groupIndex = enterLoop(index(0), memref::DimOp::create(b, to, 2));
  SmallVector<Value> rows;
  for (int64_t i = 0; i < group; ++i) {
    Value k = addIndex(arith::MulIOp::create(b, groupIndex, index(group)), i);
    Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, k, depth);
    Value place = arith::SelectOp::create(b, isInside, k, index(0));
    rows.push_back(vector::MaskedLoadOp::create(b, rowType, from, ordered(op.getRhsOrder(), {batch, place, first}),
                                                arith::SelectOp::create(b, isInside, mask, none), zero));
  }
  vector::StoreOp::create(b, interleave(rows), to, ValueRange{batch, panel, groupIndex, index(0)});
}

/// Memory for panels of groups of `small` elements, [batch, panel, groups of the depth, panel of groups].
Value ContractEmitter::allocateGroups(Value batches, Value panels, Value depth, DotUnit with, Type small) {
  int64_t group = 32 / small.getIntOrFloatBitWidth(), dynamic = ShapedType::kDynamic;
  Value groups = arith::CeilDivUIOp::create(b, depth, index(group));
  if (with == DotUnit::Tiles)
    groups = arith::MulIOp::create(b, arith::CeilDivUIOp::create(b, groups, index(kTileRows)), index(kTileRows));
  auto type = MemRefType::get({dynamic, dynamic, dynamic, target.groupedPanel(with) * group}, small);
  return memref::AllocOp::create(b, type, ValueRange{batches, panels, groups});
}

Value ContractEmitter::groupColumns(Kernels &kernels) {
  DotUnit with = groupedUnit(op, target);
  if (op.getPacked() || with == DotUnit::None || !target.hasMasks)
    return {};
  if (op.getRhsStarts())
    return groupLines(kernels, with);
  Type small = getElementTypeOrSelf(op.getRhs());
  int64_t group = 32 / small.getIntOrFloatBitWidth(), columns = target.groupedPanel(with);
  Value from = makeDynamic(b, withUnitStride(b, op.getRhs(), op), 0);
  Value batches = dimOf(from, op.getRhsOrder(), 0), depth = dimOf(from, op.getRhsOrder(), 1);
  Value panels = arith::CeilDivUIOp::create(b, dimOf(from, op.getRhsOrder(), 2), index(columns));
  Value memory = allocateGroups(batches, panels, depth, with, small), groups = memref::DimOp::create(b, memory, 2);
  std::string order;
  llvm::raw_string_ostream(order) << op.getRhsOrderAttr();
  Value grain = arith::CeilDivUIOp::create(b, index(256), arith::MaxUIOp::create(b, groups, index(1)));
  callInParallel(kernels, "columns", order, {from, memory}, arith::MulIOp::create(b, batches, panels), grain,
                 [&](func::FuncOp kernel) { emitGrouping(kernel, group); });
  op.getRhsMutable().assign(memory);
  op.removeRhsOrderAttr();
  op.setPacked(true);
  op.setGroup(group);
  return memory;
}

} // namespace mlir::ac
