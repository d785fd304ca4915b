//===- MatrixProduct.cpp - Products shared by operator families -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Support/Weights.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

namespace mlir::ac {

Type getSumType(Type element) {
  if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(element.getContext());
  return element;
}

static AffineMap oneForAll(Emitter &emit) {
  return AffineMap::get(1, 0, emit.getAffineConstantExpr(0), emit.getContext());
}

/// Copies out the matrices that a batch map selects, for products that read their operands by dimension only.
static Value selectBatches(Emitter &emit, Value tensor, OpFoldResult batch, AffineMap map) {
  if (map.isIdentity())
    return tensor;
  Dims dims = emit.dims(tensor);
  dims[0] = batch;
  AffineExpr source = map.getResult(0);
  MLIRContext *context = emit.getContext();
  AffineMap read = AffineMap::get(3, 0, {source, emit.getAffineDimExpr(1), emit.getAffineDimExpr(2)}, context);
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  return emit.generic(tensor, read, emit.empty(dims, Emitter::elementType(tensor)), emit.getMultiDimIdentityMap(3),
                      iterators, [](OpBuilder &, Location, ValueRange v) { return v[0]; });
}

static Value multiplyIntegers(Emitter &emit, Value lhs, Value rhs, OpFoldResult batch, AffineMap lhsBatch,
                              AffineMap rhsBatch) {
  lhs = selectBatches(emit, lhs, batch, lhsBatch);
  rhs = selectBatches(emit, rhs, batch, rhsBatch);
  Type element = Emitter::elementType(lhs);
  Dims result{batch, emit.dim(lhs, 1), emit.dim(rhs, 2)};
  MLIRContext *context = emit.getContext();
  AffineExpr b = emit.getAffineDimExpr(0), m = emit.getAffineDimExpr(1), k = emit.getAffineDimExpr(2),
             n = emit.getAffineDimExpr(3);
  // Columns innermost: consecutive elements of the right operand and of the result.
  SmallVector<utils::IteratorType> iterators{utils::IteratorType::parallel, utils::IteratorType::parallel,
                                             utils::IteratorType::reduction, utils::IteratorType::parallel};
  return emit.generic({lhs, rhs}, {AffineMap::get(4, 0, {b, m, k}, context), AffineMap::get(4, 0, {b, k, n}, context)},
                      emit.fill(result, emit.constant(element, 0)), AffineMap::get(4, 0, {b, m, n}, context), iterators,
                      [](OpBuilder &b, Location loc, ValueRange v) -> Value {
                        Value product = arith::MulIOp::create(b, loc, v[0], v[1]);
                        return arith::AddIOp::create(b, loc, v[2], product);
                      });
}

Value multiplyBatches(Emitter &emit, Value lhs, Value rhs, OpFoldResult batch, AffineMap lhsBatch, AffineMap rhsBatch,
                      std::optional<Emitter::Signs> signs) {
  if (signs)
    return emit.contract(lhs, rhs, batch, lhsBatch, rhsBatch, *signs);
  Type left = Emitter::elementType(lhs), sum = getSumType(left);
  bool isNarrow = left == Emitter::elementType(rhs) && (left.isF16() || left.isBF16());
  // Weights stay small. Rows of f16 are read an element at a time, so they are widened once; those of bf16 are for the
  // instructions that multiply them.
  if (!isNarrow || left.isF16())
    lhs = emit.castElements(lhs, sum);
  if (!isNarrow)
    rhs = emit.castElements(rhs, sum);
  if (isa<FloatType>(sum))
    return emit.contract(lhs, rhs, batch, lhsBatch, rhsBatch);
  return multiplyIntegers(emit, lhs, rhs, batch, lhsBatch, rhsBatch);
}

Value multiplyBatches(Emitter &emit, Value lhs, Value rhs, std::optional<Emitter::Signs> signs) {
  OpFoldResult a = emit.dim(lhs, 0), b = emit.dim(rhs, 0);
  AffineMap each = emit.getMultiDimIdentityMap(1);
  if (Emitter::isOne(a) && !Emitter::isOne(b))
    return multiplyBatches(emit, lhs, rhs, b, oneForAll(emit), each, signs);
  if (Emitter::isOne(b) && !Emitter::isOne(a))
    return multiplyBatches(emit, lhs, rhs, a, each, oneForAll(emit), signs);
  return multiplyBatches(emit, lhs, rhs, a, each, each, signs);
}

LogicalResult requireSame(Node &node, OpFoldResult a, OpFoldResult b, const Twine &what) {
  if (Emitter::same(a, b))
    return success();
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return node.refuse(what + " are " + Twine(*ca) + " and " + Twine(*cb) + ", expected them to be equal");
  Emitter &emit = node.emit;
  node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(a), emit.asValue(b)),
               what + " differ");
  return success();
}

namespace {
/// How an operand of a batched product is read: the batch dimensions of the result, seen as one, mapped to the
/// operand's own.
struct BatchedOperand {
  Value tensor;
  AffineMap map;
};
} // namespace

/// Folds the batch dimensions of `tensor` into one. Dimensions in which it broadcasts are skipped by the map, if they
/// stand together and the sizes that the map has to know are static; otherwise they are copied.
static BatchedOperand foldBatch(Emitter &emit, Value tensor, ArrayRef<OpFoldResult> batch) {
  Dims dims = emit.dims(tensor);
  Dims own(dims.begin(), dims.end() - 2), matrix(dims.end() - 2, dims.end());
  own.insert(own.begin(), batch.size() - own.size(), emit.dimension(1));

  auto fold = [&](Value value, ArrayRef<OpFoldResult> sizes, AffineMap map) {
    return BatchedOperand{emit.reshape(value, {emit.product(sizes), matrix[0], matrix[1]}), map};
  };
  AffineMap each = emit.getMultiDimIdentityMap(1);
  if (Emitter::same(own, batch))
    return fold(tensor, own, each);
  if (llvm::all_of(own, Emitter::isOne))
    return fold(tensor, own, oneForAll(emit));

  // The dimensions in which the operand is repeated: [first, last).
  size_t first = batch.size(), last = 0;
  bool together = true;
  for (size_t axis = 0; axis < batch.size(); ++axis) {
    if (Emitter::same(own[axis], batch[axis]))
      continue;
    together &= Emitter::isOne(own[axis]);
    first = std::min(first, axis);
    last = axis + 1;
  }
  for (size_t axis = first; axis < last; ++axis)
    together &= Emitter::isOne(own[axis]);
  auto repeats = getConstantIntValue(emit.product(batch.slice(first, last - first)));
  auto inner = getConstantIntValue(emit.product(batch.drop_front(last)));
  bool outermost = llvm::all_of(batch.take_front(first), Emitter::isOne);
  if (together && inner.value_or(0) > 0 && (outermost || repeats.value_or(0) > 0)) {
    AffineExpr b = emit.getAffineDimExpr(0);
    AffineExpr read = b % *inner;
    if (!outermost)
      read = b.floorDiv(*repeats * *inner) * *inner + read;
    return fold(tensor, own, AffineMap::get(1, 0, read, emit.getContext()));
  }

  Dims whole(batch.begin(), batch.end());
  whole.append(matrix);
  return fold(emit.broadcastTo(tensor, whole), batch, each);
}

/// The product of tensors of rank two or more.
static FailureOr<Value> multiplyStacks(Node &node, Value lhs, Value rhs, std::optional<Emitter::Signs> signs = {}) {
  Emitter &emit = node.emit;
  Dims a = emit.dims(lhs), b = emit.dims(rhs);
  if (failed(requireSame(node, a.back(), b[b.size() - 2], "the inner dimensions of the product")))
    return failure();
  Dims aBatch(a.begin(), a.end() - 2), bBatch(b.begin(), b.end() - 2);
  OpFoldResult one = emit.dimension(1), rows = a[a.size() - 2], columns = b.back();

  // One right matrix for all: every row of the left stack is a row of one product, and a constant right matrix can be
  // packed while compiling.
  if (llvm::all_of(bBatch, Emitter::isOne)) {
    Dims result = aBatch;
    result.insert(result.begin(), std::max<int64_t>(0, int64_t(bBatch.size()) - int64_t(aBatch.size())), one);
    result.append({rows, columns});
    Value product = multiplyBatches(emit, emit.reshape(lhs, {one, emit.mul(emit.product(aBatch), rows), a.back()}),
                                    emit.reshape(rhs, {one, a.back(), columns}), signs);
    return emit.reshape(product, result);
  }

  Type element = Emitter::elementType(lhs);
  Dims batch = emit.broadcastDims({emit.empty(aBatch, element), emit.empty(bBatch, element)});
  BatchedOperand left = foldBatch(emit, lhs, batch), right = foldBatch(emit, rhs, batch);
  Value product = multiplyBatches(emit, left.tensor, right.tensor, emit.product(batch), left.map, right.map, signs);
  Dims result = batch;
  result.append({rows, columns});
  return emit.reshape(product, result);
}

/// numpy.matmul by `multiply`, which takes operands of rank two or more.
static FailureOr<Value> multiplyRanks(Node &node, Value lhs, Value rhs,
                                      llvm::function_ref<FailureOr<Value>(Value, Value)> multiply) {
  Emitter &emit = node.emit;
  int64_t lhsRank = Emitter::rank(lhs), rhsRank = Emitter::rank(rhs);
  if (lhsRank == 0 || rhsRank == 0)
    return node.refuse("has a scalar operand, expected operands of rank one or more");
  if (lhsRank == 1)
    lhs = emit.expandAxes(lhs, {0});
  if (rhsRank == 1)
    rhs = emit.expandAxes(rhs, {1});
  FailureOr<Value> product = multiply(lhs, rhs);
  if (failed(product))
    return failure();
  SmallVector<int64_t> added;
  int64_t rank = Emitter::rank(*product);
  if (lhsRank == 1)
    added.push_back(rank - 2);
  if (rhsRank == 1)
    added.push_back(rank - 1);
  return added.empty() ? *product : emit.squeezeAxes(*product, added);
}

FailureOr<Value> multiplyMatrices(Node &node, Value lhs, Value rhs) {
  return multiplyRanks(node, lhs, rhs, [&](Value a, Value b) { return multiplyStacks(node, a, b); });
}

Value sumBytes(Emitter &emit, Value bytes, bool isUnsigned, int64_t axis) {
  RankedTensorType type = Emitter::type(bytes);
  ElementsAttr constant = withRawElements(Emitter::constantValue(bytes));
  if (!constant) {
    Type i32 = emit.getI32Type();
    Value wide = emit.castElements(bytes, i32, isUnsigned);
    return emit.reduce(
        wide, axis, /*keepDims=*/true, emit.constant(i32, 0),
        [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddIOp::create(b, loc, v[0], v[1]); });
  }
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> sums(shape);
  sums[axis] = 1;
  int64_t depth = shape[axis], inner = ShapedType::getNumElements(shape.drop_front(axis + 1));
  ArrayRef<char> from = getRawElements(constant);
  return emit.constantTensor(
      makeWeight(RankedTensorType::get(sums, emit.getI32Type()), "sums", [&](MutableArrayRef<char> to) {
        std::memset(to.data(), 0, to.size());
        auto *sum = reinterpret_cast<uint32_t *>(to.data());
        for (int64_t at = 0, size = from.size(); at < size; ++at)
          sum[at / (depth * inner) * inner + at % inner] +=
              isUnsigned ? uint32_t(uint8_t(from[at])) : uint32_t(int32_t(int8_t(from[at])));
      }));
}

Value nonZero(Value zeroPoint) {
  ElementsAttr constant = zeroPoint ? withRawElements(Emitter::constantValue(zeroPoint)) : ElementsAttr();
  bool isZero = constant && llvm::all_of(getRawElements(constant), [](char byte) { return byte == 0; });
  return isZero ? Value() : zeroPoint;
}

FailureOr<Value> multiplyBytes(Node &node, Bytes lhs, Bytes rhs) {
  Emitter &emit = node.emit;
  Type i32 = emit.getI32Type();
  Value leftZero = nonZero(lhs.zeroPoint), rightZero = nonZero(rhs.zeroPoint);
  return multiplyRanks(node, lhs.numbers, rhs.numbers, [&](Value a, Value b) -> FailureOr<Value> {
    FailureOr<Value> product = multiplyStacks(node, a, b, Emitter::Signs{lhs.isUnsigned, rhs.isUnsigned});
    if (failed(product) || (!leftZero && !rightZero))
      return product;
    SmallVector<Value> operands{*product};
    auto add = [&](Value value) { operands.push_back(value); };
    if (leftZero) {
      add(leftZero);
      add(sumBytes(emit, b, rhs.isUnsigned, Emitter::rank(b) - 2));
    }
    if (rightZero) {
      add(rightZero);
      add(sumBytes(emit, a, lhs.isUnsigned, Emitter::rank(a) - 1));
    }
    Value depth =
        leftZero && rightZero
            ? arith::IndexCastOp::create(emit, i32, emit.asValue(emit.dim(a, Emitter::rank(a) - 1))).getResult()
            : Value();
    return emit.elementwise(operands, i32, [&](OpBuilder &inner, Location loc, ValueRange v) -> Value {
      auto times = [&](Value x, Value y) -> Value { return arith::MulIOp::create(inner, loc, x, y); };
      auto minus = [&](Value x, Value y) -> Value { return arith::SubIOp::create(inner, loc, x, y); };
      auto wide = [&](Value x, bool isUnsigned) { return Emitter::convertScalar(inner, loc, x, i32, isUnsigned); };
      Value sum = v[0];
      v = v.drop_front();
      Value left, right;
      if (leftZero) {
        left = wide(v[0], lhs.isUnsigned);
        sum = minus(sum, times(left, v[1]));
        v = v.drop_front(2);
      }
      if (rightZero) {
        right = wide(v[0], rhs.isUnsigned);
        // k za zb joins the sum of the row: one product less for each element.
        sum = minus(sum, times(right, left ? minus(v[1], times(depth, left)) : v[1]));
      }
      return sum;
    });
  });
}

Value subtractZeroPoint(Emitter &emit, Value quantized, bool isUnsigned, Value zeroPoint) {
  Type i32 = emit.getI32Type();
  if (!zeroPoint)
    return emit.castElements(quantized, i32, isUnsigned);
  return emit.elementwise({quantized, zeroPoint}, i32, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value x = Emitter::convertScalar(b, loc, v[0], i32, isUnsigned);
    Value zero = Emitter::convertScalar(b, loc, v[1], i32, isUnsigned);
    return arith::SubIOp::create(b, loc, x, zero);
  });
}

Value requantize(Emitter &emit, Value x, Value scale, Value zeroPoint, Type element, bool isUnsigned) {
  SmallVector<Value> operands{x, scale};
  if (zeroPoint)
    operands.push_back(zeroPoint);
  int64_t bits = element.getIntOrFloatBitWidth();
  double low = isUnsigned ? 0.0 : -std::ldexp(1.0, bits - 1),
         high = std::ldexp(1.0, isUnsigned ? bits : bits - 1) - 1.0;
  return emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Type f32 = b.getF32Type();
    Value value = arith::MulFOp::create(b, loc, arith::SIToFPOp::create(b, loc, f32, v[0]), v[1]);
    value = math::RoundEvenOp::create(b, loc, value);
    if (zeroPoint)
      value = arith::AddFOp::create(b, loc, value, Emitter::convertScalar(b, loc, v[2], f32, isUnsigned));
    auto bound = [&](double limit) -> Value {
      return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(limit)));
    };
    // A number that is none, from scales that are none, is the lowest: one comparison for each bound.
    auto choose = [&](arith::CmpFPredicate predicate, double limit) {
      Value end = bound(limit), holds = arith::CmpFOp::create(b, loc, predicate, value, end);
      value = arith::SelectOp::create(b, loc, holds, value, end);
    };
    choose(arith::CmpFPredicate::OGT, low);
    choose(arith::CmpFPredicate::OLT, high);
    return arith::TruncIOp::create(b, loc, element, arith::FPToSIOp::create(b, loc, b.getI32Type(), value));
  });
}

} // namespace mlir::ac
