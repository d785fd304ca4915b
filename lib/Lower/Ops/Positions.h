//===- Positions.h - Arithmetic on positions inside tensors ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the operators that move elements about have in common: index arithmetic in loop bodies, positions read from
// index tensors, lists of axes that are only known at run time, and movement of tensors whose elements are known one by
// one (shape arithmetic), which picks scalars and leaves no loop behind.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_POSITIONS_H
#define LOWER_OPS_POSITIONS_H

#include "Lower/NodeLowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::ac {

/// Integer arithmetic at an insertion point, folded as it is built. Everything is signed.
class IndexMath {
public:
  IndexMath(OpBuilder &b, Location loc) : b(b), loc(loc) {}
  IndexMath(Emitter &emit) : b(emit), loc(emit.getLoc()) {}

  OpBuilder &b;
  Location loc;

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(loc, x, y); }
  Value sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(loc, x, y); }
  Value mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); }
  Value min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(loc, x, y); }
  Value max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(loc, x, y); }
  /// Of non-negative numbers.
  Value div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(loc, x, y); }
  Value rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(loc, x, y); }
  /// Of any number by a positive one; the result is not negative.
  Value floorMod(Value x, Value y);
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) {
    return b.createOrFold<arith::CmpIOp>(loc, predicate, x, y);
  }
  Value less(Value x, Value y) { return compare(arith::CmpIPredicate::slt, x, y); }
  Value lessOrEqual(Value x, Value y) { return compare(arith::CmpIPredicate::sle, x, y); }
  Value equal(Value x, Value y) { return compare(arith::CmpIPredicate::eq, x, y); }
  Value both(Value x, Value y) { return b.createOrFold<arith::AndIOp>(loc, x, y); }
  Value either(Value x, Value y) { return b.createOrFold<arith::OrIOp>(loc, x, y); }
  Value select(Value condition, Value x, Value y) { return b.createOrFold<arith::SelectOp>(loc, condition, x, y); }
  /// An integer of any width as an index, and back.
  Value toIndex(Value integer) { return b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), integer); }
  Value toInteger(Value index, Type type) { return b.createOrFold<arith::IndexCastOp>(loc, type, index); }

  Value load(Value tensor, ValueRange indices) { return b.createOrFold<tensor::ExtractOp>(loc, tensor, indices); }
  Value store(Value scalar, Value tensor, ValueRange indices) {
    return tensor::InsertOp::create(b, loc, scalar, tensor, indices);
  }

  /// Into [0, size - 1].
  Value clamp(Value position, Value size) { return max(min(position, sub(size, index(1))), index(0)); }
  /// The position along a dimension that an element of an index tensor names: negative ones count from the end. What is
  /// out of range is clamped: the body of a parallel loop cannot report it, and must not touch memory elsewhere.
  Value position(Value element, Value size);
};

/// Visits `dims` one after the other in row-major order and hands `carried` from visit to visit.
using LoopBody = llvm::function_ref<SmallVector<Value>(IndexMath &, ValueRange positions, ValueRange carried)>;
SmallVector<Value> loopNest(OpBuilder &b, Location loc, ValueRange dims, ValueRange carried, LoopBody body);
SmallVector<Value> loopNest(Emitter &emit, ArrayRef<OpFoldResult> dims, ValueRange carried, LoopBody body);

/// `dims` as values.
SmallVector<Value> asValues(Emitter &emit, ArrayRef<OpFoldResult> dims);
/// `condition ? x : y`, folded.
OpFoldResult choose(Emitter &emit, Value condition, OpFoldResult x, OpFoldResult y);
/// True if the value is proven not to be negative: constants, sizes, and sums, products, ... of such.
bool isNonNegative(OpFoldResult value);
/// Product of all, if all are constant.
std::optional<int64_t> constantProduct(ArrayRef<OpFoldResult> dims);

/// The tensor of size `dims` whose element at each position is that of `tensor` at `source(position)`. Null unless the
/// elements of `tensor` are known one by one and those of the result can be.
Value pick(Emitter &emit, Value tensor, ArrayRef<OpFoldResult> dims,
           llvm::function_ref<SmallVector<int64_t>(ArrayRef<int64_t>)> source);

/// The elements of the integer vector in input `i`, constant or not; refuses the node if its length is not known. Where
/// the vector's type does not tell its length, it is `length`, if given.
FailureOr<Dims> vectorInput(const Node &node, unsigned i, std::optional<int64_t> length = std::nullopt);
/// The integers of attribute `name` as dimensions, or of input `i`; nothing if neither is there.
FailureOr<std::optional<Dims>> vectorAttributeOrInput(const Node &node, StringRef name, unsigned i);
/// `result[d] = values[k]` for the `k` with `axes[k] == d` (negative axes count from the end), else `otherwise[d]`.
FailureOr<Dims> scatterToAxes(const Node &node, ArrayRef<OpFoldResult> axes, ArrayRef<OpFoldResult> values,
                              ArrayRef<OpFoldResult> otherwise);

/// Two sizes must agree: refuses the node if they never do, asserts at run time what is not proven.
LogicalResult requireSame(const Node &node, OpFoldResult a, OpFoldResult b, const Twine &message);
/// Positions along `size` are taken for every element of a result with `dims`: there must be one, unless there are
/// none.
void requirePositions(const Node &node, OpFoldResult size, ArrayRef<OpFoldResult> dims);
/// Every element of `indices` (only number `tuple` of each index tuple, if given) names a position
/// along `size`; checked at run time before any is used, unless the elements are known.
void requireInside(const Node &node, Value indices, OpFoldResult size, std::optional<int64_t> tuple = std::nullopt);
/// `requirement` holds, unless it is proven.
void requireUnlessKnown(const Node &node, Value requirement, const Twine &message);

} // namespace mlir::ac

#endif // LOWER_OPS_POSITIONS_H
