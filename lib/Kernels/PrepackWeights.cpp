//===- PrepackWeights.cpp - Constant matrices in panels -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include "Support/Weights.h"

namespace mlir::ac {
#define GEN_PASS_DEF_PREPACKWEIGHTS
#include "Kernels/Passes.h.inc"

namespace {

/// [b, k, n] to [b, panels, k, lanes], the columns past n being zero. Elements are moved as bytes.
ElementsAttr pack(ElementsAttr value, int64_t lanes) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t batches = type.getDimSize(0), depth = type.getDimSize(1), columns = type.getDimSize(2);
  int64_t panels = llvm::divideCeil(columns, lanes);
  size_t size = type.getElementTypeBitWidth() / 8;
  auto packedType = RankedTensorType::get({batches, panels, depth, lanes}, type.getElementType());
  ArrayRef<char> from = getRawElements(value);
  return makeWeight(packedType, "packed", [&](MutableArrayRef<char> to) {
    std::memset(to.data(), 0, to.size());
    for (int64_t batch = 0; batch < batches; ++batch)
      for (int64_t panel = 0; panel < panels; ++panel) {
        int64_t width = std::min(lanes, columns - panel * lanes);
        for (int64_t k = 0; k < depth; ++k)
          std::memcpy(to.data() + ((batch * panels + panel) * depth + k) * lanes * size,
                      from.data() + ((batch * depth + k) * columns + panel * lanes) * size, width * size);
      }
  });
}

struct PrepackWeights : impl::PrepackWeightsBase<PrepackWeights> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    DenseMap<std::pair<Operation *, Attribute>, Value> done;
    getOperation().walk([&](ContractOp op) {
      if (op.getPacked() || op.getRhsOrder())
        return;
      // Constants arrive through reshapes that add the batch dimension.
      Value source = op.getRhs();
      while (auto *view = source.getDefiningOp()) {
        if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(view))
          break;
        source = view->getOperand(0);
      }
      auto constant = source.getDefiningOp<arith::ConstantOp>();
      auto type = cast<RankedTensorType>(op.getRhs().getType());
      if (!constant || !type.hasStaticShape() || type.getNumElements() == 0)
        return;
      ElementsAttr value = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
      if (!value || !hasRawElements(value))
        return;
      OpBuilder b(op);
      // Equal weights are packed once for each function that uses them.
      auto function = op->getParentOfType<FunctionOpInterface>();
      Value &packed = done[{function, value}];
      if (!packed) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(&function.getFunctionBody().front());
        packed = arith::ConstantOp::create(b, constant.getLoc(),
                                           cast<TypedAttr>(pack(value, target.panel(type.getElementType()))));
      }
      op.getRhsMutable().assign(packed);
      op.setPacked(true);
    });
  }
};

} // namespace
} // namespace mlir::ac
