//===- EmitterReshape.cpp - Reshapes that later passes see through --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Emitter.h"

using namespace mlir;
using namespace mlir::ac;

Value Emitter::reshape(Value tensor, ArrayRef<OpFoldResult> wanted) {
  Dims own = dims(tensor);
  if (same(own, wanted))
    return castToDims(tensor, wanted);
  Type element = elementType(tensor);
  RankedTensorType target = tensorType(wanted, element);
  if (isElementwiseKnown(tensor) && target.hasStaticShape() &&
      target.getNumElements() == type(tensor).getNumElements()) {
    if (auto constant = dyn_cast_if_present<DenseElementsAttr>(constantValue(tensor)))
      return constantTensor(cast<ElementsAttr>(Attribute(constant.reshape(target))));
    return fromElements(target.getShape(), element, elements(tensor));
  }
  OpFoldResult have = product(own), need = product(wanted);
  if (!same(have, need) && !same(quotient(own, wanted), getIndexAttr(1))) {
    Value agree = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, asValue(have), asValue(need));
    require(agree, "a reshape changes the number of elements");
  }
  // Where nothing is, nothing is moved; MLIR does not merge an empty dimension with one of unknown size.
  auto isZero = [](OpFoldResult size) { return getConstantIntValue(size) == 0; };
  if (llvm::any_of(own, isZero) || llvm::any_of(wanted, isZero))
    return empty(wanted, element);
  Value result = reshapeByGroups(tensor, own, wanted);
  return result ? result : reshapeFlat(tensor, own, wanted);
}

/// The constant and the symbolic factors of a product of sizes, products of sizes taken apart.
static int64_t factorize(ArrayRef<OpFoldResult> sizes, SmallVectorImpl<Value> &symbols) {
  int64_t constant = 1;
  SmallVector<OpFoldResult> work(sizes.begin(), sizes.end());
  while (!work.empty()) {
    OpFoldResult size = work.pop_back_val();
    if (auto value = getConstantIntValue(size)) {
      constant *= *value;
    } else if (auto op = cast<Value>(size).getDefiningOp<arith::MulIOp>()) {
      work.push_back(op.getLhs());
      work.push_back(op.getRhs());
    } else {
      symbols.push_back(cast<Value>(size));
    }
  }
  return constant;
}

/// Whether every factor of `part` is one of `whole`, each used once: then `part` divides `whole`.
static bool divides(ArrayRef<OpFoldResult> part, ArrayRef<OpFoldResult> whole) {
  SmallVector<Value> left, needed;
  int64_t wholeConstant = factorize(whole, left), partConstant = factorize(part, needed);
  for (Value symbol : needed) {
    auto found = llvm::find(left, symbol);
    if (found == left.end())
      return false;
    left.erase(found);
  }
  return partConstant != 0 && wholeConstant % partConstant == 0;
}

/// A reshape as merges and splits of neighbouring dimensions, where the two shapes are proven to fall into groups with
/// the same product; null otherwise. Later passes see through such a reshape, but not through one dimension.
Value Emitter::reshapeByGroups(Value tensor, ArrayRef<OpFoldResult> own, ArrayRef<OpFoldResult> wanted) {
  if (own.empty() || wanted.empty())
    return {};
  SmallVector<ReassociationIndices> from, to;
  size_t i = 0, j = 0;
  while (i < own.size() && j < wanted.size()) {
    size_t firstOwn = i++, firstWanted = j++;
    while (true) {
      ArrayRef<OpFoldResult> a = own.slice(firstOwn, i - firstOwn), b = wanted.slice(firstWanted, j - firstWanted);
      bool aDivides = divides(a, b), bDivides = divides(b, a);
      if (aDivides && bDivides)
        break;
      if (bDivides && j < wanted.size())
        ++j;
      else if (aDivides && i < own.size())
        ++i;
      else
        return {};
    }
    from.push_back(llvm::to_vector(llvm::seq<int64_t>(firstOwn, i)));
    to.push_back(llvm::to_vector(llvm::seq<int64_t>(firstWanted, j)));
  }
  // What is left over has size one.
  for (; i < own.size(); ++i) {
    if (!isOne(own[i]))
      return {};
    from.back().push_back(i);
  }
  for (; j < wanted.size(); ++j) {
    if (!isOne(wanted[j]))
      return {};
    to.back().push_back(j);
  }
  Type element = elementType(tensor);
  Dims merged;
  SmallVector<int64_t> mergedShape, splitShape;
  bool merges = false, splits = false;
  for (auto [source, target] : llvm::zip(from, to)) {
    merges |= source.size() > 1;
    splits |= target.size() > 1;
    auto sizeOf = [](ArrayRef<OpFoldResult> dims, ArrayRef<int64_t> indices) {
      int64_t size = 1;
      for (int64_t index : indices) {
        auto constant = getConstantIntValue(dims[index]);
        if (!constant)
          return ShapedType::kDynamic;
        size *= *constant;
      }
      return size;
    };
    mergedShape.push_back(sizeOf(own, source));
    splitShape.push_back(sizeOf(wanted, target));
  }
  Value result = castToDims(tensor, own);
  if (merges)
    result = tensor::CollapseShapeOp::create(*this, RankedTensorType::get(mergedShape, element), result, from);
  auto splitType = RankedTensorType::get(splitShape, element);
  if (result.getType() != splitType)
    result = tensor::CastOp::create(*this, splitType, result);
  if (splits)
    result = tensor::ExpandShapeOp::create(*this, tensorType(wanted, element), result, to, wanted);
  return withDims(result, wanted);
}

/// Any reshape, through one dimension.
Value Emitter::reshapeFlat(Value tensor, ArrayRef<OpFoldResult> own, ArrayRef<OpFoldResult> wanted) {
  Type element = elementType(tensor);
  RankedTensorType target = tensorType(wanted, element);
  Value flat = tensor;
  if (own.size() != 1) {
    if (own.empty()) {
      flat = tensor::ExpandShapeOp::create(*this, RankedTensorType::get({1}, element), tensor,
                                           ArrayRef<ReassociationIndices>{});
    } else {
      ReassociationIndices all = llvm::to_vector(llvm::seq<int64_t>(0, own.size()));
      RankedTensorType flatType = type(tensor).hasStaticShape()
                                      ? RankedTensorType::get({type(tensor).getNumElements()}, element)
                                      : RankedTensorType::get({ShapedType::kDynamic}, element);
      flat = tensor::CollapseShapeOp::create(*this, flatType, tensor, ArrayRef<ReassociationIndices>{all});
    }
  }
  if (wanted.empty()) {
    if (!type(flat).hasStaticShape())
      flat = tensor::CastOp::create(*this, RankedTensorType::get({1}, element), flat);
    return withDims(tensor::CollapseShapeOp::create(*this, target, flat, ArrayRef<ReassociationIndices>{}), wanted);
  }
  // The flat size is static exactly if the target's is.
  bool staticTarget = target.hasStaticShape();
  if (staticTarget != type(flat).hasStaticShape())
    flat = tensor::CastOp::create(
        *this, RankedTensorType::get({staticTarget ? target.getNumElements() : ShapedType::kDynamic}, element), flat);
  if (wanted.size() == 1)
    return withDims(flat, wanted);
  ReassociationIndices all = llvm::to_vector(llvm::seq<int64_t>(0, wanted.size()));
  Value result = tensor::ExpandShapeOp::create(*this, target, flat, ArrayRef<ReassociationIndices>{all},
                                               ArrayRef<OpFoldResult>(wanted));
  return withDims(result, wanted);
}
