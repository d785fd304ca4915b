//===- Costs.cpp - What a region costs, and how it is called --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Costs.h"
#include "Support/NodeName.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::ac;

/// The shape of a value; none unless every dimension from `first` on is known.
static std::optional<ArrayRef<int64_t>> knownShape(Value value, int64_t first = 0) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() < first || llvm::any_of(type.getShape().drop_front(first), ShapedType::isDynamic))
    return std::nullopt;
  return type.getShape();
}

static int64_t product(ArrayRef<int64_t> sizes) {
  int64_t result = 1;
  for (int64_t size : sizes)
    if (llvm::MulOverflow(result, size, result))
      return kUnknownFlops;
  return result;
}

/// Multiplications and additions for an element of the result of a product; 0: not a product, -1: unknown.
static int64_t flopsPerElement(Operation *op) {
  if (auto product = dyn_cast<DequantizedProductOp>(op))
    return 2 * cast<RankedTensorType>(product.getWeights().getType()).getDimSize(1);
  StringRef name = op->getName().getStringRef();
  name.consume_front("onnx.");
  name = name.take_until([](char c) { return c == '_'; }); // versions
  enum {
    Other,
    MatMul,
    Gemm,
    Conv,
    Unknown
  } kind = llvm::StringSwitch<decltype(kind)>(name)
               .Cases({"MatMul", "MatMulInteger"}, MatMul)
               .Case("Gemm", Gemm)
               .Cases({"Conv", "ConvInteger"}, Conv)
               .Cases({"ConvTranspose", "DeformConv", "Einsum", "Attention"}, Unknown)
               .Cases({"LSTM", "GRU", "RNN", "Custom"}, Unknown)
               .Cases({"QLinearMatMul", "QLinearConv"}, Unknown)
               .Default(Other);
  if (kind == Other)
    return 0;
  if (kind == Unknown || op->getNumOperands() < 2)
    return kUnknownFlops;
  auto lhs = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
  if (!lhs || lhs.getRank() == 0)
    return kUnknownFlops;
  int64_t inner;
  if (kind == Conv) {
    auto weight = knownShape(op->getOperand(1));
    inner = weight && weight->size() > 1 ? product(weight->drop_front()) : kUnknownFlops;
  } else {
    auto transA = op->getAttrOfType<IntegerAttr>("transA");
    inner = lhs.getShape()[kind == Gemm && transA && transA.getInt() ? 0 : lhs.getRank() - 1];
    // The other factor may know it where this one does not.
    auto rhs = dyn_cast<RankedTensorType>(op->getOperand(1).getType());
    if (ShapedType::isDynamic(inner) && kind == MatMul && rhs && rhs.getRank() > 1)
      inner = rhs.getShape()[rhs.getRank() - 2];
  }
  return inner < 0 || inner > std::numeric_limits<int64_t>::max() / 2 ? kUnknownFlops : 2 * inner;
}

static int64_t estimate(Region &region, bool perRow) {
  int64_t sum = 0;
  for (Block &block : region)
    for (Operation &op : block) {
      int64_t flops = flopsPerElement(&op);
      if (flops > 0) {
        Value result = op.getResult(0);
        auto rank = isa<RankedTensorType>(result.getType()) ? cast<RankedTensorType>(result.getType()).getRank() : 0;
        int64_t first = perRow ? std::max<int64_t>(rank - 1, 0) : 0;
        auto shape = knownShape(result, first);
        int64_t elements = shape ? product(shape->drop_front(first)) : kUnknownFlops;
        if (elements < 0 || llvm::MulOverflow(flops, elements, flops))
          return kUnknownFlops;
      }
      // What `ac` operations hold they count themselves; of others nobody knows how often it runs.
      if (op.getNumRegions() != 0 && !isa<ACDialect>(op.getDialect()))
        for (Region &inner : op.getRegions())
          if (estimate(inner, perRow) != 0)
            return kUnknownFlops;
      if (flops < 0 || llvm::AddOverflow(sum, flops, sum))
        return kUnknownFlops;
    }
  return sum;
}

int64_t mlir::ac::flopsPerRun(Region &region) { return estimate(region, /*perRow=*/false); }

int64_t mlir::ac::flopsPerRow(Region &region) { return estimate(region, /*perRow=*/true); }

static std::string baseName(Operation *op) {
  StringRef name = nodeNameOf(op->getLoc());
  return (name.empty() ? op->getName().getStringRef() : name).str();
}

std::string mlir::ac::counterSite(Operation *op) {
  std::string name = baseName(op);
  unsigned before = 0;
  if (auto function = op->getParentOfType<FunctionOpInterface>())
    function->walk<WalkOrder::PreOrder>([&](Operation *other) {
      if (other == op)
        return WalkResult::interrupt();
      before +=
          isa_and_nonnull<ACDialect>(other->getDialect()) && other->getNumRegions() != 0 && baseName(other) == name;
      return WalkResult::advance();
    });
  return before == 0 ? name : name + "#" + std::to_string(before + 1);
}
