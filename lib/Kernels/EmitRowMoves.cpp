//===- EmitRowMoves.cpp - Loops that gather and scatter rows --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_EMITROWMOVES
#include "Kernels/Passes.h.inc"

namespace {

/// Elements that a range should hold.
constexpr int64_t kGrainElements = 8192;

/// For each row `m` of `moved`, which stands at `places[m]` elsewhere, calls `move` with both rows and a column.
void emitMoves(Operation *op, Value moved, Value places,
               llvm::function_ref<void(ImplicitLocOpBuilder &, Value row, Value place, Value column)> move) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  auto index = [&](int64_t value) { return arith::ConstantIndexOp::create(b, value).getResult(); };
  Value numRows = memref::DimOp::create(b, places, 0), width = memref::DimOp::create(b, moved, 1);
  Value work = arith::MaxSIOp::create(b, width, index(1));
  Value grain = arith::CeilDivSIOp::create(b, index(kGrainElements), work);
  auto parallel = ParallelOp::create(b, numRows, grain);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  auto rows = scf::ForOp::create(b, parallel.getBegin(), parallel.getEnd(), index(1));
  b.setInsertionPointToStart(rows.getBody());
  Value place = memref::LoadOp::create(b, places, rows.getInductionVar());
  auto columns = scf::ForOp::create(b, index(0), width, index(1));
  b.setInsertionPointToStart(columns.getBody());
  move(b, rows.getInductionVar(), place, columns.getInductionVar());
  op->erase();
}

struct EmitRowMoves : impl::EmitRowMovesBase<EmitRowMoves> {
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      if (auto gather = dyn_cast<GatherRowsOp>(op); gather && gather->getNumResults() == 0)
        emitMoves(op, gather.getInit(), gather.getPlaces(),
                  [&](ImplicitLocOpBuilder &b, Value row, Value place, Value column) {
                    Value element = memref::LoadOp::create(b, gather.getSource(), ValueRange{place, column});
                    memref::StoreOp::create(b, element, gather.getInit(), ValueRange{row, column});
                  });
      else if (auto scatter = dyn_cast<ScatterRowsOp>(op); scatter && scatter->getNumResults() == 0)
        emitMoves(op, scatter.getRows(), scatter.getPlaces(),
                  [&](ImplicitLocOpBuilder &b, Value row, Value place, Value column) {
                    Value element = memref::LoadOp::create(b, scatter.getRows(), ValueRange{row, column});
                    if (scatter.getAccumulate()) {
                      Value old = memref::LoadOp::create(b, scatter.getInit(), ValueRange{place, column});
                      element = isa<FloatType>(element.getType())
                                    ? arith::AddFOp::create(b, old, element).getResult()
                                    : arith::AddIOp::create(b, old, element).getResult();
                    }
                    memref::StoreOp::create(b, element, scatter.getInit(), ValueRange{place, column});
                  });
    });
  }
};

} // namespace
} // namespace mlir::ac
