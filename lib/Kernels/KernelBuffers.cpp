//===- KernelBuffers.cpp - Buffers as kernels take them -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/KernelBuffers.h"

namespace mlir::ac {

Value makeDynamic(ImplicitLocOpBuilder &b, Value buffer, int64_t staticTrailing) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  SmallVector<int64_t> shape(type.getShape()), strides(rank, ShapedType::kDynamic);
  for (int64_t i = 0; i < rank - staticTrailing; ++i)
    shape[i] = ShapedType::kDynamic;
  int64_t stride = 1;
  for (int64_t i = rank - 1; i >= 0 && type.isLastDimUnitStride(); --i) {
    strides[i] = stride;
    if (ShapedType::isDynamic(shape[i]))
      break;
    stride *= shape[i];
  }
  auto layout = StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, strides);
  auto wanted = MemRefType::get(shape, type.getElementType(), layout, type.getMemorySpace());
  return wanted == type ? buffer : memref::CastOp::create(b, wanted, buffer).getResult();
}

Value allocateLike(ImplicitLocOpBuilder &b, Value buffer, Operation *user) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(b, buffer, i));
  Value memory = memref::AllocOp::create(b, MemRefType::get(type.getShape(), type.getElementType()), sizes);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(user);
  memref::DeallocOp::create(b, memory);
  return memory;
}

Value withUnitStride(ImplicitLocOpBuilder &b, Value buffer, Operation *user) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getRank() == 0 || type.isLastDimUnitStride())
    return buffer;
  Value copy = allocateLike(b, buffer, user);
  memref::CopyOp::create(b, buffer, copy);
  return copy;
}

} // namespace mlir::ac
