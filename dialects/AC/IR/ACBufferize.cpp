//===- ACBufferize.cpp - Bufferization of the `ac` operations -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

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

/// The result gets memory of its own, with the sizes of query and value.
struct AttentionInterface : public BufferizableOpInterface::ExternalModel<AttentionInterface, ac::AttentionOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &, const AnalysisState &) const { return true; }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &, const AnalysisState &) const { return false; }
  AliasingValueList getAliasingValues(Operation *, OpOperand &, const AnalysisState &) const { return {}; }
  bool bufferizesToAllocation(Operation *, Value) const { return true; }

  LogicalResult bufferize(Operation *operation, RewriterBase &rewriter, const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto op = cast<ac::AttentionOp>(operation);
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    IRMapping buffers;
    for (Value operand : op->getOperands()) {
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      buffers.map(operand, *buffer);
    }
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    SmallVector<Value> sizes;
    for (auto [i, size] : llvm::enumerate(type.getShape())) {
      if (!ShapedType::isDynamic(size))
        continue;
      auto dim = static_cast<ac::AttentionOp::Dim>(op.getOutOrder()[i]);
      bool isColumn = dim == ac::AttentionOp::Column;
      auto place = ac::AttentionOp::placeOf(isColumn ? op.getValueOrder() : op.getQueryOrder(), dim);
      Value source = buffers.lookup(isColumn ? op.getValue() : op.getQuery());
      sizes.push_back(place ? memref::DimOp::create(rewriter, op.getLoc(), source, *place).getResult()
                            : arith::ConstantIndexOp::create(rewriter, op.getLoc(), 1).getResult());
    }
    FailureOr<Value> result = options.createAlloc(rewriter, op.getLoc(),
                                                  MemRefType::get(type.getShape(), type.getElementType()), sizes);
    if (failed(result))
      return failure();
    auto lookup = [&](Value operand) { return operand ? buffers.lookup(operand) : Value(); };
    ac::AttentionOp::create(rewriter, op.getLoc(), TypeRange{}, lookup(op.getQuery()), lookup(op.getKey()),
                            lookup(op.getValue()), lookup(op.getMask()), lookup(op.getOffsets()),
                            lookup(op.getLengths()), lookup(op.getSinks()), *result, op.getQueryOrderAttr(), op.getKeyOrderAttr(),
                            op.getValueOrderAttr(), op.getOutOrderAttr(), op.getScaleAttr(), op.getSoftcapAttr(),
                            op.getFillAttr(), op.getBeforeAttr(), op.getAfterAttr(), op.getEmptyIsZeroAttr(),
                            op.getNanIsZeroAttr(), op.getDenseAttr());
    replaceOpWithBufferizedValues(rewriter, op, *result);
    return success();
  }
};
} // namespace

void ac::registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ac::ACDialect *) {
    ac::AttentionOp::attachInterface<AttentionInterface>(*context);
    ac::ContractOp::attachInterface<DestinationInterface<ac::ContractOp>>(*context);
    ac::DepthwiseOp::attachInterface<DestinationInterface<ac::DepthwiseOp>>(*context);
    ac::GatherRowsOp::attachInterface<DestinationInterface<ac::GatherRowsOp>>(*context);
    ac::ScatterRowsOp::attachInterface<DestinationInterface<ac::ScatterRowsOp>>(*context);
  });
}
