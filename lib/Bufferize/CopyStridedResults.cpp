//===- CopyStridedResults.cpp - Contiguous results of functions -----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Bufferize/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_COPYSTRIDEDRESULTS
#include "Bufferize/Passes.h.inc"

namespace {

struct CopyStridedResults : impl::CopyStridedResultsBase<CopyStridedResults> {
  void runOnOperation() override {
    getOperation().walk([](func::ReturnOp op) {
      OpBuilder b(op);
      for (OpOperand &operand : op->getOpOperands()) {
        auto cast = operand.get().getDefiningOp<memref::CastOp>();
        if (!cast)
          continue;
        Value source = cast.getSource();
        auto from = dyn_cast<MemRefType>(source.getType());
        auto to = dyn_cast<MemRefType>(cast.getType());
        if (!from || !to || from.getLayout().isIdentity() || !to.getLayout().isIdentity())
          continue;
        SmallVector<Value> sizes;
        for (int64_t axis = 0; axis < to.getRank(); ++axis)
          if (to.isDynamicDim(axis))
            sizes.push_back(memref::DimOp::create(b, op.getLoc(), source, axis));
        Value copy = memref::AllocOp::create(b, op.getLoc(), to, sizes, b.getI64IntegerAttr(64));
        memref::CopyOp::create(b, op.getLoc(), source, copy);
        operand.set(copy);
        if (cast->use_empty())
          cast->erase();
      }
    });
  }
};

} // namespace
} // namespace mlir::ac
