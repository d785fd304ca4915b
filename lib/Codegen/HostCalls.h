//===- HostCalls.h - Calls of the runtime's services -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef CODEGEN_HOSTCALLS_H
#define CODEGEN_HOSTCALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// The services of `AcHost`, in the order of its fields.
enum class HostService : int { Alloc = 0, Free = 1, ParallelFor = 2, Output = 3, Fail = 4, FailLater = 5, Mark = 6 };

/// Calls a service: loads its address from the table that `call` points to.
LLVM::CallOp createHostCall(ImplicitLocOpBuilder &b, HostService service, Value call, ValueRange arguments,
                            Type result = {});

/// A pointer `bytes` past `base`.
Value createByteOffset(ImplicitLocOpBuilder &b, Value base, Value bytes);
Value createByteOffset(ImplicitLocOpBuilder &b, Value base, int64_t bytes);
Value createI64(ImplicitLocOpBuilder &b, int64_t value);

/// A row-major buffer of `type` (identity layout) at `pointer`, with an index for each dynamic dimension.
Value createBuffer(ImplicitLocOpBuilder &b, MemRefType type, Value pointer, ValueRange dynamicSizes);
/// The address of the first element of an identity-layout buffer.
Value createPointer(ImplicitLocOpBuilder &b, Value buffer);
/// The address of a constant NUL-terminated text in the module.
Value createText(ImplicitLocOpBuilder &b, ModuleOp module, StringRef text);

} // namespace mlir::ac

#endif // CODEGEN_HOSTCALLS_H
