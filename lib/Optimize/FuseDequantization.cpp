//===- FuseDequantization.cpp - Products that keep their weights small ----===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The matrix of a product is followed back to the constants it is made of, through transpositions, slices and an offset
// for each block, and they are laid out anew in the one form that `ac.dequantized_product` has: [columns, depth] as
// signed bytes. A zero point that is the same everywhere is taken off the weights if they stay bytes.
//
//===----------------------------------------------------------------------===//
#include "Optimize/Passes.h"
#include "Optimize/PlainProduct.h"
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FUSEDEQUANTIZATION
#include "Optimize/Passes.h.inc"

namespace {

Value makeConstant(OpBuilder &b, Location loc, ElementsAttr value) {
  return make(b, loc, "Constant", value.getType(), {}, b.getNamedAttr("value", value));
}

/// `rows` times the matrix, plus `bias` if there is one, in place of `op`; with `mayRound`, rows may be rounded to bf16.
void replaceByProduct(Operation *op, Value rows, const QuantizedMatrix &matrix, Value bias, bool mayRound = false) {
  OpBuilder b(op);
  Location loc = op->getLoc();
  RankedTensorType rowsType = rankedType(rows);
  SmallVector<int64_t> shape(rowsType.getShape());
  shape.back() = matrix.columns;
  auto optional = [&](ElementsAttr value) { return value ? makeConstant(b, loc, value) : Value(); };
  auto product = DequantizedProductOp::create(b, loc, RankedTensorType::get(shape, b.getF32Type()),
                                              makeCast(b, loc, rows, b.getF32Type()),
                                              makeConstant(b, loc, matrix.weights), makeConstant(b, loc, matrix.scales),
                                              optional(matrix.zeros), optional(matrix.offsets), matrix.blockSize);
  if (mayRound)
    product->setAttr(kPrecisionAttribute, b.getStringAttr("bf16"));
  Value result = product;
  if (bias)
    result = make(b, loc, "Add", result.getType(), {result, makeCast(b, loc, bias, b.getF32Type())});
  op->getResult(0).replaceAllUsesWith(makeCast(b, loc, result, rowsType.getElementType()));
  op->erase();
}

void fuseProduct(Operation *op) {
  std::optional<PlainProduct> product = PlainProduct::of(op);
  if (!product || !rankedType(product->rows).getElementType().isF32())
    return;
  if (auto matrix = QuantizedMatrix::behind(product->matrix, product->transposed))
    replaceByProduct(op, product->rows, *matrix, product->bias);
}

void fuseMatMulNBits(Operation *op) {
  std::string why;
  Value bias;
  RankedTensorType rows = rankedType(op->getOperand(0));
  auto matrix = QuantizedMatrix::ofMatMulNBits(op, bias, why);
  if (matrix && (!rows || rows.getRank() < 1 || !(rows.getElementType().isF32() || rows.getElementType().isF16())))
    why = "its rows are no tensor of f32 or f16 of known rank";
  if (!why.empty()) {
    op->emitRemark(describe(op)) << " is not lowered: " << why;
    return;
  }
  // Levels: 1 f32, 2 f16, 3 bf16, 4 int8; 0 asks for nothing but what the operands have.
  replaceByProduct(op, op->getOperand(0), *matrix, bias, /*mayRound=*/intOf(op, "accuracy_level", 0) >= 3);
}

/// Takes rows of a table before they are dequantised, not after: the table stays small.
void fuseGather(Operation *op) {
  Operation *table = op->getOperand(0).getDefiningOp();
  RankedTensorType places = rankedType(op->getOperand(1)), result = rankedType(op->getResult(0));
  if (!table || operatorOf(table) != "DequantizeLinear" || !places || !result || intOf(op, "axis", 0) != 0)
    return;
  RankedTensorType integers = rankedType(table->getOperand(0)), scales = rankedType(table->getOperand(1));
  int64_t axis = intOf(table, "axis", 1);
  if (!isConstant(table->getOperand(0)) || integers.getRank() != 2 || integers.getElementTypeBitWidth() != 8 ||
      !scales || scales.getRank() != 2 || !(axis == 1 || axis == -1) || result.getRank() != places.getRank() + 1)
    return;
  OpBuilder b(op);
  SmallVector<Value> operands;
  for (Value operand : table->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type) { // no zero point
      operands.push_back(operand);
      continue;
    }
    SmallVector<int64_t> shape(places.getShape());
    shape.push_back(type.getDimSize(1));
    operands.push_back(make(b, op->getLoc(), "Gather", RankedTensorType::get(shape, type.getElementType()),
                            {operand, op->getOperand(1)}, op->getAttrs()));
  }
  SmallVector<NamedAttribute> attributes;
  for (NamedAttribute attribute : table->getAttrs())
    if (attribute.getName() != "axis")
      attributes.push_back(attribute);
  attributes.push_back(intAttribute(b, "axis", result.getRank() - 1));
  op->getResult(0).replaceAllUsesWith(make(b, table->getLoc(), "DequantizeLinear", result, operands, attributes));
  op->erase();
}

struct FuseDequantization : impl::FuseDequantizationBase<FuseDequantization> {
  void runOnOperation() override {
    SmallVector<Operation *> products, custom, gathers;
    getOperation().walk([&](Operation *op) {
      StringRef name = operatorOf(op);
      if (isa<onnx::ONNXDialect>(op->getDialect()) && (name == "MatMul" || name == "Gemm"))
        products.push_back(op);
      else if (name == "MatMulNBits")
        custom.push_back(op);
      else if (name == "Gather")
        gathers.push_back(op);
    });
    llvm::for_each(products, fuseProduct);
    llvm::for_each(custom, fuseMatMulNBits);
    llvm::for_each(gathers, fuseGather);
    IRRewriter rewriter(&getContext());
    (void)runRegionDCE(rewriter, getOperation()->getRegions());
  }
};

} // namespace
} // namespace mlir::ac
