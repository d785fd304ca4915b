//===- ValueClasses.cpp - Which values of a block are the same ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ValueClasses.h"
#include "Raise/Values.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ac {

Value stripIdentity(Value value) {
  while (operatorOf(value) == "Identity" && value.getType() == value.getDefiningOp()->getOperand(0).getType())
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

static ElementsAttr constantOf(Value value) {
  return operatorOf(value) == "Constant" ? value.getDefiningOp()->getAttrOfType<ElementsAttr>("value") : ElementsAttr();
}

ValueClasses::ValueClasses(Block &block) {
  for (Operation &op : block)
    if (!number(&op))
      for (Value result : op.getResults())
        classes[result] = next++;
}

unsigned ValueClasses::of(Value value) {
  value = stripIdentity(value);
  auto found = classes.find(value);
  if (found != classes.end())
    return found->second;
  // From outside of the block.
  ElementsAttr constant = constantOf(value);
  unsigned number = constant ? ofConstant(constant) : next++;
  classes[value] = number;
  return number;
}

unsigned ValueClasses::ofConstant(ElementsAttr value) {
  auto bytesOf = [](ElementsAttr attribute) -> ArrayRef<char> {
    auto resource = dyn_cast<DenseResourceElementsAttr>(attribute);
    AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
    return blob ? blob->getData() : ArrayRef<char>();
  };
  ArrayRef<char> bytes = bytesOf(value);
  // Weights are large and mapped: read all of one only where another begins and ends alike.
  constexpr size_t kSample = 512;
  size_t hash = bytes.empty()
                    ? llvm::hash_value(Attribute(value).getAsOpaquePointer())
                    : llvm::hash_combine(value.getType().getAsOpaquePointer(),
                                         StringRef(bytes.data(), std::min(kSample, bytes.size())),
                                         StringRef(bytes.take_back(kSample).data(), std::min(kSample, bytes.size())));
  auto &alike = constants[hash];
  for (auto &[other, number] : alike)
    if (other == value || (!bytes.empty() && other.getType() == value.getType() && bytesOf(other) == bytes))
      return number;
  alike.push_back({value, next++});
  return alike.back().second;
}

/// Numbers the results of `op`; false if it may give something else each time.
bool ValueClasses::number(Operation *op) {
  if (operatorOf(op) == "Constant" && op->getAttrOfType<ElementsAttr>("value")) {
    classes[op->getResult(0)] = ofConstant(op->getAttrOfType<ElementsAttr>("value"));
    return true;
  }
  if (op->getNumRegions() != 0 || op->getNumResults() == 0 || !isPure(op))
    return false;
  llvm::hash_code hash = llvm::hash_combine(op->getName(), op->getAttrDictionary());
  SmallVector<unsigned> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(of(operand));
    hash = llvm::hash_combine(hash, operands.back());
  }
  auto &alike = operations[hash];
  for (Operation *other : alike) {
    if (other->getName() != op->getName() || other->getAttrDictionary() != op->getAttrDictionary() ||
        other->getResultTypes() != op->getResultTypes() || other->getNumOperands() != op->getNumOperands())
      continue;
    if (!llvm::all_of(llvm::enumerate(operands),
                      [&](auto pair) { return of(other->getOperand(pair.index())) == pair.value(); }))
      continue;
    for (auto [result, same] : llvm::zip_equal(op->getResults(), other->getResults()))
      classes[result] = classes[same];
    return true;
  }
  alike.push_back(op);
  for (Value result : op->getResults())
    classes[result] = next++;
  return true;
}

} // namespace mlir::ac
