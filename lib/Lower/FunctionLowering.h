//===- FunctionLowering.h - Walks a graph node by node -----------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers one function of `onnx` operations into a function on ranked, signless tensors: one walk in order, each node
// by the function its operator has in the table. Types are what the lowered operands make them, never what the model
// claims of an intermediate value. A node that cannot be lowered is reported and the walk goes on, so that all of them
// are named at once; what depends on it is passed over.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_FUNCTIONLOWERING_H
#define LOWER_FUNCTIONLOWERING_H

#include "Lower/NodeLowering.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::ac {

/// i8 for ui8, and so on; null for types that have no lowering (strings, complex numbers, unranked tensors).
RankedTensorType toSignless(Type type);
/// The element type in the words of the runtime's description (`f32`, `u8`, `bool`), or empty.
StringRef elementTypeName(Type element);

class FunctionLowering {
public:
  FunctionLowering(func::FuncOp source, const LoweringTable &table);

  /// Replaces the source function. Failure after all refused nodes have been reported.
  LogicalResult run();

  /// Lowers a block's operations in place of the terminator, whose operands it returns.
  FailureOr<SmallVector<Value>> lowerBlock(Block &block) { return lowerFrom(block, block.begin()); }
  /// Lowers what follows `op` in its block, without reporting anything: if it is refused, `why` is set.
  std::optional<SmallVector<Value>> tryLowerAfter(Operation *op, std::string &why);
  /// Makes the block that is being lowered yield `values`, passing over the rest of it.
  void finishBlock(ValueRange values) { blockResults = SmallVector<Value>(values); }

  Value lookup(Value original) const { return values.lookup(original); }
  void map(Value original, Value lowered) { values[original] = lowered; }
  int64_t opset(StringRef domain) const;

  Emitter emit;

private:
  LogicalResult lowerArguments(func::FuncOp target);
  FailureOr<SmallVector<Value>> lowerFrom(Block &block, Block::iterator first);
  LogicalResult lowerNode(Operation *op);

  func::FuncOp source;
  const LoweringTable &table;
  DenseMap<Value, Value> values;
  bool anyRefused = false;
  std::optional<SmallVector<Value>> blockResults;
};

} // namespace mlir::ac

#endif // LOWER_FUNCTIONLOWERING_H
