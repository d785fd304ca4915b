//===- HalideCall.cpp - Calls of Halide's kernels -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/HalideCall.h"
#include "Kernels/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::ac {

// A halide_buffer_t in words of 64 bits: device, device_interface, host, flags, type and number of dimensions, dim,
// padding. A halide_dimension_t: min and extent, stride and flags. The program that makes kernels asserts this layout.
constexpr int64_t kBufferWords = 7, kHost = 2, kType = 4, kDim = 5, kDimensionWords = 2;

static LLVM::LLVMPointerType pointerType(OpBuilder &b) { return LLVM::LLVMPointerType::get(b.getContext()); }

Value HalideCall::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }

/// Two 32-bit numbers, neither negative, in one word.
Value HalideCall::word(Value low, Value high) {
  return arith::OrIOp::create(b, low, arith::ShLIOp::create(b, high, index(32)));
}

Value HalideCall::allocate(int64_t words) {
  Operation *scope = b.getInsertionBlock()->getParentOp();
  Block *entry = b.getInsertionBlock();
  for (; !isa<ParallelOp, func::FuncOp>(scope); scope = entry->getParentOp())
    entry = scope->getBlock();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(entry);
  Value size = LLVM::ConstantOp::create(b, b.getI64Type(), b.getI64IntegerAttr(words));
  return LLVM::AllocaOp::create(b, pointerType(b), b.getI64Type(), size, /*alignment=*/8);
}

void HalideCall::store(Value memory, int64_t at, Value value) {
  if (value.getType().isIndex())
    value = arith::IndexCastOp::create(b, b.getI64Type(), value);
  Value place =
      LLVM::GEPOp::create(b, pointerType(b), b.getI64Type(), memory, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(at)});
  LLVM::StoreOp::create(b, value, place);
}

void HalideCall::addNumber(Value number) { arguments.push_back(arith::IndexCastOp::create(b, b.getI32Type(), number)); }

void HalideCall::addBuffer(Value buffer, Value offset, ArrayRef<Dimension> dimensions) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  int64_t bytes = element.isIndex() ? 8 : element.getIntOrFloatBitWidth() / 8;
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
  address = arith::AddIOp::create(b, address, arith::MulIOp::create(b, offset, index(bytes)));
  Value memory = allocate(kBufferWords), zero = index(0);
  Value dims = allocate(std::max<int64_t>(kDimensionWords * dimensions.size(), 1));
  for (auto [i, dimension] : llvm::enumerate(dimensions)) {
    store(dims, kDimensionWords * i, word(zero, dimension.extent));
    store(dims, kDimensionWords * i + 1, dimension.stride);
  }
  // Code (0 integer, 2 float), bits, lanes.
  int64_t type = (isa<FloatType>(element) ? 2 : 0) | bytes * 8 << 8 | 1 << 16;
  for (int64_t i = 0; i < kBufferWords; ++i) {
    if (i == kHost)
      store(memory, i, address);
    else if (i == kType)
      store(memory, i, index(type | static_cast<int64_t>(dimensions.size()) << 32));
    else if (i == kDim)
      store(memory, i, dims);
    else
      store(memory, i, zero);
  }
  arguments.push_back(memory);
}

void HalideCall::create(StringRef entry) {
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(entry);
  if (!function) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    SmallVector<Type> types(ValueRange(arguments).getTypes());
    function = LLVM::LLVMFuncOp::create(b, entry, LLVM::LLVMFunctionType::get(b.getI32Type(), types));
  }
  // The result tells of failures, which these kernels do not have.
  LLVM::CallOp::create(b, function, arguments);
}

} // namespace mlir::ac
