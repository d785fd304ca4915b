//===- HalideCall.h - Calls of Halide's kernels ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_HALIDECALL_H
#define KERNELS_HALIDECALL_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {

/// A call of a function that Halide made. It takes 32-bit numbers and pointers to `halide_buffer_t`, which are made on
/// the stack of the parallel range or function around the call. Values are indices.
class HalideCall {
public:
  explicit HalideCall(ImplicitLocOpBuilder &b) : b(b) {}

  struct Dimension {
    Value extent, stride; ///< numbers of elements; both fit 32 bits
  };
  void addNumber(Value number);
  /// Memory of `element`s from element `offset` of `buffer` on; the innermost dimension comes first.
  void addBuffer(Value buffer, Value offset, ArrayRef<Dimension> dimensions);
  /// Calls `entry`, which is declared in the module.
  void create(StringRef entry);

private:
  Value index(int64_t value);
  Value word(Value low, Value high);
  Value allocate(int64_t words);
  void store(Value memory, int64_t at, Value value);

  ImplicitLocOpBuilder &b;
  SmallVector<Value> arguments;
};

} // namespace mlir::ac

#endif // KERNELS_HALIDECALL_H
