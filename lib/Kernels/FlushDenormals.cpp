//===- FlushDenormals.cpp - Weights below the normal numbers become zero --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Filters that training has switched off end as numbers below 2^-126, and processors that compute with those in
// microcode take a hundred times as long for a product. Only constant weights are changed: what a run computes keeps
// its denormals.
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "Support/Weights.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FLUSHDENORMALS
#include "Kernels/Passes.h.inc"

namespace {

template <typename Bits, Bits exponent> ElementsAttr flush(ElementsAttr value) {
  ArrayRef<char> from = getRawElements(value);
  auto isDenormal = [&](size_t at) {
    Bits bits;
    std::memcpy(&bits, from.data() + at, sizeof(Bits));
    return (bits & exponent) == 0 && static_cast<Bits>(bits << 1) != 0;
  };
  bool found = false;
  for (size_t at = 0; at < from.size() && !found; at += sizeof(Bits))
    found = isDenormal(at);
  if (!found)
    return {};
  return makeWeight(cast<RankedTensorType>(value.getType()), "flushed", [&](MutableArrayRef<char> to) {
    for (size_t at = 0; at < from.size(); at += sizeof(Bits)) {
      if (isDenormal(at))
        std::memset(to.data() + at, 0, sizeof(Bits));
      else
        std::memcpy(to.data() + at, from.data() + at, sizeof(Bits));
    }
  });
}

struct FlushDenormals : impl::FlushDenormalsBase<FlushDenormals> {
  void runOnOperation() override {
    DenseMap<std::pair<Operation *, Attribute>, Value> done;
    getOperation().walk([&](ContractOp op) {
      for (OpOperand *operand : {&op.getLhsMutable(), &op.getRhsMutable()}) {
        arith::ConstantOp constant = constantBehind(operand->get());
        auto type = dyn_cast<RankedTensorType>(operand->get().getType());
        if (!constant || !type || !type.hasStaticShape() || type.getNumElements() == 0)
          continue;
        ElementsAttr value = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
        if (!value || !hasRawElements(value))
          continue;
        auto function = op->getParentOfType<FunctionOpInterface>();
        auto [entry, isNew] = done.try_emplace({function, value});
        if (isNew) {
          ElementsAttr flushed;
          if (type.getElementType().isF32())
            flushed = flush<uint32_t, 0x7f800000>(value);
          else if (type.getElementType().isF64())
            flushed = flush<uint64_t, 0x7ff0000000000000>(value);
          if (flushed) {
            auto b = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
            entry->second = arith::ConstantOp::create(b, constant.getLoc(), cast<TypedAttr>(flushed));
          }
        }
        if (entry->second)
          operand->set(entry->second);
      }
    });
  }
};

} // namespace
} // namespace mlir::ac
