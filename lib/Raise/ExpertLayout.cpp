//===- ExpertLayout.cpp - Where the dimensions of a value come from -------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Raise/ExpertSum.h"

namespace mlir::ac {

bool ExpertAxes::holds(const Layout &layout, int axis) {
  return llvm::any_of(layout, [&](const Axes &axes) { return llvm::is_contained(axes, axis); });
}

bool ExpertSum::holdsRows(const Layout &layout) const {
  return llvm::any_of(layout,
                      [](const Axes &axes) { return llvm::any_of(axes, [](int axis) { return axis < kSum; }); });
}

SmallVector<int> ExpertSum::axesOf(Frame frame) const {
  if (frame == Frame::Matrix)
    return {kIn, kOut};
  SmallVector<int> axes;
  for (unsigned row = 0; row < rowSizes.size(); ++row)
    axes.push_back(row);
  axes.push_back(kFeature);
  return axes;
}

ExpertAxes::Layout ExpertAxes::broadcast(const Layout &result, RankedTensorType operand) {
  Layout layout;
  size_t missing = result.size() - operand.getRank();
  for (auto [dim, size] : llvm::enumerate(operand.getShape()))
    layout.push_back(size == 1 ? Axes() : result[missing + dim]);
  return layout;
}

std::optional<ExpertAxes::Layout> ExpertAxes::throughReshape(const Layout &layout, RankedTensorType to,
                                                             RankedTensorType from) const {
  // All axes in order, with their sizes.
  SmallVector<std::pair<int, int64_t>> axes;
  for (auto [dim, own] : llvm::enumerate(layout))
    for (int axis : own) {
      int64_t size = axis < kSum ? rowSizes[axis] : axis == kSum ? sumSize : to.getDimSize(dim);
      if (axis > kSum && own.size() != 1)
        return std::nullopt;
      axes.emplace_back(axis, size);
    }
  SmallVector<int64_t> dims;
  for (auto [dim, size] : llvm::enumerate(from.getShape()))
    if (size != 1)
      dims.push_back(dim);
  Layout result(from.getRank());
  size_t axis = 0, axisEnd = axes.size(), dim = 0, dimEnd = dims.size();
  if (dimEnd == axisEnd) {
    // One for one.
    for (; dim < dimEnd; ++dim) {
      int64_t size = from.getDimSize(dims[dim]), own = axes[dim].second;
      if (size != own && !ShapedType::isDynamic(size) && !ShapedType::isDynamic(own))
        return std::nullopt;
      result[dims[dim]] = {axes[dim].first};
    }
    return result;
  }
  // Known sizes from both ends; what is left in the middle is one dimension.
  auto take = [&](bool front) {
    while (dim < dimEnd) {
      int64_t at = dims[front ? dim : dimEnd - 1], size = from.getDimSize(at), product = 1;
      if (ShapedType::isDynamic(size))
        return true;
      Axes own;
      while (product < size && axis < axisEnd) {
        auto [next, nextSize] = axes[front ? axis++ : --axisEnd];
        if (ShapedType::isDynamic(nextSize))
          return false;
        own.insert(front ? own.end() : own.begin(), next);
        product *= nextSize;
      }
      if (product != size)
        return false;
      result[at] = own;
      front ? ++dim : --dimEnd;
    }
    return true;
  };
  if (!take(true) || !take(false))
    return std::nullopt;
  if (dim == dimEnd)
    return axis == axisEnd ? std::optional(result) : std::nullopt;
  if (dim + 1 != dimEnd || axis == axisEnd)
    return std::nullopt;
  for (; axis < axisEnd; ++axis)
    result[dims[dim]].push_back(axes[axis].first);
  return result;
}

std::optional<ExpertAxes::Layout> ExpertAxes::throughMove(Operation *op, const Layout &layout) const {
  StringRef name = operatorOf(op);
  if (op->getNumOperands() == 0)
    return std::nullopt;
  if (name == "Identity" || name == "Cast")
    return layout;
  auto from = rankedType(op->getOperand(0)), to = rankedType(op->getResult(0));
  if (!from || !to)
    return std::nullopt;
  if (name == "Reshape" || name == "Squeeze" || name == "Unsqueeze" || name == "Flatten")
    return throughReshape(layout, to, from);
  if (name == "Transpose") {
    auto perm = intsOf(op, "perm", ~0u);
    Layout result(from.getRank());
    for (int64_t dim = 0; dim < to.getRank(); ++dim)
      result[perm ? (*perm)[dim] : to.getRank() - 1 - dim] = layout[dim];
    return result;
  }
  if (name == "Expand") {
    Layout result = broadcast(layout, from);
    // What is repeated along the features would have to be repeated again.
    return holds(layout, kFeature) == holds(result, kFeature) ? std::optional(result) : std::nullopt;
  }
  if (name == "Tile") {
    auto repeats = constantInts(op->getOperand(1));
    if (!repeats || static_cast<int64_t>(repeats->size()) != to.getRank())
      return std::nullopt;
    Layout result(layout);
    for (auto [axes, count] : llvm::zip(result, *repeats)) {
      if (count == 1)
        continue;
      // The whole once for each of the sum.
      if (axes.empty() || axes.front() != kSum || count != sumSize)
        return std::nullopt;
      axes.erase(axes.begin());
    }
    return result;
  }
  return std::nullopt;
}

/// Operations that have all elements of their operand once.
static bool isPlainMove(StringRef name) {
  return name == "Identity" || name == "Reshape" || name == "Squeeze" || name == "Unsqueeze" || name == "Flatten" ||
         name == "Transpose";
}

Value ExpertAxes::arrange(OpBuilder &b, Value value, Layout layout, ArrayRef<int> axes) {
  auto isSplit = [](const Layout &layout) {
    return llvm::all_of(layout, [](const Axes &own) { return own.size() <= 1; });
  };
  // What it was made from by moves may be that already.
  auto fits = [&](const Layout &own) {
    return own.size() == axes.size() &&
           llvm::all_of(llvm::zip(own, axes), [](auto pair) { return std::get<0>(pair) == Axes{std::get<1>(pair)}; });
  };
  Value source = value;
  Layout sourceLayout = layout;
  while (true) {
    if (fits(sourceLayout))
      return source;
    Operation *op = source.getDefiningOp();
    auto before = op && isPlainMove(operatorOf(op)) ? throughMove(op, sourceLayout) : std::nullopt;
    if (!before)
      break;
    source = op->getOperand(0);
    sourceLayout = *before;
  }
  // What was folded together for this value alone may stand apart in what it was made from.
  while (!isSplit(layout)) {
    Operation *op = value.getDefiningOp();
    auto before = op && isPlainMove(operatorOf(op)) ? throughMove(op, layout) : std::nullopt;
    if (!before)
      break;
    value = op->getOperand(0);
    layout = *before;
  }
  auto sizeOf = [&](int axis, int64_t own) { return axis < kSum ? rowSizes[axis] : axis == kSum ? sumSize : own; };
  auto element = rankedType(value).getElementType();
  if (!isSplit(layout)) {
    Layout apart;
    SmallVector<int64_t> shape, target;
    for (auto [dim, own] : llvm::enumerate(layout)) {
      int64_t size = rankedType(value).getDimSize(dim);
      if (own.empty()) {
        apart.push_back({});
        shape.push_back(1);
      }
      for (int axis : own) {
        apart.push_back({axis});
        shape.push_back(own.size() == 1 ? size : sizeOf(axis, size));
      }
    }
    if (llvm::count(shape, ShapedType::kDynamic) > 1)
      return {};
    for (int64_t size : shape)
      target.push_back(ShapedType::isDynamic(size) ? -1 : size);
    value = make(b, loc, "Reshape", RankedTensorType::get(shape, element),
                 {value, makeInts(b, loc, {static_cast<int64_t>(shape.size())}, target)});
    layout = apart;
  }
  // Dimensions of one away, the others in order, dimensions of one where something is missing.
  SmallVector<int64_t> units, present, missing, perm, kept;
  auto type = rankedType(value);
  for (auto [dim, own] : llvm::enumerate(layout)) {
    if (own.empty()) {
      units.push_back(dim);
    } else {
      if (!llvm::is_contained(axes, own.front()))
        return {};
      present.push_back(own.front());
      kept.push_back(type.getDimSize(dim));
    }
  }
  SmallVector<int64_t> ordered, wanted;
  for (auto [at, axis] : llvm::enumerate(axes)) {
    auto found = llvm::find(present, axis);
    if (found == present.end()) {
      missing.push_back(at);
      wanted.push_back(1);
      continue;
    }
    perm.push_back(found - present.begin());
    ordered.push_back(kept[perm.back()]);
    wanted.push_back(ordered.back());
  }
  if (perm.size() != present.size())
    return {};
  if (!units.empty() && !(units == missing && llvm::is_sorted(perm)))
    value = make(b, loc, "Squeeze", RankedTensorType::get(kept, element),
                 {value, makeInts(b, loc, {static_cast<int64_t>(units.size())}, units)});
  if (!llvm::is_sorted(perm))
    value = make(b, loc, "Transpose", RankedTensorType::get(ordered, element), value,
                 b.getNamedAttr("perm", b.getDenseI64ArrayAttr(perm)));
  if (rankedType(value).getRank() != static_cast<int64_t>(axes.size()))
    value = make(b, loc, "Unsqueeze", RankedTensorType::get(wanted, element),
                 {value, makeInts(b, loc, {static_cast<int64_t>(missing.size())}, missing)});
  return value;
}

Type ExpertSum::typeFor(Value value, const Layout &layout, Frame frame) const {
  auto type = rankedType(value);
  SmallVector<int64_t> shape;
  for (int axis : axesOf(frame)) {
    int64_t size = 1;
    for (auto [dim, own] : llvm::enumerate(layout))
      if (llvm::is_contained(own, axis))
        size = axis < kSum ? (kind == Kind::Slots ? typedSizes : rowSizes)[axis] : type.getDimSize(dim);
    shape.push_back(size);
  }
  return RankedTensorType::get(shape, type.getElementType());
}

} // namespace mlir::ac
