//===- CallKernels.cpp - Calls of kernels from elsewhere ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/HalideCall.h"
#include "Kernels/KernelBuffers.h"
#include "Kernels/KernelDescription.h"
#include "Support/NodeName.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::ac {
#define GEN_PASS_DEF_CALLKERNELS
#include "Kernels/Passes.h.inc"

void addKernel(ModuleOp module, StringRef description) {
  SmallVector<Attribute> kernels;
  if (auto known = module->getAttrOfType<ArrayAttr>(kKernelsAttribute))
    llvm::append_range(kernels, known);
  auto text = StringAttr::get(module.getContext(), description);
  if (llvm::is_contained(kernels, text))
    return;
  kernels.push_back(text);
  module->setAttr(kKernelsAttribute, ArrayAttr::get(module.getContext(), kernels));
}

namespace {

class DepthwiseCall {
public:
  explicit DepthwiseCall(DepthwiseOp op) : op(op), b(op.getLoc(), op) {}
  void emit(StringRef entry);

private:
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value multiply(Value x, Value y) { return arith::MulIOp::create(b, x, y); }
  Value dim(Value buffer, int64_t axis) { return memref::DimOp::create(b, buffer, axis); }
  Value rowMajor(Value buffer);
  void check(Value count);

  DepthwiseOp op;
  ImplicitLocOpBuilder b;
};

/// Planes follow one another in memory: a view of another layout is copied.
Value DepthwiseCall::rowMajor(Value buffer) {
  if (cast<MemRefType>(buffer.getType()).getLayout().isIdentity())
    return buffer;
  Value copy = allocateLike(b, buffer, op);
  memref::CopyOp::create(b, buffer, copy);
  return copy;
}

void DepthwiseCall::check(Value count) {
  Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, count, index(kMostPerCall));
  std::string message =
      ("node '" + nodeNameOf(op.getLoc()) + "' (Conv): has an image that is too large for a kernel of Halide").str();
  cf::AssertOp::create(b, fits, message);
}

void DepthwiseCall::emit(StringRef entry) {
  Value input = rowMajor(op.getInput()), weights = rowMajor(op.getWeights()), result = op.getInit();
  SmallVector<Value> extras;
  for (Value extra : op.getExtras())
    extras.push_back(rowMajor(extra));
  // The result is the operation's own buffer: where it is a part of another one, the copy goes back.
  bool isView = !cast<MemRefType>(result.getType()).getLayout().isIdentity();
  if (isView) {
    result = rowMajor(result);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfter(op);
    memref::CopyOp::create(b, result, op.getInit());
  }
  Value one = index(1), zero = index(0), channels = dim(result, 1), planes = multiply(dim(result, 0), channels),
        inWidth = dim(input, 3), inHeight = dim(input, 2), inPlane = multiply(inWidth, inHeight),
        outWidth = dim(result, 3), outHeight = dim(result, 2), outPlane = multiply(outWidth, outHeight),
        taps = dim(weights, 1);
  auto isKnown = [](Value buffer) { return cast<MemRefType>(buffer.getType()).hasStaticShape(); };
  if (!isKnown(input) || !isKnown(result))
    for (Value count : {planes, inPlane, outPlane})
      check(count);
  // A range should hold some ten thousand multiply-adds at least.
  Value work = arith::MaxSIOp::create(b, multiply(outPlane, taps), one);
  Value grain = arith::CeilDivSIOp::create(b, index(1 << 14), work);
  auto parallel = ParallelOp::create(b, planes, grain);
  b.setInsertionPoint(parallel.getBody().front().getTerminator());
  Value begin = parallel.getBegin(), count = arith::SubIOp::create(b, parallel.getEnd(), begin);
  HalideCall call(b);
  call.addNumber(arith::RemUIOp::create(b, begin, channels));
  call.addNumber(outWidth);
  using Dimension = HalideCall::Dimension;
  call.addBuffer(input, multiply(begin, inPlane),
                 {Dimension{inWidth, one}, Dimension{inHeight, inWidth}, Dimension{count, inPlane}});
  call.addBuffer(weights, zero, {Dimension{taps, one}, Dimension{channels, taps}});
  SmallVector<Dimension> image{Dimension{outWidth, one}, Dimension{outHeight, outWidth}, Dimension{count, outPlane}};
  for (auto [extra, map] : llvm::zip_equal(extras, op.getExtraMaps().getAsValueRange<AffineMapAttr>())) {
    int64_t dims = map.getNumResults() -
                   llvm::count_if(map.getResults(), [](AffineExpr expr) { return isa<AffineConstantExpr>(expr); });
    if (dims > 2)
      call.addBuffer(extra, multiply(begin, outPlane), image);
    else if (dims == 2)
      call.addBuffer(extra, begin, {Dimension{count, one}});
    else if (dims == 1)
      call.addBuffer(extra, zero, {Dimension{channels, one}});
    else
      call.addBuffer(extra, zero, {});
  }
  call.addBuffer(result, multiply(begin, outPlane), image);
  call.create(entry);
}

struct CallKernels : impl::CallKernelsBase<CallKernels> {
  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    SmallVector<DepthwiseOp> ops;
    getOperation().walk([&](DepthwiseOp op) {
      if (op->getNumResults() == 0)
        ops.push_back(op);
    });
    for (DepthwiseOp op : ops) {
      std::optional<std::string> description = describeKernel(op, target);
      if (!description) {
        op.emitError("has an epilogue that no kernel can compute");
        return signalPassFailure();
      }
      addKernel(getOperation(), *description);
      DepthwiseCall(op).emit(kernelEntry(*description));
      op.erase();
    }
  }
};

} // namespace
} // namespace mlir::ac
