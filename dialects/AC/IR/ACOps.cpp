//===- ACOps.cpp - Builders and verifiers of the `ac` operations ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace mlir::ac;

/// `learner { ... } learner { ... }`
static ParseResult parseBranches(OpAsmParser &parser, SmallVectorImpl<std::unique_ptr<Region>> &regions,
                                 StringRef keyword) {
  while (succeeded(parser.parseOptionalKeyword(keyword))) {
    regions.push_back(std::make_unique<Region>());
    if (parser.parseRegion(*regions.back()))
      return failure();
  }
  return success();
}

static void printBranches(OpAsmPrinter &printer, Operation *, MutableArrayRef<Region> regions, StringRef keyword) {
  llvm::interleave(
      regions,
      [&](Region &region) {
        printer << keyword << ' ';
        printer.printRegion(region);
      },
      [&] { printer << ' '; });
}

#define GET_OP_CLASSES
#include "dialects/AC/IR/ACOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ContractOp
//===----------------------------------------------------------------------===//

void ContractOp::build(OpBuilder &builder, OperationState &state, Value lhs, Value rhs, Value init, AffineMap lhsBatch,
                       AffineMap rhsBatch) {
  bool packed = cast<ShapedType>(rhs.getType()).getRank() == 4;
  state.addOperands({lhs, rhs, init});
  auto &properties = state.getOrAddProperties<Properties>();
  llvm::copy(ArrayRef<int32_t>{1, 1, 0, 0, 0, 0, 0, 0, 0, 1}, properties.operandSegmentSizes.begin());
  properties.lhs_batch = AffineMapAttr::get(lhsBatch);
  properties.rhs_batch = AffineMapAttr::get(rhsBatch);
  properties.extra_maps = builder.getAffineMapArrayAttr({});
  if (packed)
    properties.packed = builder.getUnitAttr();
  if (isa<TensorType>(init.getType()))
    state.addTypes(init.getType());
  Region *region = state.addRegion();
  OpBuilder::InsertionGuard guard(builder);
  Type element = cast<ShapedType>(init.getType()).getElementType();
  Block *block = builder.createBlock(region, {}, {element}, {state.location});
  YieldOp::create(builder, state.location, ValueRange{block->getArgument(0)});
}

Type ContractOp::getElementType() {
  Block *body = getEpilogueBody();
  return body->getNumArguments() ? body->getArgument(0).getType() : Type();
}

Type ContractOp::getResultElementType() { return cast<ShapedType>(getInit().getType()).getElementType(); }

/// Whether products of elements of this type are summed up in `sum`.
static bool isSummedIn(Type element, Type sum) {
  if (sum.isInteger(32))
    return element.isInteger(8);
  return isa<FloatType>(sum) && (element == sum || (sum.isF32() && (element.isF16() || element.isBF16())));
}

int64_t ContractOp::getLanes() {
  return cast<ShapedType>(getRhs().getType()).getShape().back() / static_cast<int64_t>(getGroup().value_or(1));
}

LogicalResult ContractOp::verify() {
  auto lhs = dyn_cast<ShapedType>(getLhs().getType()), rhs = dyn_cast<ShapedType>(getRhs().getType()),
       init = dyn_cast<ShapedType>(getInit().getType());
  Type sum = getElementType();
  if (!sum)
    return verifyRegions();
  Type yielded = init ? init.getElementType() : Type();
  if (!lhs || !rhs || !init || !isSummedIn(lhs.getElementType(), sum) ||
      (!getScales() && !isSummedIn(rhs.getElementType(), sum)) ||
      !(isa<FloatType>(yielded) || yielded.isInteger(8) || yielded.isInteger(16) || yielded.isInteger(32)))
    return emitOpError("(contract_c1) has operands ")
           << getLhs().getType() << ", " << getRhs().getType() << " and " << getInit().getType() << " and a sum of "
           << sum
           << ", expected shaped values of one floating-point element type, of f16 or bf16 for a sum of f32, or of i8 "
              "for one of i32, and a result of floats or integers of at most 32 bits";
  if (((getLhsUnsigned() || getRhsUnsigned()) && !sum.isInteger(32)) || (getAccumulate() && !isa<FloatType>(yielded)))
    return emitOpError("(contract_c11) has ")
           << (getAccumulate() ? "accumulate" : "an unsigned operand") << " with a sum of " << sum
           << " and a result of " << yielded
           << ", expected unsigned operands with i32 alone, and accumulate with floats";
  if (int64_t group = getGroup().value_or(1);
      getGroup() && (!getPacked() || getScales() || lhs.getElementType() != rhs.getElementType() || group < 2 ||
                     group * rhs.getElementTypeBitWidth() != 32 || rhs.getShape().back() % group))
    return emitOpError("(contract_c12) has groups of ")
           << group << " elements of " << rhs.getElementType() << " on the right and " << lhs.getElementType()
           << " on the left, expected groups of 32 bits in a packed rhs without scales, and equal types";
  int64_t rhsRank = getPacked() ? 4 : getRhsStarts() ? 2 : 3;
  int64_t outRank = getRhsStarts() && getOutOrder() && getOutOrder()->size() == 4 ? 4 : 3;
  int64_t initRank = outRank + (getOutPanels() ? 1 : 0);
  int64_t lhsRank = getTurned() ? 4 : 3;
  if (!lhs.hasRank() || !rhs.hasRank() || !init.hasRank() || lhs.getRank() != lhsRank || init.getRank() != initRank ||
      rhs.getRank() != rhsRank)
    return emitOpError("(contract_c2) has operands of rank ")
           << lhs.getRank() << ", " << rhs.getRank() << " and " << init.getRank() << ", expected " << lhsRank << ", "
           << rhsRank << " and " << initRank;
  if (getTurned() && (!lhs.getElementType().isF32() || getLhsOrder() || getPacked() || getCopied() || getScales() ||
                      getLhsRows() || getOutRows() || getOutPanels()))
    return emitOpError("(contract_c14) is turned, with a lhs of ")
           << lhs.getElementType() << ", expected f32, no order, lists of rows or panels, and a plain rhs";
  if ((getCopied() || getOutPanels()) && (getPacked() || getScales()))
    return emitOpError("(contract_c13) copies its columns or leaves panels, with a rhs that is packed or has scales");
  if (getOutPanels() && (getRhsStarts() || getOutOrder() || getOutRows() || getAccumulate()))
    return emitOpError(
        "(contract_c13) leaves panels with starts, or with a result that has an order, rows or an accumulation");
  if (getExtraMaps().size() != getExtras().size())
    return emitOpError("(contract_c3) has ")
           << getExtraMaps().size() << " maps for " << getExtras().size() << " extras";
  for (auto [map, extra] : llvm::zip_equal(getExtraMaps().getAsValueRange<AffineMapAttr>(), getExtras())) {
    auto type = dyn_cast<ShapedType>(extra.getType());
    if (!type || map.getNumDims() != outRank || map.getNumResults() != type.getRank())
      return emitOpError("(contract_c3) reads an extra of type ")
             << extra.getType() << " by " << AffineMapAttr::get(map) << ", expected a map of " << outRank
             << " dimensions to its rank";
  }
  auto isList = [](Value places) {
    auto type = dyn_cast<ShapedType>(places.getType());
    return type && type.hasRank() && type.getRank() == 1 && type.getElementType().isIndex();
  };
  for (Value places : {getLhsRows(), getOutRows()})
    if (places && !isList(places))
      return emitOpError("(contract_c6) has rows of type ") << places.getType() << ", expected one dimension of type index";
  int64_t lhsRows = lhs.getDimSize(dimOf(getLhsOrder(), 1)), outRows = init.getDimSize(getOutDim(1));
  if (!getTurned() && !getLhsRows() && !getOutRows() && lhsRows != outRows && !ShapedType::isDynamic(lhsRows) &&
      !ShapedType::isDynamic(outRows))
    return emitOpError("(contract_c6) has ") << lhsRows << " rows on the left and " << outRows << " in the result";
  auto isOrder = [](std::optional<ArrayRef<int64_t>> order, int64_t rank, bool columnsLast) {
    if (!order)
      return true;
    SmallVector<int64_t> sorted(*order);
    llvm::sort(sorted);
    return llvm::equal(sorted, llvm::seq<int64_t>(0, rank)) && (!columnsLast || order->back() == 2);
  };
  if (!isOrder(getLhsOrder(), 3, false) || !isOrder(getRhsOrder(), 3, true) || !isOrder(getOutOrder(), outRank, true) ||
      ((getPacked() || getRhsStarts()) && getRhsOrder()))
    return emitOpError(
        "(contract_c7) has an order that is not a permutation of matrix dimensions with columns of rhs and "
        "result last, or one for a rhs that is packed or has starts");
  if (Value starts = getRhsStarts()) {
    int64_t depth = lhs.getDimSize(dimOf(getLhsOrder(), 2));
    if (getPacked() || getScales() || !isList(starts) ||
        failed(verifyCompatibleDims({depth, cast<ShapedType>(starts.getType()).getDimSize(0)})))
      return emitOpError("(contract_c10) has starts of type ")
             << starts.getType() << " for a depth of " << depth
             << ", expected one dimension of that size with elements of type index, and a rhs that is neither packed nor quantised";
  }
  for (AffineMap map : {getLhsBatch(), getRhsBatch()})
    if (map.getNumDims() != 1 || map.getNumSymbols() != 0 || map.getNumResults() != 1)
      return emitOpError("(contract_c5) finds a batch entry by ")
             << AffineMapAttr::get(map) << ", expected a map of one dimension to one";
  return verifyQuantization();
}

LogicalResult ContractOp::verifyQuantization() {
  auto lhs = cast<ShapedType>(getLhs().getType()), rhs = cast<ShapedType>(getRhs().getType());
  int64_t depth = lhs.getDimSize(dimOf(getLhsOrder(), 2));
  int64_t block = static_cast<int64_t>(getBlockSize().value_or(0));
  auto fits = [&](Value value, bool isFloat) {
    if (!value)
      return true;
    auto type = dyn_cast<ShapedType>(value.getType()), scales = cast<ShapedType>(getScales().getType());
    if (!type || !type.hasRank() || type.getRank() != rhs.getRank() || type.getDimSize(0) != rhs.getDimSize(0) ||
        type.getShape().back() != rhs.getShape().back() || type.getShape() != scales.getShape() ||
        (getPacked() && type.getDimSize(1) != rhs.getDimSize(1)))
      return false;
    int64_t blocks = type.getDimSize(getPacked() ? 2 : 1);
    if (!ShapedType::isDynamic(depth) && !ShapedType::isDynamic(blocks) &&
        blocks != static_cast<int64_t>(llvm::divideCeil(depth, block)))
      return false;
    Type element = type.getElementType();
    return isFloat ? element.isF32() || element.isF16() : element.isInteger(8);
  };
  if (!getScales()) {
    if (getBlockSize() || getZeros() || getOffsets() || getLeast())
      return emitOpError("(contract_c8) has block_size, zeros, offsets or least without scales");
    return success();
  }
  if (block < 1 || !getElementType().isF32() || !(lhs.getElementType().isF32() || lhs.getElementType().isBF16()) ||
      !isa<ShapedType>(getScales().getType()) || !fits(getScales(), true) || !fits(getZeros(), false) ||
      !fits(getOffsets(), true))
    return emitOpError("(contract_c8) has scales, zeros and offsets that do not fit ")
           << getRhs().getType() << " in blocks of " << block;
  bool isWords = rhs.getElementType().isInteger(32);
  if (isWords != getLeast().has_value() || !(isWords || rhs.getElementType().isInteger(8)) || getRhsOrder())
    return emitOpError("(contract_c9) has scales for a rhs of type ")
           << rhs << ", expected i8 elements, or i32 and `least`, and no order";
  bool isOneBlock = cast<ShapedType>(getScales().getType()).getDimSize(getPacked() ? 2 : 1) == 1;
  int64_t least = getLeast().value_or(0);
  if (isWords && (!getPacked() || (block % 8 != 0 && !isOneBlock) || least < -128 || least > 127))
    return emitOpError("(contract_c9) has words of four-bit elements ")
           << (getPacked() ? "" : "that are not packed ") << "in blocks of " << block << " from " << least << " on";
  return success();
}

int64_t ContractOp::getOutDim(int64_t matrixDim) {
  if (!getOutPanels())
    return dimOf(getOutOrder(), matrixDim);
  assert(matrixDim < 2 && "columns are spread over panels and lanes");
  return 2 * matrixDim;
}

int64_t ContractOp::dimOf(std::optional<ArrayRef<int64_t>> order, int64_t matrixDim) {
  return order ? llvm::find(*order, matrixDim) - order->begin() : matrixDim;
}

/// An epilogue takes the sum and one element of each extra, and yields one element of the result.
static LogicalResult verifyEpilogue(Operation *op, StringRef label, Block *body, ValueRange extras, Type sum,
                                    Type element) {
  if (body->getNumArguments() != extras.size() + 1)
    return op->emitOpError("(") << label << ") has an epilogue of " << body->getNumArguments()
                                << " arguments, expected " << extras.size() + 1
                                << ": the sum and one element of each extra";
  SmallVector<Type> expected{sum};
  for (Value extra : extras)
    expected.push_back(getElementTypeOrSelf(extra.getType()));
  for (auto [argument, type] : llvm::zip_equal(body->getArguments(), expected))
    if (argument.getType() != type)
      return op->emitOpError("(") << label << ") has an epilogue whose argument " << argument.getArgNumber() << " is "
                                  << argument.getType() << ", expected " << type;
  auto yield = dyn_cast<YieldOp>(body->getTerminator());
  if (!yield || yield->getNumOperands() != 1 || yield->getOperand(0).getType() != element) {
    InFlightDiagnostic error = op->emitOpError("(") << label << ") has an epilogue that does not yield one " << element;
    error.attachNote(body->getTerminator()->getLoc()) << "it ends here";
    return error;
  }
  return success();
}

LogicalResult ContractOp::verifyRegions() {
  return verifyEpilogue(*this, "contract_c4", getEpilogueBody(), getExtras(), getElementType(), getResultElementType());
}

/// Operands in memory are read, but for the destination, which is written and, where `readsInit`, read too.
static void addEffects(DestinationStyleOpInterface op, bool readsInit,
                       SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<BaseMemRefType>(operand.get().getType()))
      continue;
    if (!op.isDpsInit(&operand) || readsInit)
      effects.emplace_back(MemoryEffects::Read::get(), &operand, SideEffects::DefaultResource::get());
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand, SideEffects::DefaultResource::get());
  }
}

void ContractOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  addEffects(*this, readsInit(), effects);
}

//===----------------------------------------------------------------------===//
// DequantizedProductOp
//===----------------------------------------------------------------------===//

LogicalResult DequantizedProductOp::verify() {
  auto rows = cast<RankedTensorType>(getRows().getType()), weights = cast<RankedTensorType>(getWeights().getType()),
       result = cast<RankedTensorType>(getResult().getType());
  if (weights.getRank() != 2 || !weights.hasStaticShape() || weights.getNumElements() == 0 ||
      !weights.getElementType().isInteger(8) || rows.getRank() < 1 || rows.getRank() != result.getRank() ||
      !rows.getElementType().isF32() || !result.getElementType().isF32() ||
      failed(verifyCompatibleShape(rows.getShape().drop_back(), result.getShape().drop_back())) ||
      (!rows.isDynamicDim(rows.getRank() - 1) && rows.getShape().back() != weights.getDimSize(1)) ||
      result.getShape().back() != weights.getDimSize(0))
    return emitOpError("(dequantized_product_c1) takes ") << rows << " by " << weights << " to " << result;
  int64_t block = getBlockSize();
  auto fits = [&](Value value, Type element) {
    int64_t blocks = llvm::divideCeil(weights.getDimSize(1), block);
    return !value || value.getType() == RankedTensorType::get({weights.getDimSize(0), blocks}, element);
  };
  Builder b(getContext());
  if (block < 1 || !fits(getScales(), b.getF32Type()) || !fits(getZeros(), b.getI8Type()) ||
      !fits(getOffsets(), b.getF32Type()))
    return emitOpError("(dequantized_product_c2) has scales, zeros or offsets that do not fit ")
           << weights << " in blocks of " << block;
  return success();
}

//===----------------------------------------------------------------------===//
// DepthwiseOp
//===----------------------------------------------------------------------===//

Type DepthwiseOp::getElementType() { return cast<ShapedType>(getInit().getType()).getElementType(); }

LogicalResult DepthwiseOp::verify() {
  auto input = dyn_cast<ShapedType>(getInput().getType()), weights = dyn_cast<ShapedType>(getWeights().getType()),
       init = dyn_cast<ShapedType>(getInit().getType());
  for (ArrayRef<int64_t> sizes : {getKernel(), getStrides(), getDilations(), getLow()})
    if (sizes.size() != 2 || llvm::any_of(sizes, [](int64_t size) { return size < 0; }) ||
        (sizes.data() != getLow().data() && llvm::is_contained(sizes, 0)))
      return emitOpError("(depthwise_c2) has a window with an entry that is not one of two positive numbers");
  auto has = [](ShapedType type, int64_t rank) { return type && type.hasRank() && type.getRank() == rank; };
  if (!has(input, 4) || !has(weights, 2) || !has(init, 4) || weights.getDimSize(1) != getKernel()[0] * getKernel()[1] ||
      !isa<FloatType>(init.getElementType()) || input.getElementType() != init.getElementType() ||
      weights.getElementType() != init.getElementType())
    return emitOpError("(depthwise_c1) has operands ")
           << getInput().getType() << ", " << getWeights().getType() << " and " << getInit().getType()
           << ", expected ranks 4, 2 and 4, a column of weights for each tap and one floating-point element type";
  if (getExtraMaps().size() != getExtras().size())
    return emitOpError("(depthwise_c3) has ")
           << getExtraMaps().size() << " maps for " << getExtras().size() << " extras";
  if (getInstead() && (!getExtras().empty() || !isa<TensorType>(getInit().getType()) ||
                       getInstead().getType() != getInit().getType()))
    return emitOpError("(depthwise_c5) has ") << getExtras().size() << " extras and " << getInstead().getType()
                                              << " instead of " << getInit().getType()
                                              << ", expected none and a tensor of the same type";
  for (auto [map, extra] : llvm::zip_equal(getExtraMaps().getAsValueRange<AffineMapAttr>(), getExtras())) {
    auto type = dyn_cast<ShapedType>(extra.getType());
    if (!type || map.getNumDims() != 4 || map.getNumResults() != type.getRank())
      return emitOpError("(depthwise_c3) reads an extra of type ")
             << extra.getType() << " by " << AffineMapAttr::get(map)
             << ", expected a map of four dimensions to its rank";
  }
  return success();
}

LogicalResult DepthwiseOp::verifyRegions() {
  return verifyEpilogue(*this, "depthwise_c4", getEpilogueBody(), getExtras(), getElementType(), getElementType());
}

void DepthwiseOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  addEffects(*this, /*readsInit=*/false, effects);
}

//===----------------------------------------------------------------------===//
// GatherRowsOp, ScatterRowsOp
//===----------------------------------------------------------------------===//

static LogicalResult verifyRowMove(Operation *op, StringRef label, Type from, Type to, Type places) {
  auto matrix = [](Type type) {
    auto shaped = dyn_cast<ShapedType>(type);
    return shaped && shaped.hasRank() && shaped.getRank() == 2 ? shaped : ShapedType();
  };
  ShapedType source = matrix(from), target = matrix(to), list = dyn_cast<ShapedType>(places);
  bool fits = source && target && source.getElementType() == target.getElementType() &&
              succeeded(verifyCompatibleShape(source.getShape().drop_front(), target.getShape().drop_front()));
  if (fits && list && list.hasRank() && list.getRank() == 1 && list.getElementType().isIndex())
    return success();
  return op->emitOpError() << "(" << label << ") moves rows of " << from << " to " << to << " by " << places
                           << ", expected rank two, one element type and width, and one dimension of type index";
}

LogicalResult GatherRowsOp::verify() {
  return verifyRowMove(*this, "gather_rows_c1", getSource().getType(), getInit().getType(), getPlaces().getType());
}

LogicalResult ScatterRowsOp::verify() {
  return verifyRowMove(*this, "scatter_rows_c1", getRows().getType(), getInit().getType(), getPlaces().getType());
}

void GatherRowsOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  addEffects(*this, /*readsInit=*/false, effects);
}

void ScatterRowsOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  addEffects(*this, /*readsInit=*/true, effects);
}

//===----------------------------------------------------------------------===//
// ParallelOp
//===----------------------------------------------------------------------===//

void ParallelOp::build(OpBuilder &builder, OperationState &state, Value count, Value grain) {
  state.addOperands({count, grain});
  Region *region = state.addRegion();
  OpBuilder::InsertionGuard guard(builder);
  Type index = builder.getIndexType();
  builder.createBlock(region, {}, {index, index}, {state.location, state.location});
  YieldOp::create(builder, state.location, ValueRange{});
}

LogicalResult ParallelOp::verifyRegions() {
  Block &body = getBody().front();
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  bool takesRange = body.getNumArguments() == 2 &&
                    llvm::all_of(body.getArgumentTypes(), [](Type type) { return type.isIndex(); });
  if (takesRange && yield && yield->getNumOperands() == 0)
    return success();
  return emitOpError("(parallel_c1) has a body of ")
         << body.getNumArguments()
         << " arguments, expected two indices, the bounds of a range, and an `ac.yield` of nothing";
}

//===----------------------------------------------------------------------===//
// YieldOp
//===----------------------------------------------------------------------===//

void YieldOp::build(OpBuilder &, OperationState &) {}
