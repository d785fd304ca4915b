//===- MixtureOfExperts.cpp - Rows that are routed to experts -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// com.microsoft.MoE(x, router, fc1, fc1 bias, fc2, fc2 bias): each row goes through the k experts whose router value is
// largest (of equal ones the last), each a matrix, an activation and another matrix. Its result is their sum weighted
// by the softmax of the router values, over all experts or, normalised, over the k chosen ones.
//
// An expert is given the rows that chose it and no others. What it makes of them is weighted and added where they
// belong.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Compaction.h"
#include "Lower/Ops/Gates.h"
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Ranking.h"
#include "Support/Weights.h"
#include "llvm/ADT/StringSet.h"
#include <limits>

using namespace mlir;
using namespace mlir::ac;

namespace {

enum Input : unsigned { X, Router, Weight1, Bias1, Weight2, Bias2, NumInputs };

class Mixture {
public:
  explicit Mixture(Node &node) : node(node), emit(node.emit) {}
  LogicalResult lower();

private:
  LogicalResult check();
  /// The weight of each expert for each row, [experts, rows]: zero where the row did not choose the expert.
  Value route();
  /// What an expert makes of its rows.
  Value run(int64_t expert, Value rows);
  Value activate(Scalars &s, Value x) const;
  /// The rows `begin`, `begin + stride`, ... of an expert's matrix as the columns of a right operand [1, width, rows].
  /// Of a constant this is a constant, which can be packed.
  Value matrix(unsigned input, int64_t expert, int64_t begin = 0, int64_t stride = 1);
  /// The same elements of an expert's bias; null without one.
  Value bias(unsigned input, int64_t expert, int64_t begin = 0, int64_t stride = 1);
  Value multiply(Value rows, Value matrix);
  OpFoldResult fixed(int64_t size) { return emit.dimension(size); }

  Node &node;
  Emitter &emit;
  StringRef activation;
  int64_t numExperts = 0, width = 0, inner = 0, k = 0;
  OpFoldResult numRows;
};

LogicalResult Mixture::check() {
  for (unsigned i : {X, Router, Weight1, Weight2})
    if (!node.hasInput(i))
      return node.refuse("lacks input " + Twine(i));
  for (unsigned i = NumInputs; i < node.numInputs(); ++i)
    if (node.hasInput(i))
      return node.refuse("has input " + Twine(i) + ", expected experts of two matrices without a third");
  for (unsigned i = 0; i < NumInputs; ++i)
    if (node.hasInput(i) && !Emitter::elementType(node.input(i)).isF32())
      return node.refuse("has input " + Twine(i) +
                         " of another element type than float, which is the one that is lowered");
  if (node.getInt("use_sparse_mixer", 0))
    return node.refuse("use_sparse_mixer is set, expected routing by the largest values");
  activation = node.getString("activation_type", "relu");
  static const llvm::StringSet<> known = {"relu", "gelu", "silu", "swiglu", "identity"};
  if (!known.contains(activation))
    return node.refuse("activation_type is '" + activation + "', expected relu, gelu, silu, swiglu or identity");
  if (activation == "swiglu" && node.getInt("swiglu_fusion", 0) != 1)
    return node.refuse("swiglu_fusion is " + Twine(node.getInt("swiglu_fusion", 0)) + ", expected 1");

  auto shape = [&](unsigned i) { return Emitter::type(node.input(i)).getShape(); };
  for (unsigned i : {Weight1, Weight2})
    if (shape(i).size() != 3 || llvm::any_of(shape(i), ShapedType::isDynamic))
      return node.refuse("has input " + Twine(i) + " of unknown size, expected [experts, rows, columns]");
  numExperts = shape(Weight1)[0];
  width = shape(Weight1)[2];
  inner = shape(Weight2)[2];
  int64_t rows1 = activation == "swiglu" ? 2 * inner : inner;
  auto expect = [&](unsigned i, ArrayRef<int64_t> want) -> LogicalResult {
    if (!node.hasInput(i) || shape(i) == want)
      return success();
    std::string text;
    llvm::raw_string_ostream out(text);
    out << "has input " << i << " of shape [";
    llvm::interleaveComma(shape(i), out);
    out << "], expected [";
    llvm::interleaveComma(want, out);
    out << "]";
    return node.refuse(text);
  };
  if (failed(expect(Weight1, {numExperts, rows1, width})) || failed(expect(Bias1, {numExperts, rows1})) ||
      failed(expect(Weight2, {numExperts, width, inner})) || failed(expect(Bias2, {numExperts, width})))
    return failure();
  k = node.getInt("k", 1);
  if (k < 1 || k > numExperts)
    return node.refuse("k is " + Twine(k) + ", expected 1 to " + Twine(numExperts));

  Dims x = emit.dims(node.input(X)), router = emit.dims(node.input(Router));
  if (x.size() < 2 || router.size() < 2)
    return node.refuse("has operands of rank " + Twine(x.size()) + " and " + Twine(router.size()) +
                       ", expected two or more");
  numRows = emit.product(ArrayRef(x).drop_back());
  if (failed(requireSame(node, x.back(), fixed(width), "the widths of rows and experts")) ||
      failed(requireSame(node, router.back(), fixed(numExperts), "the numbers of router values and experts")))
    return failure();
  return requireSame(node, emit.product(ArrayRef(router).drop_back()), numRows, "the rows of the input and the router");
}

Value Mixture::route() {
  Type f32 = emit.getF32Type();
  Value router = emit.reshape(node.input(Router), {numRows, fixed(numExperts)});
  Value largest = foldElements(emit, router, {}, {1}, emit.constant(f32, -std::numeric_limits<double>::infinity()),
                               [](Scalars &s, Value top, ValueRange v) { return s.max(top, v[0]); });
  Value exponent = mapElements(emit, {router, alongRows(emit, largest, {1})}, f32,
                               [](Scalars &s, ValueRange v) { return s.exp(s.sub(v[0], v[1])); });
  // An expert is chosen if fewer than k come before it.
  Type i32 = emit.getI32Type();
  Value ones = emit.fill({numRows, fixed(numExperts)}, emit.constant(i32, 1));
  Value before = sumBefore(emit, router, ones, /*lastWins=*/true);
  auto chosen = [&](Scalars &s, Value count, Value value) {
    return s.select(s.less(count, s.constantInt(i32, k)), value, s.constant(f32, 0.0));
  };
  Value share =
      mapElements(emit, {before, exponent}, f32, [&](Scalars &s, ValueRange v) { return chosen(s, v[0], v[1]); });
  Value total = foldElements(emit, node.getInt("normalize_routing_weights", 0) ? share : exponent, {}, {1},
                             emit.constant(f32, 0.0),
                             [](Scalars &s, Value sum, ValueRange v) { return accumulateSum(s, sum, v[0]); });
  Value weights = mapElements(emit, {share, alongRows(emit, total, {1})}, f32,
                              [](Scalars &s, ValueRange v) { return s.div(v[0], v[1]); });
  return emit.transpose(weights, {1, 0});
}

Value Mixture::matrix(unsigned input, int64_t expert, int64_t begin, int64_t stride) {
  Value all = node.input(input);
  ArrayRef<int64_t> shape = Emitter::type(all).getShape();
  int64_t rows = shape[1], columns = shape[2], count = rows / stride;
  ElementsAttr value = Emitter::constantValue(all);
  if (!value || !hasRawElements(value)) {
    Value part = emit.slice(all, {fixed(expert), fixed(begin), fixed(0)}, {fixed(1), fixed(count), fixed(columns)},
                            {fixed(1), fixed(stride), fixed(1)});
    return emit.transpose(part, {0, 2, 1});
  }
  const float *from = reinterpret_cast<const float *>(getRawElements(value).data()) + expert * rows * columns;
  auto type = RankedTensorType::get({1, columns, count}, emit.getF32Type());
  return emit.constantTensor(makeWeight(type, "expert", [&](MutableArrayRef<char> bytes) {
    float *to = reinterpret_cast<float *>(bytes.data());
    // By tiles, so that neither side strides through memory alone.
    constexpr int64_t tile = 16;
    for (int64_t r = 0; r < count; r += tile)
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t i = r, end = std::min(r + tile, count); i < end; ++i)
          to[c * count + i] = from[(begin + i * stride) * columns + c];
  }));
}

Value Mixture::bias(unsigned input, int64_t expert, int64_t begin, int64_t stride) {
  if (!node.hasInput(input))
    return {};
  Value all = node.input(input);
  int64_t count = Emitter::type(all).getDimSize(1) / stride;
  ElementsAttr value = Emitter::constantValue(all);
  if (!value || !hasRawElements(value)) {
    Value part = emit.slice(all, {fixed(expert), fixed(begin)}, {fixed(1), fixed(count)}, {fixed(1), fixed(stride)});
    return emit.reshape(part, {fixed(count)});
  }
  const float *from = reinterpret_cast<const float *>(getRawElements(value).data()) + expert * count * stride + begin;
  auto type = RankedTensorType::get({count}, emit.getF32Type());
  return emit.constantTensor(makeWeight(type, "expert", [&](MutableArrayRef<char> bytes) {
    float *to = reinterpret_cast<float *>(bytes.data());
    for (int64_t i = 0; i < count; ++i)
      to[i] = from[i * stride];
  }));
}

Value Mixture::multiply(Value rows, Value matrix) {
  Value product = multiplyBatches(emit, emit.expandAxes(rows, {0}), matrix);
  return emit.reshape(product, {emit.dim(rows, 0), emit.dim(matrix, 2)});
}

Value Mixture::activate(Scalars &s, Value x) const {
  if (activation == "relu")
    return s.max(x, s.constant(x.getType(), 0.0));
  if (activation == "silu")
    return swish(s, x, x);
  if (activation == "gelu")
    return geluTanh(s, x);
  return x;
}

Value Mixture::run(int64_t expert, Value rows) {
  Type f32 = emit.getF32Type();
  auto biased = [&](Value product, Value bias) {
    return bias ? mapElements(emit, {product, bias}, f32, [](Scalars &s, ValueRange v) { return s.add(v[0], v[1]); })
                : product;
  };
  Value hidden;
  if (activation == "swiglu") {
    // Gates stand in the even rows of the matrix, what they gate in the odd ones.
    Value gate = biased(multiply(rows, matrix(Weight1, expert, 0, 2)), bias(Bias1, expert, 0, 2));
    Value linear = biased(multiply(rows, matrix(Weight1, expert, 1, 2)), bias(Bias1, expert, 1, 2));
    double alpha = node.getFloat("activation_alpha", 1.0), beta = node.getFloat("activation_beta", 0.0);
    double limit = node.getFloat("swiglu_limit", std::numeric_limits<double>::infinity());
    hidden = mapElements(emit, {gate, linear}, f32, [&](Scalars &s, ValueRange v) {
      Value x = s.atMost(v[0], limit), y = s.atLeast(s.atMost(v[1], limit), -limit);
      return s.mul(swish(s, x, s.mul(x, alpha)), s.add(y, beta));
    });
  } else {
    hidden = mapElements(emit, biased(multiply(rows, matrix(Weight1, expert)), bias(Bias1, expert)), f32,
                         [&](Scalars &s, ValueRange v) { return activate(s, v[0]); });
  }
  return biased(multiply(hidden, matrix(Weight2, expert)), bias(Bias2, expert));
}

LogicalResult Mixture::lower() {
  if (failed(check()))
    return failure();
  Type f32 = emit.getF32Type();
  Value x = node.input(X), rows = emit.reshape(x, {numRows, fixed(width)});
  Value weights = route();
  Value sum = emit.fill({numRows, fixed(width)}, emit.constant(f32, 0.0));
  for (int64_t expert = 0; expert < numExperts; ++expert) {
    Compaction list = Compaction::ofMask(emit, emit.slice(weights, 0, fixed(expert), fixed(1)), numRows);
    Value factors = emit.tabulate({list.count, fixed(1)}, f32, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
      Value own = arith::ConstantIndexOp::create(b, loc, expert);
      Value row = tensor::ExtractOp::create(b, loc, list.places, at[0]);
      return tensor::ExtractOp::create(b, loc, weights, ValueRange{own, row});
    });
    Value result = mapElements(emit, {factors, run(expert, list.gather(emit, rows))}, f32,
                               [](Scalars &s, ValueRange v) { return s.mul(v[0], v[1]); });
    sum = list.scatter(emit, result, sum, /*accumulate=*/true);
  }
  return node.finish(emit.reshape(sum, emit.dims(x)));
}

} // namespace

LogicalResult mlir::ac::lowerMixtureOfExperts(Node &node) { return Mixture(node).lower(); }
