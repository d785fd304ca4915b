//===- RaiseMaskedRows.cpp - Row-wise work under a mask -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters of adaptive models write what the Python code did in training: every learner or expert runs for every token
// and is multiplied by a mask. The rewrite is right for any mask, since a row whose mask is zero is zero after the
// product either way (for finite values); that the mask *can* be zero only decides whether it pays.
//
// The walk goes backwards from the product through the block. An operation joins the region if all its users are in it
// and it treats rows independently. Its operands are then of three kinds: values of the region; rows, which become
// operands of `ac.masked_rows`; and values that are the same for all rows, such as weights, which the body captures.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEMASKEDROWS
#include "Raise/Passes.h.inc"

StringRef operatorOf(Operation *op) {
  StringRef name = op->getName().getStringRef();
  name.consume_front("onnx.");
  return name;
}

bool canBeZero(Value value, int depth) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  StringRef name = operatorOf(op);
  auto isZero = [](Value constant) {
    auto *definition = constant.getDefiningOp();
    if (!definition)
      return false;
    // Zeros made by Constant or ConstantOfShape (whose default is zero).
    auto dense = definition->getAttrOfType<DenseElementsAttr>("value");
    if (!dense)
      return operatorOf(definition) == "ConstantOfShape";
    return dense.isSplat() && isa<FloatType>(dense.getElementType()) && dense.getSplatValue<APFloat>().isZero();
  };
  if (name == "Cast") {
    auto from = dyn_cast<TensorType>(op->getOperand(0).getType());
    return (from && from.getElementType().isInteger()) || canBeZero(op->getOperand(0), depth - 1);
  }
  if (name == "OneHot")
    return true;
  if (name == "Where")
    return isZero(op->getOperand(1)) || isZero(op->getOperand(2));
  if (name == "ScatterElements" || name == "ScatterND" || name == "Scatter")
    return isZero(op->getOperand(0));
  if (name == "Mul")
    return canBeZero(op->getOperand(0), depth - 1) || canBeZero(op->getOperand(1), depth - 1);
  static const llvm::StringSet<> moves = {"Identity",  "Reshape", "Unsqueeze", "Squeeze",   "Gather", "Slice",
                                          "Transpose", "Split",   "Flatten",   "ReduceSum", "Div"};
  return moves.contains(name) && canBeZero(op->getOperand(0), depth - 1);
}

namespace {

bool isElementwise(StringRef name) {
  static const llvm::StringSet<> names = {
      "Abs",      "Add",         "Cast",      "Celu",     "Clip",      "Div",        "Elu",  "Erf",  "Exp",
      "Gelu",     "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log",        "Max",  "Mean", "Min",
      "Mish",     "Mul",         "Neg",       "PRelu",    "Pow",       "Reciprocal", "Relu", "Selu", "Sigmoid",
      "Softplus", "Softsign",    "Sqrt",      "Sub",      "Sum",       "Swish",      "Tanh", "Where"};
  return names.contains(name);
}

int64_t rankOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type ? type.getRank() : -1;
}

/// The region that grows from one masked product, or from one branch of a `Where`.
class Region {
public:
  Region(Operation *product, unsigned masked, Value mask) : product(product), masked(masked), rowMask(mask) {
    type = cast<RankedTensorType>(value().getType());
  }

  Value value() const { return product->getOperand(masked); }
  Value mask() const { return rowMask; }

  /// Collects the operations. False with the reason in `why` if there is nothing worth skipping.
  bool grow();
  void rewrite(bool dense);

  std::string why;
  unsigned numProducts = 0;

private:
  /// All dimensions but the last agree with the masked value's, as far as types tell; the lowering proves the rest.
  bool hasRows(Type candidate) const;
  /// Has no extent but along the last dimension.
  static bool isInvariant(Type candidate);
  bool isRowwise(Operation *op);
  bool classify(OpOperand &operand);

  Operation *product;
  unsigned masked;
  Value rowMask;
  RankedTensorType type;
  llvm::SetVector<Operation *> members; // last first
  llvm::SetVector<Value> rows;
};

bool Region::hasRows(Type candidate) const {
  auto tensor = dyn_cast<RankedTensorType>(candidate);
  if (!tensor || tensor.getRank() != type.getRank())
    return false;
  for (int64_t axis = 0; axis + 1 < type.getRank(); ++axis)
    if (tensor.getDimSize(axis) != type.getDimSize(axis))
      return false;
  return true;
}

bool Region::isInvariant(Type candidate) {
  auto tensor = dyn_cast<RankedTensorType>(candidate);
  return tensor &&
         llvm::all_of(tensor.getShape().drop_back(tensor.getRank() ? 1 : 0), [](int64_t size) { return size == 1; });
}

bool Region::isRowwise(Operation *op) {
  if (op->getNumRegions() != 0 || op->getNumResults() == 0 || !hasRows(op->getResult(0).getType()))
    return false;
  for (Value extra : op->getResults().drop_front())
    if (!extra.use_empty())
      return false;
  StringRef name = operatorOf(op);
  auto lastAxis = [&](int64_t otherwise) {
    auto axis = op->getAttrOfType<IntegerAttr>("axis");
    int64_t value = axis ? axis.getInt() : otherwise;
    return value == -1 || value == type.getRank() - 1;
  };
  if (name == "MatMul")
    return hasRows(op->getOperand(0).getType()) && type.getRank() >= 2 && rankOf(op->getOperand(1)) == 2;
  if (name == "Gemm") {
    auto transA = op->getAttrOfType<IntegerAttr>("transA");
    return (!transA || transA.getInt() == 0) && hasRows(op->getOperand(0).getType()) &&
           (isa<NoneType>(op->getOperand(2).getType()) || isInvariant(op->getOperand(2).getType()));
  }
  if (name == "LayerNormalization" || name == "RMSNormalization" || name == "Softmax")
    return lastAxis(-1);
  if (!isElementwise(name))
    return false;
  return llvm::all_of(op->getOperandTypes(),
                      [&](Type operand) { return isa<NoneType>(operand) || hasRows(operand) || isInvariant(operand); });
}

bool Region::grow() {
  Block *block = product->getBlock();
  auto usedInside = [&](OpOperand &use) {
    return members.contains(use.getOwner()) || (use.getOwner() == product && use.getOperandNumber() == masked);
  };
  std::string firstObstacle;
  for (Operation *op = product->getPrevNode(); op; op = op->getPrevNode()) {
    bool isUsed = false, onlyInside = true;
    for (OpOperand &use : op->getUses()) {
      bool inside = usedInside(use);
      isUsed |= inside;
      onlyInside &= inside;
    }
    if (!isUsed)
      continue;
    if (!onlyInside || !isRowwise(op)) {
      if (firstObstacle.empty() && op == value().getDefiningOp())
        firstObstacle = (onlyInside ? operatorOf(op) + " does not treat rows independently"
                                    : operatorOf(op) + " has users that are not masked")
                            .str();
      continue;
    }
    members.insert(op);
    numProducts += operatorOf(op) == "MatMul" || operatorOf(op) == "Gemm";
  }
  (void)block;
  if (numProducts == 0) {
    why = firstObstacle.empty() ? "no matrix product is under the mask" : firstObstacle;
    return false;
  }
  for (Operation *op : members)
    for (OpOperand &operand : op->getOpOperands()) {
      Value given = operand.get();
      if (isa<NoneType>(given.getType()) || (given.getDefiningOp() && members.contains(given.getDefiningOp())))
        continue;
      // A matrix is the same for all rows even if its shape would do for rows; so is what has no rows.
      StringRef name = operatorOf(op);
      bool weight =
          (name == "MatMul" || name == "Gemm" || name.ends_with("Normalization")) && operand.getOperandNumber() > 0;
      if (!weight && hasRows(given.getType()) && !isInvariant(given.getType()))
        rows.insert(given);
      else if (!weight && hasRows(given.getType()) && type.getRank() > 1 &&
               llvm::any_of(type.getShape().drop_back(), ShapedType::isDynamic))
        rows.insert(given);
    }
  return true;
}

void Region::rewrite(bool dense) {
  OpBuilder b(product);
  auto op = MaskedRowsOp::create(b, product->getLoc(), TypeRange{value().getType()}, mask(), rows.getArrayRef(), dense);
  Block *body = b.createBlock(&op.getBody());
  SmallVector<Value> inputs(rows.begin(), rows.end());
  for (Value row : inputs)
    body->addArgument(row.getType(), product->getLoc());
  Value result = value();
  for (Operation *member : llvm::reverse(members.getArrayRef()))
    member->moveBefore(body, body->end());
  for (Operation *member : members)
    for (OpOperand &operand : member->getOpOperands()) {
      bool weight = operand.getOperandNumber() > 0 && !isElementwise(operatorOf(member));
      auto found = llvm::find(inputs, operand.get());
      if (!weight && found != inputs.end())
        operand.set(body->getArgument(found - inputs.begin()));
    }
  b.setInsertionPointToEnd(body);
  YieldOp::create(b, product->getLoc(), ValueRange{result});
  product->setOperand(masked, op.getResult(0));
}

struct RaiseMaskedRows : impl::RaiseMaskedRowsBase<RaiseMaskedRows> {
  using Base::Base;

  /// Whether `mask` has one value for each row of `value`.
  static bool isMaskOf(Value mask, Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType()), maskType = dyn_cast<RankedTensorType>(mask.getType());
    return type && maskType && type.getRank() >= 2 && maskType.getRank() == type.getRank() &&
           maskType.getShape().back() == 1 && type.getShape().back() != 1 &&
           maskType.getShape().drop_back() == type.getShape().drop_back();
  }

  /// True if operand `masked` of `product` became masked rows.
  bool raise(Operation *product, unsigned masked, Value mask) {
    Region region(product, masked, mask);
    if (!region.grow()) {
      product->emitRemark("mask of rows not used: ") << region.why;
      return false;
    }
    region.rewrite(dense);
    product->emitRemark("became ac.masked_rows with ") << region.numProducts << " matrix products";
    return true;
  }

  void raiseProduct(Operation *product) {
    for (unsigned masked : {0u, 1u}) {
      Value mask = product->getOperand(1 - masked);
      if (isMaskOf(mask, product->getOperand(masked)) && isa<FloatType>(getElementTypeOrSelf(mask)) &&
          canBeZero(mask) && raise(product, masked, mask))
        return;
    }
  }

  /// Rows that a `Where` does not take need not be computed, whatever it takes instead.
  void raiseWhere(Operation *where) {
    Value condition = where->getOperand(0), taken = where->getOperand(1);
    if (isMaskOf(condition, taken) && taken.getType() == where->getResult(0).getType())
      raise(where, 1, condition);
  }

  void runOnOperation() override {
    SmallVector<Operation *> candidates;
    getOperation().walk([&](Operation *op) {
      if ((operatorOf(op) == "Mul" && op->getNumOperands() == 2) ||
          (operatorOf(op) == "Where" && op->getNumOperands() == 3))
        candidates.push_back(op);
    });
    for (Operation *op : candidates)
      operatorOf(op) == "Mul" ? raiseProduct(op) : raiseWhere(op);
  }
};

} // namespace
} // namespace mlir::ac
