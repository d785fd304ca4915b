//===- EmitterTensors.cpp - The emitter's operations on tensors -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Emitter.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

Value Emitter::empty(ArrayRef<OpFoldResult> dims, Type element) {
  return withDims(tensor::EmptyOp::create(*this, dims, element), dims);
}

Value Emitter::fill(ArrayRef<OpFoldResult> dims, Value scalar) {
  RankedTensorType result = tensorType(dims, scalar.getType());
  Attribute constant;
  if (result.hasStaticShape() && result.getNumElements() <= 64 && matchPattern(scalar, m_Constant(&constant)))
    return constantTensor(cast<ElementsAttr>(Attribute(DenseElementsAttr::get(result, constant))));
  Value init = empty(dims, scalar.getType());
  return withDims(linalg::FillOp::create(*this, scalar, init).getResult(0), dims);
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

Dims Emitter::broadcastDims(ValueRange tensors) {
  int64_t resultRank = 0;
  for (Value tensor : tensors)
    resultRank = std::max(resultRank, rank(tensor));
  Dims result(resultRank, getIndexAttr(1));
  for (Value tensor : tensors) {
    Dims own = dims(tensor);
    int64_t lead = resultRank - own.size();
    for (auto [axis, size] : llvm::enumerate(own)) {
      OpFoldResult &current = result[lead + axis];
      if (isOne(size) || same(size, current))
        continue;
      if (isOne(current)) {
        current = size;
        continue;
      }
      bool constantSize = getConstantIntValue(size).has_value(), constantCurrent = getConstantIntValue(current).has_value();
      // A static size that is not one wins: the other is one or the same, which the run checks.
      if (constantSize) {
        current = size;
      } else if (!constantCurrent) {
        Value a = asValue(current), b = asValue(size), one = constantIndex(1);
        Value aIsOne = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, a, one);
        current = memo("broadcast", current, size, [&](Value, Value) {
          return arith::SelectOp::create(*this, aIsOne, b, a).getResult();
        });
      }
    }
  }
  // Whatever is not proven to be one or the result's size is checked at run time.
  for (Value tensor : tensors) {
    Dims own = dims(tensor);
    int64_t lead = resultRank - own.size();
    for (auto [axis, size] : llvm::enumerate(own)) {
      if (isOne(size) || same(size, result[lead + axis]))
        continue;
      Value s = asValue(size);
      Value fits = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, s, asValue(result[lead + axis]));
      Value isOneValue = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, s, constantIndex(1));
      require(arith::OrIOp::create(*this, fits, isOneValue), "shapes do not broadcast together");
    }
  }
  return result;
}

/// Runs `body` for every element of small, elementwise known tensors, folding as it goes.
Value Emitter::scalarElementwise(ValueRange tensors, ArrayRef<int64_t> shape, Type resultElement, ScalarBody body) {
  SmallVector<SmallVector<Value>> operands;
  for (Value tensor : tensors)
    operands.push_back(elements(tensor));
  int64_t count = ShapedType::getNumElements(shape);
  SmallVector<Value> results;
  for (int64_t linear = 0; linear < count; ++linear) {
    SmallVector<int64_t> index(shape.size());
    int64_t rest = linear;
    for (int64_t axis = shape.size() - 1; axis >= 0; --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    SmallVector<Value> scalars;
    for (auto [tensor, values] : llvm::zip(tensors, operands)) {
      ArrayRef<int64_t> own = type(tensor).getShape();
      int64_t lead = shape.size() - own.size(), position = 0;
      for (auto [axis, size] : llvm::enumerate(own))
        position = position * size + (size == 1 ? 0 : index[lead + axis]);
      scalars.push_back(values[position]);
    }
    // The body creates operations without folding; fold those it made.
    Block *block = getInsertionBlock();
    bool atStart = getInsertionPoint() == block->begin();
    Operation *before = atStart ? nullptr : &*std::prev(getInsertionPoint());
    Value result = body(*this, getLoc(), scalars);
    auto it = before ? std::next(Block::iterator(before)) : block->begin();
    auto end = getInsertionPoint();
    while (it != end) {
      Operation &op = *it++;
      SmallVector<Value> folded;
      if (op.getNumResults() != 1 || op.getNumRegions() != 0 || op.hasTrait<OpTrait::ConstantLike>())
        continue;
      OpBuilder::InsertionGuard guard(*this);
      setInsertionPoint(&op);
      if (failed(tryFold(&op, folded)) || folded.empty())
        continue;
      if (result == op.getResult(0))
        result = folded[0];
      op.getResult(0).replaceAllUsesWith(folded[0]);
      op.erase();
    }
    results.push_back(result);
  }
  return fromElements(shape, resultElement, results);
}

Value Emitter::elementwise(ValueRange tensors, Type resultElement, ScalarBody body) {
  Dims result = broadcastDims(tensors);
  RankedTensorType resultType = tensorType(result, resultElement);
  if (resultType.hasStaticShape() && resultType.getNumElements() <= 64 &&
      llvm::all_of(tensors, [](Value tensor) { return isElementwiseKnown(tensor); }))
    return scalarElementwise(tensors, resultType.getShape(), resultElement, body);

  // An operand is read by an affine map where each dimension is proven to be one or the result's; otherwise by a
  // computed index. Scalars (one known element) are captured.
  int64_t resultRank = result.size();
  SmallVector<Value> mapped;
  SmallVector<AffineMap> maps;
  SmallVector<int64_t> slot(tensors.size(), -1);
  SmallVector<Value> captured(tensors.size());
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Dims own = dims(tensor);
    int64_t lead = resultRank - own.size();
    bool single = type(tensor).hasStaticShape() && type(tensor).getNumElements() == 1;
    if (single && isElementwiseKnown(tensor)) {
      captured[i] = elements(tensor)[0];
      continue;
    }
    if (auto dense = dyn_cast_if_present<DenseElementsAttr>(constantValue(tensor)); dense && dense.isSplat()) {
      captured[i] = arith::ConstantOp::create(*this, cast<TypedAttr>(dense.getSplatValue<Attribute>()));
      continue;
    }
    // Dimensions that are repeated are dropped, so that what is left is a choice of loops, which can be merged.
    SmallVector<AffineExpr> exprs;
    SmallVector<int64_t> repeated;
    bool proven = true;
    for (auto [axis, size] : llvm::enumerate(own)) {
      proven &= isOne(size) || same(size, result[lead + axis]);
      if (isOne(size) && !isOne(result[lead + axis]))
        repeated.push_back(axis);
      else
        exprs.push_back(getAffineDimExpr(lead + axis));
    }
    if (!proven)
      continue;
    slot[i] = mapped.size();
    mapped.push_back(repeated.empty() ? tensor : squeezeAxes(tensor, repeated));
    maps.push_back(AffineMap::get(resultRank, 0, exprs, getContext()));
  }
  // Precompute "has size one" for the dimensions that decide an index.
  SmallVector<SmallVector<Value>> isOneValue(tensors.size());
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    if (slot[i] >= 0 || captured[i])
      continue;
    for (OpFoldResult size : dims(tensor))
      isOneValue[i].push_back(
          arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, asValue(size), constantIndex(1)));
  }
  Value zero = constantIndex(0);
  SmallVector<utils::IteratorType> iterators(resultRank, utils::IteratorType::parallel);
  Value init = empty(result, resultElement);
  Value value = generic(mapped, maps, init, getMultiDimIdentityMap(resultRank), iterators,
                        [&](OpBuilder &b, Location loc, ValueRange scalars) {
                          SmallVector<Value> operands;
                          for (auto [i, tensor] : llvm::enumerate(tensors)) {
                            if (captured[i]) {
                              operands.push_back(captured[i]);
                            } else if (slot[i] >= 0) {
                              operands.push_back(scalars[slot[i]]);
                            } else {
                              SmallVector<Value> indices;
                              int64_t lead = resultRank - rank(tensor);
                              for (int64_t axis = 0; axis < rank(tensor); ++axis) {
                                Value index = linalg::IndexOp::create(b, loc, lead + axis);
                                indices.push_back(
                                    arith::SelectOp::create(b, loc, isOneValue[i][axis], zero, index));
                              }
                              operands.push_back(tensor::ExtractOp::create(b, loc, tensor, indices));
                            }
                          }
                          return body(b, loc, operands);
                        });
  return withDims(value, result);
}

Value Emitter::tabulate(ArrayRef<OpFoldResult> dims, Type element, IndexBody body) {
  Value init = empty(dims, element);
  SmallVector<utils::IteratorType> iterators(dims.size(), utils::IteratorType::parallel);
  Value value = generic({}, {}, init, getMultiDimIdentityMap(dims.size()), iterators,
                        [&](OpBuilder &b, Location loc, ValueRange) {
                          SmallVector<Value> indices;
                          for (size_t axis = 0; axis < dims.size(); ++axis)
                            indices.push_back(linalg::IndexOp::create(b, loc, axis));
                          return body(b, loc, indices);
                        });
  return withDims(value, dims);
}

Value Emitter::generic(ValueRange tensors, ArrayRef<AffineMap> maps, Value init, AffineMap initMap,
                       ArrayRef<utils::IteratorType> iterators, ScalarBody body) {
  SmallVector<AffineMap> allMaps(maps.begin(), maps.end());
  allMaps.push_back(initMap);
  Dims resultDims = dims(init);
  auto op = linalg::GenericOp::create(*this, TypeRange{init.getType()}, tensors, ValueRange{init}, allMaps, iterators,
                                      [&](OpBuilder &b, Location loc, ValueRange scalars) {
                                        linalg::YieldOp::create(b, loc, body(b, loc, scalars));
                                      });
  return withDims(op.getResult(0), resultDims);
}

Value Emitter::reduce(Value tensor, ArrayRef<int64_t> axes, bool keepDims, Value start, ScalarBody body) {
  Dims own = dims(tensor), kept, result;
  SmallVector<AffineExpr> exprs;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t axis = 0, e = own.size(); axis < e; ++axis) {
    bool reduced = llvm::is_contained(axes, axis);
    iterators.push_back(reduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (!reduced) {
      kept.push_back(own[axis]);
      exprs.push_back(getAffineDimExpr(axis));
    }
    if (!reduced || keepDims)
      result.push_back(reduced ? OpFoldResult(getIndexAttr(1)) : own[axis]);
  }
  Value init = empty(kept, start.getType());
  init = withDims(linalg::FillOp::create(*this, start, init).getResult(0), kept);
  Value value = generic(tensor, getMultiDimIdentityMap(own.size()), init,
                        AffineMap::get(own.size(), 0, exprs, getContext()), iterators, body);
  return keepDims ? reshape(value, result) : value;
}

//===----------------------------------------------------------------------===//
// Shapes and moves
//===----------------------------------------------------------------------===//

Value Emitter::transpose(Value tensor, ArrayRef<int64_t> permutation) {
  Dims own = dims(tensor), result;
  bool identity = true;
  for (auto [i, axis] : llvm::enumerate(permutation)) {
    result.push_back(own[axis]);
    identity &= static_cast<int64_t>(i) == axis;
  }
  if (identity)
    return tensor;
  // Moving only dimensions of size one is a reshape.
  SmallVector<int64_t> moved;
  for (int64_t axis : permutation)
    if (!isOne(own[axis]))
      moved.push_back(axis);
  if (llvm::is_sorted(moved))
    return reshape(tensor, result);
  Value init = empty(result, elementType(tensor));
  return withDims(linalg::TransposeOp::create(*this, tensor, init, permutation)->getResult(0), result);
}

Value Emitter::broadcastTo(Value tensor, ArrayRef<OpFoldResult> wanted) {
  Dims own = dims(tensor);
  if (same(own, wanted))
    return tensor;
  if (isElementwiseKnown(tensor)) {
    RankedTensorType target = tensorType(wanted, elementType(tensor));
    if (target.hasStaticShape() && target.getNumElements() <= 64) {
      Value shape = empty(wanted, elementType(tensor));
      SmallVector<Value> values = elements(tensor), picked;
      for (int64_t linear = 0; linear < target.getNumElements(); ++linear) {
        int64_t rest = linear, position = 0, stride = 1;
        for (int64_t axis = target.getRank() - 1; axis >= 0; --axis) {
          int64_t index = rest % target.getDimSize(axis);
          rest /= target.getDimSize(axis);
          int64_t ownAxis = axis - (target.getRank() - rank(tensor));
          if (ownAxis < 0)
            continue;
          int64_t size = type(tensor).getDimSize(ownAxis);
          position += (size == 1 ? 0 : index) * stride;
          stride *= size;
        }
        picked.push_back(values[position]);
      }
      shape.getDefiningOp()->erase();
      return fromElements(target.getShape(), elementType(tensor), picked);
    }
  }
  // Broadcast against a shape that owns no data: an unused operand of the wanted dimensions.
  int64_t lead = wanted.size() - own.size();
  SmallVector<AffineExpr> exprs;
  SmallVector<Value> ones(own.size());
  bool proven = true;
  for (auto [axis, size] : llvm::enumerate(own)) {
    bool one = isOne(size) && !isOne(wanted[lead + axis]);
    exprs.push_back(one ? getAffineConstantExpr(0) : getAffineDimExpr(lead + axis));
    if (isOne(size) || same(size, wanted[lead + axis]))
      continue;
    proven = false;
    Value s = asValue(size);
    ones[axis] = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, s, constantIndex(1));
    Value fits = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, s, asValue(wanted[lead + axis]));
    require(arith::OrIOp::create(*this, ones[axis], fits), "a shape does not broadcast to the one asked for");
  }
  if (!proven) {
    Value zero = constantIndex(0);
    return tabulate(wanted, elementType(tensor), [&](OpBuilder &b, Location loc, ValueRange indices) {
      SmallVector<Value> position;
      for (size_t axis = 0; axis < own.size(); ++axis) {
        Value index = indices[lead + axis];
        if (isOne(own[axis]))
          index = zero;
        else if (ones[axis])
          index = arith::SelectOp::create(b, loc, ones[axis], zero, index);
        position.push_back(index);
      }
      return tensor::ExtractOp::create(b, loc, tensor, position).getResult();
    });
  }
  Value init = empty(wanted, elementType(tensor));
  SmallVector<utils::IteratorType> iterators(wanted.size(), utils::IteratorType::parallel);
  return withDims(generic(tensor, AffineMap::get(wanted.size(), 0, exprs, getContext()), init,
                          getMultiDimIdentityMap(wanted.size()), iterators,
                          [](OpBuilder &, Location, ValueRange scalars) { return scalars[0]; }),
                  wanted);
}

Value Emitter::slice(Value tensor, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
                     ArrayRef<OpFoldResult> strides) {
  // A slice may not begin at the end of a dimension, not even one of nothing.
  for (auto [whole, offset, size] : llvm::zip_equal(type(tensor).getShape(), offsets, sizes))
    if (getConstantIntValue(size) == 0 ||
        (!ShapedType::isDynamic(whole) && getConstantIntValue(offset).value_or(-1) >= whole))
      return empty(sizes, elementType(tensor));
  auto result = RankedTensorType::get(tensorType(sizes, elementType(tensor)).getShape(), elementType(tensor));
  // Values that are constants go in as attributes, so that the result type and the op agree.
  auto fold = [&](ArrayRef<OpFoldResult> values) {
    Dims folded;
    for (OpFoldResult value : values) {
      auto constant = getConstantIntValue(value);
      folded.push_back(constant ? OpFoldResult(getIndexAttr(*constant)) : value);
    }
    return folded;
  };
  return withDims(tensor::ExtractSliceOp::create(*this, result, tensor, fold(offsets), fold(sizes), fold(strides)),
                  sizes);
}

Value Emitter::slice(Value tensor, int64_t axis, OpFoldResult begin, OpFoldResult size) {
  Dims sizes = dims(tensor), offsets(sizes.size(), getIndexAttr(0)), strides(sizes.size(), getIndexAttr(1));
  offsets[axis] = begin;
  sizes[axis] = size;
  return slice(tensor, offsets, sizes, strides);
}

Value Emitter::insert(Value part, Value whole, ArrayRef<OpFoldResult> offsets) {
  // Nothing to write, and upstream refuses to write it at the end of a dimension.
  if (llvm::any_of(dims(part), [](OpFoldResult size) { return getConstantIntValue(size) == 0; }))
    return whole;
  Dims strides(offsets.size(), getIndexAttr(1));
  return withDims(tensor::InsertSliceOp::create(*this, part, whole, offsets, dims(part), strides), dims(whole));
}

Value Emitter::concat(ValueRange tensors, int64_t axis) {
  if (tensors.size() == 1)
    return tensors[0];
  Dims result = dims(tensors[0]);
  for (Value tensor : tensors.drop_front()) {
    Dims own = dims(tensor);
    for (size_t i = 0; i < own.size(); ++i) {
      if (static_cast<int64_t>(i) == axis)
        result[i] = add(result[i], own[i]);
      else if (!same(result[i], own[i])) {
        Value agree = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, asValue(result[i]), asValue(own[i]));
        require(agree, "sizes of concatenated tensors differ");
        if (getConstantIntValue(own[i]))
          result[i] = own[i];
      }
    }
  }
  Value whole = empty(result, elementType(tensors[0]));
  Dims offsets(result.size(), getIndexAttr(0));
  for (Value tensor : tensors) {
    Dims own = dims(tensor), sizes = result;
    sizes[axis] = own[axis];
    whole = insert(castToDims(tensor, sizes), whole, offsets);
    offsets[axis] = add(offsets[axis], own[axis]);
  }
  return withDims(whole, result);
}

Value Emitter::pad(Value tensor, ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high, Value scalar) {
  Dims own = dims(tensor), result;
  bool nothing = true;
  for (auto [size, l, h] : llvm::zip(own, low, high)) {
    result.push_back(add(add(size, l), h));
    nothing &= same(l, getIndexAttr(0)) && same(h, getIndexAttr(0));
  }
  if (nothing)
    return tensor;
  Value init = empty(result, elementType(tensor));
  Value whole = withDims(linalg::FillOp::create(*this, scalar, init).getResult(0), result);
  return insert(tensor, whole, low);
}

Value Emitter::castElements(Value tensor, Type to, bool fromUnsigned, bool toUnsigned) {
  if (elementType(tensor) == to)
    return tensor;
  return elementwise(tensor, to, [&](OpBuilder &b, Location loc, ValueRange scalars) {
    return convertScalar(b, loc, scalars[0], to, fromUnsigned, toUnsigned);
  });
}

Value Emitter::expandAxes(Value tensor, ArrayRef<int64_t> axes) {
  Dims own = dims(tensor), result;
  size_t next = 0;
  for (size_t axis = 0; axis < own.size() + axes.size(); ++axis)
    result.push_back(llvm::is_contained(axes, static_cast<int64_t>(axis)) ? OpFoldResult(getIndexAttr(1))
                                                                            : own[next++]);
  return reshape(tensor, result);
}

Value Emitter::squeezeAxes(Value tensor, ArrayRef<int64_t> axes) {
  Dims own = dims(tensor), result;
  for (size_t axis = 0; axis < own.size(); ++axis)
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      result.push_back(own[axis]);
  return reshape(tensor, result);
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

Value Emitter::contract(Value lhs, Value rhs, OpFoldResult batch, AffineMap lhsBatch, AffineMap rhsBatch, Signs signs) {
  Dims a = dims(lhs), b = dims(rhs);
  if (!same(a[2], b[1])) {
    Value agree = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, asValue(a[2]), asValue(b[1]));
    require(agree, "inner dimensions of a matrix product differ");
  }
  Dims result{batch, a[1], b[2]};
  Type element = elementType(lhs);
  bool isWhole = isa<IntegerType>(element);
  Type sum = isWhole ? getI32Type() : element.getIntOrFloatBitWidth() < 32 ? getF32Type() : element;
  auto op = ContractOp::create(*this, lhs, rhs, empty(result, sum), lhsBatch, rhsBatch);
  op.setLhsUnsigned(isWhole && signs.lhsUnsigned);
  op.setRhsUnsigned(isWhole && signs.rhsUnsigned);
  return withDims(op.getResult(0), result);
}

Value Emitter::contractLines(Value lhs, Value lines, Value starts, ArrayRef<OpFoldResult> result, AffineMap rhsBatch,
                             Signs signs) {
  bool isWhole = isa<IntegerType>(elementType(lhs));
  Value init = empty(result, isWhole ? getI32Type() : elementType(lhs));
  AffineMap first = AffineMap::get(1, 0, getAffineConstantExpr(0), getContext());
  auto op = ContractOp::create(*this, lhs, lines, init, first, rhsBatch);
  op.getRhsStartsMutable().assign(starts);
  op.setLhsUnsigned(isWhole && signs.lhsUnsigned);
  op.setRhsUnsigned(isWhole && signs.rhsUnsigned);
  if (result.size() == 4)
    op.setOutOrder(ArrayRef<int64_t>{3, 1, 0, 2});
  return withDims(op.getResult(0), result);
}

Value Emitter::contract(Value lhs, Value rhs) {
  OpFoldResult a = dim(lhs, 0), b = dim(rhs, 0);
  AffineMap each = getMultiDimIdentityMap(1);
  AffineMap first = AffineMap::get(1, 0, getAffineConstantExpr(0), getContext());
  if (same(a, b))
    return contract(lhs, rhs, a, each, each);
  if (isOne(a))
    return contract(lhs, rhs, b, first, each);
  if (isOne(b))
    return contract(lhs, rhs, a, each, first);
  Value agree = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, asValue(a), asValue(b));
  require(agree, "batch sizes of a matrix product differ");
  return contract(lhs, rhs, a, each, each);
}
