//===- RotaryEmbedding.cpp - ONNX RotaryEmbedding -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/RotaryEmbedding.h"
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/MicrosoftAttention.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

static Type computedIn(Emitter &emit, Type element) { return element.isF64() ? element : emit.getF32Type(); }

/// Rows of `cache` [N, half] at `positions` [B, S], as [B, S, half] in the type of the computation.
static Value gatherRows(Node &node, Value cache, Value positions, Type element) {
  Emitter &emit = node.emit;
  Dims dims = emit.dims(positions);
  dims.push_back(emit.dim(cache, 1));
  return emit.tabulate(dims, element, [&](OpBuilder &b, Location loc, ValueRange i) {
    Value position = tensor::ExtractOp::create(b, loc, positions, ValueRange{i[0], i[1]});
    Value row = arith::IndexCastOp::create(b, loc, b.getIndexType(), position);
    Value entry = tensor::ExtractOp::create(b, loc, cache, ValueRange{row, i[2]});
    return Emitter::convertScalar(b, loc, entry, element);
  });
}

static void requirePositionsIn(Node &node, Value positions, OpFoldResult count) {
  Emitter &emit = node.emit;
  Value limit = emit.asInteger(count, Emitter::elementType(positions));
  Value all = emit.reduce(positions, {0, 1}, /*keepDims=*/false, emit.constant(emit.getI1Type(), 1),
                          [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                            // Negative positions are huge when read as unsigned.
                            Value in = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, v[0], limit);
                            return arith::AndIOp::create(b, loc, in, v[1]);
                          });
  node.require(emit.scalar(all), "a position is outside the cos and sin caches");
}

std::optional<Angles> ac::anglesAt(Node &node, Value cosines, Value sines, Value positions, Type element) {
  if (Emitter::rank(positions) != 2 || Emitter::rank(cosines) != 2 || Emitter::rank(sines) != 2) {
    (void)node.refuse("with position_ids of rank 2 the caches must have rank 2");
    return std::nullopt;
  }
  Emitter &emit = node.emit;
  requirePositionsIn(node, positions, emit.min(emit.dim(cosines, 0), emit.dim(sines, 0)));
  element = computedIn(emit, element);
  return Angles{gatherRows(node, cosines, positions, element), gatherRows(node, sines, positions, element)};
}

FailureOr<Value> ac::rotate(Node &node, Value x, int64_t headAxis, Angles angles, OpFoldResult turned,
                            bool interleaved) {
  Emitter &emit = node.emit;
  Type resultElement = Emitter::elementType(x), element = computedIn(emit, resultElement);
  Dims dims = emit.dims(x);
  OpFoldResult batch = dims[0], steps = dims[headAxis == 1 ? 2 : 1], size = dims[3];
  OpFoldResult half = emit.floorDiv(turned, emit.dimension(2));
  auto known = getConstantIntValue(turned), knownSize = getConstantIntValue(size);
  if (known && *known % 2)
    return node.refuse("it turns " + Twine(*known) + " features, expected an even number");
  if (known && knownSize && *known > *knownSize)
    return node.refuse("it turns " + Twine(*known) + " features of " + Twine(*knownSize));

  Value cosines = angles.cosines, sines = angles.sines;
  Dims shape{batch, steps, half};
  for (Value *cache : {&cosines, &sines}) {
    Dims own = emit.dims(*cache), wanted = shape;
    if (Emitter::isOne(own[0])) // one for the whole batch
      wanted[0] = own[0];
    for (auto [have, need] : llvm::zip(own, wanted)) {
      auto haveSize = getConstantIntValue(have), needSize = getConstantIntValue(need);
      if (haveSize && needSize && *haveSize != *needSize)
        return node.refuse("the cos and sin caches have " + Twine(*haveSize) + " entries along a dimension, expected " +
                           Twine(*needSize));
      if (!Emitter::same(have, need))
        node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(have), emit.asValue(need)),
                     "the shape of the cos and sin caches does not fit the input");
    }
    *cache = emit.withDims(emit.castToDims(*cache, wanted), wanted);
    *cache = emit.expandAxes(*cache, {headAxis});
  }

  auto part = [&](OpFoldResult first) {
    Dims offsets(4, emit.dimension(0)), sizes = dims, strides(4, emit.dimension(1));
    offsets[3] = interleaved ? first : emit.mul(first, half);
    sizes[3] = half;
    strides[3] = emit.dimension(interleaved ? 2 : 1);
    return emit.slice(x, offsets, sizes, strides);
  };
  Value a = part(emit.dimension(0)), b = part(emit.dimension(1));
  // (a + ib)(cos + i sin)
  auto turn = [&](Value first, Value second, bool imaginary) {
    return emit.elementwise({first, second, cosines, sines}, resultElement,
                            [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
                              Value x = Emitter::convertScalar(builder, loc, v[0], element);
                              Value y = Emitter::convertScalar(builder, loc, v[1], element);
                              Value left = arith::MulFOp::create(builder, loc, imaginary ? v[3] : v[2], x);
                              Value right = arith::MulFOp::create(builder, loc, imaginary ? v[2] : v[3], y);
                              Value result = imaginary ? arith::AddFOp::create(builder, loc, left, right).getResult()
                                                       : arith::SubFOp::create(builder, loc, left, right).getResult();
                              return Emitter::convertScalar(builder, loc, result, resultElement);
                            });
  };
  Value real = turn(a, b, false), imaginary = turn(a, b, true), result;
  if (interleaved) {
    Dims pairs = emit.dims(real);
    pairs[3] = turned;
    result = emit.reshape(emit.concat({emit.expandAxes(real, {4}), emit.expandAxes(imaginary, {4})}, 4), pairs);
    if (!Emitter::same(turned, size))
      result = emit.concat({result, emit.slice(x, 3, turned, emit.sub(size, turned))}, 3);
  } else {
    SmallVector<Value> parts{real, imaginary};
    if (!Emitter::same(turned, size))
      parts.push_back(emit.slice(x, 3, turned, emit.sub(size, turned)));
    result = emit.concat(parts, 3);
  }
  return result;
}

LogicalResult ac::lowerRotaryEmbedding(Node &node) {
  Emitter &emit = node.emit;
  for (unsigned i : {0u, 1u, 2u})
    if (!node.hasInput(i))
      return node.refuse("input " + Twine(i) + " is missing");
  Value x = node.input(0), cosines = node.input(1), sines = node.input(2);
  Dims original = emit.dims(x);
  if (original.size() != 3 && original.size() != 4)
    return node.refuse("its input has rank " + Twine(original.size()) + ", expected 3 or 4");
  // Rank 3: [B, S, H * D], seen as [B, S, H, D]; rank 4: [B, H, S, D].
  bool headsFirst = original.size() == 4;
  if (!headsFirst) {
    int64_t heads = node.getInt("num_heads", 0);
    if (heads <= 0)
      return node.refuse("num_heads must be given for an input of rank 3");
    OpFoldResult count = emit.dimension(heads);
    x = emit.reshape(x, {original[0], original[1], count, emit.quotient(original[2], count)});
  }
  std::optional<Angles> angles;
  if (node.hasInput(3)) {
    angles = anglesAt(node, cosines, sines, node.input(3), Emitter::elementType(x));
    if (!angles)
      return failure();
  } else {
    if (Emitter::rank(cosines) != 3 || Emitter::rank(sines) != 3)
      return node.refuse("without position_ids the caches must have rank 3");
    Type element = computedIn(emit, Emitter::elementType(x));
    angles = Angles{emit.castElements(cosines, element), emit.castElements(sines, element)};
  }
  int64_t rotated = node.getInt("rotary_embedding_dim", 0);
  OpFoldResult turned = rotated > 0 ? emit.dimension(rotated) : emit.dim(x, 3);
  FailureOr<Value> result = rotate(node, x, headsFirst ? 1 : 2, *angles, turned, node.getInt("interleaved", 0) != 0);
  return failed(result) ? failure() : node.finish(emit.reshape(*result, original));
}

LogicalResult ac::lowerMicrosoftRotaryEmbedding(Node &node) {
  enum { kInput, kPositions, kCosines, kSines };
  Emitter &emit = node.emit;
  if (!node.hasInput(kInput) || !node.hasInput(kPositions) || failed(requireInput(node, {kCosines, "cos_cache"}, 2)) ||
      failed(requireInput(node, {kSines, "sin_cache"}, 2)))
    return node.refuse("expected an input, position_ids and two caches of rank 2");
  if (node.getInt("is_packed_batching", 0) != 0)
    return node.refuse("is_packed_batching is set, which is not supported");
  if (double scale = node.getFloat("scale", 1); scale != 1)
    return node.refuse("scale is " + std::to_string(scale) + ", expected 1");
  Value x = node.input(kInput), positions = node.input(kPositions);
  Dims original = emit.dims(x);
  if (original.size() != 3 && original.size() != 4)
    return node.refuse("its input has rank " + Twine(original.size()) + ", expected 3 or 4");
  int64_t rotated = node.getInt("rotary_embedding_dim", 0), count = node.getInt("num_heads", 0);
  OpFoldResult both = emit.mul(emit.dim(node.input(kCosines), 1), emit.dimension(2));
  int64_t headAxis = original.size() == 4 ? 1 : 2;
  if (headAxis == 2) {
    if (rotated > 0 && count <= 0)
      return node.refuse("num_heads must be given with rotary_embedding_dim");
    OpFoldResult heads = rotated > 0 ? emit.dimension(count) : emit.quotient(original[2], both);
    FailureOr<Value> split = splitHeads(node, x, "input", heads);
    if (failed(split))
      return failure();
    x = *split;
  }
  OpFoldResult batch = original[0], steps = emit.dim(x, headAxis == 1 ? 2 : 1);
  if (Emitter::rank(positions) == 1) { // the first, which the others follow
    if (failed(requireSame(node, emit.dim(positions, 0), emit.dimension(1), "the entries of position_ids and 1")))
      return failure();
    Value first = emit.scalar(positions);
    positions =
        emit.tabulate({emit.dimension(1), steps}, first.getType(), [&](OpBuilder &b, Location loc, ValueRange at) {
          Value step = arith::IndexCastOp::create(b, loc, first.getType(), at[1]);
          return arith::AddIOp::create(b, loc, first, step).getResult();
        });
  } else if (Emitter::rank(positions) == 2 &&
             failed(requireSame(node, emit.dim(positions, 0), batch, "the batch sizes of input and position_ids"))) {
    return failure();
  }
  auto angles = anglesAt(node, node.input(kCosines), node.input(kSines), positions, Emitter::elementType(x));
  if (!angles)
    return failure();
  FailureOr<Value> result = rotate(node, x, headAxis, *angles, rotated > 0 ? emit.dimension(rotated) : emit.dim(x, 3),
                                   node.getInt("interleaved", 0) != 0);
  return failed(result) ? failure() : node.finish(emit.reshape(*result, original));
}
