//===- RaiseGatheredRows.cpp - Rows that are picked, computed, put back ---===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `index = NonZero(chosen)`; `y = ScatterND(y, index, f(Gather(x, index)), add)`: what PyTorch's indexing with a boolean
// mask and `index_add_` become. The indices say no more than the mask they come from, so this is `y + masked_rows chosen
// { f }`. With choices in slots, `chosen[slot, row]`, a row counts as often as it is chosen; its weights are summed over
// the slots before they scale what the row is computed to, once.
//
//===----------------------------------------------------------------------===//
#include "Raise/Masks.h"
#include "Raise/Passes.h"
#include "Raise/RowRegion.h"
#include "llvm/ADT/StringSet.h"

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEGATHEREDROWS
#include "Raise/Passes.h.inc"

namespace {

/// What a value holds of the coordinates that NonZero found.
struct Coordinates {
  Operation *nonZero = nullptr;
  int64_t which = -1; // of the dimensions of its operand; -1: all of them
  bool transposed = false;

  bool operator==(const Coordinates &other) const { return nonZero == other.nonZero && which == other.which; }
};

std::optional<Coordinates> coordinatesOf(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  StringRef name = operatorOf(op);
  if (name == "NonZero") {
    auto type = rankedType(op->getOperand(0));
    return type ? std::optional(Coordinates{op, type.getRank() == 1 ? 0 : -1, false}) : std::nullopt;
  }
  if (op->getNumOperands() == 0)
    return std::nullopt;
  auto source = coordinatesOf(op->getOperand(0));
  if (!source)
    return std::nullopt;
  if (name == "Identity" || name == "Cast")
    return source;
  if (name == "Transpose") {
    source->transposed = !source->transposed;
    return source;
  }
  if (source->which >= 0) {
    if (name == "Squeeze" || name == "Unsqueeze" || name == "Reshape" || name == "Expand" || name == "Flatten" ||
        name == "Gather" || name == "Slice" || name == "Split")
      return name == "Gather" || name == "Slice" || name == "Split"
                 ? (columnOf(value) && columnOf(value)->index == 0 ? source : std::nullopt)
                 : source;
    return std::nullopt;
  }
  auto column = columnOf(value);
  if (!column || column->axis != (source->transposed ? 1 : 0))
    return std::nullopt;
  source->which = column->index;
  return source;
}

/// The dimensions that a list of index tuples holds, in order: `[n, r]` from a transposed NonZero or a Concat of columns.
std::optional<SmallVector<int64_t>> tuplesOf(Value indices, Operation *nonZero) {
  if (auto own = coordinatesOf(indices)) {
    if (own->nonZero != nonZero)
      return std::nullopt;
    if (own->which >= 0)
      return SmallVector<int64_t>{own->which};
    if (!own->transposed)
      return std::nullopt;
    SmallVector<int64_t> all;
    for (int64_t dim = 0; dim < rankedType(nonZero->getOperand(0)).getRank(); ++dim)
      all.push_back(dim);
    return all;
  }
  Operation *concat = throughMoves(indices, /*shapes=*/false, /*casts=*/true).getDefiningOp();
  if (!concat || operatorOf(concat) != "Concat")
    return std::nullopt;
  SmallVector<int64_t> all;
  for (Value part : concat->getOperands()) {
    auto own = coordinatesOf(part);
    if (!own || own->nonZero != nonZero || own->which < 0)
      return std::nullopt;
    all.push_back(own->which);
  }
  return all;
}

/// Whether no two flags along `axis` are set at once: they compare what TopK chose along that axis, all of it different,
/// with the same number.
bool areDistinct(Value flags, int64_t axis) {
  // Where the number of the expert is among the dimensions, and which of them `flags` is about.
  SmallVector<int64_t> fixed;
  auto stepBack = [&](llvm::function_ref<int64_t(int64_t)> place) {
    axis = place(axis);
    for (int64_t &dim : fixed)
      dim = place(dim);
  };
  Value value = flags;
  while (Operation *op = value.getDefiningOp()) {
    StringRef name = operatorOf(op);
    auto type = rankedType(value);
    if (!type)
      return false;
    if (name == "TopK")
      return cast<OpResult>(value).getResultNumber() == 1 && fixed.empty() &&
             (intOf(op, "axis", -1) + type.getRank()) % type.getRank() == axis;
    if (name == "Identity" || name == "Cast") {
      value = op->getOperand(0);
    } else if (name == "Transpose") {
      auto perm = intsOf(op, "perm", ~0u);
      stepBack([&](int64_t dim) { return perm ? (*perm)[dim] : type.getRank() - 1 - dim; });
      value = op->getOperand(0);
    } else if (name == "Unsqueeze" || name == "Squeeze") {
      bool adds = name == "Unsqueeze";
      auto axes = normalized(intsOf(op, "axes", 1), adds ? type.getRank() : rankedType(op->getOperand(0)).getRank());
      if (!axes || (adds && llvm::is_contained(*axes, axis)))
        return false;
      llvm::sort(*axes);
      if (adds)
        llvm::erase_if(fixed, [&](int64_t dim) { return llvm::is_contained(*axes, dim); });
      stepBack([&](int64_t dim) {
        if (adds)
          return dim - llvm::count_if(*axes, [&](int64_t added) { return added < dim; });
        for (int64_t removed : *axes)
          dim += removed <= dim;
        return dim;
      });
      value = op->getOperand(0);
    } else if (auto column = columnOf(value)) {
      bool keeps = rankedType(column->source).getRank() == type.getRank();
      if (keeps ? column->axis == axis : false)
        return false;
      if (!keeps)
        stepBack([&](int64_t dim) { return dim + (column->axis <= dim); });
      fixed.push_back(column->axis);
      value = column->source;
    } else if (name == "OneHot") {
      int64_t own = (intOf(op, "axis", -1) + type.getRank()) % type.getRank();
      if (own == axis || !llvm::is_contained(fixed, own))
        return false;
      llvm::erase(fixed, own);
      stepBack([&](int64_t dim) { return dim - (own < dim); });
      value = op->getOperand(0);
    } else if (name == "Equal") {
      // With one number, or with one in a dimension of which one was picked.
      bool found = false;
      for (unsigned i : {0u, 1u}) {
        Value number = throughMoves(op->getOperand(i), /*shapes=*/true, /*casts=*/true);
        auto numbers = rankedType(op->getOperand(i)), other = rankedType(op->getOperand(1 - i));
        if (found || operatorOf(number) != "Constant" || !numbers || !other || other.getRank() != type.getRank())
          continue;
        found = true;
        for (auto [dim, size] : llvm::enumerate(numbers.getShape())) {
          int64_t at = type.getRank() - numbers.getRank() + dim;
          if (size != 1 && !llvm::is_contained(fixed, at))
            return false;
        }
        value = op->getOperand(1 - i);
      }
      if (!found)
        return false;
    } else {
      return false;
    }
  }
  return false;
}

class GatheredRows {
public:
  GatheredRows(Operation *scatter, bool dense) : scatter(scatter), dense(dense), b(scatter) {}
  bool raise();
  Reason why;

private:
  bool match();
  Value wholeOf(Value compact);
  Value weightsOf(Value compact);
  Value factorOf(Value compact);
  /// Whether `flat` is the place of each choice in `[rows, slots]` laid out row by row.
  bool isFlatPlace(Value flat, int64_t slots) const;
  Value column(Value rows);

  Operation *scatter;
  bool dense;
  OpBuilder b;
  Operation *nonZero = nullptr;
  int64_t rowDim = 0;
  bool adds = false;
  int64_t numRows = 0;
  DenseMap<Value, Value> wholes;
};

bool GatheredRows::match() {
  auto type = rankedType(scatter->getResult(0));
  auto reduction = scatter->getAttrOfType<StringAttr>("reduction");
  adds = reduction && reduction.getValue() == "add";
  if (!type || type.getRank() != 2 || (reduction && !adds && reduction.getValue() != "none"))
    return false;
  numRows = type.getDimSize(0);
  bool elements = operatorOf(scatter) == "ScatterElements";
  if (elements && intOf(scatter, "axis", 0) != 0)
    return false;
  auto rows = coordinatesOf(scatter->getOperand(1));
  if (!rows || rows->which < 0)
    return false;
  nonZero = rows->nonZero;
  rowDim = rows->which;
  return true;
}

/// [rows] or [rows, ...] as a column, [rows, 1].
Value GatheredRows::column(Value rows) {
  auto type = RankedTensorType::get({numRows, 1}, rankedType(rows).getElementType());
  if (rows.getType() == type)
    return rows;
  return make(b, scatter->getLoc(), "Reshape", type, {rows, makeInts(b, scatter->getLoc(), {2}, {-1, 1})});
}

/// The value of which `compact` holds the rows that were picked.
Value GatheredRows::wholeOf(Value compact) {
  auto own = rankedType(compact);
  if (!own || own.getRank() != 2)
    return {};
  auto [known, isNew] = wholes.try_emplace(compact);
  if (!isNew)
    return known->second;
  Operation *op = throughUnitMoves(compact).getDefiningOp();
  if (!op || (operatorOf(op) != "Gather" && operatorOf(op) != "GatherND"))
    return {};
  Value source = op->getOperand(0);
  auto type = rankedType(source);
  auto rows = coordinatesOf(op->getOperand(1));
  if (!type || !rows || !(*rows == Coordinates{nonZero, rowDim, false}))
    return {};
  int64_t axis = operatorOf(op) == "GatherND" ? 0 : intOf(op, "axis", 0);
  axis += axis < 0 ? type.getRank() : 0;
  if (operatorOf(op) == "GatherND" && intOf(op, "batch_dims", 0) != 0)
    return {};
  // [rows, width], but for dimensions of one.
  auto wanted = RankedTensorType::get({numRows, own.getDimSize(1)}, own.getElementType());
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    bool isRow = static_cast<int64_t>(dim) == axis, isLast = dim + 1 == type.getShape().size();
    if (size != (isRow ? numRows : isLast ? own.getDimSize(1) : 1))
      return {};
  }
  Value whole = source;
  if (type != wanted) {
    whole = throughUnitMoves(source);
    if (whole.getType() != wanted)
      whole = make(b, scatter->getLoc(), "Reshape", wanted,
                   {source, makeInts(b, scatter->getLoc(), {2}, {-1, own.getDimSize(1)})});
  }
  wholes[compact] = whole;
  return whole;
}

bool GatheredRows::isFlatPlace(Value flat, int64_t slots) const {
  Operation *sum = flat.getDefiningOp();
  if (!sum || operatorOf(sum) != "Add")
    return false;
  for (unsigned i : {0u, 1u}) {
    auto slot = coordinatesOf(sum->getOperand(i));
    Operation *product = sum->getOperand(1 - i).getDefiningOp();
    if (!slot || !(*slot == Coordinates{nonZero, 1 - rowDim, false}) || !product || operatorOf(product) != "Mul")
      continue;
    for (unsigned j : {0u, 1u}) {
      auto row = coordinatesOf(product->getOperand(j));
      auto stride = knownInts(product->getOperand(1 - j));
      if (row && *row == Coordinates{nonZero, rowDim, false} && stride == SmallVector<int64_t>{slots})
        return true;
    }
  }
  return false;
}

/// Of a factor for each choice, picked from a weight for each row and slot, these weights, laid out as the choices are.
Value GatheredRows::weightsOf(Value compact) {
  Operation *op = throughMoves(compact, /*shapes=*/true, /*casts=*/false).getDefiningOp();
  auto chosenType = rankedType(nonZero->getOperand(0));
  if (!op || chosenType.getRank() != 2)
    return {};
  Value weights;
  bool isTransposed = false;
  if (operatorOf(op) == "GatherND" && intOf(op, "batch_dims", 0) == 0) {
    auto source = rankedType(op->getOperand(0));
    auto order = tuplesOf(op->getOperand(1), nonZero);
    if (!source || (source.getRank() != 2 && !(source.getRank() == 3 && source.getDimSize(2) == 1)) || !order ||
        order->size() != 2)
      return {};
    weights = throughUnitMoves(op->getOperand(0));
    isTransposed = (*order)[0] == 1;
  } else if (operatorOf(op) == "Gather" && intOf(op, "axis", 0) == 0) {
    // Of a list of all, by slot + row * slots.
    int64_t slots = chosenType.getDimSize(1 - rowDim);
    auto list = rankedType(op->getOperand(0));
    if (!list || list.getRank() == 0 || !isFlatPlace(op->getOperand(1), slots) ||
        llvm::any_of(list.getShape().drop_front(), [](int64_t size) { return size != 1; }))
      return {};
    auto isMatrix = [&](Value value) {
      auto type = rankedType(value);
      return type && type.getRank() == 2 && type.getDimSize(1) == slots && slots != 1;
    };
    weights = op->getOperand(0);
    while (!isMatrix(weights)) {
      Value before = throughMoves(weights, /*shapes=*/false, /*casts=*/false);
      static const llvm::StringSet<> moves = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"};
      if (!moves.contains(operatorOf(before)))
        return {};
      weights = before.getDefiningOp()->getOperand(0);
    }
    isTransposed = rowDim == 1;
  }
  auto type = weights ? rankedType(weights) : RankedTensorType();
  if (!type || type.getRank() != 2)
    return {};
  if (!isTransposed)
    return weights;
  return make(b, scatter->getLoc(), "Transpose",
              RankedTensorType::get({type.getDimSize(1), type.getDimSize(0)}, type.getElementType()), weights,
              b.getNamedAttr("perm", b.getDenseI64ArrayAttr({1, 0})));
}

/// Of a factor for each choice, the sum for each row, [rows, 1].
Value GatheredRows::factorOf(Value compact) {
  Value weights = weightsOf(compact);
  if (!weights)
    return {};
  Location loc = scatter->getLoc();
  Type element = rankedType(weights).getElementType();
  Value chosen = nonZero->getOperand(0);
  // Not a product: a weight that is not finite counts where it is chosen only.
  auto scalar = RankedTensorType::get({}, element);
  Value zero = make(b, loc, "Constant", scalar, {},
                    b.getNamedAttr("value", DenseElementsAttr::get(scalar, b.getZeroAttr(element))));
  Value scaled = make(b, loc, "Where", RankedTensorType::get(rankedType(chosen).getShape(), element),
                      {makeCast(b, loc, chosen, b.getI1Type()), weights, zero});
  Value sum = make(b, loc, "ReduceSum", RankedTensorType::get({numRows}, element),
                   {scaled, makeInts(b, loc, {1}, {1 - rowDim})}, intAttribute(b, "keepdims", 0));
  return column(sum);
}

bool GatheredRows::raise() {
  if (!match())
    return false;
  Location loc = scatter->getLoc();
  Value base = scatter->getOperand(0), updates = scatter->getOperand(2), chosen = nonZero->getOperand(0);
  auto chosenType = rankedType(chosen);
  bool slots = chosenType.getRank() == 2;
  auto updatesType = rankedType(updates);
  if (chosenType.getRank() > 2 || !updatesType || updatesType.getRank() != 2) {
    why = Reason("rows are picked by more than a slot and a row");
    return true;
  }
  if (updatesType.getDimSize(1) != rankedType(scatter->getResult(0)).getDimSize(1)) {
    why = Reason("a part of each row is written");
    return true;
  }
  int64_t numChoices = chosenType.getDimSize(rowDim);
  if (numChoices != numRows && !ShapedType::isDynamic(numChoices) && !ShapedType::isDynamic(numRows)) {
    why = Reason("choices are made for another number of rows");
    return true;
  }
  if (slots && !adds && !isZero(base)) {
    why = Reason("what is in place of a chosen row depends on the slot");
    return true;
  }
  if (slots && !adds && !areDistinct(chosen, 1 - rowDim)) {
    why = Reason("a row that is chosen in two slots would be written twice");
    return true;
  }
  // Expand to a shape, and Cast to a type, that is the same already.
  while ((operatorOf(updates) == "Expand" || operatorOf(updates) == "Cast") &&
         rankedType(updates.getDefiningOp()->getOperand(0)) == updates.getType())
    updates = updates.getDefiningOp()->getOperand(0);
  Value value = updates, factor;
  Operation *product = updates.getDefiningOp();
  if (slots && product && operatorOf(product) == "Mul")
    for (unsigned i : {0u, 1u})
      if (!factor && (factor = factorOf(product->getOperand(i))))
        value = product->getOperand(1 - i);
  RowRegion region(scatter->getBlock(), cast<RankedTensorType>(value.getType()));
  region.wholeOf = [&](Value compact) { return wholeOf(compact); };
  RowRegion::Root root{value, {}};
  auto giveUp = [&](const Reason &reason) {
    why = reason;
    if (factor)
      eraseUnused(factor.getDefiningOp());
    return true;
  };
  if (!region.grow(root))
    return giveUp(region.why);
  if (region.numProducts() == 0)
    return giveUp(region.why.empty() ? Reason("no matrix product is among what is computed") : region.why);
  if (region.rows().empty())
    return giveUp(Reason("what is computed does not depend on the rows"));

  Value mask;
  if (!slots) {
    mask = column(chosen);
  } else {
    if (!factor) {
      auto element = rankedType(value).getElementType();
      Value flags = makeCast(b, loc, makeCast(b, loc, chosen, b.getI1Type()), element);
      factor = column(make(b, loc, "ReduceSum", RankedTensorType::get({numRows}, element),
                           {flags, makeInts(b, loc, {1}, {1 - rowDim})}, intAttribute(b, "keepdims", 0)));
    }
    mask = factor;
  }
  auto type = RankedTensorType::get({numRows, rankedType(value).getDimSize(1)}, rankedType(value).getElementType());
  bool replaces = !adds && !isZero(base);
  MaskedRowsOp op = region.buildMaskedRows(b, loc, type, mask, region.rows(),
                                           replaces ? ValueRange(base) : ValueRange(), value, dense);
  Value term = op.getResult(0);
  if (factor)
    term = make(b, loc, "Mul", type, {term, factor});
  if (adds)
    term = make(b, loc, "Add", scatter->getResult(0).getType(), {base, term});
  remarkRaised(scatter->getLoc(), op) << "ac.masked_rows with " << region.numProducts() << " matrix products";
  scatter->getResult(0).replaceAllUsesWith(term);
  eraseUnused(scatter);
  why = Reason();
  return true;
}

struct RaiseGatheredRows : impl::RaiseGatheredRowsBase<RaiseGatheredRows> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Operation *> scatters;
    getOperation().walk([&](Operation *op) {
      if (operatorOf(op) == "ScatterND" || operatorOf(op) == "ScatterElements")
        scatters.push_back(op);
    });
    for (Operation *scatter : scatters) {
      GatheredRows rows(scatter, dense);
      if (rows.raise() && !rows.why.empty())
        remarkRefused(scatter, "picked rows not raised", rows.why);
    }
  }
};

} // namespace
} // namespace mlir::ac
