//===- Attention.cpp - ONNX Attention -------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Becomes `ac.attention`, whose kernel never holds the scores, unless these are asked for or f64: then scores, softmax
// and product on whole matrices. Heads stay where they are; causality, windows and padding are structure.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/AttentionForm.h"
#include "Lower/Ops/MicrosoftAttention.h"
#include "Lower/Ops/RotaryEmbedding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
enum Input { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidLengths };
enum Output { kResult, kPresentKey, kPresentValue, kScores };
class Attention {
public:
  explicit Attention(Node &node) : node(node), emit(node.emit) {}
  LogicalResult lower();

private:
  LogicalResult read();
  /// [B, S, heads, D] from an input that may be [B, S, heads * D].
  Value splitHeads(Value tensor, OpFoldResult numHeads, SmallVectorImpl<int64_t> &order);
  Value withPast(Value tensor, Input past, SmallVectorImpl<int64_t> &order);
  LogicalResult readStructure();
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
  bool hasThreeDims = false, misfit = false;
  AskedScores scores{ScoresStage::Raw, {}};
  AttentionForm form;
  OpFoldResult batch, queryHeads, keyHeads, keySize, headSize, pastSize;
};
} // namespace

Value Attention::splitHeads(Value tensor, OpFoldResult numHeads, SmallVectorImpl<int64_t> &order) {
  order.assign({0, 1, 2, 3});
  if (!hasThreeDims)
    return tensor;
  order.assign({0, 2, 1, 3});
  Dims d = emit.dims(tensor);
  return emit.reshape(tensor, {d[0], d[1], numHeads, emit.quotient(d[2], numHeads)});
}

/// [B, heads, S, D] if there is a past or the whole is asked for.
Value Attention::withPast(Value tensor, Input past, SmallVectorImpl<int64_t> &order) {
  Output present = past == kPastKey ? kPresentKey : kPresentValue;
  if (!node.hasInput(past) && !node.wantsOutput(present))
    return tensor;
  if (hasThreeDims)
    tensor = emit.transpose(tensor, {0, 2, 1, 3});
  order.assign({0, 1, 2, 3});
  if (node.hasInput(past)) {
    Value before = node.input(past);
    pastSize = emit.dim(before, 2);
    tensor = emit.concat({before, tensor}, 2);
  }
  if (node.wantsOutput(present))
    node.setOutput(present, tensor);
  return tensor;
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
    return node.refuse("nonpad_kv_seqlen has rank " + Twine(Emitter::rank(node.input(kValidLengths))) + ", expected 1");
  Type element = Emitter::elementType(node.input(kQuery));
  if (!isa<FloatType>(element))
    return node.refuse("Q has elements that are not floating-point");
  for (Input i : {kKey, kValue, kPastKey, kPastValue})
    if (node.hasInput(i) && Emitter::elementType(node.input(i)) != element)
      return node.refuse("inputs 0 and " + Twine(i) + " have different element types");

  form.emptyIsZero = true;
  if (double softcap = node.getFloat("softcap", 0); softcap > 0)
    form.softcap = softcap;
  int64_t mode = node.getInt("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    return node.refuse("qk_matmul_output_mode is " + Twine(mode) + ", expected 0 to 3");
  scores.stage = static_cast<ScoresStage>(mode);

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

/// What decides which keys a query attends to.
LogicalResult Attention::readStructure() {
  if (node.hasInput(kMask)) {
    FailureOr<Value> mask = maskForKeys(node, node.input(kMask), "attn_mask", keySize);
    if (failed(mask))
      return failure();
    form.mask = *mask;
  }
  // Negative: no limit. Sizes are below the largest limit.
  auto restrict = [](std::optional<int64_t> &limit, int64_t value) {
    if (value >= 0)
      limit = std::min({limit.value_or(value), value, int64_t(1) << 40});
  };
  restrict(form.before, node.getInt("left_window_size", -1));
  restrict(form.after, node.getInt("right_window_size", -1));
  if (node.getInt("is_causal", 0) != 0)
    restrict(form.after, 0);
  auto indices = [&](Value lengths, OpFoldResult minus) {
    return emit.elementwise(lengths, emit.getIndexType(), [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value index = arith::IndexCastOp::create(b, loc, b.getIndexType(), v[0]);
      return arith::SubIOp::create(b, loc, index, emit.asValue(minus));
    });
  };
  if (node.hasInput(kValidLengths)) {
    Value lengths = node.input(kValidLengths);
    requireSame(emit.dim(lengths, 0), batch, "nonpad_kv_seqlen does not have an entry for each batch entry");
    if (misfit)
      return failure();
    lengths = emit.withDims(emit.castToDims(lengths, batch), batch);
    form.lengths = indices(lengths, emit.dimension(0));
    form.offsets = indices(lengths, form.size(emit, form.query, form.queryOrder, AttentionOp::Row));
  } else if (pastSize && (form.before || form.after)) {
    form.offsets = emit.fill({emit.dimension(1)}, emit.asValue(pastSize));
  }
  return success();
}

LogicalResult Attention::lower() {
  if (failed(read()))
    return failure();
  form.query = splitHeads(node.input(kQuery), queryHeads, form.queryOrder);
  form.key = withPast(splitHeads(node.input(kKey), keyHeads, form.keyOrder), kPastKey, form.keyOrder);
  form.value = withPast(splitHeads(node.input(kValue), keyHeads, form.valueOrder), kPastValue, form.valueOrder);
  form.outOrder = form.queryOrder;

  batch = form.size(emit, form.query, form.queryOrder, AttentionOp::Batch);
  headSize = form.size(emit, form.query, form.queryOrder, AttentionOp::Column);
  keySize = form.size(emit, form.key, form.keyOrder, AttentionOp::Row);
  auto sizeOfKey = [&](AttentionOp::Dim dim) { return form.size(emit, form.key, form.keyOrder, dim); };
  auto sizeOfValue = [&](AttentionOp::Dim dim) { return form.size(emit, form.value, form.valueOrder, dim); };
  requireSame(sizeOfKey(AttentionOp::Batch), batch, "Q and K have different batch sizes");
  requireSame(sizeOfValue(AttentionOp::Batch), batch, "Q and V have different batch sizes");
  requireSame(sizeOfValue(AttentionOp::Head), keyHeads, "K and V have different numbers of heads");
  requireSame(sizeOfValue(AttentionOp::Row), keySize, "K and V have different lengths");
  requireSame(sizeOfKey(AttentionOp::Column), headSize, "Q and K have heads of different sizes");
  if (misfit || failed(readStructure()))
    return failure();

  setScale(node, form, node.getFloat("scale", 0));

  bool isComposed = node.wantsOutput(kScores) || Emitter::elementType(form.query).isF64();
  FailureOr<Value> result = isComposed ? lowerComposed(node, form, &scores) : lowerFused(node, form);
  if (failed(result))
    return failure();
  if (node.wantsOutput(kScores))
    node.setOutput(kScores, scores.scores);
  if (hasThreeDims) {
    Dims d = emit.dims(*result);
    result = emit.reshape(*result, {d[0], d[1], emit.mul(d[2], d[3])});
  }
  node.setOutput(kResult, *result);
  return success();
}

static LogicalResult lowerAttention(Node &node) { return Attention(node).lower(); }

void ac::populateAttentionLowerings(LoweringTable &table) {
  table.add("Attention", lowerAttention);
  table.add("ac.attention", lowerAttentionOp);
  table.add("RotaryEmbedding", lowerRotaryEmbedding);
  table.add("com.microsoft.Attention", lowerMicrosoftAttention);
  table.add("com.microsoft.GroupQueryAttention", lowerGroupQueryAttention);
  table.add("com.microsoft.MultiHeadAttention", lowerMultiHeadAttention);
  table.add("com.microsoft.RotaryEmbedding", lowerMicrosoftRotaryEmbedding);
}
