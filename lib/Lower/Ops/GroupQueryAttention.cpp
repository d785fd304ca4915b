//===- GroupQueryAttention.cpp - com.microsoft.GroupQueryAttention --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each batch entry has its own number of keys, `seqlens_k + 1` with the new ones, which stand behind its past whatever
// room the past has. In a prompt (as many new keys as keys in all) there is no past. Lengths and positions are
// structure, so that room that is not filled costs nothing but its copy.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/AttentionForm.h"
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/MicrosoftAttention.h"
#include "Lower/Ops/RotaryEmbedding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
enum Input {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLengths,
  kTotal,
  kCosines,
  kSines,
  kPositions,
  kScoreBias,
  kSinks,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm
};

class GroupQueryAttention {
public:
  explicit GroupQueryAttention(Node &node) : node(node), emit(node.emit) {}
  LogicalResult lower();

private:
  LogicalResult refuseVariants();
  LogicalResult readTensors();
  LogicalResult readLengths();
  LogicalResult turn();
  /// [B, key heads, room, D]: the past, in which each batch entry has its new rows, and zeros behind both.
  Value present(Value past, Value rows);
  LogicalResult readStructure();

  Node &node;
  Emitter &emit;
  AttentionForm form;
  Value query, key, value; // [B, S, heads, D]
  OpFoldResult heads, keyHeads, batch, steps, total, pastRoom, room;
  Value isPrompt; // i1
  Value lengths;  // [B] of type index, keys of an entry with the new ones
  Value offsets;  // [B] of type index, keys in front of the new ones
};
} // namespace

LogicalResult GroupQueryAttention::refuseVariants() {
  if (failed(refuseInputs(node, {{kKeyScale, "k_scale"},
                                 {kValueScale, "v_scale"},
                                 {kQueryNorm, "q_norm_weight"},
                                 {kKeyNorm, "k_norm_weight"}})))
    return failure();
  for (StringRef name : {"k_quant_type", "v_quant_type"})
    if (StringRef kind = node.getString(name, "NONE"); kind != "NONE")
      return node.refuse(name + " is " + kind + ", expected a cache of floating-point numbers (NONE)");
  if (node.getInt("sliding_window_cache", 0) != 0)
    return node.refuse("sliding_window_cache is set, expected a cache that holds all positions");
  if (node.wantsOutput(3))
    return node.refuse("output 3 (output_qk) is not supported");
  return success();
}

LogicalResult GroupQueryAttention::readTensors() {
  int64_t count = node.getInt("num_heads", 0), keyCount = node.getInt("kv_num_heads", 0);
  if (count <= 0 || keyCount <= 0 || count % keyCount)
    return node.refuse("num_heads is " + Twine(count) + " and kv_num_heads " + Twine(keyCount) +
                       ", expected a multiple of a positive number");
  heads = emit.dimension(count);
  keyHeads = emit.dimension(keyCount);
  if (failed(requireInput(node, {kQuery, "query"}, 3)))
    return failure();
  if (!isa<FloatType>(Emitter::elementType(node.input(kQuery))))
    return node.refuse("query has elements that are not floating-point");
  if (node.hasInput(kKey) != node.hasInput(kValue) || node.hasInput(kPastKey) != node.hasInput(kPastValue))
    return node.refuse("key and value, and past_key and past_value, must be given together");
  if (!node.hasInput(kKey)) {
    FailureOr<Value> packed =
        splitHeads(node, node.input(kQuery), "the packed query", emit.dimension(count + 2 * keyCount));
    if (failed(packed))
      return failure();
    query = emit.slice(*packed, 2, emit.dimension(0), heads);
    key = emit.slice(*packed, 2, heads, keyHeads);
    value = emit.slice(*packed, 2, emit.dimension(count + keyCount), keyHeads);
  } else {
    struct Part {
      NamedInput input;
      Value *tensor;
      OpFoldResult heads;
    };
    for (auto &[input, tensor, number] : {Part{{kQuery, "query"}, &query, heads}, Part{{kKey, "key"}, &key, keyHeads},
                                          Part{{kValue, "value"}, &value, keyHeads}}) {
      if (failed(requireInput(node, input, 3)))
        return failure();
      FailureOr<Value> split = splitHeads(node, node.input(input.index), input.name, number);
      if (failed(split))
        return failure();
      *tensor = *split;
    }
  }
  batch = emit.dim(query, 0);
  steps = emit.dim(query, 1);
  for (Value other : {key, value})
    for (int64_t axis : {0, 1, 3})
      if (failed(requireSame(node, emit.dim(other, axis), emit.dim(query, axis),
                             "batch sizes, lengths or sizes of heads of query, key and value")))
        return failure();
  pastRoom = emit.dimension(0);
  if (!node.hasInput(kPastKey))
    return success();
  for (NamedInput input : {NamedInput{kPastKey, "past_key"}, NamedInput{kPastValue, "past_value"}}) {
    if (failed(requireInput(node, input, 4)))
      return failure();
    Dims own = emit.dims(node.input(input.index));
    if (input.index == kPastKey)
      pastRoom = own[2];
    Dims wanted{batch, keyHeads, pastRoom, emit.dim(query, 3)};
    for (auto [have, need] : llvm::zip(own, wanted))
      if (failed(requireSame(node, have, need, "the sizes of " + input.name + " and of what follows it")))
        return failure();
  }
  return success();
}

LogicalResult GroupQueryAttention::readLengths() {
  if (failed(requireInput(node, {kLengths, "seqlens_k"}, 1)) || !node.hasInput(kTotal))
    return node.refuse("expected seqlens_k of rank 1 and total_sequence_length");
  Value given = node.input(kLengths);
  if (failed(requireSame(node, emit.dim(given, 0), batch, "the entries of seqlens_k and of the batch")) ||
      failed(requireSame(node, emit.numElements(node.input(kTotal)), emit.dimension(1),
                         "the entries of total_sequence_length and 1")))
    return failure();
  total = emit.asDimension(emit.scalar(node.input(kTotal)));
  room = emit.max(total, pastRoom);
  if (Emitter::same(emit.add(pastRoom, steps), total))
    room = total;
  given = emit.withDims(emit.castToDims(given, batch), batch);
  Type index = emit.getIndexType();
  lengths = emit.elementwise(given, index, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    return arith::AddIOp::create(b, loc, arith::IndexCastOp::create(b, loc, b.getIndexType(), v[0]).getResult(), one);
  });
  Value count = emit.asValue(steps), zero = emit.constantIndex(0);
  isPrompt = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, count, emit.asValue(total));
  offsets = emit.elementwise(lengths, index, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return arith::SelectOp::create(b, loc, isPrompt, zero, arith::SubIOp::create(b, loc, v[0], count).getResult());
  });
  node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::sle, count, emit.asValue(room)),
               "total_sequence_length is less than the length of the query");
  // [0, past] holds what comes before, [0, room) the new ones as well.
  Value most = emit.asValue(emit.min(pastRoom, emit.sub(room, steps)));
  Value all = emit.reduce(offsets, {0}, /*keepDims=*/false, emit.constant(emit.getI1Type(), 1),
                          [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            // Negative numbers are huge when read as unsigned.
                            Value fits = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule, v[0], most);
                            return arith::AndIOp::create(b, loc, fits, v[1]);
                          });
  node.require(emit.scalar(all), "seqlens_k does not fit the past and total_sequence_length");
  return success();
}

LogicalResult GroupQueryAttention::turn() {
  if (node.getInt("do_rotary", 0) == 0)
    return success();
  if (failed(requireInput(node, {kCosines, "cos_cache"}, 2)) || failed(requireInput(node, {kSines, "sin_cache"}, 2)))
    return failure();
  Type integer = emit.getI64Type();
  Value given = node.hasInput(kPositions) ? node.input(kPositions) : Value();
  if (given) {
    if (failed(requireInput(node, {kPositions, "position_ids"}, 2)) ||
        failed(requireSame(node, emit.dim(given, 0), batch, "the batch sizes of query and position_ids")) ||
        failed(requireSame(node, emit.dim(given, 1), steps, "the lengths of query and position_ids")))
      return failure();
  }
  // Of a prompt, the operator reads the first position alone.
  Value positions = emit.tabulate({batch, steps}, integer, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    Value row = arith::IndexCastOp::create(b, loc, integer, at[1]);
    if (!given) {
      Value first = tensor::ExtractOp::create(b, loc, offsets, ValueRange{at[0]});
      return arith::AddIOp::create(b, loc, arith::IndexCastOp::create(b, loc, integer, first).getResult(), row);
    }
    Value first = tensor::ExtractOp::create(b, loc, given, ValueRange{zero, zero});
    Value own = tensor::ExtractOp::create(b, loc, given, ValueRange{at[0], at[1]});
    return arith::SelectOp::create(b, loc, isPrompt, arith::AddIOp::create(b, loc, first, row).getResult(), own);
  });
  auto angles = anglesAt(node, node.input(kCosines), node.input(kSines), positions, Emitter::elementType(query));
  if (!angles)
    return failure();
  OpFoldResult turned = emit.mul(emit.dim(node.input(kCosines), 1), emit.dimension(2));
  for (Value *tensor : {&query, &key}) {
    FailureOr<Value> result =
        rotate(node, *tensor, /*headAxis=*/2, *angles, turned, node.getInt("rotary_interleaved", 0) != 0);
    if (failed(result))
      return failure();
    *tensor = *result;
  }
  return success();
}

Value GroupQueryAttention::present(Value past, Value rows) {
  rows = emit.transpose(rows, {0, 2, 1, 3});
  if (!past && Emitter::same(room, steps))
    return rows;
  Dims dims{batch, keyHeads, room, emit.dim(rows, 3)};
  Type element = Emitter::elementType(rows);
  OpFoldResult zero = emit.dimension(0), one = emit.dimension(1);
  Dims strides(4, one);
  Value first = emit.empty(dims, element);
  // The whole of the past, also what will be written over: if the caller gave its memory to the result, nothing is to
  // do.
  if (past)
    first = emit.insert(past, first, Dims(4, zero));
  auto loop = scf::ForOp::create(emit, emit.constantIndex(0), emit.asValue(batch), emit.constantIndex(1), first);
  {
    OpBuilder::InsertionGuard guard(emit);
    emit.setInsertionPointToEnd(loop.getBody());
    Value entry = loop.getInductionVar(), whole = loop.getRegionIterArg(0);
    Dims sizes{one, dims[1], steps, dims[3]};
    auto put = [&](Value part, OpFoldResult at) {
      whole = tensor::InsertSliceOp::create(emit, part, whole, Dims{entry, zero, at, zero}, sizes, strides);
    };
    Value begin = tensor::ExtractOp::create(emit, offsets, ValueRange{entry});
    put(tensor::ExtractSliceOp::create(emit, rows, Dims{entry, zero, zero, zero}, sizes, strides), begin);
    Value end = arith::AddIOp::create(emit, begin, emit.asValue(steps));
    Value rest = arith::MaxSIOp::create(emit, end, emit.asValue(pastRoom));
    sizes[2] = arith::SubIOp::create(emit, emit.asValue(room), rest).getResult();
    put(emit.fill(sizes, emit.constant(element, 0.0)), rest);
    scf::YieldOp::create(emit, whole);
  }
  return emit.withDims(loop.getResult(0), dims);
}

LogicalResult GroupQueryAttention::readStructure() {
  form.emptyIsZero = true;
  form.offsets = offsets;
  form.lengths = lengths;
  int64_t window = node.getInt("local_window_size", -1), isCausal = node.getInt("causal", 1);
  if (isCausal)
    form.after = 0;
  if (window != -1) {
    if (window <= 0 || !isCausal)
      return node.refuse("local_window_size is " + Twine(window) +
                         ", expected -1 or, where causal is set, a positive number");
    form.before = window - 1;
  }
  if (double softcap = node.getFloat("softcap", 0); softcap > 0)
    form.softcap = softcap;
  if (node.hasInput(kSinks)) {
    if (failed(requireInput(node, {kSinks, "head_sink"}, 1)) ||
        failed(requireSame(node, emit.dim(node.input(kSinks), 0), heads, "num_heads and the entries of head_sink")))
      return failure();
    form.sinks = node.input(kSinks);
  } else if (node.getInt("smooth_softmax", 0) != 0) {
    form.sinks = emit.fill({heads}, emit.constant(Emitter::elementType(query), 0.0));
  }
  if (node.hasInput(kScoreBias)) {
    if (failed(requireInput(node, {kScoreBias, "attention_bias"}, 4)))
      return failure();
    FailureOr<Value> mask = maskForKeys(node, node.input(kScoreBias), "attention_bias", room);
    if (failed(mask))
      return failure();
    form.mask = *mask;
  }
  setScale(node, form, node.getFloat("scale", 0));
  return success();
}

LogicalResult GroupQueryAttention::lower() {
  if (failed(refuseVariants()) || failed(readTensors()) || failed(readLengths()) || failed(turn()))
    return failure();
  form.query = query;
  form.queryOrder = form.outOrder = {0, 2, 1, 3};
  form.key = present(node.hasInput(kPastKey) ? node.input(kPastKey) : Value(), key);
  form.value = present(node.hasInput(kPastValue) ? node.input(kPastValue) : Value(), value);
  form.keyOrder = form.valueOrder = {0, 1, 2, 3};
  for (auto [output, tensor] : {std::pair(1u, form.key), std::pair(2u, form.value)})
    if (node.wantsOutput(output))
      node.setOutput(output, tensor);
  if (failed(readStructure()))
    return failure();
  return setAttended(node, form);
}

LogicalResult ac::lowerGroupQueryAttention(Node &node) { return GroupQueryAttention(node).lower(); }
