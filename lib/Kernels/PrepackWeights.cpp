//===- PrepackWeights.cpp - Constant matrices in panels -------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Kernels/KernelDescription.h"
#include "Support/Weights.h"

namespace mlir::ac {
#define GEN_PASS_DEF_PREPACKWEIGHTS
#include "Kernels/Passes.h.inc"

namespace {

/// [b, k, n] to [b, panels, k, lanes], the columns past n being zero. Elements are moved as bytes.
ElementsAttr pack(ElementsAttr value, int64_t lanes) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t batches = type.getDimSize(0), depth = type.getDimSize(1), columns = type.getDimSize(2);
  int64_t panels = llvm::divideCeil(columns, lanes);
  size_t size = type.getElementTypeBitWidth() / 8;
  auto packedType = RankedTensorType::get({batches, panels, depth, lanes}, type.getElementType());
  ArrayRef<char> from = getRawElements(value);
  return makeWeight(packedType, "packed", [&](MutableArrayRef<char> to) {
    std::memset(to.data(), 0, to.size());
    for (int64_t batch = 0; batch < batches; ++batch)
      for (int64_t panel = 0; panel < panels; ++panel) {
        int64_t width = std::min(lanes, columns - panel * lanes);
        for (int64_t k = 0; k < depth; ++k)
          std::memcpy(to.data() + ((batch * panels + panel) * depth + k) * lanes * size,
                      from.data() + ((batch * depth + k) * columns + panel * lanes) * size, width * size);
      }
  });
}

/// [b, k, n] to [b, panels, groups, lanes * group]: `group` elements of a column stand together. The number of groups
/// is a multiple of `multiple`; what is past the last row or column is zero.
ElementsAttr packGroups(ElementsAttr value, int64_t lanes, int64_t group, int64_t multiple) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t batches = type.getDimSize(0), depth = type.getDimSize(1), columns = type.getDimSize(2);
  int64_t panels = llvm::divideCeil(columns, lanes), groups = llvm::alignTo(llvm::divideCeil(depth, group), multiple);
  size_t size = type.getElementTypeBitWidth() / 8;
  auto packedType = RankedTensorType::get({batches, panels, groups, lanes * group}, type.getElementType());
  const char *from = getRawElements(value).data();
  return makeWeight(packedType, "packed", [&](MutableArrayRef<char> to) {
    std::memset(to.data(), 0, to.size());
    for (int64_t row = 0; row < batches * depth; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        int64_t k = row % depth, panel = row / depth * panels + column / lanes;
        int64_t place = ((panel * groups + k / group) * lanes + column % lanes) * group + k % group;
        std::memcpy(to.data() + place * size, from + (row * columns + column) * size, size);
      }
  });
}

/// The smallest element of i8, if all are so near to it that four bits tell them apart.
std::optional<int64_t> leastOfFourBits(ElementsAttr integers) {
  ArrayRef<char> bytes = getRawElements(integers);
  auto [least, most] = std::minmax_element(
      bytes.begin(), bytes.end(), [](char a, char b) { return static_cast<int8_t>(a) < static_cast<int8_t>(b); });
  int64_t low = static_cast<int8_t>(*least), high = static_cast<int8_t>(*most);
  return high - low < 16 ? std::optional(low) : std::nullopt;
}

/// Panels of i8, [b, panels, k, lanes], to words of eight steps, [b, panels, ceil(k / 8), lanes].
ElementsAttr packFourBits(ElementsAttr panels, int64_t least) {
  auto type = cast<RankedTensorType>(panels.getType());
  int64_t matrices = type.getDimSize(0) * type.getDimSize(1), depth = type.getDimSize(2), lanes = type.getDimSize(3);
  int64_t words = llvm::divideCeil(depth, 8);
  auto wordType = RankedTensorType::get({type.getDimSize(0), type.getDimSize(1), words, lanes},
                                        IntegerType::get(type.getContext(), 32));
  const char *from = getRawElements(panels).data();
  return makeWeight(wordType, "packed", [&](MutableArrayRef<char> bytes) {
    auto *to = reinterpret_cast<uint32_t *>(bytes.data());
    std::memset(bytes.data(), 0, bytes.size());
    for (int64_t matrix = 0; matrix < matrices; ++matrix)
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t lane = 0; lane < lanes; ++lane) {
          uint32_t number = static_cast<int8_t>(from[(matrix * depth + k) * lanes + lane]) - least;
          to[(matrix * words + k / 8) * lanes + lane] |= (number & 15) << (k % 8 * 4);
        }
  });
}

/// The same numbers in half the bytes, if none loses by it; else null.
ElementsAttr halve(ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.getElementType().isF32())
    return {};
  ArrayRef<char> bytes = getRawElements(value);
  SmallVector<uint16_t, 0> halves;
  for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
    float number;
    std::memcpy(&number, bytes.data() + at, sizeof(float));
    APFloat half(number);
    bool loses = false;
    half.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &loses);
    if (loses || half.isDenormal() || half.isNaN())
      return {};
    halves.push_back(half.bitcastToAPInt().getZExtValue());
  }
  auto halfType = RankedTensorType::get(type.getShape(), Float16Type::get(type.getContext()));
  return makeWeight(halfType, "halved",
                    [&](MutableArrayRef<char> to) { std::memcpy(to.data(), halves.data(), to.size()); });
}

/// The constant that `value` is, seen through reshapes; null if it is none or has no elements.
ElementsAttr constantOf(Value value) {
  // Constants arrive through reshapes that add the batch dimension.
  arith::ConstantOp constant = constantBehind(value);
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!constant || !type || !type.hasStaticShape() || type.getNumElements() == 0)
    return {};
  ElementsAttr elements = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
  return elements;
}

struct PrepackWeights : impl::PrepackWeightsBase<PrepackWeights> {
  /// Equal weights are packed once for each function that uses them.
  DenseMap<std::tuple<Operation *, Attribute, unsigned>, Value> done;

  /// Forms in which a constant is laid out.
  enum Form : unsigned { kPanels, kWords, kGroups };

  /// A constant of what `change` makes of `value`.
  Value make(ContractOp op, ElementsAttr value, Form form, llvm::function_ref<ElementsAttr()> change) {
    auto function = op->getParentOfType<FunctionOpInterface>();
    Value &made = done[{function, value, form}];
    if (!made) {
      OpBuilder b = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
      made = arith::ConstantOp::create(b, op.getLoc(), cast<TypedAttr>(change()));
    }
    return made;
  }

  void packQuantized(ContractOp op, ElementsAttr weights, int64_t lanes) {
    SmallVector<std::pair<OpOperand *, ElementsAttr>> parameters;
    for (MutableOperandRange range : {op.getScalesMutable(), op.getZerosMutable(), op.getOffsetsMutable()})
      for (OpOperand &operand : range) {
        ElementsAttr value = withRawElements(constantOf(operand.get()));
        if (!value)
          return;
        parameters.emplace_back(&operand, value);
      }
    std::optional<int64_t> least = leastOfFourBits(op);
    op.getRhsMutable().assign(make(op, weights, least ? kWords : kPanels, [&] {
      // Lanes past the last column have scales of zero.
      ElementsAttr panels = pack(weights, lanes);
      return least ? packFourBits(panels, *least) : panels;
    }));
    for (auto [operand, value] : parameters)
      operand->set(make(op, value, kPanels, [&, value = value] {
        ElementsAttr panels = pack(value, lanes), half = halve(panels);
        return half ? half : panels;
      }));
    if (least)
      op.setLeast(*least);
    op.setPacked(true);
  }

  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    getOperation().walk([&](ContractOp op) {
      if (op.getPacked() || op.getRhsOrder() || op.getRhsStarts())
        return;
      ElementsAttr value = constantOf(op.getRhs());
      int64_t lanes = target.panel(op.getElementType());
      if (op.isQuantized() && (value = withRawElements(value)))
        return packQuantized(op, value, lanes);
      if (DotUnit unit = groupedUnit(op, target); unit != DotUnit::None && value && (value = withRawElements(value))) {
        int64_t columns = target.groupedPanel(unit), group = 32 / value.getElementType().getIntOrFloatBitWidth();
        int64_t multiple = unit == DotUnit::Tiles ? kTileRows : 1;
        op.getRhsMutable().assign(
            make(op, value, kGroups, [&] { return packGroups(value, columns, group, multiple); }));
        op.setGroup(group);
        op.setPacked(true);
        return;
      }
      if (!value || !hasRawElements(value))
        return;
      op.getRhsMutable().assign(make(op, value, kPanels, [&] { return pack(value, lanes); }));
      op.setPacked(true);
    });
  }
};

} // namespace

std::optional<int64_t> leastOfFourBits(ContractOp op) {
  if (op.getPacked() || !op.isQuantized())
    return op.getLeast();
  int64_t block = *op.getBlockSize();
  int64_t depth = cast<ShapedType>(op.getLhs().getType()).getDimSize(ContractOp::dimOf(op.getLhsOrder(), 2));
  if (auto rhs = cast<ShapedType>(op.getRhs().getType()); !op.getRhsOrder())
    depth = rhs.getDimSize(1);
  // Words do not cross blocks.
  bool wholeWords = block % 8 == 0 || (!ShapedType::isDynamic(depth) && depth <= block);
  arith::ConstantOp constant = wholeWords ? arrangedConstantBehind(op.getRhs()) : arith::ConstantOp();
  ElementsAttr integers = constant ? withRawElements(cast<ElementsAttr>(constant.getValue())) : ElementsAttr();
  return integers ? leastOfFourBits(integers) : std::nullopt;
}

} // namespace mlir::ac
