//===- ValueClasses.h - Which values of a block are the same ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_VALUECLASSES_H
#define RAISE_VALUECLASSES_H

#include "mlir/IR/Block.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/DenseMap.h"
#include <unordered_map>

namespace mlir::ac {

/// `value`, seen through Identity.
Value stripIdentity(Value value);

/// Numbers the values of a block such that two values with one number are known to be equal: the same operation on
/// equal operands, constants with the same bytes. Exporters write a shared weight once for each use, and fold its
/// transpose once for each use as well.
class ValueClasses {
public:
  explicit ValueClasses(Block &block);
  unsigned of(Value value);

private:
  unsigned ofConstant(ElementsAttr value);
  bool number(Operation *op);

  DenseMap<Value, unsigned> classes;
  std::unordered_map<size_t, SmallVector<Operation *, 1>> operations;
  std::unordered_map<size_t, SmallVector<std::pair<ElementsAttr, unsigned>, 1>> constants;
  unsigned next = 0;
};

} // namespace mlir::ac

#endif // RAISE_VALUECLASSES_H
