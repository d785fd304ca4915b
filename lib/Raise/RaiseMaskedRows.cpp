//===- RaiseMaskedRows.cpp - Row-wise work under a mask -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters of adaptive models write what the Python code did in training: every learner or expert runs for every token
// and is multiplied by a mask, or selected by one. The rewrite is right for any mask, since a row whose mask is zero is
// zero after the product either way (for finite values); that the mask *can* be zero only decides whether it pays.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/RowRegion.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEMASKEDROWS
#include "Raise/Passes.h.inc"

namespace {

struct RaiseMaskedRows : impl::RaiseMaskedRowsBase<RaiseMaskedRows> {
  using Base::Base;

  /// Makes operand `masked` of `user` rows under `mask`, which are those of `otherwise` (null: zero) elsewhere.
  Value raise(Operation *user, unsigned masked, Value mask, Value otherwise) {
    OpOperand &use = user->getOpOperand(masked);
    Value value = use.get();
    RowRegion region(user->getBlock(), cast<RankedTensorType>(value.getType()));
    RowRegion::Root root{value, {&use}};
    if (!region.grow(root) || region.numProducts() == 0) {
      remarkRefused(user, "mask of rows not used",
                    region.why.empty() ? Reason("no matrix product is under the mask") : region.why);
      return {};
    }
    OpBuilder b(user);
    MaskedRowsOp op = region.buildMaskedRows(b, user->getLoc(), value.getType(), mask, region.rows(),
                                             otherwise ? ValueRange(otherwise) : ValueRange(), value, dense);
    use.set(op.getResult(0));
    unsigned numProducts = region.numProducts();
    gone.insert(region.members().begin(), region.members().end());
    region.eraseMembers();
    collect(op);
    remarkRaised(user->getLoc(), op) << "ac.masked_rows with " << numProducts << " matrix products";
    return op.getResult(0);
  }

  void raiseProduct(Operation *product) {
    for (unsigned masked : {0u, 1u}) {
      Value mask = product->getOperand(1 - masked), value = product->getOperand(masked);
      if (operatorOf(value) == "ac.masked_rows" || !isMaskOf(mask, value) ||
          !isa<FloatType>(getElementTypeOrSelf(mask)))
        continue;
      // Products with a number for each row are everywhere: normalisations have them too.
      if (!canBeZero(mask))
        continue;
      if (raise(product, masked, mask, {}))
        return;
    }
  }

  /// Rows that a `Where` does not take need not be computed, whatever it takes instead.
  void raiseWhere(Operation *where) {
    Value condition = where->getOperand(0);
    Type type = where->getResult(0).getType();
    for (unsigned taken : {1u, 2u}) {
      Value value = where->getOperand(taken), other = where->getOperand(3 - taken);
      if (!isMaskOf(condition, value) || value.getType() != type || operatorOf(value) == "ac.masked_rows" ||
          operatorOf(value) == "Constant")
        continue;
      OpBuilder b(where);
      Value mask = condition;
      if (taken == 2)
        mask = make(b, where->getLoc(), "Not", condition.getType(), condition);
      bool whole = other.getType() == type;
      Value rows = raise(where, taken, mask, whole ? other : Value());
      if (!rows) {
        if (mask != condition)
          mask.getDefiningOp()->erase();
        continue;
      }
      if (whole || isZero(other)) {
        where->getResult(0).replaceAllUsesWith(rows);
        gone.insert(where);
        where->erase();
      }
      return;
    }
  }

  void collect(Operation *scope) {
    scope->walk([&](Operation *op) {
      if ((operatorOf(op) == "Mul" && op->getNumOperands() == 2) ||
          (operatorOf(op) == "Where" && op->getNumOperands() == 3))
        candidates.push_back(op);
    });
  }

  void runOnOperation() override {
    candidates.clear();
    gone.clear();
    collect(getOperation());
    // From the end: a region takes what stands before it, other candidates included, whose copies are then looked at.
    while (!candidates.empty()) {
      Operation *op = candidates.pop_back_val();
      if (!gone.contains(op))
        operatorOf(op) == "Mul" ? raiseProduct(op) : raiseWhere(op);
    }
  }

  SmallVector<Operation *> candidates;
  llvm::SmallPtrSet<Operation *, 32> gone; // members that have moved into a region
};

} // namespace
} // namespace mlir::ac
