//===- ACBufferize.cpp - Bufferization of the `ac` operations -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;

namespace {
/// What all of them share: operands become buffers, results the destination's.
template <typename Op>
struct DestinationInterface : public DstBufferizableOpInterfaceExternalModel<DestinationInterface<Op>, Op> {
  static bool readsInit(ac::ContractOp op) { return op.readsInit(); }
  static bool readsInit(ac::DepthwiseOp) { return false; }
  static bool readsInit(ac::GatherRowsOp) { return false; }
  static bool readsInit(ac::ScatterRowsOp) { return true; }

  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand) || readsInit(cast<Op>(op));
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter, const BufferizationOptions &options,
                          BufferizationState &state) const {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    SmallVector<Value> buffers;
    for (Value operand : op->getOperands()) {
      if (!isa<TensorType>(operand.getType())) {
        buffers.push_back(operand);
        continue;
      }
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    auto clone = Op::create(rewriter, op->getLoc(), TypeRange{}, buffers, cast<Op>(op).getProperties(),
                            op->getDiscardableAttrDictionary().getValue());
    for (auto [to, from] : llvm::zip(clone->getRegions(), op->getRegions()))
      to.takeBody(from);
    replaceOpWithBufferizedValues(rewriter, op, buffers.back());
    return success();
  }
};
} // namespace

void ac::registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ac::ACDialect *) {
    ac::ContractOp::attachInterface<DestinationInterface<ac::ContractOp>>(*context);
    ac::DepthwiseOp::attachInterface<DestinationInterface<ac::DepthwiseOp>>(*context);
    ac::GatherRowsOp::attachInterface<DestinationInterface<ac::GatherRowsOp>>(*context);
    ac::ScatterRowsOp::attachInterface<DestinationInterface<ac::ScatterRowsOp>>(*context);
  });
}
