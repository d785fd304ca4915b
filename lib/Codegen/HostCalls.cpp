//===- HostCalls.cpp - Calls of the runtime's services --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/HostCalls.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::ac;

static LLVM::LLVMPointerType pointerType(OpBuilder &b) { return LLVM::LLVMPointerType::get(b.getContext()); }

Value mlir::ac::createI64(ImplicitLocOpBuilder &b, int64_t value) {
  return LLVM::ConstantOp::create(b, b.getI64Type(), b.getI64IntegerAttr(value));
}

Value mlir::ac::createByteOffset(ImplicitLocOpBuilder &b, Value base, Value bytes) {
  return LLVM::GEPOp::create(b, pointerType(b), b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{bytes});
}

Value mlir::ac::createByteOffset(ImplicitLocOpBuilder &b, Value base, int64_t bytes) {
  return bytes ? createByteOffset(b, base, createI64(b, bytes)) : base;
}

LLVM::CallOp mlir::ac::createHostCall(ImplicitLocOpBuilder &b, HostService service, Value call, ValueRange arguments,
                                      Type result) {
  Type pointer = pointerType(b);
  SmallVector<Type> types{pointer};
  llvm::append_range(types, arguments.getTypes());
  auto type = LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(b.getContext()), types);
  Value host = LLVM::LoadOp::create(b, pointer, call);
  Value function = LLVM::LoadOp::create(b, pointer, createByteOffset(b, host, static_cast<int64_t>(service) * 8));
  SmallVector<Value> operands{function, call};
  llvm::append_range(operands, arguments);
  return LLVM::CallOp::create(b, type, operands);
}

Value mlir::ac::createBuffer(ImplicitLocOpBuilder &b, MemRefType type, Value pointer, ValueRange dynamicSizes) {
  LLVMTypeConverter converter(b.getContext());
  Type structType = converter.convertType(type);
  auto descriptor = MemRefDescriptor::poison(b, b.getLoc(), structType);
  descriptor.setAllocatedPtr(b, b.getLoc(), pointer);
  descriptor.setAlignedPtr(b, b.getLoc(), pointer);
  descriptor.setConstantOffset(b, b.getLoc(), 0);
  SmallVector<Value> sizes;
  for (int64_t i = 0, next = 0; i < type.getRank(); ++i) {
    if (!type.isDynamicDim(i)) {
      sizes.push_back(createI64(b, type.getDimSize(i)));
      continue;
    }
    Value size = dynamicSizes[next++];
    sizes.push_back(size.getType().isIndex() ? arith::IndexCastOp::create(b, b.getI64Type(), size).getResult() : size);
  }
  Value stride = createI64(b, 1);
  for (int64_t i = type.getRank() - 1; i >= 0; --i) {
    descriptor.setSize(b, b.getLoc(), i, sizes[i]);
    descriptor.setStride(b, b.getLoc(), i, stride);
    if (i > 0)
      stride = LLVM::MulOp::create(b, stride, sizes[i]);
  }
  return UnrealizedConversionCastOp::create(b, TypeRange{type}, ValueRange{descriptor}).getResult(0);
}

Value mlir::ac::createPointer(ImplicitLocOpBuilder &b, Value buffer) {
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
  address = arith::IndexCastOp::create(b, b.getI64Type(), address);
  return LLVM::IntToPtrOp::create(b, pointerType(b), address);
}

Value mlir::ac::createText(ImplicitLocOpBuilder &b, ModuleOp module, StringRef text) {
  // Texts are told apart by content: the same one is stored once.
  std::string name = "ac_text_" + llvm::utohexstr(llvm::xxh3_64bits(text));
  auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    std::string terminated = text.str() + '\0';
    global = LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), terminated.size()), /*isConstant=*/true,
                                    LLVM::Linkage::Private, name, b.getStringAttr(terminated));
  }
  return LLVM::AddressOfOp::create(b, pointerType(b), global.getSymName());
}
