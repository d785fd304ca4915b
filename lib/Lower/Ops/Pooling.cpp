//===- Pooling.cpp - Pooling over windows and whole images ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pooling is a fold over the taps of a window of the padded input, finished elementwise: averages divide by the
// number of elements that lay inside, which is the product of one count per axis.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Window.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <limits>

namespace mlir::ac {

/// `result[n, c, position] = fold over taps of body(padded[n, c, source], accumulator)`, the padding being `start`. Few
/// taps are written out, so that the accumulator stays in a register and nothing is copied for the padding.
static Value reduceWindows(Emitter &emit, Value x, const Window &window, Value start, Emitter::ScalarBody body) {
  unsigned rank = window.rank(), loops = 2 + 2 * rank;
  Dims result{emit.dim(x, 0), emit.dim(x, 1)}, taps;
  llvm::append_range(result, window.output);
  if (window.numTaps() <= kMostTaps)
    return emit.tabulate(result, Emitter::elementType(x), [&](OpBuilder &b, Location loc, ValueRange at) {
      Value folded = start;
      for (int64_t tap = 0, count = window.numTaps(); tap < count; ++tap)
        folded = body(
            b, loc,
            {readWindow(emit, b, loc, x, window, at.take_front(2), at.drop_front(2), window.tapAt(emit, tap), start),
             folded});
      return folded;
    });
  Value padded = padSpatial(emit, x, window, start);
  // Loops: n, c, positions but the last, taps, the last position: a run of consecutive elements innermost.
  SmallVector<AffineExpr> read{emit.getAffineDimExpr(0), emit.getAffineDimExpr(1)}, write = read, tapExprs;
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  for (unsigned i = 0; i < rank; ++i) {
    AffineExpr position = emit.getAffineDimExpr(i + 1 == rank ? loops - 1 : 2 + i);
    AffineExpr tap = emit.getAffineDimExpr(1 + rank + i);
    read.push_back(window.source(i, position, tap));
    write.push_back(position);
    tapExprs.push_back(tap);
    taps.push_back(emit.dimension(window.kernel[i]));
    iterators[1 + rank + i] = utils::IteratorType::reduction;
  }
  MLIRContext *context = emit.getContext();
  // The second operand has no data: it gives the loops over taps their bounds.
  return emit.generic({padded, emit.empty(taps, Emitter::elementType(padded))},
                      {AffineMap::get(loops, 0, read, context), AffineMap::get(loops, 0, tapExprs, context)},
                      emit.fill(result, start), AffineMap::get(loops, 0, write, context), iterators,
                      [&](OpBuilder &b, Location loc, ValueRange v) {
                        return body(b, loc, {v[0], v[2]});
                      });
}

static FailureOr<Window> getPoolingWindow(Node &node) {
  Value x = node.input(0);
  if (Emitter::rank(x) < 3)
    return node.refuse("has an input of rank " + Twine(Emitter::rank(x)) + ", expected three or more");
  auto kernel = node.getInts("kernel_shape");
  if (!kernel)
    return node.refuse("has no kernel_shape");
  return getWindow(node, spatialDims(node.emit, x), *kernel, /*mayRoundUp=*/true);
}

static Dims globalDims(Emitter &emit, Value x) {
  Dims dims(Emitter::rank(x), emit.dimension(1));
  dims[0] = emit.dim(x, 0);
  dims[1] = emit.dim(x, 1);
  return dims;
}

static SmallVector<int64_t> spatialAxes(Value x) { return llvm::to_vector(llvm::seq<int64_t>(2, Emitter::rank(x))); }

//===----------------------------------------------------------------------===//
// Maximum
//===----------------------------------------------------------------------===//

static Value lowest(Emitter &emit, Type element, bool isUnsigned) {
  if (isa<FloatType>(element))
    return emit.constant(element, -std::numeric_limits<double>::infinity());
  return emit.constant(
      element, isUnsigned ? int64_t(0) : std::numeric_limits<int64_t>::min() >> (64 - element.getIntOrFloatBitWidth()));
}

static Value maximum(OpBuilder &b, Location loc, Value x, Value y, bool isUnsigned) {
  if (isa<FloatType>(x.getType()))
    return arith::MaximumFOp::create(b, loc, x, y);
  if (isUnsigned)
    return arith::MaxUIOp::create(b, loc, x, y);
  return arith::MaxSIOp::create(b, loc, x, y);
}

/// The position of the maximum of each window in the whole tensor, flattened; the first of equal ones.
static Value indexOfMaximum(Node &node, const Window &window) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  bool isUnsigned = node.isUnsigned(0), columnMajor = node.getInt("storage_order", 0) != 0;
  size_t rank = window.rank();
  Type element = Emitter::elementType(x), i64 = emit.getI64Type();
  Dims result{emit.dim(x, 0), emit.dim(x, 1)};
  llvm::append_range(result, window.output);
  SmallVector<Value> sizes, low, first(rank, emit.constantIndex(0)), step(rank, emit.constantIndex(1)), taps;
  for (size_t i = 0; i < rank; ++i) {
    sizes.push_back(emit.asValue(emit.dim(x, 2 + i)));
    low.push_back(emit.asValue(window.low[i]));
    taps.push_back(emit.constantIndex(window.kernel[i]));
  }
  Value channels = emit.asValue(emit.dim(x, 1)), none = emit.constantIndex(-1), zero = emit.constantIndex(0);
  Value start = lowest(emit, element, isUnsigned);
  return emit.tabulate(result, i64, [&](OpBuilder &b, Location loc, ValueRange indices) -> Value {
    auto nest = scf::buildLoopNest(
        b, loc, first, taps, step, ValueRange{start, none},
        [&](OpBuilder &b, Location loc, ValueRange tap, ValueRange best) -> scf::ValueVector {
          SmallVector<Value> source{indices[0], indices[1]}, spatial(rank);
          Value inside;
          for (size_t i = 0; i < rank; ++i) {
            auto scaled = [&](Value value, int64_t factor) -> Value {
              return arith::MulIOp::create(b, loc, value, arith::ConstantIndexOp::create(b, loc, factor));
            };
            Value at = arith::AddIOp::create(b, loc, scaled(indices[2 + i], window.strides[i]),
                                             scaled(tap[i], window.dilations[i]));
            spatial[i] = arith::SubIOp::create(b, loc, at, low[i]);
            // Unsigned: a negative position is a large one.
            Value within = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, spatial[i], sizes[i]);
            inside = inside ? arith::AndIOp::create(b, loc, inside, within).getResult() : within;
            source.push_back(spatial[i]);
          }
          auto branch = scf::IfOp::create(
              b, loc, inside,
              [&](OpBuilder &b, Location loc) {
                Value value = tensor::ExtractOp::create(b, loc, x, source);
                Value better;
                if (isa<FloatType>(element))
                  better = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, value, best[0]);
                else
                  better = arith::CmpIOp::create(
                      b, loc, isUnsigned ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt, value, best[0]);
                better = arith::OrIOp::create(b, loc, better,
                                              arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, best[1], none));
                Value plane =
                    arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, indices[0], channels), indices[1]);
                Value size, flat;
                for (size_t k = 0; k < rank; ++k) {
                  size_t i = columnMajor ? rank - 1 - k : k;
                  size = size ? arith::MulIOp::create(b, loc, size, sizes[i]).getResult() : sizes[i];
                  flat = flat ? arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, flat, sizes[i]), spatial[i])
                                    .getResult()
                              : spatial[i];
                }
                flat = arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, plane, size), flat);
                SmallVector<Value> next{arith::SelectOp::create(b, loc, better, value, best[0]),
                                        arith::SelectOp::create(b, loc, better, flat, best[1])};
                scf::YieldOp::create(b, loc, next);
              },
              [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, best); });
          return {branch.getResult(0), branch.getResult(1)};
        });
    Value index = arith::MaxSIOp::create(b, loc, nest.results[1], zero);
    return arith::IndexCastOp::create(b, loc, i64, index);
  });
}

static LogicalResult lowerMaxPool(Node &node) {
  Emitter &emit = node.emit;
  FailureOr<Window> window = getPoolingWindow(node);
  if (failed(window))
    return failure();
  Value x = node.input(0);
  bool isUnsigned = node.isUnsigned(0);
  Value start = lowest(emit, Emitter::elementType(x), isUnsigned);
  node.setOutput(0, reduceWindows(emit, x, *window, start, [&](OpBuilder &b, Location loc, ValueRange v) {
                   return maximum(b, loc, v[0], v[1], isUnsigned);
                 }));
  if (node.wantsOutput(1))
    node.setOutput(1, indexOfMaximum(node, *window));
  return success();
}

static LogicalResult lowerGlobalMaxPool(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Value result =
      emit.reduce(x, spatialAxes(x), /*keepDims=*/true, lowest(emit, Emitter::elementType(x), false),
                  [](OpBuilder &b, Location loc, ValueRange v) { return maximum(b, loc, v[0], v[1], false); });
  return node.finish(result);
}

//===----------------------------------------------------------------------===//
// Averages and norms
//===----------------------------------------------------------------------===//

static Value addFloats(OpBuilder &b, Location loc, ValueRange v) {
  return arith::AddFOp::create(b, loc, v[0], v[1], arith::FastMathFlags::reassoc);
}

/// How many taps of each window along `axis` lie inside the input (or inside its declared padding), shaped to broadcast
/// over the result; null if it is the same for every window.
static Value countTaps(Emitter &emit, const Window &window, size_t axis, OpFoldResult size, bool includePad,
                       Type element) {
  OpFoldResult zero = emit.dimension(0);
  bool whole = Emitter::same(window.low[axis], zero) && Emitter::same(window.high[axis], zero);
  if (whole || (includePad && Emitter::same(window.high[axis], window.declaredHigh[axis])))
    return {};
  OpFoldResult low = window.low[axis];
  Value begin = emit.asValue(includePad ? zero : low);
  Value end = emit.asValue(includePad ? emit.add(emit.add(low, size), window.declaredHigh[axis]) : emit.add(low, size));
  Value counts = emit.tabulate({window.output[axis]}, element, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
    Value start = arith::MulIOp::create(b, loc, i[0], constant(window.strides[axis]));
    auto tapsBefore = [&](Value bound) -> Value {
      Value taps = arith::CeilDivSIOp::create(b, loc, arith::SubIOp::create(b, loc, bound, start),
                                              constant(window.dilations[axis]));
      taps = arith::MaxSIOp::create(b, loc, taps, constant(0));
      return arith::MinSIOp::create(b, loc, taps, constant(window.kernel[axis]));
    };
    Value count = arith::SubIOp::create(b, loc, tapsBefore(end), tapsBefore(begin));
    count = arith::MaxSIOp::create(b, loc, count, constant(1));
    count = arith::IndexCastOp::create(b, loc, b.getI64Type(), count);
    return arith::SIToFPOp::create(b, loc, element, count);
  });
  Dims dims(window.rank() - axis, emit.dimension(1));
  dims[0] = window.output[axis];
  return emit.reshape(counts, dims);
}

static LogicalResult lowerAveragePool(Node &node) {
  Emitter &emit = node.emit;
  FailureOr<Window> window = getPoolingWindow(node);
  if (failed(window))
    return failure();
  Type element = Emitter::elementType(node.input(0)), sum = getSumType(element);
  Value x = emit.castElements(node.input(0), sum), zero = emit.constant(sum, 0);
  Value result = reduceWindows(emit, x, *window, zero, addFloats);
  bool includePad = node.getInt("count_include_pad", 0) != 0;
  int64_t constantTaps = 1;
  SmallVector<Value> operands{result};
  for (size_t axis = 0; axis < window->rank(); ++axis) {
    if (Value counts = countTaps(emit, *window, axis, emit.dim(x, 2 + axis), includePad, sum))
      operands.push_back(counts);
    else
      constantTaps *= window->kernel[axis];
  }
  Value share = emit.constant(sum, 1.0 / static_cast<double>(constantTaps));
  result = emit.elementwise(operands, sum, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value value = arith::MulFOp::create(b, loc, v[0], share);
    for (Value count : v.drop_front())
      value = arith::DivFOp::create(b, loc, value, count);
    return value;
  });
  return node.finish(emit.castElements(result, element));
}

static LogicalResult lowerGlobalAveragePool(Node &node) {
  Emitter &emit = node.emit;
  Type element = Emitter::elementType(node.input(0)), sum = getSumType(element);
  Value x = emit.castElements(node.input(0), sum);
  Value total = emit.reduce(x, spatialAxes(x), /*keepDims=*/false, emit.constant(sum, 0), addFloats);
  OpFoldResult count = emit.product(spatialDims(emit, x));
  Value divisor = arith::SIToFPOp::create(emit, sum, emit.asInteger(count, emit.getI64Type()));
  if (auto constant = getConstantIntValue(count))
    divisor = emit.constant(sum, static_cast<double>(*constant));
  Value mean = emit.elementwise(total, sum, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return arith::DivFOp::create(b, loc, v[0], divisor);
  });
  return node.finish(emit.castElements(emit.reshape(mean, globalDims(emit, x)), element));
}

/// |x|^p
static Value powerOf(OpBuilder &b, Location loc, Value x, int64_t p) {
  Value magnitude = math::AbsFOp::create(b, loc, x);
  if (p == 1)
    return magnitude;
  if (p == 2)
    return arith::MulFOp::create(b, loc, x, x);
  auto type = cast<FloatType>(x.getType());
  return math::PowFOp::create(b, loc, magnitude, arith::ConstantOp::create(b, loc, b.getFloatAttr(type, p)));
}

static Value rootOf(OpBuilder &b, Location loc, Value x, int64_t p) {
  if (p == 1)
    return x;
  if (p == 2)
    return math::SqrtOp::create(b, loc, x);
  auto type = cast<FloatType>(x.getType());
  return math::PowFOp::create(b, loc, x, arith::ConstantOp::create(b, loc, b.getFloatAttr(type, 1.0 / p)));
}

static FailureOr<int64_t> getNorm(Node &node) {
  int64_t p = node.getInt("p", 2);
  if (p < 1)
    return node.refuse("has the norm p = " + Twine(p) + ", expected at least one");
  return p;
}

static LogicalResult lowerLpPool(Node &node) {
  Emitter &emit = node.emit;
  FailureOr<Window> window = getPoolingWindow(node);
  FailureOr<int64_t> p = getNorm(node);
  if (failed(window) || failed(p))
    return failure();
  Type element = Emitter::elementType(node.input(0)), sum = getSumType(element);
  Value x = emit.castElements(node.input(0), sum), zero = emit.constant(sum, 0);
  Value result = reduceWindows(emit, x, *window, zero, [&](OpBuilder &b, Location loc, ValueRange v) {
    return addFloats(b, loc, {powerOf(b, loc, v[0], *p), v[1]});
  });
  result =
      emit.elementwise(result, sum, [&](OpBuilder &b, Location loc, ValueRange v) { return rootOf(b, loc, v[0], *p); });
  return node.finish(emit.castElements(result, element));
}

static LogicalResult lowerGlobalLpPool(Node &node) {
  Emitter &emit = node.emit;
  FailureOr<int64_t> p = getNorm(node);
  if (failed(p))
    return failure();
  Type element = Emitter::elementType(node.input(0)), sum = getSumType(element);
  Value x = emit.castElements(node.input(0), sum);
  Value result = emit.reduce(x, spatialAxes(x), /*keepDims=*/false, emit.constant(sum, 0),
                             [&](OpBuilder &b, Location loc, ValueRange v) {
                               return addFloats(b, loc, {powerOf(b, loc, v[0], *p), v[1]});
                             });
  result =
      emit.elementwise(result, sum, [&](OpBuilder &b, Location loc, ValueRange v) { return rootOf(b, loc, v[0], *p); });
  return node.finish(emit.castElements(emit.reshape(result, globalDims(emit, x)), element));
}

//===----------------------------------------------------------------------===//
// MaxUnpool
//===----------------------------------------------------------------------===//

/// Writes each element to the place that MaxPool took it from. Places are counted in the tensor that a pooling with
/// these attributes would have had; a larger `output_shape` gets that tensor in its corner.
static LogicalResult lowerMaxUnpool(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), positions = node.input(1);
  auto kernel = node.getInts("kernel_shape");
  size_t rank = Emitter::rank(x) - 2;
  if (Emitter::rank(x) < 3 || !kernel || kernel->size() != rank)
    return node.refuse("has an input of rank " + Twine(Emitter::rank(x)) +
                       ", expected two more than the dimensions of its kernel");
  FailureOr<SmallVector<int64_t>> strides = getPerAxis(node, "strides", rank);
  if (failed(strides))
    return failure();
  SmallVector<int64_t> pads = node.getInts("pads").value_or(SmallVector<int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank)
    return node.refuse("has " + Twine(pads.size()) + " pads, expected " + Twine(2 * rank));
  Dims inferred{emit.dim(x, 0), emit.dim(x, 1)};
  for (size_t i = 0; i < rank; ++i) {
    OpFoldResult size = emit.add(emit.mul(emit.dim(x, 2 + i), emit.dimension((*strides)[i])),
                                 emit.dimension((*kernel)[i] - (*strides)[i] - pads[i] - pads[rank + i]));
    inferred.push_back(emit.max(size, emit.dimension(0)));
  }
  if (failed(requireSame(node, emit.numElements(x), emit.numElements(positions), "the numbers of values and indices")))
    return failure();

  OpFoldResult count = emit.numElements(x), total = emit.product(inferred);
  Value zero = emit.constant(Emitter::elementType(x), 0), first = emit.constantIndex(0), one = emit.constantIndex(1);
  Value values = emit.reshape(x, {count}), places = emit.reshape(positions, {count});
  Value start = emit.fill({total}, zero), end = emit.asValue(total);
  auto loop = scf::ForOp::create(
      emit, first, emit.asValue(count), one, ValueRange{start},
      [&](OpBuilder &b, Location loc, Value i, ValueRange state) {
        Value place = tensor::ExtractOp::create(b, loc, places, i);
        place = arith::IndexCastOp::create(b, loc, b.getIndexType(), place);
        Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, place, end);
        auto written = scf::IfOp::create(
            b, loc, inside,
            [&](OpBuilder &b, Location loc) {
              Value value = tensor::ExtractOp::create(b, loc, values, i);
              scf::YieldOp::create(b, loc, tensor::InsertOp::create(b, loc, value, state[0], place).getResult());
            },
            [&](OpBuilder &b, Location loc) { scf::YieldOp::create(b, loc, state[0]); });
        scf::YieldOp::create(b, loc, written.getResult(0));
      });
  Value result = emit.reshape(emit.withDims(loop.getResult(0), {total}), inferred);
  if (!node.hasInput(2))
    return node.finish(result);
  Dims wanted = emit.dimElements(node.input(2)), low(rank + 2, emit.dimension(0)), high;
  if (wanted.size() != rank + 2)
    return node.refuse("has an output_shape of " + Twine(wanted.size()) + " dimensions, expected " + Twine(rank + 2));
  for (size_t i = 0; i < wanted.size(); ++i) {
    OpFoldResult missing = emit.sub(wanted[i], inferred[i]);
    if (!getConstantIntValue(missing) || *getConstantIntValue(missing) < 0)
      node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::sge, emit.asValue(missing), first),
                   "output_shape is smaller than the tensor that was pooled");
    high.push_back(missing);
  }
  return node.finish(emit.pad(result, low, high, zero));
}

void populatePoolingLowerings(LoweringTable &table) {
  table.add("MaxPool", lowerMaxPool);
  table.add("GlobalMaxPool", lowerGlobalMaxPool);
  table.add("AveragePool", lowerAveragePool);
  table.add("GlobalAveragePool", lowerGlobalAveragePool);
  table.add("LpPool", lowerLpPool);
  table.add("GlobalLpPool", lowerGlobalLpPool);
  table.add("MaxUnpool", lowerMaxUnpool);
  populateRegionPoolingLowerings(table);
}

} // namespace mlir::ac
