//===- Attention.cpp - ONNX Attention -------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// softmax(Q K^T * scale + bias) V for each head, in f32 (f64 for f64). Query heads that share a head of K and V read it
// through the batch map of the product; nothing is repeated. Causality, windows and padding are computed from positions
// while the mask is applied, never stored. The rows of the softmax are normalised after the product with V, which has
// fewer columns.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/RotaryEmbedding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
enum Input { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidLengths };
enum Output { kResult, kPresentKey, kPresentValue, kScores };
/// What the fourth output shows.
enum ScoresMode { kRaw = 0, kCapped = 1, kBiased = 2, kSoftmax = 3 };

class Attention {
public:
  explicit Attention(Node &node) : node(node), emit(node.emit) {}
  LogicalResult lower();

private:
  LogicalResult read();
  /// [B, heads, S, D] from an input that may be [B, S, heads * D].
  Value splitHeads(Value tensor, OpFoldResult numHeads);
  Value withPast(Value tensor, Input past);
  FailureOr<Value> readMask();
  FailureOr<Value> bias(Value scores);
  /// [B, H, M, N] -> [B * H, M, N].
  Value flatten(Value tensor) {
    Dims d = emit.dims(tensor);
    return emit.reshape(tensor, {emit.mul(d[0], d[1]), d[2], d[3]});
  }
  Value map(Value tensor, llvm::function_ref<Value(OpBuilder &, Location, Value)> body) {
    return emit.elementwise(tensor, element,
                            [&](OpBuilder &b, Location loc, ValueRange v) { return body(b, loc, v[0]); });
  }
  /// Refuses what is known to differ (sets `misfit`), checks the rest at run time.
  void requireSame(OpFoldResult a, OpFoldResult b, const Twine &message) {
    auto sizeA = getConstantIntValue(a), sizeB = getConstantIntValue(b);
    if (sizeA && sizeB && *sizeA != *sizeB) {
      (void)node.refuse(message + ": " + Twine(*sizeA) + " and " + Twine(*sizeB));
      misfit = true;
    } else if (!Emitter::same(a, b))
      node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(a), emit.asValue(b)), message);
  }

  Node &node;
  Emitter &emit;
  Type resultElement, element;
  bool hasThreeDims = false, isCausal = false, misfit = false;
  double softcap = 0;
  int64_t leftWindow = -1, rightWindow = -1;
  ScoresMode scoresMode = kRaw;
  /// Query heads to a head of K and V.
  int64_t groupSize = 1;
  Value query, key, value;
  OpFoldResult batch, queryHeads, keyHeads, querySize, keySize, headSize, valueSize, pastSize;
};
} // namespace

Value Attention::splitHeads(Value tensor, OpFoldResult numHeads) {
  if (!hasThreeDims)
    return tensor;
  Dims d = emit.dims(tensor);
  Value split = emit.reshape(tensor, {d[0], d[1], numHeads, emit.quotient(d[2], numHeads)});
  return emit.transpose(split, {0, 2, 1, 3});
}

Value Attention::withPast(Value tensor, Input past) {
  if (!node.hasInput(past))
    return tensor;
  Value before = node.input(past);
  pastSize = emit.dim(before, 2);
  return emit.concat({before, tensor}, 2);
}

LogicalResult Attention::read() {
  for (Input i : {kQuery, kKey, kValue})
    if (!node.hasInput(i))
      return node.refuse("input " + Twine(i) + " is missing");
  int64_t rank = Emitter::rank(node.input(kQuery));
  if ((rank != 3 && rank != 4) || Emitter::rank(node.input(kKey)) != rank || Emitter::rank(node.input(kValue)) != rank)
    return node.refuse("Q, K and V have ranks " + Twine(rank) + ", " + Twine(Emitter::rank(node.input(kKey))) + ", " +
                       Twine(Emitter::rank(node.input(kValue))) + ", expected all 3 or all 4");
  hasThreeDims = rank == 3;
  if (node.hasInput(kPastKey) != node.hasInput(kPastValue))
    return node.refuse("past_key and past_value must be given together");
  for (Input past : {kPastKey, kPastValue})
    if (node.hasInput(past) && Emitter::rank(node.input(past)) != 4)
      return node.refuse("a past of rank " + Twine(Emitter::rank(node.input(past))) + ", expected 4");
  if (node.hasInput(kValidLengths) && node.hasInput(kPastKey))
    return node.refuse("nonpad_kv_seqlen cannot be combined with past_key");
  if (node.hasInput(kValidLengths) && Emitter::rank(node.input(kValidLengths)) != 1)
    return node.refuse("nonpad_kv_seqlen has rank " + Twine(Emitter::rank(node.input(kValidLengths))) +
                       ", expected 1");
  resultElement = Emitter::elementType(node.input(kQuery));
  if (!isa<FloatType>(resultElement))
    return node.refuse("Q has elements that are not floating-point");
  for (Input i : {kKey, kValue, kPastKey, kPastValue})
    if (node.hasInput(i) && Emitter::elementType(node.input(i)) != resultElement)
      return node.refuse("inputs 0 and " + Twine(i) + " have different element types");
  element = resultElement.isF64() ? resultElement : emit.getF32Type();

  isCausal = node.getInt("is_causal", 0) != 0;
  softcap = node.getFloat("softcap", 0);
  leftWindow = node.getInt("left_window_size", -1);
  rightWindow = node.getInt("right_window_size", -1);
  int64_t mode = node.getInt("qk_matmul_output_mode", 0);
  if (mode < kRaw || mode > kSoftmax)
    return node.refuse("qk_matmul_output_mode is " + Twine(mode) + ", expected 0 to 3");
  scoresMode = static_cast<ScoresMode>(mode);

  if (hasThreeDims) {
    int64_t q = node.getInt("q_num_heads", 0), k = node.getInt("kv_num_heads", 0);
    if (q <= 0 || k <= 0)
      return node.refuse("q_num_heads and kv_num_heads must be given for inputs of rank 3");
    for (auto [i, heads] : {std::pair(kQuery, q), std::pair(kKey, k), std::pair(kValue, k)})
      if (int64_t size = Emitter::type(node.input(i)).getDimSize(2); !ShapedType::isDynamic(size) && size % heads)
        return node.refuse("input " + Twine(i) + " has " + Twine(size) + " columns, expected a multiple of the " +
                           Twine(heads) + " heads");
    queryHeads = emit.dimension(q);
    keyHeads = emit.dimension(k);
  } else {
    queryHeads = emit.dim(node.input(kQuery), 1);
    keyHeads = emit.dim(node.input(kKey), 1);
  }
  auto q = getConstantIntValue(queryHeads), k = getConstantIntValue(keyHeads);
  if (q && k) {
    if (*k == 0 || *q % *k)
      return node.refuse(Twine(*q) + " query heads cannot share " + Twine(*k) + " key heads evenly");
    groupSize = *q / *k;
  } else {
    requireSame(queryHeads, keyHeads, "the numbers of query and key heads are only known at run time and differ");
  }
  for (auto [past, own] : {std::pair(kPastKey, kKey), std::pair(kPastValue, kValue)}) {
    if (!node.hasInput(past))
      continue;
    requireSame(emit.dim(node.input(past), 0), emit.dim(node.input(own), 0), "the past has another batch size");
    requireSame(emit.dim(node.input(past), 1), keyHeads, "the past has another number of heads");
  }
  return success(!misfit);
}

/// The mask as [?, ?, S, L] (or lower rank) of which the last dimension is complete: past its end nothing is attended.
FailureOr<Value> Attention::readMask() {
  Value mask = node.input(kMask);
  int64_t rank = Emitter::rank(mask);
  if (rank < 1 || rank > 4)
    return node.refuse("attn_mask has rank " + Twine(rank) + ", expected 1 to 4");
  Type type = Emitter::elementType(mask);
  if (!type.isInteger(1) && !isa<FloatType>(type))
    return node.refuse("attn_mask must hold booleans or floating-point numbers");
  OpFoldResult size = emit.dim(mask, rank - 1);
  if (Emitter::same(size, keySize))
    return mask;
  auto have = getConstantIntValue(size), need = getConstantIntValue(keySize);
  if (have && need && *have > *need)
    return node.refuse("attn_mask covers " + Twine(*have) + " keys, but there are " + Twine(*need));
  node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::sle, emit.asValue(size), emit.asValue(keySize)),
               "attn_mask covers more keys than there are");
  Value nothing = isa<FloatType>(type) ? emit.constant(type, -std::numeric_limits<double>::infinity())
                                       : emit.constant(type, 0);
  Dims low(rank, emit.dimension(0)), high = low;
  high.back() = emit.sub(keySize, size);
  return emit.pad(mask, low, high, nothing);
}

/// Adds all that decides which keys a query attends to: minus infinity where it does not.
FailureOr<Value> Attention::bias(Value scores) {
  bool hasWindow = leftWindow >= 0 || rightWindow >= 0;
  if (!node.hasInput(kMask) && !node.hasInput(kValidLengths) && !isCausal && !hasWindow)
    return scores;
  Dims dims = emit.dims(scores);
  SmallVector<Value> operands{scores};
  bool hasMask = node.hasInput(kMask), hasLengths = node.hasInput(kValidLengths);
  if (hasMask) {
    auto mask = readMask();
    if (failed(mask))
      return failure();
    operands.push_back(*mask);
  }
  if (hasLengths) {
    Value lengths = node.input(kValidLengths);
    requireSame(emit.dim(lengths, 0), batch, "nonpad_kv_seqlen does not have an entry for each batch entry");
    if (misfit)
      return failure();
    lengths = emit.withDims(emit.castToDims(lengths, batch), batch);
    operands.push_back(emit.expandAxes(lengths, {1, 2, 3}));
  }
  Value past = emit.asValue(pastSize ? pastSize : emit.dimension(0)), queries = emit.asValue(querySize);
  Value left = emit.constantIndex(leftWindow), right = emit.constantIndex(rightWindow);
  Value result = emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value infinity = arith::ConstantOp::create(
        b, loc, b.getFloatAttr(element, -std::numeric_limits<double>::infinity()));
    Value sum = v[0], allowed;
    auto restrict = [&](Value condition) {
      allowed = allowed ? arith::AndIOp::create(b, loc, allowed, condition).getResult() : condition;
    };
    auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) {
      return arith::CmpIOp::create(b, loc, predicate, x, y).getResult();
    };
    if (hasMask && v[1].getType().isInteger(1)) {
      restrict(v[1]);
    } else if (hasMask) {
      Value more = Emitter::convertScalar(b, loc, v[1], element);
      restrict(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, more, infinity));
      sum = arith::AddFOp::create(b, loc, sum, more);
    }
    Value column = linalg::IndexOp::create(b, loc, 3), offset = past;
    if (hasLengths) {
      Value length = arith::IndexCastOp::create(b, loc, b.getIndexType(), v.back());
      restrict(compare(arith::CmpIPredicate::slt, column, length));
      offset = arith::SubIOp::create(b, loc, length, queries);
    }
    if (isCausal || hasWindow) {
      Value row = arith::AddIOp::create(b, loc, linalg::IndexOp::create(b, loc, 2), offset);
      if (isCausal)
        restrict(compare(arith::CmpIPredicate::sle, column, row));
      if (leftWindow >= 0)
        restrict(compare(arith::CmpIPredicate::sle, row, arith::AddIOp::create(b, loc, column, left)));
      if (rightWindow >= 0)
        restrict(compare(arith::CmpIPredicate::sle, column, arith::AddIOp::create(b, loc, row, right)));
    }
    return arith::SelectOp::create(b, loc, allowed, sum, infinity);
  });
  return emit.withDims(emit.castToDims(result, dims), dims);
}

LogicalResult Attention::lower() {
  if (failed(read()))
    return failure();
  query = splitHeads(node.input(kQuery), queryHeads);
  key = splitHeads(node.input(kKey), keyHeads);
  value = splitHeads(node.input(kValue), keyHeads);
  key = withPast(key, kPastKey);
  value = withPast(value, kPastValue);
  if (node.wantsOutput(kPresentKey))
    node.setOutput(kPresentKey, key);
  if (node.wantsOutput(kPresentValue))
    node.setOutput(kPresentValue, value);

  batch = emit.dim(query, 0);
  querySize = emit.dim(query, 2);
  headSize = emit.dim(query, 3);
  keySize = emit.dim(key, 2);
  valueSize = emit.dim(value, 3);
  requireSame(emit.dim(key, 0), batch, "Q and K have different batch sizes");
  requireSame(emit.dim(value, 0), batch, "Q and V have different batch sizes");
  requireSame(emit.dim(value, 1), keyHeads, "K and V have different numbers of heads");
  requireSame(emit.dim(value, 2), keySize, "K and V have different lengths");
  requireSame(emit.dim(key, 3), headSize, "Q and K have heads of different sizes");
  if (misfit)
    return failure();

  // The scale goes to the query, which is the smallest of what it could go to.
  Value factor;
  if (node.has("scale") && node.getFloat("scale", 0) != 0) {
    factor = emit.constant(element, node.getFloat("scale", 0));
  } else if (auto size = getConstantIntValue(headSize)) {
    factor = emit.constant(element, 1 / std::sqrt(static_cast<double>(*size)));
  } else {
    Value length = arith::SIToFPOp::create(emit, element, emit.asInteger(headSize, emit.getI64Type()));
    factor = arith::DivFOp::create(emit, emit.constant(element, 1.0), math::SqrtOp::create(emit, length));
  }
  Value scaled = emit.elementwise(query, element, [&](OpBuilder &b, Location loc, ValueRange v) {
    return arith::MulFOp::create(b, loc, Emitter::convertScalar(b, loc, v[0], element), factor).getResult();
  });

  OpFoldResult matrices = emit.mul(batch, queryHeads);
  AffineMap each = emit.getMultiDimIdentityMap(1);
  AffineMap shared = AffineMap::get(1, 0, emit.getAffineDimExpr(0).floorDiv(groupSize), emit.getContext());
  Value turned = emit.transpose(emit.castElements(key, element), {0, 1, 3, 2});
  Value scores = emit.contract(flatten(scaled), flatten(turned), matrices, each, shared);
  scores = emit.reshape(scores, {batch, queryHeads, querySize, keySize});
  Value shown = scores;

  if (softcap > 0)
    scores = map(scores, [&](OpBuilder &b, Location loc, Value x) -> Value {
      Value cap = arith::ConstantOp::create(b, loc, b.getFloatAttr(element, softcap));
      return arith::MulFOp::create(b, loc, math::TanhOp::create(b, loc, arith::DivFOp::create(b, loc, x, cap)), cap);
    });
  if (scoresMode == kCapped)
    shown = scores;
  auto biased = bias(scores);
  if (failed(biased))
    return failure();
  if (scoresMode == kBiased)
    shown = *biased;

  // A row in which nothing is attended has maximum -inf; it becomes zero.
  Value infinity = emit.constant(element, -std::numeric_limits<double>::infinity()), zero = emit.constant(element, 0.0);
  auto reassociate =
      arith::FastMathFlagsAttr::get(emit.getContext(), arith::FastMathFlags::reassoc);
  Value top = emit.reduce(*biased, {3}, /*keepDims=*/true, infinity, [&](OpBuilder &b, Location loc, ValueRange v) {
    return arith::MaxNumFOp::create(b, loc, v[0], v[1], reassociate).getResult();
  });
  top = map(top, [&](OpBuilder &b, Location loc, Value x) -> Value {
    Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, infinity);
    return arith::SelectOp::create(b, loc, none, zero, x);
  });
  Value powers = emit.elementwise({*biased, top}, element, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return math::ExpOp::create(b, loc, arith::SubFOp::create(b, loc, v[0], v[1]));
  });
  Value total = emit.reduce(powers, {3}, /*keepDims=*/true, zero, [&](OpBuilder &b, Location loc, ValueRange v) {
    return arith::AddFOp::create(b, loc, v[0], v[1], reassociate).getResult();
  });
  Value norm = map(total, [&](OpBuilder &b, Location loc, Value x) -> Value {
    Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 1));
    Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, zero);
    return arith::DivFOp::create(b, loc, one, arith::SelectOp::create(b, loc, none, one, x));
  });
  auto normalised = [&](Value tensor, Type type) {
    return emit.elementwise({tensor, norm}, type, [&](OpBuilder &b, Location loc, ValueRange v) {
      return Emitter::convertScalar(b, loc, arith::MulFOp::create(b, loc, v[0], v[1]), type);
    });
  };
  if (node.wantsOutput(kScores))
    node.setOutput(kScores, scoresMode == kSoftmax ? normalised(powers, resultElement)
                                                   : emit.castElements(shown, resultElement));
  Value result = emit.contract(flatten(powers), flatten(emit.castElements(value, element)), matrices, each, shared);
  result = normalised(emit.reshape(result, {batch, queryHeads, querySize, valueSize}), resultElement);
  if (hasThreeDims) {
    result = emit.transpose(result, {0, 2, 1, 3});
    result = emit.reshape(result, {batch, querySize, emit.mul(queryHeads, valueSize)});
  }
  node.setOutput(kResult, result);
  return success();
}

static LogicalResult lowerAttention(Node &node) { return Attention(node).lower(); }

void ac::populateAttentionLowerings(LoweringTable &table) {
  table.add("Attention", lowerAttention);
  table.add("RotaryEmbedding", lowerRotaryEmbedding);
}
