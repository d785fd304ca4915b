//===- Costs.cpp - What a region costs, and how it is called --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Support/Costs.h"
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
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    auto size = [](Value value, ArrayRef<int64_t> order, AttentionOp::Dim dim) {
      return cast<ShapedType>(value.getType()).getDimSize(*AttentionOp::placeOf(order, dim));
    };
    int64_t keys = size(attention.getKey(), attention.getKeyOrder(), AttentionOp::Row),
            depth = size(attention.getQuery(), attention.getQueryOrder(), AttentionOp::Column),
            columns = size(attention.getValue(), attention.getValueOrder(), AttentionOp::Column);
    bool isKnown = keys >= 0 && depth >= 0 && columns > 0 && depth % columns == 0;
    return isKnown ? 2 * keys * (depth / columns + 1) : kUnknownFlops;
  }
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

namespace {

/// Follows the one dimension of unknown size through a region: of how many rows for each sample it is made of.
class Samples {
public:
  explicit Samples(Region &region) : region(region) {}
  SampleCost cost();

private:
  /// How many there are for each sample; 0: the value does not depend on the batch, -1: not known.
  int64_t multiple(Value value);
  int64_t compute(Operation *op, RankedTensorType type);
  static int64_t dynamicDim(RankedTensorType type) {
    return llvm::count(type.getShape(), ShapedType::kDynamic) == 1
               ? llvm::find(type.getShape(), ShapedType::kDynamic) - type.getShape().begin()
               : -1;
  }
  /// Elements for each index of the dimension that is not known.
  static int64_t known(RankedTensorType type) {
    SmallVector<int64_t> sizes(type.getShape());
    llvm::erase(sizes, ShapedType::kDynamic);
    return product(sizes);
  }

  Region &region;
  SampleCost result;
  DenseMap<Value, int64_t> multiples;
};

int64_t Samples::multiple(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return -1;
  if (type.hasStaticShape())
    return 0;
  int64_t dim = dynamicDim(type);
  if (dim < 0)
    return -1;
  auto [found, isNew] = multiples.try_emplace(value, -1);
  if (!isNew)
    return found->second;
  int64_t computed = -1;
  if (!region.isAncestor(value.getParentRegion())) {
    if (dim == 0) {
      result.samples.insert(value);
      computed = 1;
    }
  } else if (Operation *op = value.getDefiningOp()) {
    computed = compute(op, type);
  }
  multiples[value] = computed;
  return computed;
}

int64_t Samples::compute(Operation *op, RankedTensorType type) {
  StringRef name = op->getName().getStringRef();
  if (!name.consume_front("onnx.") || op->getNumRegions() != 0)
    return -1;
  if (name == "Reshape" || name == "Flatten" || name == "Squeeze" || name == "Unsqueeze") {
    auto from = dyn_cast<RankedTensorType>(op->getOperand(0).getType());
    int64_t rows = multiple(op->getOperand(0)), before, after = known(type);
    if (rows <= 0 || after <= 0 || llvm::MulOverflow(rows, known(from), before) || before % after != 0)
      return -1;
    return before / after;
  }
  // What may take a part of the batch, or put batches together.
  if (auto axis = op->getAttrOfType<IntegerAttr>("axis");
      axis && (axis.getInt() + type.getRank()) % type.getRank() == dynamicDim(type))
    return -1;
  if (llvm::is_contained({"Slice", "Pad", "Tile", "Expand", "Range", "NonZero", "Compress", "Unique", "Resize"},
                         name) ||
      name.starts_with("Sequence"))
    return -1;
  int64_t rows = 0;
  for (Value operand : op->getOperands()) {
    if (!isa<RankedTensorType>(operand.getType()))
      continue;
    int64_t own = multiple(operand);
    if (own < 0 || (rows > 0 && own > 0 && own != rows))
      return -1;
    rows = std::max(rows, own);
  }
  return rows > 0 ? rows : -1;
}

SampleCost Samples::cost() {
  int64_t sum = 0;
  auto unknown = [&] {
    result.flops = kUnknownFlops;
    return result;
  };
  for (Block &block : region)
    for (Operation &op : block) {
      int64_t flops = flopsPerElement(&op);
      if (flops < 0)
        return unknown();
      if (flops > 0) {
        Value value = op.getResult(0);
        int64_t rows = multiple(value);
        if (rows <= 0 || llvm::MulOverflow(flops, known(cast<RankedTensorType>(value.getType())), flops) ||
            llvm::MulOverflow(flops, rows, flops))
          return unknown();
      }
      if (op.getNumRegions() != 0 && !isa<ACDialect>(op.getDialect()))
        for (Region &inner : op.getRegions())
          if (flopsPerRun(inner) != 0)
            return unknown();
      if (llvm::AddOverflow(sum, flops, sum))
        return unknown();
    }
  result.flops = sum;
  return result;
}

} // namespace

SampleCost mlir::ac::flopsPerSample(Region &region) { return Samples(region).cost(); }

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

int64_t mlir::ac::flopsPerStep(Region &body) {
  int64_t total = 0;
  for (auto rows : body.front().getOps<MaskedRowsOp>()) {
    int64_t flops = flopsPerRow(rows.getBody());
    if (flops < 0 || llvm::AddOverflow(total, flops, total))
      return kUnknownFlops;
  }
  return total;
}

std::optional<SkippableCost> mlir::ac::skippableCost(Operation *op) {
  SkippableCost cost;
  auto sum = [&] {
    cost.total = 0;
    for (int64_t flops : cost.branches)
      if (flops < 0 || llvm::AddOverflow(cost.total, flops, cost.total)) {
        cost.total = kUnknownFlops;
        return;
      }
  };
  if (isa<LearnerChainOp, MoeDispatchOp, MaskedRowsOp>(op)) {
    cost.unit = "row";
    for (Region &region : op->getRegions())
      cost.branches.push_back(flopsPerRow(region));
    sum();
  } else if (auto loop = dyn_cast<HaltingLoopOp>(op)) {
    // The part that tests who runs is no work.
    cost.unit = "row step";
    cost.branches.push_back(flopsPerStep(loop.getBody()));
    sum();
  } else if (isa<ExitOp, SkipOp>(op)) {
    cost.unit = "run";
    for (Region &region : op->getRegions())
      cost.branches.push_back(flopsPerRun(region));
    if (llvm::is_contained(cost.branches, kUnknownFlops)) {
      cost.unit = "sample";
      for (auto [region, flops] : llvm::zip(op->getRegions(), cost.branches))
        flops = flopsPerSample(region).flops;
      if (llvm::is_contained(cost.branches, kUnknownFlops))
        cost.unit = "run";
    }
    int64_t cheap = cost.branches.size() == 1 ? 0 : cost.branches.front(), costly = cost.branches.back();
    if (cheap >= 0 && costly >= cheap)
      cost.total = costly - cheap;
  } else {
    return std::nullopt;
  }
  return cost;
}

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
