//===- Positions.cpp - Arithmetic on positions inside tensors ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Positions.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::ac;

//===--- In loop bodies ----------------------------------------------------===//

Value IndexMath::floorMod(Value x, Value y) {
  Value remainder = b.createOrFold<arith::RemSIOp>(loc, x, y);
  return select(less(remainder, index(0)), add(remainder, y), remainder);
}

Value IndexMath::position(Value element, Value size) {
  Value i = element.getType().isIndex() ? element : toIndex(element);
  return clamp(select(less(i, index(0)), add(i, size), i), size);
}

SmallVector<Value> ac::loopNest(OpBuilder &b, Location loc, ValueRange dims, ValueRange carried, LoopBody body) {
  OpBuilder::InsertionGuard guard(b);
  IndexMath math(b, loc);
  SmallVector<Value> lower(dims.size(), math.index(0)), step(dims.size(), math.index(1)), upper(dims);
  auto build = [&](OpBuilder &inner, Location innerLoc, ValueRange positions, ValueRange values) {
    IndexMath innerMath(inner, innerLoc);
    SmallVector<Value> next = body(innerMath, positions, values);
    return scf::ValueVector(next.begin(), next.end());
  };
  scf::LoopNest nest = scf::buildLoopNest(b, loc, lower, upper, step, carried, build);
  return SmallVector<Value>(nest.results);
}

SmallVector<Value> ac::loopNest(Emitter &emit, ArrayRef<OpFoldResult> dims, ValueRange carried, LoopBody body) {
  return loopNest(emit, emit.getLoc(), asValues(emit, dims), carried, body);
}

//===--- Sizes ---------------------------------------------------------------===//

SmallVector<Value> ac::asValues(Emitter &emit, ArrayRef<OpFoldResult> dims) {
  return llvm::map_to_vector(dims, [&](OpFoldResult dim) { return emit.asValue(dim); });
}

OpFoldResult ac::choose(Emitter &emit, Value condition, OpFoldResult x, OpFoldResult y) {
  if (Emitter::same(x, y))
    return x;
  if (matchPattern(condition, m_One()))
    return x;
  if (matchPattern(condition, m_Zero()))
    return y;
  return getAsOpFoldResult(IndexMath(emit).select(condition, emit.asValue(x), emit.asValue(y)));
}

static bool isNonNegativeValue(Value value, unsigned depth) {
  IntegerAttr constant;
  if (matchPattern(value, m_Constant(&constant)))
    return !constant.getValue().isNegative();
  // The only indices that loops hand out are counters and counts.
  Operation *op = value.getDefiningOp();
  if (!op || isa<scf::ForOp>(op))
    return value.getType().isIndex();
  if (depth == 0)
    return false;
  auto operand = [&](unsigned i) { return isNonNegativeValue(op->getOperand(i), depth - 1); };
  if (isa<tensor::DimOp>(op))
    return true;
  if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op))
    return operand(0);
  if (isa<arith::MaxSIOp>(op))
    return operand(0) || operand(1);
  if (isa<arith::AddIOp, arith::MulIOp, arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp, arith::CeilDivSIOp,
          arith::CeilDivUIOp, arith::RemSIOp, arith::RemUIOp, arith::MinSIOp>(op))
    return operand(0) && operand(1);
  if (isa<arith::SelectOp>(op))
    return operand(1) && operand(2);
  return false;
}

bool ac::isNonNegative(OpFoldResult value) {
  if (std::optional<int64_t> constant = getConstantIntValue(value))
    return *constant >= 0;
  return isNonNegativeValue(cast<Value>(value), /*depth=*/12);
}

std::optional<int64_t> ac::constantProduct(ArrayRef<OpFoldResult> dims) {
  int64_t product = 1;
  for (OpFoldResult dim : dims) {
    std::optional<int64_t> size = getConstantIntValue(dim);
    if (!size)
      return std::nullopt;
    product *= *size;
  }
  return product;
}

//===--- Known elements --------------------------------------------------------===//

Value ac::pick(Emitter &emit, Value tensor, ArrayRef<OpFoldResult> dims,
               llvm::function_ref<SmallVector<int64_t>(ArrayRef<int64_t>)> source) {
  constexpr int64_t limit = 64; // as for `Emitter::elements`
  std::optional<int64_t> count = constantProduct(dims);
  if (!count || *count > limit || !Emitter::isElementwiseKnown(tensor))
    return {};
  SmallVector<int64_t> shape = llvm::map_to_vector(dims, [](OpFoldResult d) { return *getConstantIntValue(d); });
  ArrayRef<int64_t> from = Emitter::type(tensor).getShape();
  SmallVector<Value> elements = emit.elements(tensor), picked;
  SmallVector<int64_t> position(shape.size(), 0);
  for (int64_t n = 0; n < *count; ++n) {
    int64_t rest = n;
    for (int64_t d = shape.size() - 1; d >= 0; --d) {
      position[d] = rest % shape[d];
      rest /= shape[d];
    }
    int64_t flat = 0;
    for (auto [size, at] : llvm::zip_equal(from, source(position)))
      flat = flat * size + at;
    picked.push_back(elements[flat]);
  }
  return emit.fromElements(shape, Emitter::elementType(tensor), picked);
}

//===--- Lists given as tensors ----------------------------------------------===//

FailureOr<Dims> ac::vectorInput(const Node &node, unsigned i, std::optional<int64_t> length) {
  Value vector = node.input(i);
  if (Emitter::rank(vector) > 1)
    return node.refuse("input " + Twine(i) + " has rank " + Twine(Emitter::rank(vector)) + ", expected a vector");
  if (!Emitter::type(vector).hasStaticShape()) {
    if (!length)
      return node.refuse("the length of the vector in input " + Twine(i) +
                         " is not known while compiling, and with it the rank of the result");
    OpFoldResult wanted = node.emit.dimension(*length);
    if (failed(requireSame(node, node.emit.dim(vector, 0), wanted, "input " + Twine(i) + " has an unexpected length")))
      return failure();
    vector = node.emit.castToDims(vector, {wanted});
  }
  return node.emit.dimElements(vector);
}

FailureOr<std::optional<Dims>> ac::vectorAttributeOrInput(const Node &node, StringRef name, unsigned i) {
  if (std::optional<SmallVector<int64_t>> constants = node.getInts(name)) {
    Dims dims = llvm::map_to_vector(*constants, [&](int64_t value) { return node.emit.dimension(value); });
    return std::optional<Dims>(std::move(dims));
  }
  if (!node.hasInput(i))
    return std::optional<Dims>();
  FailureOr<Dims> dims = vectorInput(node, i);
  if (failed(dims))
    return failure();
  return std::optional<Dims>(std::move(*dims));
}

FailureOr<Dims> ac::scatterToAxes(const Node &node, ArrayRef<OpFoldResult> axes, ArrayRef<OpFoldResult> values,
                                  ArrayRef<OpFoldResult> otherwise) {
  if (axes.size() != values.size())
    return node.refuse(Twine(values.size()) + " values for " + Twine(axes.size()) + " axes");
  Emitter &emit = node.emit;
  int64_t rank = otherwise.size();
  Dims result(otherwise);
  for (auto [axis, value] : llvm::zip_equal(axes, values)) {
    if (std::optional<int64_t> constant = getConstantIntValue(axis)) {
      FailureOr<int64_t> d = node.normalizeAxis(*constant, rank);
      if (failed(d))
        return failure();
      result[*d] = value;
      continue;
    }
    IndexMath math(emit);
    Value wanted = emit.asValue(axis);
    wanted = math.select(math.less(wanted, math.index(0)), math.add(wanted, math.index(rank)), wanted);
    for (int64_t d = 0; d < rank; ++d)
      result[d] = choose(emit, math.equal(wanted, math.index(d)), value, result[d]);
  }
  return result;
}

//===--- Requirements ----------------------------------------------------------===//

void ac::requireUnlessKnown(const Node &node, Value requirement, const Twine &message) {
  if (!matchPattern(requirement, m_One()))
    node.require(requirement, message);
}

LogicalResult ac::requireSame(const Node &node, OpFoldResult a, OpFoldResult b, const Twine &message) {
  if (Emitter::same(a, b))
    return success();
  std::optional<int64_t> x = getConstantIntValue(a), y = getConstantIntValue(b);
  if (x && y)
    return node.refuse(message + ": " + Twine(*x) + " against " + Twine(*y));
  IndexMath math(node.emit);
  requireUnlessKnown(node, math.equal(node.emit.asValue(a), node.emit.asValue(b)), message);
  return success();
}

void ac::requirePositions(const Node &node, OpFoldResult size, ArrayRef<OpFoldResult> dims) {
  if (getConstantIntValue(size).value_or(0) > 0 || constantProduct(dims) == 0)
    return;
  Emitter &emit = node.emit;
  IndexMath math(emit);
  Value some = math.less(math.index(0), emit.asValue(size));
  Value none = math.equal(emit.asValue(emit.product(dims)), math.index(0));
  requireUnlessKnown(node, math.either(some, none), "an index into a dimension of size zero");
}

void ac::requireInside(const Node &node, Value indices, OpFoldResult size, std::optional<int64_t> tuple) {
  Emitter &emit = node.emit;
  std::optional<int64_t> constant = getConstantIntValue(size);
  if (auto known = dyn_cast_or_null<DenseIntElementsAttr>(Emitter::constantValue(indices)); known && constant) {
    int64_t length = tuple ? known.getType().getShape().back() : 1, number = 0;
    if (llvm::all_of(known.getValues<APInt>(), [&](const APInt &at) {
          bool counts = !tuple || number % length == *tuple;
          ++number;
          return !counts || (at.getSExtValue() >= -*constant && at.getSExtValue() < *constant);
        }))
      return;
  }
  int64_t rank = Emitter::rank(indices);
  if (tuple)
    indices = emit.slice(indices, rank - 1, emit.dimension(*tuple), emit.dimension(1));
  // Seen as unsigned, a position that is negative once the end is taken for zero is larger than any other.
  Value sizeValue = emit.asValue(size);
  Value largest =
      emit.reduce(indices, llvm::to_vector(llvm::seq<int64_t>(0, rank)), false, emit.constantIndex(0),
                  [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                    IndexMath math(b, loc);
                    Value at = math.toIndex(v[0]);
                    at = math.select(math.less(at, math.index(0)), math.add(at, sizeValue), at);
                    return b.createOrFold<arith::MaxUIOp>(loc, at, v[1]);
                  });
  IndexMath math(emit);
  Value inside = math.compare(arith::CmpIPredicate::ult, emit.scalar(largest), sizeValue);
  node.require(math.either(inside, math.equal(sizeValue, math.index(0))), "an index is out of range");
}
