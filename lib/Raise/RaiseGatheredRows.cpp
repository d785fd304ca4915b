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

class GatheredRows {
public:
  GatheredRows(Operation *scatter, bool dense) : scatter(scatter), dense(dense), b(scatter) {}
  bool raise();
  std::string why;

private:
  bool match();
  Value wholeOf(Value compact);
  Value factorOf(Value compact);
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

/// Of a factor for each choice, `weights[row, slot]` picked at the choices, the sum for each row, [rows, 1].
Value GatheredRows::factorOf(Value compact) {
  Operation *op = throughMoves(compact, /*shapes=*/true, /*casts=*/false).getDefiningOp();
  if (!op || operatorOf(op) != "GatherND" || intOf(op, "batch_dims", 0) != 0)
    return {};
  Value weights = throughUnitMoves(op->getOperand(0)), chosen = nonZero->getOperand(0);
  if (auto type = rankedType(op->getOperand(0)); type && type.getRank() != 2 && !(type.getRank() == 3 && type.getDimSize(2) == 1))
    return {};
  auto type = rankedType(weights), chosenType = rankedType(chosen);
  auto order = tuplesOf(op->getOperand(1), nonZero);
  if (!type || !order || type.getRank() != 2 || order->size() != 2 || chosenType.getRank() != 2)
    return {};
  Location loc = scatter->getLoc();
  // As NonZero's operand has them.
  if ((*order)[0] == 1)
    weights = make(b, loc, "Transpose", RankedTensorType::get({type.getDimSize(1), type.getDimSize(0)}, type.getElementType()),
                   weights, b.getNamedAttr("perm", b.getDenseI64ArrayAttr({1, 0})));
  // Not a product: a weight that is not finite counts where it is chosen only.
  auto scalar = RankedTensorType::get({}, type.getElementType());
  Value zero = make(b, loc, "Constant", scalar, {},
                    b.getNamedAttr("value", DenseElementsAttr::get(scalar, b.getZeroAttr(type.getElementType()))));
  Value scaled = make(b, loc, "Where", RankedTensorType::get(chosenType.getShape(), type.getElementType()),
                      {makeCast(b, loc, chosen, b.getI1Type()), weights, zero});
  Value sum = make(b, loc, "ReduceSum", RankedTensorType::get({numRows}, type.getElementType()),
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
    why = "rows are picked by more than a slot and a row";
    return true;
  }
  if (updatesType.getDimSize(1) != rankedType(scatter->getResult(0)).getDimSize(1)) {
    why = "a part of each row is written";
    return true;
  }
  int64_t numChoices = chosenType.getDimSize(rowDim);
  if (numChoices != numRows && !ShapedType::isDynamic(numChoices) && !ShapedType::isDynamic(numRows)) {
    why = "choices are made for another number of rows";
    return true;
  }
  if (slots && !adds) {
    why = "a row that is chosen in two slots would be written twice";
    return true;
  }
  // Expand to a shape that is the same already.
  while (operatorOf(updates) == "Expand" && rankedType(updates.getDefiningOp()->getOperand(0)) == updates.getType())
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
  auto giveUp = [&](const Twine &reason) {
    why = reason.str();
    if (factor)
      eraseUnused(factor.getDefiningOp());
    return true;
  };
  if (!region.grow(root))
    return giveUp(region.why);
  if (region.numProducts() == 0)
    return giveUp(region.why.empty() ? std::string("no matrix product is among what is computed") : region.why);
  if (region.rows().empty())
    return giveUp("what is computed does not depend on the rows");

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
  auto op = MaskedRowsOp::create(b, loc, TypeRange{type}, mask, region.rows(), replaces ? ValueRange(base) : ValueRange(),
                                 dense);
  {
    OpBuilder::InsertionGuard guard(b);
    Block *body = b.createBlock(&op.getBody());
    for (Value row : region.rows())
      body->addArgument(row.getType(), loc);
    SmallVector<Value> results = region.build(body, value);
    b.setInsertionPointToEnd(body);
    YieldOp::create(b, loc, results);
  }
  Value term = op.getResult(0);
  if (factor)
    term = make(b, loc, "Mul", type, {term, factor});
  if (adds)
    term = make(b, loc, "Add", scatter->getResult(0).getType(), {base, term});
  scatter->emitRemark("became ac.masked_rows with ") << region.numProducts() << " matrix products";
  scatter->getResult(0).replaceAllUsesWith(term);
  eraseUnused(scatter);
  why.clear();
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
        scatter->emitRemark("picked rows not raised: ") << rows.why;
    }
  }
};

} // namespace
} // namespace mlir::ac
