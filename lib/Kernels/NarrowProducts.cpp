//===- NarrowProducts.cpp - Products of f32 in bf16 -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A user who allows it (`ac.precision = "bf16"` on the module) gets products with constant matrices whose operands are
// rounded to bf16: half of the weights' bytes, and many times the multiplications where the processor has units for them.
// Sums, epilogues and everything else stay in f32. Rows are rounded in front of what gathers them, so that a product
// still reads them where they are, and each value is rounded once for all that use it.
//
//===----------------------------------------------------------------------===//
#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include "Support/Weights.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::ac {
#define GEN_PASS_DEF_NARROWPRODUCTS
#include "Kernels/Passes.h.inc"

namespace {

/// The nearest bf16, the even one of two. Infinities and NaNs stay what they are.
uint16_t round(uint32_t bits) {
  bool isNaN = (bits & 0x7fffffff) > 0x7f800000;
  return isNaN ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

bool isView(Operation *op) { return isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp>(op); }

struct NarrowProducts : impl::NarrowProductsBase<NarrowProducts> {
  DenseMap<Value, Value> done;

  RankedTensorType narrowType(Type type) {
    return cast<RankedTensorType>(type).clone(BFloat16Type::get(type.getContext()));
  }

  /// Whether `value` is a constant whose elements are at hand.
  static bool isConstant(Value value) {
    arith::ConstantOp constant = constantBehind(value);
    return constant && withRawElements(cast<ElementsAttr>(constant.getValue()));
  }

  /// Memory for `value` in bf16.
  Value emptyFor(ImplicitLocOpBuilder &b, Value value) {
    RankedTensorType type = narrowType(value.getType());
    Value init = tensor::EmptyOp::create(b, tensor::getMixedSizes(b, b.getLoc(), value), type.getElementType());
    return init.getType() == type ? init : tensor::CastOp::create(b, type, init).getResult();
  }

  /// `value`, a tensor of f32, rounded to bf16.
  Value narrow(Value value) {
    if (Value known = done.lookup(value))
      return known;
    OpBuilder at(&getContext());
    at.setInsertionPointAfterValue(value);
    ImplicitLocOpBuilder b(value.getLoc(), at);
    Operation *op = value.getDefiningOp();
    Value made;
    if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op))
      made = narrowConstant(b, constant);
    else if (op && isView(op))
      made = narrowView(b, op);
    else if (auto gather = dyn_cast_or_null<GatherRowsOp>(op))
      made = narrowGather(b, gather);
    if (!made)
      made = narrowElements(b, value);
    return done[value] = made;
  }

  Value narrowConstant(ImplicitLocOpBuilder &b, arith::ConstantOp constant) {
    ElementsAttr value = withRawElements(cast<ElementsAttr>(constant.getValue()));
    if (!value)
      return {};
    ArrayRef<char> from = getRawElements(value);
    ElementsAttr narrowed = makeWeight(narrowType(value.getType()), "narrowed", [&](MutableArrayRef<char> to) {
      for (size_t i = 0; i * sizeof(float) < from.size(); ++i) {
        uint32_t bits;
        std::memcpy(&bits, from.data() + i * sizeof(bits), sizeof(bits));
        uint16_t rounded = round(bits);
        std::memcpy(to.data() + i * sizeof(rounded), &rounded, sizeof(rounded));
      }
    });
    return arith::ConstantOp::create(b, cast<TypedAttr>(narrowed));
  }

  Value narrowView(ImplicitLocOpBuilder &b, Operation *view) {
    Value source = narrow(view->getOperand(0));
    IRMapping mapping;
    mapping.map(view->getOperand(0), source);
    Operation *copy = b.clone(*view, mapping);
    copy->getResult(0).setType(narrowType(view->getResult(0).getType()));
    return copy->getResult(0);
  }

  Value narrowGather(ImplicitLocOpBuilder &b, GatherRowsOp gather) {
    Value source = narrow(gather.getSource());
    Value init = emptyFor(b, gather.getInit());
    return GatherRowsOp::create(b, TypeRange(init.getType()), source, gather.getPlaces(), init).getResult(0);
  }

  Value narrowElements(ImplicitLocOpBuilder &b, Value value) {
    Value init = emptyFor(b, value);
    auto type = cast<RankedTensorType>(init.getType());
    AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
    SmallVector<utils::IteratorType> loops(type.getRank(), utils::IteratorType::parallel);
    auto generic = linalg::GenericOp::create(
        b, TypeRange(type), ValueRange(value), ValueRange(init), ArrayRef<AffineMap>{identity, identity}, loops,
        [](OpBuilder &inner, Location loc, ValueRange args) {
          Value rounded = arith::TruncFOp::create(inner, loc, args[1].getType(), args[0]);
          linalg::YieldOp::create(inner, loc, rounded);
        });
    return generic.getResult(0);
  }

  void runOnOperation() override {
    auto isNarrow = [](Operation *op) {
      auto precision = op->getAttrOfType<StringAttr>(kPrecisionAttribute);
      return precision && precision.getValue() == "bf16";
    };
    bool all = isNarrow(getOperation());
    bool hasTiles = TargetInfo::of(getOperation()).dotUnit(BFloat16Type::get(&getContext())) == DotUnit::Tiles;
    SmallVector<ContractOp> contracts;
    getOperation().walk([&](ContractOp op) {
      auto isF32 = [](Value operand) {
        auto type = dyn_cast<RankedTensorType>(operand.getType());
        return type && type.getElementType().isF32();
      };
      if (!(all || isNarrow(op)) || !op.getElementType().isF32() || !isF32(op.getLhs()) || op.getRhsStarts() ||
          op.getPacked() || !isConstant(op.getRhs()))
        return;
      if (op.isQuantized() ? hasTiles : isF32(op.getRhs()))
        contracts.push_back(op);
    });
    for (ContractOp op : contracts) {
      op.getLhsMutable().assign(narrow(op.getLhs()));
      if (!op.isQuantized())
        op.getRhsMutable().assign(narrow(op.getRhs()));
      ++numProducts;
    }
  }
};

} // namespace
} // namespace mlir::ac
