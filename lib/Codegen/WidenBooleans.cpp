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
struct WidenBooleans : impl::WidenBooleansBase<WidenBooleans> {
  void runOnOperation() override {
    Type byte = IntegerType::get(&getContext(), 8);
    getOperation()->walk([&](Operation *op) {
      OpBuilder b(op);
      if (auto load = dyn_cast<LLVM::LoadOp>(op); load && load.getType().isInteger(1)) {
        Value value = load.getResult();
        value.setType(byte);
        b.setInsertionPointAfter(op);
        Value zero = LLVM::ConstantOp::create(b, op->getLoc(), byte, 0);
        auto isSet = LLVM::ICmpOp::create(b, op->getLoc(), LLVM::ICmpPredicate::ne, value, zero);
        value.replaceAllUsesExcept(isSet, isSet);
      } else if (auto store = dyn_cast<LLVM::StoreOp>(op); store && store.getValue().getType().isInteger(1)) {
        store.getValueMutable().assign(LLVM::ZExtOp::create(b, op->getLoc(), byte, store.getValue()));
      } else if (auto gep = dyn_cast<LLVM::GEPOp>(op); gep && gep.getElemType().isInteger(1)) {
        gep.setElemType(byte);
      }
    });
  }
};
} // namespace
} // namespace mlir::ac
