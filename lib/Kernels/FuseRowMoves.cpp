//===- FuseRowMoves.cpp - Products of rows that stand apart ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rows that a decision leaves over are gathered, go through products, and are put back or added where they belong.
// The first product can read the rows where they are and the last can write them there: neither copy is made. This runs
// after the fusion of epilogues, which has moved bias, activation and weighting in front of the scatter.
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEROWMOVES
#include "Kernels/Passes.h.inc"

namespace {

/// Whether a reshape only adds or removes dimensions of one.
bool movesUnitsOnly(Operation *op) {
  if (isa<tensor::CastOp>(op))
    return true;
  RankedTensorType wide;
  SmallVector<ReassociationIndices> groups;
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    wide = expand.getResultType();
    groups = expand.getReassociationIndices();
  } else if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    wide = collapse.getSrcType();
    groups = collapse.getReassociationIndices();
  } else {
    return false;
  }
  return llvm::all_of(groups, [&](const ReassociationIndices &group) {
    return llvm::count_if(group, [&](int64_t dim) { return wide.getDimSize(dim) != 1; }) <= 1;
  });
}

/// What `value` is, seen through such reshapes; with `onlyUse`, each step has no other user.
Value throughUnits(Value value, bool onlyUse) {
  while (Operation *op = value.getDefiningOp()) {
    if (!movesUnitsOnly(op) || (onlyUse && !value.hasOneUse()))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Whether `batched` is [1, m, n] for a matrix [m, n] that it was made from by such reshapes. Of a width of one nobody
/// can tell where it went.
bool isBatchOfOne(Type batched, Type matrix) {
  auto three = cast<RankedTensorType>(batched), two = cast<RankedTensorType>(matrix);
  return three.getDimSize(0) == 1 && three.getShape().drop_front() == two.getShape() && two.getDimSize(1) > 1;
}

const SmallVector<ReassociationIndices> kBatch{{0, 1}, {2}};

Value addBatch(OpBuilder &b, Location loc, Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  auto batched = RankedTensorType::get({1, type.getDimSize(0), type.getDimSize(1)}, type.getElementType());
  return tensor::ExpandShapeOp::create(b, loc, batched, matrix, kBatch);
}

void readInPlace(ContractOp contract) {
  if (contract.getLhsRows() || contract.getLhsOrder())
    return;
  auto gather = throughUnits(contract.getLhs(), /*onlyUse=*/false).getDefiningOp<GatherRowsOp>();
  if (!gather || !isBatchOfOne(contract.getLhs().getType(), gather.getResult(0).getType()))
    return;
  OpBuilder b(contract);
  contract.getLhsMutable().assign(addBatch(b, contract.getLoc(), gather.getSource()));
  contract.getLhsRowsMutable().assign(gather.getPlaces());
}

void writeInPlace(ScatterRowsOp scatter) {
  auto contract = throughUnits(scatter.getRows(), /*onlyUse=*/true).getDefiningOp<ContractOp>();
  if (!contract || contract.readsInit() || contract.getOutOrder() || !contract.getResult(0).hasOneUse() ||
      contract->getBlock() != scatter->getBlock() ||
      (scatter.getAccumulate() && !isa<FloatType>(contract.getResultElementType())) ||
      !isBatchOfOne(contract.getResult(0).getType(), scatter.getRows().getType()))
    return;
  OpBuilder b(scatter);
  Value init = addBatch(b, scatter.getLoc(), scatter.getInit());
  // Operands of the contraction come before it, so before its user.
  contract->moveBefore(scatter);
  contract.getInitMutable().assign(init);
  contract.getOutRowsMutable().assign(scatter.getPlaces());
  contract.setAccumulate(scatter.getAccumulate());
  contract->setLoc(b.getFusedLoc({contract.getLoc(), scatter.getLoc()}));
  contract.getResult(0).setType(init.getType());
  Value whole = tensor::CollapseShapeOp::create(b, scatter.getLoc(), scatter.getResult(0).getType(),
                                                contract.getResult(0), kBatch);
  Value unused = scatter.getRows();
  scatter.getResult(0).replaceAllUsesWith(whole);
  scatter.erase();
  while (Operation *step = unused.getDefiningOp()) {
    if (step == contract || !step->use_empty())
      break;
    unused = step->getOperand(0);
    step->erase();
  }
}

struct FuseRowMoves : impl::FuseRowMovesBase<FuseRowMoves> {
  void runOnOperation() override {
    SmallVector<ContractOp> contracts;
    SmallVector<ScatterRowsOp> scatters;
    getOperation().walk([&](Operation *op) {
      if (auto contract = dyn_cast<ContractOp>(op); contract && contract->getNumResults())
        contracts.push_back(contract);
      if (auto scatter = dyn_cast<ScatterRowsOp>(op); scatter && scatter->getNumResults())
        scatters.push_back(scatter);
    });
    for (ContractOp contract : contracts)
      readInPlace(contract);
    for (ScatterRowsOp scatter : scatters)
      writeInPlace(scatter);
  }
};

} // namespace
} // namespace mlir::ac
