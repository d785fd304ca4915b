//===- ContractGroups.cpp - Several products at once ----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Instructions on vectors multiply a group of small numbers in each lane and add the products to the lane's sum: a step
// of a tile is then a group. Those for bytes take unsigned ones from one side and signed ones from the other. Where lhs
// and rhs have the same sign, the highest bit of the lhs is turned over, which adds 128 to each number or subtracts it;
// what that adds to a sum is 128 times the sum of the column, which the sum starts without. All of it is exact modulo
// 2^32.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::ac {

DotUnit groupedUnit(ContractOp op, const TargetInfo &target) {
  Type lhs = getElementTypeOrSelf(op.getLhs()), rhs = getElementTypeOrSelf(op.getRhs()), sum = op.getElementType();
  if (lhs != rhs || op.isQuantized() || !(sum.isInteger(32) || sum.isF32()))
    return DotUnit::None;
  return target.dotUnit(lhs);
}

VectorType ContractEmitter::groupType() {
  int64_t group = *op.getGroup();
  return VectorType::get({static_cast<int64_t>(lanes) * group}, getElementTypeOrSelf(op.getRhs()));
}

/// Whether the highest bits of the lhs are turned over.
bool ContractEmitter::isFlipped() {
  return unit == DotUnit::Vectors && element.isInteger(32) && op.getLhsUnsigned() == op.getRhsUnsigned();
}

Value ContractEmitter::splatWord(Value word) {
  auto words = VectorType::get({static_cast<int64_t>(lanes)}, b.getI32Type());
  return vector::BitCastOp::create(b, groupType(), vector::BroadcastOp::create(b, words, word));
}

Value ContractEmitter::loadGroup(const Tile &tile, Value row, Value k, bool isPartial) {
  int64_t group = *op.getGroup();
  Type small = getElementTypeOrSelf(op.getLhs()), word = b.getI32Type();
  Value first = arith::MulIOp::create(b, k, index(group)), bits;
  int64_t depthDim = ContractOp::dimOf(op.getLhsOrder(), 2);
  auto lhsType = cast<MemRefType>(lhs.getType());
  if (!isPartial && depthDim + 1 == lhsType.getRank() && lhsType.isLastDimUnitStride()) {
    Value loaded = vector::LoadOp::create(b, VectorType::get({group}, small), lhs,
                                          ordered(op.getLhsOrder(), {tile.lhsBatch, row, first}));
    Value single = vector::BitCastOp::create(b, VectorType::get({1}, word), loaded);
    bits = vector::ExtractOp::create(b, single, ArrayRef<int64_t>{0});
  } else {
    Value depth = dimOf(lhs, op.getLhsOrder(), 2), zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
    unsigned width = small.getIntOrFloatBitWidth();
    bits = zero;
    for (int64_t i = 0; i < group; ++i) {
      Value step = addIndex(first, i);
      Value isInside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, step, depth);
      Value place = arith::SelectOp::create(b, isInside, step, first);
      Value one = memref::LoadOp::create(b, lhs, ordered(op.getLhsOrder(), {tile.lhsBatch, row, place}));
      if (isa<FloatType>(small))
        one = arith::BitcastOp::create(b, b.getIntegerType(width), one);
      one = arith::SelectOp::create(b, isInside, arith::ExtUIOp::create(b, word, one), zero);
      Value shift = arith::ConstantOp::create(b, b.getI32IntegerAttr(i * width));
      bits = arith::OrIOp::create(b, bits, arith::ShLIOp::create(b, one, shift));
    }
  }
  if (isFlipped())
    bits = arith::XOrIOp::create(b, bits, arith::ConstantOp::create(b, b.getI32IntegerAttr(0x80808080)));
  return splatWord(bits);
}

SmallVector<Value> ContractEmitter::loadGroups(const Tile &tile, Value k) {
  VectorType type = groupType();
  SmallVector<Value> row;
  for (unsigned v = 0; v < tile.vectors; ++v)
    row.push_back(vector::LoadOp::create(b, type, rhs,
                                         ValueRange{tile.rhsBatch, tile.panel, k, index(v * type.getNumElements())}));
  return row;
}

Value ContractEmitter::multiplyGroups(Value x, Value y, Value sum) {
  bool isFloat = isa<FloatType>(element);
  // The unsigned numbers come first; the lhs has another sign than the rhs, or has been given it.
  if (!isFloat && op.getRhsUnsigned())
    std::swap(x, y);
  std::string name = isFloat ? "llvm.x86.avx512bf16.dpbf16ps." : "llvm.x86.avx512.vpdpbusd.";
  name += std::to_string(target.vectorBits);
  return LLVM::CallIntrinsicOp::create(b, vectorType, b.getStringAttr(name), ValueRange{sum, x, y}).getResults();
}

void ContractEmitter::sumColumns(const Tile &tile) {
  starts.clear();
  if (!isFlipped())
    return;
  Value zero = arith::ConstantOp::create(b, DenseElementsAttr::get(vectorType, b.getZeroAttr(element)));
  Value turned = splatWord(arith::ConstantOp::create(b, b.getI32IntegerAttr(0x80808080)));
  Value groups = memref::DimOp::create(b, rhs, 2);
  SmallVector<Value> sums(tile.vectors, zero);
  sums = emitLoop(index(0), groups, sums, [&](Value k, SmallVectorImpl<Value> &carried) {
    for (auto [v, columns] : llvm::enumerate(loadGroups(tile, k)))
      carried[v] = multiplyGroups(turned, columns, carried[v]);
  });
  for (Value sum : sums)
    starts.push_back(arith::SubIOp::create(b, zero, sum));
}

} // namespace mlir::ac
