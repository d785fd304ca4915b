//===- Signal.cpp - Fourier transforms, windows, determinants -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A discrete Fourier transform of length N is one matrix product. Real and imaginary parts stand side by side in the
// last dimension, so that signals of L samples with C parts are rows of L * C numbers, and the matrix has for each pair
// of sample and frequency the 2 x 2 block of a rotation (or a row or column of it).
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

namespace mlir::ac {

static Value toFloat(OpBuilder &b, Location loc, Value index, Type real) {
  return arith::SIToFPOp::create(b, loc, real, arith::IndexCastOp::create(b, loc, b.getI64Type(), index));
}

static Value floatConstant(OpBuilder &b, Location loc, Type real, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(real, value));
}

/// 2 pi * (i * j mod length) / length
static Value rotation(OpBuilder &b, Location loc, Value i, Value j, Value length, Type real) {
  Value turns = arith::RemSIOp::create(b, loc, arith::MulIOp::create(b, loc, i, j), length);
  Value share = arith::DivFOp::create(b, loc, toFloat(b, loc, turns, real), toFloat(b, loc, length, real));
  return arith::MulFOp::create(b, loc, share, floatConstant(b, loc, real, 2.0 * M_PI));
}

namespace {
struct Transform {
  OpFoldResult length;        // N
  OpFoldResult samples, bins; // of the input and of the result
  int64_t partsIn, partsOut;  // one for real numbers, two for complex ones
  bool inverse;
};
} // namespace

/// The matrix [samples * partsIn, bins * partsOut] of a transform.
static Value transformMatrix(Emitter &emit, const Transform &t, Type real) {
  Value length = emit.asValue(t.length);
  Dims dims{t.samples, emit.dimension(t.partsIn), t.bins, emit.dimension(t.partsOut)};
  // From one half of a spectrum to a real signal: the other half is its mirror image.
  bool mirrored = t.inverse && t.partsOut == 1;
  Value matrix = emit.tabulate(dims, real, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    // In double precision: the sine of the f32 next to pi is 1e-7, and sums of many such terms are no zeros.
    Value angle = rotation(b, loc, i[0], i[2], length, b.getF64Type());
    auto rounded = [&](Value value) {
      return real.isF64() ? value : arith::TruncFOp::create(b, loc, real, value).getResult();
    };
    Value cosine = rounded(math::CosOp::create(b, loc, angle)), sine = rounded(math::SinOp::create(b, loc, angle));
    Value negative = arith::NegFOp::create(b, loc, sine);
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    // From part p to part q: cosine if they are the same; else the sine, whose sign says which way it turns.
    Value fromReal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, i[1], zero);
    Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, i[1], i[3]);
    Value turned = arith::SelectOp::create(b, loc, fromReal, t.inverse ? sine : negative, t.inverse ? negative : sine);
    Value value = arith::SelectOp::create(b, loc, same, cosine, turned);
    if (!t.inverse)
      return value;
    value = arith::DivFOp::create(b, loc, value, toFloat(b, loc, length, real));
    if (!mirrored)
      return value;
    Value twice = arith::MulIOp::create(b, loc, i[0], arith::ConstantIndexOp::create(b, loc, 2));
    Value single = arith::OrIOp::create(b, loc, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, i[0], zero),
                                        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, twice, length));
    Value weight =
        arith::SelectOp::create(b, loc, single, floatConstant(b, loc, real, 1.0), floatConstant(b, loc, real, 2.0));
    return arith::MulFOp::create(b, loc, value, weight);
  });
  return emit.reshape(matrix,
                      {emit.mul(t.samples, emit.dimension(t.partsIn)), emit.mul(t.bins, emit.dimension(t.partsOut))});
}

/// Transforms [..., samples, partsIn] to [..., bins, partsOut].
static Value applyTransform(Emitter &emit, Value signals, const Transform &t) {
  Dims dims = emit.dims(signals), lead(dims.begin(), dims.end() - 2), result = lead;
  OpFoldResult one = emit.dimension(1), rows = emit.product(lead);
  Value matrix = transformMatrix(emit, t, Emitter::elementType(signals));
  OpFoldResult inner = emit.dim(matrix, 0), outer = emit.dim(matrix, 1);
  Value product =
      multiplyBatches(emit, emit.reshape(signals, {one, rows, inner}), emit.reshape(matrix, {one, inner, outer}));
  result.append({t.bins, emit.dimension(t.partsOut)});
  return emit.reshape(product, result);
}

/// The dimensions before, at and after the axis of a transform, which may be known at run time only.
namespace {
struct AxisView {
  OpFoldResult before, size, after;
};
} // namespace

static AxisView viewAxis(Emitter &emit, ArrayRef<OpFoldResult> dims, OpFoldResult axis) {
  OpFoldResult one = emit.dimension(1);
  if (auto constant = getConstantIntValue(axis))
    return {emit.product(dims.take_front(*constant)), dims[*constant], emit.product(dims.drop_front(*constant + 1))};
  AxisView view{one, one, one};
  Value at = emit.asValue(axis), unit = emit.constantIndex(1);
  for (auto [i, size] : llvm::enumerate(dims)) {
    Value place = emit.constantIndex(i), extent = emit.asValue(size);
    auto take = [&](arith::CmpIPredicate predicate, OpFoldResult product) {
      Value chosen = arith::CmpIOp::create(emit, predicate, place, at);
      Value factor = arith::SelectOp::create(emit, chosen, extent, unit);
      return emit.mul(product, factor);
    };
    view.before = take(arith::CmpIPredicate::slt, view.before);
    view.size = take(arith::CmpIPredicate::eq, view.size);
    view.after = take(arith::CmpIPredicate::sgt, view.after);
  }
  return view;
}

/// The axis of a DFT, made non-negative.
static FailureOr<OpFoldResult> getTransformAxis(Node &node, int64_t rank) {
  Emitter &emit = node.emit;
  OpFoldResult axis = emit.dimension(node.opset() < 20 ? node.getInt("axis", 1) : -2);
  if (node.hasInput(2))
    axis = emit.asDimension(emit.scalar(node.input(2)));
  if (auto constant = getConstantIntValue(axis)) {
    FailureOr<int64_t> normal = node.normalizeAxis(*constant, rank);
    if (failed(normal))
      return failure();
    if (*normal == rank - 1)
      return node.refuse("transforms along its last axis, which holds real and imaginary parts");
    return OpFoldResult(emit.dimension(*normal));
  }
  Value value = emit.asValue(axis), zero = emit.constantIndex(0), full = emit.constantIndex(rank);
  Value negative = arith::CmpIOp::create(emit, arith::CmpIPredicate::slt, value, zero);
  Value wrapped = arith::AddIOp::create(emit, value, full);
  Value normal = arith::SelectOp::create(emit, negative, wrapped, value);
  node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::ult, normal, emit.constantIndex(rank - 1)),
               "the axis is out of range, or the last one, which holds real and imaginary parts");
  return OpFoldResult(normal);
}

static LogicalResult lowerDFT(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x);
  int64_t rank = Emitter::rank(x);
  std::optional<int64_t> parts = rank ? getConstantIntValue(emit.dim(x, rank - 1)) : std::nullopt;
  if (rank < 2 || !parts || *parts < 1 || *parts > 2)
    return node.refuse("has an input whose last dimension is not known to be 1 or 2");
  FailureOr<OpFoldResult> axis = getTransformAxis(node, rank);
  if (failed(axis))
    return failure();
  bool oneSided = node.getInt("onesided", 0) != 0;
  Dims dims = emit.dims(x);
  AxisView view = viewAxis(emit, ArrayRef<OpFoldResult>(dims).drop_back(), *axis);

  Transform t;
  t.inverse = node.getInt("inverse", 0) != 0;
  bool toReal = t.inverse && oneSided;
  OpFoldResult one = emit.dimension(1), two = emit.dimension(2), size = view.size;
  t.length = node.hasInput(1) ? emit.asDimension(emit.scalar(node.input(1)))
             : toReal         ? emit.mul(emit.sub(size, one), two)
                              : size;
  OpFoldResult half = emit.add(emit.floorDiv(t.length, two), one);
  // More samples than the transform has are cut off; fewer count as followed by zeros, which add nothing.
  t.samples = emit.min(size, toReal ? half : t.length);
  t.bins = oneSided && !t.inverse ? half : t.length;
  t.partsIn = *parts;
  t.partsOut = toReal ? 1 : 2;

  // Sums of many terms that cancel: in double precision, a frequency that a signal lacks comes out as nothing.
  OpFoldResult partsIn = emit.dimension(t.partsIn), partsOut = emit.dimension(t.partsOut);
  x = emit.reshape(emit.castElements(x, emit.getF64Type()), {view.before, size, view.after, partsIn});
  if (!Emitter::same(size, t.samples))
    x = emit.slice(x, 1, emit.dimension(0), t.samples);
  Value spectrum = emit.transpose(applyTransform(emit, emit.transpose(x, {0, 2, 1, 3}), t), {0, 2, 1, 3});
  Dims result = dims;
  result.back() = partsOut;
  for (int64_t i = 0; i < rank - 1; ++i) {
    if (auto constant = getConstantIntValue(*axis)) {
      result[i] = *constant == i ? t.bins : dims[i];
      continue;
    }
    Value here = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(*axis), emit.constantIndex(i));
    result[i] = arith::SelectOp::create(emit, here, emit.asValue(t.bins), emit.asValue(dims[i])).getResult();
  }
  return node.finish(emit.castElements(emit.reshape(spectrum, result), element));
}

static LogicalResult lowerSTFT(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), real = getSumType(element);
  if (Emitter::rank(x) == 2)
    x = emit.expandAxes(x, {2});
  std::optional<int64_t> parts = Emitter::rank(x) == 3 ? getConstantIntValue(emit.dim(x, 2)) : std::nullopt;
  if (!parts || *parts < 1 || *parts > 2)
    return node.refuse("has a signal whose shape is not known to be [batch, length, 1 or 2]");
  Value window = node.hasInput(2) ? emit.castElements(node.input(2), real) : Value();
  if (window && Emitter::rank(window) != 1)
    return node.refuse("has a window of rank " + Twine(Emitter::rank(window)) + ", expected 1");
  OpFoldResult one = emit.dimension(1), step = emit.asDimension(emit.scalar(node.input(1))), size = emit.dim(x, 1);
  OpFoldResult length = window             ? emit.dim(window, 0)
                        : node.hasInput(3) ? emit.asDimension(emit.scalar(node.input(3)))
                                           : size;
  if (!getConstantIntValue(step))
    node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::sgt, emit.asValue(step), emit.constantIndex(0)),
                 "frame_step is not positive");
  else if (*getConstantIntValue(step) <= 0)
    return node.refuse("has a frame_step of " + Twine(*getConstantIntValue(step)) + ", expected a positive number");
  OpFoldResult frames = emit.add(emit.floorDiv(emit.sub(size, length), step), one);
  frames = emit.max(frames, emit.dimension(0));

  Value stepValue = emit.asValue(step);
  x = emit.castElements(x, real);
  Value framed = emit.tabulate({emit.dim(x, 0), frames, length, emit.dimension(*parts)}, real,
                               [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
                                 Value at = arith::MulIOp::create(b, loc, i[1], stepValue);
                                 at = arith::AddIOp::create(b, loc, at, i[2]);
                                 Value value = tensor::ExtractOp::create(b, loc, x, ValueRange{i[0], at, i[3]});
                                 if (!window)
                                   return value;
                                 Value weight = tensor::ExtractOp::create(b, loc, window, i[2]);
                                 return arith::MulFOp::create(b, loc, value, weight);
                               });
  Transform t;
  t.length = t.samples = t.bins = length;
  if (node.getInt("onesided", 1) != 0)
    t.bins = emit.add(emit.floorDiv(length, emit.dimension(2)), one);
  t.partsIn = *parts;
  t.partsOut = 2;
  t.inverse = false;
  return node.finish(emit.castElements(applyTransform(emit, framed, t), element));
}

/// `sum over k of coefficients[k] * cos(2 pi k n / N)`, N being one less than the size if the window is symmetric.
static LogicalResult lowerCosineWindow(Node &node, ArrayRef<double> coefficients) {
  Emitter &emit = node.emit;
  Type element = node.outputElementType(0), real = element.isF64() ? element : Type(emit.getF32Type());
  OpFoldResult size = emit.asDimension(emit.scalar(node.input(0)));
  OpFoldResult length = node.getInt("periodic", 1) ? size : emit.sub(size, emit.dimension(1));
  Value period = emit.asValue(emit.max(length, emit.dimension(1)));
  return node.finish(emit.tabulate({size}, element, [&](OpBuilder &b, Location loc, ValueRange i) {
    Value sum = floatConstant(b, loc, real, coefficients[0]);
    for (size_t k = 1; k < coefficients.size(); ++k) {
      Value harmonic = arith::ConstantIndexOp::create(b, loc, k);
      Value cosine = math::CosOp::create(b, loc, rotation(b, loc, i[0], harmonic, period, real));
      Value term = arith::MulFOp::create(b, loc, floatConstant(b, loc, real, coefficients[k]), cosine);
      sum = arith::AddFOp::create(b, loc, sum, term);
    }
    return Emitter::convertScalar(b, loc, sum, element);
  }));
}

static LogicalResult lowerHannWindow(Node &node) { return lowerCosineWindow(node, {0.5, -0.5}); }
static LogicalResult lowerHammingWindow(Node &node) { return lowerCosineWindow(node, {25.0 / 46.0, -21.0 / 46.0}); }
static LogicalResult lowerBlackmanWindow(Node &node) { return lowerCosineWindow(node, {0.42, -0.5, 0.08}); }

/// Triangular filters, spaced evenly on the mel scale, over the bins of a spectrum.
static LogicalResult lowerMelWeightMatrix(Node &node) {
  Emitter &emit = node.emit;
  Type f64 = emit.getF64Type(), i64 = emit.getI64Type(), element = node.outputElementType(0);
  OpFoldResult filters = emit.asDimension(emit.scalar(node.input(0)));
  OpFoldResult length = emit.asDimension(emit.scalar(node.input(1)));
  OpFoldResult bins = emit.add(emit.floorDiv(length, emit.dimension(2)), emit.dimension(1));
  OpFoldResult edges = emit.add(filters, emit.dimension(2));
  auto constant = [&](double value) { return emit.constant(f64, value); };
  auto number = [&](unsigned i) {
    return Emitter::convertScalar(emit, emit.getLoc(), emit.scalar(node.input(i)), f64);
  };
  auto mel = [&](Value hertz) -> Value {
    Value share = arith::DivFOp::create(emit, hertz, constant(700.0));
    return arith::MulFOp::create(emit, math::Log1pOp::create(emit, share), constant(2595.0 / std::log(10.0)));
  };
  Value low = mel(number(3)), high = mel(number(4)), rate = number(2);
  Value step = arith::DivFOp::create(emit, arith::SubFOp::create(emit, high, low),
                                     arith::SIToFPOp::create(emit, f64, emit.asInteger(edges, i64)));
  Value taps = arith::SIToFPOp::create(emit, f64, emit.asInteger(emit.add(length, emit.dimension(1)), i64));
  Value table = emit.tabulate({edges}, i64, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    Value at = arith::MulFOp::create(b, loc, toFloat(b, loc, i[0], f64), step);
    at = arith::AddFOp::create(b, loc, at, low);
    at = arith::MulFOp::create(b, loc, at, floatConstant(b, loc, f64, std::log(10.0) / 2595.0));
    Value hertz = arith::MulFOp::create(b, loc, math::ExpM1Op::create(b, loc, at), floatConstant(b, loc, f64, 700.0));
    Value bin = arith::DivFOp::create(b, loc, arith::MulFOp::create(b, loc, hertz, taps), rate);
    return arith::FPToSIOp::create(b, loc, i64, math::FloorOp::create(b, loc, bin));
  });
  Value result = emit.tabulate({bins, filters}, element, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    auto edge = [&](int64_t offset) -> Value {
      Value at = arith::AddIOp::create(b, loc, i[1], arith::ConstantIndexOp::create(b, loc, offset));
      return arith::SIToFPOp::create(b, loc, f64, tensor::ExtractOp::create(b, loc, table, at).getResult());
    };
    auto is = [&](arith::CmpFPredicate predicate, Value x, Value y) -> Value {
      return arith::CmpFOp::create(b, loc, predicate, x, y);
    };
    auto ratio = [&](Value x, Value y, Value z) -> Value { // (x - y) / (z - y)
      return arith::DivFOp::create(b, loc, arith::SubFOp::create(b, loc, x, y), arith::SubFOp::create(b, loc, z, y));
    };
    auto both = [&](Value x, Value y) -> Value { return arith::AndIOp::create(b, loc, x, y); };
    using P = arith::CmpFPredicate;
    Value zero = floatConstant(b, loc, f64, 0.0), one = floatConstant(b, loc, f64, 1.0);
    Value j = toFloat(b, loc, i[0], f64), left = edge(0), centre = edge(1), right = edge(2);
    Value rising = both(is(P::OGE, j, left), is(P::OLE, j, centre)),
          falling = both(is(P::OGE, j, centre), is(P::OLT, j, right));
    Value narrow = is(P::OEQ, left, centre);
    Value value = arith::SelectOp::create(b, loc, rising, ratio(j, left, centre), zero);
    value = arith::SelectOp::create(b, loc, both(narrow, is(P::OEQ, j, centre)), one, value);
    value = arith::SelectOp::create(b, loc, both(narrow, is(P::ONE, j, centre)), zero, value);
    value = arith::SelectOp::create(b, loc, both(falling, is(P::OGT, right, centre)), ratio(j, right, centre), value);
    return Emitter::convertScalar(b, loc, value, element);
  });
  return node.finish(result);
}

/// Gaussian elimination with row pivoting, one column at a time for the whole batch.
static LogicalResult lowerDet(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0);
  Type element = Emitter::elementType(x), real = getSumType(element), i64 = emit.getI64Type();
  int64_t rank = Emitter::rank(x);
  if (rank < 2)
    return node.refuse("has an input of rank " + Twine(rank) + ", expected two or more");
  if (failed(requireSame(node, emit.dim(x, rank - 1), emit.dim(x, rank - 2), "the sides of the matrices")))
    return failure();
  Dims dims = emit.dims(x), lead(dims.begin(), dims.end() - 2);
  OpFoldResult batch = emit.product(lead), size = dims.back();
  Dims matrixDims{batch, size, size};
  Value matrices = emit.reshape(emit.castElements(x, real), matrixDims);
  Value ones = emit.fill({batch}, emit.constant(real, 1.0)), end = emit.asValue(size);
  Value first = emit.constantIndex(0), one = emit.constantIndex(1), zero = emit.constant(real, 0.0);

  auto loop = scf::ForOp::create(emit, first, end, one, ValueRange{matrices, ones});
  {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToStart(loop.getBody());
    Value k = loop.getInductionVar();
    Value current = emit.withDims(loop.getRegionIterArg(0), matrixDims);
    Value product = emit.withDims(loop.getRegionIterArg(1), {batch});
    auto read = [&](OpBuilder &b, Location loc, Value n, Value row, Value column) -> Value {
      return tensor::ExtractOp::create(b, loc, current, ValueRange{n, row, column});
    };
    auto pivotRow = [&](OpBuilder &b, Location loc, Value pivots, Value n) -> Value {
      Value row = tensor::ExtractOp::create(b, loc, pivots, n);
      return arith::IndexCastOp::create(b, loc, b.getIndexType(), row);
    };
    Value pivots = emit.tabulate({batch}, i64, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
      auto search = scf::ForOp::create(
          b, loc, k, end, one, ValueRange{k, zero}, [&](OpBuilder &b, Location loc, Value row, ValueRange best) {
            Value magnitude = math::AbsFOp::create(b, loc, read(b, loc, i[0], row, k));
            Value better = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, magnitude, best[1]);
            scf::YieldOp::create(b, loc,
                                 ValueRange{arith::SelectOp::create(b, loc, better, row, best[0]).getResult(),
                                            arith::SelectOp::create(b, loc, better, magnitude, best[1]).getResult()});
          });
      return arith::IndexCastOp::create(b, loc, i64, search.getResult(0));
    });
    Value nextProduct = emit.tabulate({batch}, real, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
      Value row = pivotRow(b, loc, pivots, i[0]), pivot = read(b, loc, i[0], row, k);
      Value stays = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, row, k);
      pivot = arith::SelectOp::create(b, loc, stays, pivot, arith::NegFOp::create(b, loc, pivot).getResult());
      return arith::MulFOp::create(b, loc, tensor::ExtractOp::create(b, loc, product, i[0]), pivot);
    });
    Value next = emit.tabulate(matrixDims, real, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
      Value row = pivotRow(b, loc, pivots, i[0]), pivot = read(b, loc, i[0], row, k);
      // Rows k and `row` change places.
      auto is = [&](arith::CmpIPredicate predicate, Value p, Value q) -> Value {
        return arith::CmpIOp::create(b, loc, predicate, p, q);
      };
      Value source = arith::SelectOp::create(b, loc, is(arith::CmpIPredicate::eq, i[1], row), k, i[1]);
      source = arith::SelectOp::create(b, loc, is(arith::CmpIPredicate::eq, i[1], k), row, source);
      Value own = read(b, loc, i[0], source, i[2]);
      Value factor = arith::DivFOp::create(b, loc, read(b, loc, i[0], source, k), pivot);
      Value less =
          arith::SubFOp::create(b, loc, own, arith::MulFOp::create(b, loc, factor, read(b, loc, i[0], row, i[2])));
      Value singular = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, pivot, zero);
      Value keeps = arith::OrIOp::create(b, loc, singular, is(arith::CmpIPredicate::sle, i[1], k));
      return arith::SelectOp::create(b, loc, keeps, own, less);
    });
    scf::YieldOp::create(emit, ValueRange{next, nextProduct});
  }
  Value result = emit.reshape(emit.withDims(loop.getResult(1), {batch}), lead);
  return node.finish(emit.castElements(result, element));
}

void populateSignalLowerings(LoweringTable &table) {
  table.add("DFT", lowerDFT);
  table.add("STFT", lowerSTFT);
  table.add("HannWindow", lowerHannWindow);
  table.add("HammingWindow", lowerHammingWindow);
  table.add("BlackmanWindow", lowerBlackmanWindow);
  table.add("MelWeightMatrix", lowerMelWeightMatrix);
  table.add("Det", lowerDet);
}

} // namespace mlir::ac
