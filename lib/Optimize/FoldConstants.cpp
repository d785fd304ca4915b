//===- FoldConstants.cpp - Compute what only depends on constants ---------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Small constants are not worth a compilation: the lowering folds them as scalars. The pass looks for operations that
// depend on nothing but constants and have at least one large input, directly or through others of their kind. Those
// whose results leave the set are made into one function, which is compiled and run.
//
//===----------------------------------------------------------------------===//
#include "Lower/NodeLowering.h"
#include "Optimize/Evaluate.h"
#include "Optimize/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::ac {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "Optimize/Passes.h.inc"

namespace {

/// The lowering folds tensors of up to this many elements.
constexpr int64_t kSmall = 64;
/// Results up to this size are kept whatever they were made from.
constexpr int64_t kFreeBytes = 1 << 16;

bool isConstant(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name == "onnx.Constant" || name == "onnx.NoValue";
}

int64_t bytesOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape() || !tensor.getElementType().isIntOrFloat())
    return -1;
  return tensor.getNumElements() * llvm::divideCeil(tensor.getElementTypeBitWidth(), 8);
}

/// Takes out casts to what there is already: they would stand between a constant and who looks for it.
void dropCasts(func::FuncOp function) {
  SmallVector<Operation *> casts;
  function.walk([&](Operation *op) {
    StringRef name = op->getName().getStringRef();
    if ((name.starts_with("onnx.CastLike") || name == "onnx.Cast") && op->getNumResults() == 1 &&
        op->getResult(0).getType() == op->getOperand(0).getType())
      casts.push_back(op);
  });
  for (Operation *cast : casts) {
    cast->getResult(0).replaceAllUsesWith(cast->getOperand(0));
    cast->erase();
  }
}

struct FoldConstants : impl::FoldConstantsBase<FoldConstants> {
  using Base::Base;

  /// Whether the operation makes a matrix that may stay as small as it is.
  bool isKept(Operation *op) {
    if (!keepQuantized || !op->getName().getStringRef().starts_with("onnx.DequantizeLinear"))
      return false;
    auto type = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
    return type && type.getRank() == 2 && type.getElementType().isIntOrFloat() && type.getElementTypeBitWidth() <= 8;
  }

  /// Whether the operation may run while compiling, given that its inputs are constant.
  bool mayFold(Operation *op) {
    if (!isa_and_nonnull<onnx::ONNXDialect>(op->getDialect()) || isConstant(op) || op->getNumRegions() != 0 ||
        op->getNumOperands() == 0 || !isPure(op))
      return false;
    IRMapping none;
    StringRef name = op->getName().getStringRef();
    name.consume_front("onnx.");
    if (!getLoweringTable().lookup(name))
      return false;
    if (isKept(op))
      return false;
    int64_t in = 0, out = 0;
    for (Value operand : op->getOperands())
      in += std::max<int64_t>(bytesOf(operand.getType()), 0);
    for (Value result : op->getResults()) {
      if (isa<NoneType>(result.getType()))
        continue;
      int64_t bytes = bytesOf(result.getType());
      if (bytes < 0)
        return false;
      out += bytes;
    }
    return out <= std::max(kFreeBytes, in * maxGrowth);
  }

  void fold(func::FuncOp function) {
    // The set, in order, and which of its members have a large constant behind them.
    llvm::SetVector<Operation *> foldable;
    llvm::DenseSet<Operation *> large;
    // Subgraphs too: what is constant there is constant anywhere.
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      auto fromConstant = [&](Value operand) {
        Operation *definition = operand.getDefiningOp();
        return definition && (isConstant(definition) || foldable.contains(definition));
      };
      if (!llvm::all_of(op->getOperands(), fromConstant) || !mayFold(op))
        return;
      foldable.insert(op);
      for (Value operand : op->getOperands()) {
        auto type = dyn_cast<RankedTensorType>(operand.getType());
        if (large.contains(operand.getDefiningOp()) ||
            (type && type.hasStaticShape() && type.getNumElements() > kSmall))
          large.insert(op);
      }
    });
    SmallVector<Value> leaving;
    for (Operation *op : foldable)
      if (large.contains(op) || llvm::any_of(op->getUsers(), [&](Operation *user) { return isKept(user); }))
        for (Value result : op->getResults())
          if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !foldable.contains(user); }))
            leaving.push_back(result);
    if (leaving.empty())
      return;

    // A module of their own, with what they need.
    llvm::SetVector<Operation *> needed;
    std::function<void(Operation *)> need = [&](Operation *op) {
      for (Value operand : op->getOperands())
        if (!needed.contains(operand.getDefiningOp()))
          need(operand.getDefiningOp());
      needed.insert(op);
    };
    for (Value value : leaving)
      need(value.getDefiningOp());
    OpBuilder b(&getContext());
    OwningOpRef<ModuleOp> module = ModuleOp::create(b, function.getLoc());
    module->getOperation()->setDiscardableAttrs(getOperation()->getDiscardableAttrDictionary());
    b.setInsertionPointToStart(module->getBody());
    auto main = func::FuncOp::create(b, function.getLoc(), "main",
                                     b.getFunctionType({}, TypeRange(ValueRange(leaving))));
    b.setInsertionPointToStart(main.addEntryBlock());
    IRMapping mapping;
    for (Operation *op : needed)
      b.clone(*op, mapping);
    SmallVector<Value> results;
    SmallVector<Type> elementTypes;
    for (Value value : leaving) {
      results.push_back(mapping.lookup(value));
      elementTypes.push_back(cast<TensorType>(value.getType()).getElementType());
    }
    func::ReturnOp::create(b, function.getLoc(), results);

    // What cannot be lowered is reported where it stands, by the lower stage.
    llvm::Expected<SmallVector<ElementsAttr>> constants = [&] {
      ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
      return evaluate(*module, elementTypes);
    }();
    if (!constants) {
      llvm::consumeError(constants.takeError());
      return;
    }
    for (auto [value, constant] : llvm::zip_equal(leaving, *constants)) {
      b.setInsertionPointAfterValue(value);
      OperationState state(value.getLoc(), "onnx.Constant");
      state.addAttribute("value", constant);
      state.addTypes(constant.getType());
      value.replaceAllUsesWith(b.create(state)->getResult(0));
    }
    for (Operation *op : llvm::reverse(needed.getArrayRef()))
      if (op->use_empty())
        op->erase();
  }

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal()) {
        dropCasts(function);
        fold(function);
      }
  }
};

} // namespace
} // namespace mlir::ac
