//===- MicrosoftAttention.cpp - Attention and MultiHeadAttention ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A hidden key is one to whose score `mask_filter_value` is added, so that a query all of whose keys are hidden sees
// them all. Where lengths say what is hidden, and the value is as low as it is by default, that is structure.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MicrosoftAttention.h"
#include "Lower/Ops/AttentionForm.h"
#include "Lower/Ops/MatrixProduct.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

LogicalResult ac::refuseInputs(Node &node, ArrayRef<NamedInput> inputs) {
  for (NamedInput input : inputs)
    if (node.hasInput(input.index))
      return node.refuse("input " + Twine(input.index) + " (" + input.name + ") is not supported");
  return success();
}

LogicalResult ac::requireInput(Node &node, NamedInput input, int64_t rank) {
  if (!node.hasInput(input.index))
    return node.refuse("input " + Twine(input.index) + " (" + input.name + ") is missing");
  Value value = node.input(input.index);
  if (Emitter::rank(value) != rank)
    return node.refuse(input.name + " has rank " + Twine(Emitter::rank(value)) + ", expected " + Twine(rank));
  Type element = Emitter::elementType(value);
  if (isa<FloatType>(element) && element != Emitter::elementType(node.input(0)))
    return node.refuse("inputs 0 and " + Twine(input.index) + " (" + input.name + ") have different element types");
  return success();
}

FailureOr<Value> ac::splitHeads(Node &node, Value x, StringRef name, OpFoldResult heads) {
  Emitter &emit = node.emit;
  Dims d = emit.dims(x);
  auto columns = getConstantIntValue(d[2]), count = getConstantIntValue(heads);
  if (columns && count && *columns % *count)
    return node.refuse(name + " has " + Twine(*columns) + " columns, expected a multiple of the " + Twine(*count) +
                       " heads");
  return emit.reshape(x, {d[0], d[1], heads, emit.quotient(d[2], heads)});
}

LogicalResult ac::setAttended(Node &node, const AttentionForm &form) {
  bool isComposed = Emitter::elementType(form.query).isF64();
  FailureOr<Value> result = isComposed ? lowerComposed(node, form) : lowerFused(node, form);
  if (failed(result))
    return failure();
  Dims d = node.emit.dims(*result);
  node.setOutput(0, node.emit.reshape(*result, {d[0], d[1], node.emit.mul(d[2], d[3])}));
  return success();
}

namespace {
/// What both operators have in common once queries, keys and values are there.
class Attending {
public:
  explicit Attending(Node &node) : node(node), emit(node.emit) {}

protected:
  LogicalResult readHeads();
  /// Appends [B, S, heads, D] to the past [B, heads, P, D], null for none, and makes it the key or value of the form.
  LogicalResult append(Value x, Value past, Value &tensor, SmallVectorImpl<int64_t> &order, bool headsFirst);
  LogicalResult readPadding(NamedInput input);
  Value filtered(Dims dims, llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> isSeen);
  /// Masks and causality, then the operation and output 0.
  LogicalResult attend(NamedInput padding, NamedInput bias);

  Node &node;
  Emitter &emit;
  AttentionForm form;
  OpFoldResult heads, batch, rows, keys, past = node.emit.dimension(0);
  bool mayPair = false; // lengths may be two lists, of ends and beginnings
};

class MicrosoftAttention : Attending {
public:
  using Attending::Attending;
  LogicalResult lower();
};

class MultiHeadAttention : Attending {
public:
  using Attending::Attending;
  LogicalResult lower();

private:
  LogicalResult readPacked();
  LogicalResult readSeparate();
  /// The part of the bias from `begin` on that belongs to `x` [B, S, columns], added to it.
  Value withBias(Value x, OpFoldResult begin);
};
} // namespace

LogicalResult Attending::readHeads() {
  int64_t count = node.getInt("num_heads", 0);
  if (count <= 0)
    return node.refuse("num_heads is " + Twine(count) + ", expected a positive number");
  heads = emit.dimension(count);
  if (!isa<FloatType>(Emitter::elementType(node.input(0))))
    return node.refuse("input 0 has elements that are not floating-point");
  return success();
}

LogicalResult Attending::append(Value x, Value before, Value &tensor, SmallVectorImpl<int64_t> &order,
                                bool headsFirst) {
  order.assign({0, 2, 1, 3});
  if (headsFirst)
    order.assign({0, 1, 2, 3});
  tensor = x;
  if (!before)
    return success();
  for (int64_t axis : {0, 1, 3})
    if (failed(requireSame(node, emit.dim(before, axis), emit.dim(x, axis == 1 ? 2 : axis),
                           "the sizes of the past and of what follows it")))
      return failure();
  order.assign({0, 1, 2, 3});
  past = emit.dim(before, 2);
  tensor = emit.concat({before, emit.transpose(x, {0, 2, 1, 3})}, 2);
  return success();
}

/// Numbers to be added to scores: zero or the filter.
Value Attending::filtered(Dims dims, llvm::function_ref<Value(OpBuilder &, Location, ValueRange)> isSeen) {
  double filter = node.getFloat("mask_filter_value", -10000);
  Type element = emit.getF32Type();
  return emit.tabulate(dims, element, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
    auto number = [&](double value) { return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value)); };
    return arith::SelectOp::create(b, loc, isSeen(b, loc, at), number(0), number(filter));
  });
}

LogicalResult Attending::readPadding(NamedInput input) {
  Value mask = node.input(input.index);
  if (!Emitter::elementType(mask).isInteger(32))
    return node.refuse(input.name + " has elements of another type than i32");
  int64_t rank = Emitter::rank(mask);
  OpFoldResult one = emit.dimension(1);
  if (rank == 2 || rank == 3) {
    Dims wanted{batch, rows, keys};
    if (rank == 2)
      wanted.erase(wanted.begin() + 1);
    for (int64_t axis = 0; axis < rank; ++axis)
      if (failed(
              requireSame(node, emit.dim(mask, axis), wanted[axis], "the sizes of " + input.name + " and the scores")))
        return failure();
    form.mask = filtered({batch, one, rank == 3 ? rows : one, keys}, [&](OpBuilder &b, Location loc, ValueRange at) {
      SmallVector<Value> place{at[0], at[2], at[3]};
      if (rank == 2)
        place.erase(place.begin() + 1);
      Value entry = tensor::ExtractOp::create(b, loc, mask, place);
      Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, entry, zero).getResult();
    });
    return success();
  }
  if (rank != 1)
    return node.refuse(input.name + " has rank " + Twine(rank) + ", expected 1 to 3");

  OpFoldResult size = emit.dim(mask, 0), pairs = emit.mul(batch, emit.dimension(2));
  bool isPair = mayPair && Emitter::same(size, pairs) && !Emitter::same(size, batch);
  if (!isPair && failed(requireSame(node, size, batch, "the entries of " + input.name + " and of the batch")))
    return failure();
  if (!isPair && node.getFloat("mask_filter_value", -10000) <= -10000) {
    form.lengths = emit.elementwise(mask, emit.getIndexType(), [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value length = arith::IndexCastOp::create(b, loc, b.getIndexType(), v[0]);
      Value zero = arith::ConstantIndexOp::create(b, loc, 0);
      Value any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, length, zero);
      return arith::SelectOp::create(b, loc, any, length, emit.asValue(keys));
    });
    form.lengths = emit.withDims(emit.castToDims(form.lengths, batch), batch);
    return success();
  }
  Value second = emit.asValue(batch);
  form.mask = filtered({batch, one, one, keys}, [&](OpBuilder &b, Location loc, ValueRange at) -> Value {
    auto limit = [&](Value place) -> Value {
      return arith::IndexCastOp::create(b, loc, b.getIndexType(), tensor::ExtractOp::create(b, loc, mask, place));
    };
    Value seen = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, at[3], limit(at[0]));
    if (!isPair)
      return seen;
    Value begin = limit(arith::AddIOp::create(b, loc, at[0], second));
    return arith::AndIOp::create(b, loc, seen,
                                 arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, at[3], begin).getResult());
  });
  return success();
}

LogicalResult Attending::attend(NamedInput padding, NamedInput bias) {
  form.outOrder = form.queryOrder;
  form.emptyIsZero = true;
  auto size = [&](Value tensor, ArrayRef<int64_t> order, AttentionOp::Dim dim) {
    return form.size(emit, tensor, order, dim);
  };
  batch = size(form.query, form.queryOrder, AttentionOp::Batch);
  rows = size(form.query, form.queryOrder, AttentionOp::Row);
  keys = size(form.key, form.keyOrder, AttentionOp::Row);
  struct Pair {
    OpFoldResult a, b;
    StringRef what;
  };
  for (auto [a, b, what] :
       {Pair{size(form.key, form.keyOrder, AttentionOp::Batch), batch, "the batch sizes of query and key"},
        Pair{size(form.value, form.valueOrder, AttentionOp::Batch), batch, "the batch sizes of query and value"},
        Pair{size(form.value, form.valueOrder, AttentionOp::Row), keys, "the lengths of key and value"},
        Pair{size(form.key, form.keyOrder, AttentionOp::Head), heads, "num_heads and the heads of the key"},
        Pair{size(form.value, form.valueOrder, AttentionOp::Head), heads, "num_heads and the heads of the value"},
        Pair{size(form.key, form.keyOrder, AttentionOp::Column), size(form.query, form.queryOrder, AttentionOp::Column),
             "the sizes of the heads of query and key"}})
    if (failed(requireSame(node, a, b, what)))
      return failure();
  if (node.hasInput(padding.index) && failed(readPadding(padding)))
    return failure();
  if (node.hasInput(bias.index)) {
    if (failed(requireInput(node, bias, 4)))
      return failure();
    Value given = node.input(bias.index);
    if (!form.mask)
      form.mask = given;
    else
      form.mask = emit.elementwise(
          {emit.castElements(given, emit.getF32Type()), form.mask}, emit.getF32Type(),
          [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddFOp::create(b, loc, v[0], v[1]); });
  }
  if (node.getInt("unidirectional", 0) != 0) {
    form.after = 0;
    // As many new keys as queries, or a single query, which sees all: else it is not defined who sees what.
    OpFoldResult offset = past, expected = emit.add(past, rows);
    if (!Emitter::same(expected, keys)) {
      auto known = getConstantIntValue(expected), have = getConstantIntValue(keys), count = getConstantIntValue(rows);
      if (known && have && count && *count != 1)
        return node.refuse("unidirectional is set for " + Twine(*count) + " queries and " + Twine(*have) +
                           " keys, expected " + Twine(*known) + " keys");
      auto equal = [&](OpFoldResult x, OpFoldResult y) -> Value {
        return arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(x), emit.asValue(y));
      };
      Value isOne = equal(rows, emit.dimension(1));
      node.require(arith::OrIOp::create(emit, isOne, equal(expected, keys)),
                   "unidirectional is set for several queries and another number of keys");
      Value last = emit.asValue(emit.sub(keys, emit.dimension(1)));
      offset = arith::SelectOp::create(emit, isOne, last, emit.asValue(past)).getResult();
    }
    if (getConstantIntValue(offset) != 0)
      form.offsets = emit.fill({emit.dimension(1)}, emit.asValue(offset));
  }
  setScale(node, form, node.getFloat("scale", 0));
  return setAttended(node, form);
}

//===----------------------------------------------------------------------===//
// Attention: with the weights of queries, keys and values
//===----------------------------------------------------------------------===//

LogicalResult MicrosoftAttention::lower() {
  enum { kInput, kWeights, kBias, kMask, kPast, kScoreBias, kPastLength };
  mayPair = true;
  if (failed(requireInput(node, {kInput, "input"}, 3)) || failed(requireInput(node, {kWeights, "weights"}, 2)) ||
      failed(readHeads()) || failed(refuseInputs(node, {{kPastLength, "past_sequence_length"}})))
    return failure();
  for (StringRef name : {"do_rotary", "past_present_share_buffer"})
    if (node.getInt(name, 0) != 0)
      return node.refuse(name + " is set, which is not supported");
  Type element = Emitter::elementType(node.input(kInput));
  FailureOr<Value> product = multiplyMatrices(node, node.input(kInput), node.input(kWeights));
  if (failed(product))
    return failure();
  Value x = *product;
  if (node.hasInput(kBias)) {
    if (failed(requireInput(node, {kBias, "bias"}, 1)) ||
        failed(requireSame(node, emit.dim(node.input(kBias), 0), emit.dim(x, 2), "the columns of weights and bias")))
      return failure();
    Value bias = emit.castElements(node.input(kBias), Emitter::elementType(x));
    x = emit.elementwise({x, bias}, Emitter::elementType(x), [](OpBuilder &b, Location loc, ValueRange v) -> Value {
      return arith::AddFOp::create(b, loc, v[0], v[1]);
    });
  }
  x = emit.castElements(x, element);

  Value parts[3];
  if (auto sizes = node.getInts("qkv_hidden_sizes")) {
    if (sizes->size() != 3 || (*sizes)[0] != (*sizes)[1])
      return node.refuse("qkv_hidden_sizes must be three numbers, the first two equal");
    if (failed(requireSame(node, emit.dim(x, 2), emit.dimension((*sizes)[0] * 2 + (*sizes)[2]),
                           "the columns of the weights and the sum of qkv_hidden_sizes")))
      return failure();
    OpFoldResult begin = emit.dimension(0);
    for (auto [part, size] : llvm::zip(parts, *sizes)) {
      FailureOr<Value> split =
          splitHeads(node, emit.slice(x, 2, begin, emit.dimension(size)), "a part of the weights", heads);
      if (failed(split))
        return failure();
      part = *split;
      begin = emit.add(begin, emit.dimension(size));
    }
  } else {
    FailureOr<Value> split = splitHeads(node, x, "the product with the weights", emit.mul(heads, emit.dimension(3)));
    if (failed(split))
      return failure();
    for (auto [i, part] : llvm::enumerate(parts))
      part = emit.slice(*split, 2, emit.mul(heads, emit.dimension(i)), heads);
  }
  form.query = parts[0];
  form.queryOrder = {0, 2, 1, 3};
  Value pasts[2];
  if (node.hasInput(kPast)) {
    if (failed(requireInput(node, {kPast, "past"}, 5)) ||
        failed(requireSame(node, emit.dim(node.input(kPast), 0), emit.dimension(2), "the parts of past and 2")))
      return failure();
    for (auto [i, part] : llvm::enumerate(pasts))
      part = emit.squeezeAxes(emit.slice(node.input(kPast), 0, emit.dimension(i), emit.dimension(1)), {0});
  }
  if (failed(append(parts[1], pasts[0], form.key, form.keyOrder, false)) ||
      failed(append(parts[2], pasts[1], form.value, form.valueOrder, false)))
    return failure();
  if (node.wantsOutput(1)) {
    SmallVector<Value> both;
    for (auto [tensor, order] : {std::pair(&form.key, &form.keyOrder), std::pair(&form.value, &form.valueOrder)}) {
      if (!llvm::is_sorted(*order)) {
        *tensor = emit.transpose(*tensor, {0, 2, 1, 3});
        order->assign({0, 1, 2, 3});
      }
      both.push_back(emit.expandAxes(*tensor, {0}));
    }
    if (failed(requireSame(node, emit.dim(form.key, 3), emit.dim(form.value, 3),
                           "the sizes of the heads of key and value")))
      return failure();
    node.setOutput(1, emit.concat(both, 0));
  }
  return attend({kMask, "mask_index"}, {kScoreBias, "attention_bias"});
}

LogicalResult ac::lowerMicrosoftAttention(Node &node) { return MicrosoftAttention(node).lower(); }

//===----------------------------------------------------------------------===//
// MultiHeadAttention: behind the products
//===----------------------------------------------------------------------===//

namespace {
enum { kQuery, kKey, kValue, kBias, kMask, kScoreBias, kPastKey, kPastValue, kPastLength, kIndirection };
} // namespace

Value MultiHeadAttention::withBias(Value x, OpFoldResult begin) {
  if (!node.hasInput(kBias))
    return x;
  int64_t last = Emitter::rank(x) - 1;
  Value bias = emit.slice(node.input(kBias), 0, begin, emit.dim(x, last));
  return emit.elementwise({x, bias}, Emitter::elementType(x), [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return arith::AddFOp::create(b, loc, v[0], v[1]);
  });
}

/// Queries, keys and values in one tensor [B, S, heads, 3, D], or keys and values in one [B, S, heads, 2, D].
LogicalResult MultiHeadAttention::readPacked() {
  unsigned input = node.hasInput(kKey) ? kKey : kQuery, count = node.hasInput(kKey) ? 2 : 3;
  NamedInput named{input, input == kKey ? "key" : "query"};
  if (node.hasInput(kValue) || node.hasInput(kPastKey) || node.hasInput(kPastValue))
    return node.refuse("a packed " + named.name + " cannot be combined with values or a past");
  if (failed(requireInput(node, named, 5)))
    return failure();
  Value packed = node.input(input);
  if (failed(requireSame(node, emit.dim(packed, 2), heads, "num_heads and dimension 2 of the packed " + named.name)) ||
      failed(requireSame(node, emit.dim(packed, 3), emit.dimension(count),
                         "dimension 3 of the packed " + named.name + " and what it holds")))
    return failure();
  if (node.hasInput(kBias)) {
    if (count == 2)
      return node.refuse("a bias cannot be combined with packed keys and values");
    OpFoldResult size = emit.dim(packed, 4);
    if (failed(requireInput(node, {kBias, "bias"}, 1)) ||
        failed(requireSame(node, emit.dim(node.input(kBias), 0), emit.mul(emit.mul(heads, size), emit.dimension(3)),
                           "the entries of bias and of a row")))
      return failure();
    // [3, heads, D] as [heads, 3, D].
    Value bias = emit.transpose(emit.reshape(node.input(kBias), {emit.dimension(3), heads, size}), {1, 0, 2});
    packed = emit.elementwise(
        {packed, bias}, Emitter::elementType(packed),
        [](OpBuilder &b, Location loc, ValueRange v) -> Value { return arith::AddFOp::create(b, loc, v[0], v[1]); });
  }
  SmallVector<Value> parts;
  for (unsigned i = 0; i < count; ++i)
    parts.push_back(emit.squeezeAxes(emit.slice(packed, 3, emit.dimension(i), emit.dimension(1)), {3}));
  if (count == 3) {
    form.query = parts[0];
  } else {
    FailureOr<Value> query = splitHeads(node, node.input(kQuery), "query", heads);
    if (failed(query))
      return failure();
    form.query = *query;
  }
  form.queryOrder = form.keyOrder = form.valueOrder = {0, 2, 1, 3};
  form.key = parts[count - 2];
  form.value = parts[count - 1];
  return success();
}

LogicalResult MultiHeadAttention::readSeparate() {
  int64_t rank = Emitter::rank(node.input(kKey));
  if (failed(requireInput(node, {kKey, "key"}, rank)) || failed(requireInput(node, {kValue, "value"}, rank)))
    return failure();
  bool headsFirst = rank == 4; // as a cache is
  if (rank != 3 && rank != 4)
    return node.refuse("key has rank " + Twine(rank) + ", expected 3, 4 or, packed, 5");
  if (headsFirst && (node.hasInput(kBias) || node.hasInput(kPastKey)))
    return node.refuse("keys of rank 4 cannot be combined with a bias or a past");
  Value query = node.input(kQuery), key = node.input(kKey), value = node.input(kValue);
  if (node.hasInput(kBias)) {
    OpFoldResult hidden = emit.dim(query, 2), second = emit.add(hidden, emit.dim(key, 2));
    if (failed(requireInput(node, {kBias, "bias"}, 1)) ||
        failed(requireSame(node, emit.dim(node.input(kBias), 0), emit.add(second, emit.dim(value, 2)),
                           "the entries of bias and of a row of query, key and value")))
      return failure();
    query = withBias(query, emit.dimension(0));
    key = withBias(key, hidden);
    value = withBias(value, second);
  }
  struct Part {
    Value *tensor;
    StringRef name;
  };
  for (auto [tensor, name] : {Part{&query, "query"}, Part{&key, "key"}, Part{&value, "value"}}) {
    if (headsFirst && tensor != &query)
      continue;
    FailureOr<Value> split = splitHeads(node, *tensor, name, heads);
    if (failed(split))
      return failure();
    *tensor = *split;
  }
  form.query = query;
  form.queryOrder = {0, 2, 1, 3};
  Value pasts[2];
  if (node.hasInput(kPastKey) || node.hasInput(kPastValue))
    for (NamedInput named : {NamedInput{kPastKey, "past_key"}, NamedInput{kPastValue, "past_value"}}) {
      if (failed(requireInput(node, named, 4)))
        return failure();
      pasts[named.index - kPastKey] = node.input(named.index);
    }
  return success(succeeded(append(key, pasts[0], form.key, form.keyOrder, headsFirst)) &&
                 succeeded(append(value, pasts[1], form.value, form.valueOrder, headsFirst)));
}

LogicalResult MultiHeadAttention::lower() {
  bool isPacked = !node.hasInput(kKey) || Emitter::rank(node.input(kKey)) == 5;
  if (failed(requireInput(node, {kQuery, "query"}, node.hasInput(kKey) ? 3 : 5)) || failed(readHeads()) ||
      failed(refuseInputs(node, {{kPastLength, "past_sequence_length"}, {kIndirection, "cache_indirection"}})))
    return failure();
  if (node.wantsOutput(3))
    return node.refuse("output 3 (qk) is not supported");
  if (failed(isPacked ? readPacked() : readSeparate()))
    return failure();
  struct Present {
    unsigned output;
    Value *tensor;
    SmallVector<int64_t> *order;
  };
  for (auto [output, tensor, order] :
       {Present{1, &form.key, &form.keyOrder}, Present{2, &form.value, &form.valueOrder}}) {
    if (!node.wantsOutput(output))
      continue;
    if (!llvm::is_sorted(*order)) {
      *tensor = emit.transpose(*tensor, {0, 2, 1, 3});
      order->assign({0, 1, 2, 3});
    }
    node.setOutput(output, *tensor);
  }
  return attend({kMask, "key_padding_mask"}, {kScoreBias, "attention_bias"});
}

LogicalResult ac::lowerMultiHeadAttention(Node &node) { return MultiHeadAttention(node).lower(); }
