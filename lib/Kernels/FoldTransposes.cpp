//===- FoldTransposes.cpp - Transpose weights while compiling -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "Support/Weights.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FOLDTRANSPOSES
#include "Kernels/Passes.h.inc"

namespace {

/// `result.dims[i] = value.dims[permutation[i]]`, elements moved as bytes.
ElementsAttr transpose(ElementsAttr value, RankedTensorType resultType, ArrayRef<int64_t> permutation) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t rank = type.getRank();
  size_t size = type.getElementTypeBitWidth() / 8;
  SmallVector<int64_t> stride(rank, size), step(rank);
  for (int64_t i = rank - 2; i >= 0; --i)
    stride[i] = stride[i + 1] * type.getDimSize(i + 1);
  for (int64_t i = 0; i < rank; ++i)
    step[i] = stride[permutation[i]];
  ArrayRef<char> from = getRawElements(value);
  return makeWeight(resultType, "transposed", [&](MutableArrayRef<char> to) {
    SmallVector<int64_t> index(rank, 0);
    const char *source = from.data();
    for (char *target = to.data(), *end = target + to.size(); target != end; target += size) {
      std::memcpy(target, source, size);
      for (int64_t i = rank - 1; i >= 0; --i) {
        source += step[i];
        if (++index[i] < resultType.getDimSize(i))
          break;
        source -= step[i] * resultType.getDimSize(i);
        index[i] = 0;
      }
    }
  });
}

struct FoldTransposes : impl::FoldTransposesBase<FoldTransposes> {
  void runOnOperation() override {
    getOperation().walk([&](linalg::TransposeOp op) {
      if (!op.hasPureTensorSemantics())
        return;
      Value source = op.getInput();
      while (auto *view = source.getDefiningOp()) {
        if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(view))
          break;
        source = view->getOperand(0);
      }
      auto constant = source.getDefiningOp<arith::ConstantOp>();
      auto type = cast<RankedTensorType>(op.getInput().getType()),
           resultType = cast<RankedTensorType>(op->getResult(0).getType());
      if (!constant || !type.hasStaticShape() || !resultType.hasStaticShape() || type.getNumElements() == 0)
        return;
      OpBuilder b(op);
      ElementsAttr folded;
      ElementsAttr value = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
      if (auto splat = dyn_cast_if_present<SplatElementsAttr>(value))
        folded = splat.resizeSplat(resultType);
      else if (value && hasRawElements(value))
        folded = transpose(value, resultType, op.getPermutation());
      else
        return;
      op->getResult(0).replaceAllUsesWith(
          arith::ConstantOp::create(b, op.getLoc(), cast<TypedAttr>(folded)).getResult());
      op.erase();
    });
  }
};

} // namespace
} // namespace mlir::ac
