//===- RotaryEmbedding.cpp - ONNX RotaryEmbedding -------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/RotaryEmbedding.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

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

LogicalResult ac::lowerRotaryEmbedding(Node &node) {
  Emitter &emit = node.emit;
  for (unsigned i : {0u, 1u, 2u})
    if (!node.hasInput(i))
      return node.refuse("input " + Twine(i) + " is missing");
  Value x = node.input(0), cosines = node.input(1), sines = node.input(2);
  Type resultElement = Emitter::elementType(x), element = resultElement.isF64() ? resultElement : emit.getF32Type();
  Dims original = emit.dims(x);
  if (original.size() != 3 && original.size() != 4)
    return node.refuse("its input has rank " + Twine(original.size()) + ", expected 3 or 4");
  // Rank 3: [B, S, H * D], seen as [B, S, H, D]; rank 4: [B, H, S, D].
  bool headsFirst = original.size() == 4;
  int64_t headAxis = headsFirst ? 1 : 2;
  if (!headsFirst) {
    int64_t heads = node.getInt("num_heads", 0);
    if (heads <= 0)
      return node.refuse("num_heads must be given for an input of rank 3");
    OpFoldResult count = emit.dimension(heads);
    x = emit.reshape(x, {original[0], original[1], count, emit.quotient(original[2], count)});
  }
  Dims dims = emit.dims(x);
  OpFoldResult batch = dims[0], steps = dims[headsFirst ? 2 : 1], size = dims[3];
  int64_t rotated = node.getInt("rotary_embedding_dim", 0);
  OpFoldResult turned = rotated > 0 ? emit.dimension(rotated) : size;
  OpFoldResult half = emit.floorDiv(turned, emit.dimension(2));
  if (auto constant = getConstantIntValue(turned); constant && *constant % 2)
    return node.refuse("it turns " + Twine(*constant) + " features, expected an even number");
  if (auto constant = getConstantIntValue(size); constant && rotated > *constant)
    return node.refuse("rotary_embedding_dim is " + Twine(rotated) + " with " + Twine(*constant) + " features");

  if (node.hasInput(3)) {
    Value positions = node.input(3);
    if (Emitter::rank(positions) != 2 || Emitter::rank(cosines) != 2 || Emitter::rank(sines) != 2)
      return node.refuse("with position_ids of rank 2 the caches must have rank 2");
    requirePositionsIn(node, positions, emit.min(emit.dim(cosines, 0), emit.dim(sines, 0)));
    cosines = gatherRows(node, cosines, positions, element);
    sines = gatherRows(node, sines, positions, element);
  } else {
    if (Emitter::rank(cosines) != 3 || Emitter::rank(sines) != 3)
      return node.refuse("without position_ids the caches must have rank 3");
    cosines = emit.castElements(cosines, element);
    sines = emit.castElements(sines, element);
  }
  Dims angles{batch, steps, half};
  for (Value *cache : {&cosines, &sines}) {
    Dims own = emit.dims(*cache), wanted = angles;
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

  bool interleaved = node.getInt("interleaved", 0) != 0;
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
    return emit.elementwise(
        {first, second, cosines, sines}, resultElement, [&](OpBuilder &builder, Location loc, ValueRange v) -> Value {
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
  return node.finish(emit.reshape(result, original));
}
