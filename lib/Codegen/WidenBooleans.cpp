//===- WidenBooleans.cpp - Booleans in memory as bytes --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_WIDENBOOLEANS
#include "Codegen/Passes.h.inc"

namespace {

bool isBoolean(Type type) { return getElementTypeOrSelf(type).isInteger(1); }

/// The type of bytes with as many elements.
Type widen(Type type) {
  Type byte = IntegerType::get(type.getContext(), 8);
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(byte)) : byte;
}

/// Gives an operation that loads booleans the type of bytes, and its users booleans again.
void widenResult(OpBuilder &b, Operation *load) {
  Value value = load->getResult(0);
  value.setType(widen(value.getType()));
  b.setInsertionPointAfter(load);
  Value zero = LLVM::ConstantOp::create(b, load->getLoc(), value.getType(), b.getZeroAttr(value.getType()));
  auto isSet = LLVM::ICmpOp::create(b, load->getLoc(), LLVM::ICmpPredicate::ne, value, zero);
  value.replaceAllUsesExcept(isSet, isSet);
}

void widenOperand(OpBuilder &b, OpOperand &operand) {
  Value value = operand.get();
  operand.set(LLVM::ZExtOp::create(b, operand.getOwner()->getLoc(), widen(value.getType()), value));
}

struct WidenBooleans : impl::WidenBooleansBase<WidenBooleans> {
  void runOnOperation() override {
    getOperation()->walk([](Operation *op) {
      OpBuilder b(op);
      if (auto load = dyn_cast<LLVM::LoadOp>(op); load && isBoolean(load.getType())) {
        widenResult(b, load);
      } else if (auto masked = dyn_cast<LLVM::MaskedLoadOp>(op); masked && isBoolean(masked.getType())) {
        for (OpOperand &passThrough : masked.getPassThruMutable())
          widenOperand(b, passThrough);
        widenResult(b, masked);
      } else if (auto store = dyn_cast<LLVM::StoreOp>(op); store && isBoolean(store.getValue().getType())) {
        widenOperand(b, store.getValueMutable());
      } else if (auto masked = dyn_cast<LLVM::MaskedStoreOp>(op); masked && isBoolean(masked.getValue().getType())) {
        widenOperand(b, masked.getValueMutable());
      } else if (auto gep = dyn_cast<LLVM::GEPOp>(op); gep && gep.getElemType().isInteger(1)) {
        gep.setElemType(b.getI8Type());
      }
    });
  }
};
} // namespace
} // namespace mlir::ac
