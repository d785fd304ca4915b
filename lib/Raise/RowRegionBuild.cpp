//===- RowRegionBuild.cpp - Copies of computations that treat rows alone --===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/RowRegion.h"
#include "Raise/Values.h"

namespace mlir::ac {

/// The type with the rows of the border in place of those of a part of them.
Type RowRegion::withRows(Type type, int64_t place) const {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !wholeOf || place < 0)
    return type;
  SmallVector<int64_t> shape(tensor.getShape());
  shape[place] = ShapedType::kDynamic;
  for (Value whole : rowOperands)
    shape[place] = rankedType(whole).getDimSize(single);
  return RankedTensorType::get(shape, tensor.getElementType());
}

SmallVector<Value> RowRegion::shared() const {
  SmallVector<Value> values;
  for (Operation *op : ordered)
    for (auto [operand, at] : llvm::zip(op->getOperands(), candidates.find(op)->second))
      if (at == kShared)
        values.push_back(operand);
  return values;
}

SmallVector<Value> RowRegion::build(Block *body, ArrayRef<Value> roots) {
  OpBuilder b(block->getParentOp()->getContext());
  b.setInsertionPointToEnd(body);
  return build(b, body->getArguments().take_front(rowOperands.size()), roots);
}

MaskedRowsOp RowRegion::buildMaskedRows(OpBuilder &b, Location loc, TypeRange types, Value mask, ValueRange rows,
                                        ValueRange otherwise, ArrayRef<Value> roots, bool dense) {
  OpBuilder::InsertionGuard guard(b);
  auto op = MaskedRowsOp::create(b, loc, types, mask, rows, otherwise, dense);
  Block *body = b.createBlock(&op.getBody());
  for (Value row : rows)
    body->addArgument(row.getType(), loc);
  SmallVector<Value> results = build(body, roots);
  b.setInsertionPointToEnd(body);
  YieldOp::create(b, loc, results);
  return op;
}

SmallVector<Value> RowRegion::build(OpBuilder &b, ValueRange values, ArrayRef<Value> roots) {
  IRMapping mapping;
  for (auto &[operand, whole] : operandFor)
    mapping.map(operand, values[llvm::find(rowOperands, whole) - rowOperands.begin()]);
  for (Operation *op : ordered) {
    ArrayRef<int64_t> at = candidates[op];
    StringRef name = operatorOf(op);
    SmallVector<Value> operands;
    for (auto [operand, place] : llvm::zip(op->getOperands(), at)) {
      // Numbers that were computed from the shapes of members would keep those alive outside.
      auto known = place == kShared && operatorOf(operand) != "Constant" ? knownInts(operand) : std::nullopt;
      operands.push_back(known               ? makeInts(b, op->getLoc(), rankedType(operand).getShape(), *known)
                         : place == kShared ? operand
                                            : mapping.lookup(operand));
    }
    int64_t place = places.lookup(op->getResult(0));
    bool expands = name == "Expand";
    // A target shape has the number of rows in it, which is another inside.
    if (place >= 0 && (expands || name == "Reshape" || name == "Flatten")) {
      auto type = rankedType(op->getResult(0));
      SmallVector<int64_t> shape(type.getShape());
      shape[place] = expands ? 1 : -1;
      Value target = makeInts(b, op->getLoc(), {type.getRank()}, shape);
      mapping.map(op->getResult(0), make(b, op->getLoc(), expands ? "Expand" : "Reshape", withRows(type, place),
                                         {operands[0], target}));
      continue;
    }
    Operation *clone = op->clone();
    b.insert(clone);
    clone->setOperands(operands);
    for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults())) {
      if (auto place = places.find(from); place != places.end())
        to.setType(withRows(from.getType(), place->second));
      else if (op->getNumResults() > 1 && rankedType(from) && places.contains(op->getResult(0)))
        to.setType(withRows(from.getType(), places.lookup(op->getResult(0))));
      mapping.map(from, to);
    }
  }
  SmallVector<Value> results;
  for (Value root : roots)
    results.push_back(mapping.lookup(root));
  return results;
}

void RowRegion::eraseMembers() {
  for (Operation *op : llvm::reverse(ordered))
    if (op->use_empty())
      op->erase();
}

} // namespace mlir::ac
