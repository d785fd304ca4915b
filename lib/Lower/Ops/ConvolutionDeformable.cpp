//===- ConvolutionDeformable.cpp - Deformable convolutions ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution whose columns are read between the elements of the input, at offsets that are themselves an input.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/MatrixProduct.h"
#include "Lower/Ops/Sampling.h"
#include "Lower/Ops/Window.h"

namespace mlir::ac {

static LogicalResult lowerDeformConv(Node &node) {
  Emitter &emit = node.emit;
  Value x = node.input(0), w = node.input(1), offsets = node.input(2);
  if (Emitter::rank(x) != 4 || Emitter::rank(w) != 4 || Emitter::rank(offsets) != 4)
    return node.refuse("has an input of rank " + Twine(Emitter::rank(x)) + ", expected images of two dimensions");
  Type element = Emitter::elementType(x), sum = getSumType(element);
  SmallVector<int64_t> kernel;
  for (int64_t size : Emitter::type(w).getShape().drop_front(2)) {
    if (ShapedType::isDynamic(size))
      return node.refuse("has weights whose kernel size is not known while compiling");
    kernel.push_back(size);
  }
  FailureOr<Window> window = getWindow(node, spatialDims(emit, x), kernel, /*mayRoundUp=*/false);
  if (failed(window))
    return failure();
  int64_t group = node.getInt("group", 1), offsetGroup = node.getInt("offset_group", 1), taps = window->numTaps();
  if (group < 1 || offsetGroup < 1)
    return node.refuse("has " + Twine(group) + " groups and " + Twine(offsetGroup) + " offset groups");
  OpFoldResult batch = emit.dim(x, 0), channels = emit.dim(x, 1);
  if (failed(requireSame(node, channels, emit.mul(emit.dim(w, 1), emit.dimension(group)), "numbers of channels")) ||
      failed(requireSame(node, emit.dim(offsets, 0), batch, "batch sizes of input and offset")) ||
      failed(requireSame(node, emit.dim(offsets, 1), emit.dimension(2 * taps * offsetGroup), "numbers of offsets")) ||
      failed(requireSame(node, emit.dim(offsets, 2), window->output[0], "heights of result and offset")) ||
      failed(requireSame(node, emit.dim(offsets, 3), window->output[1], "widths of result and offset")))
    return failure();
  Value mask = node.hasInput(4) ? node.input(4) : Value();
  if (mask && (Emitter::rank(mask) != 4 ||
               failed(requireSame(node, emit.dim(mask, 1), emit.dimension(taps * offsetGroup), "numbers of weights"))))
    return failure();

  Dims columnDims{batch, channels, emit.dimension(kernel[0]), emit.dimension(kernel[1])};
  llvm::append_range(columnDims, window->output);
  Value sizes[] = {emit.asValue(emit.dim(x, 2)), emit.asValue(emit.dim(x, 3))};
  Value low[] = {emit.asValue(window->low[0]), emit.asValue(window->low[1])};
  requireNonEmpty(node, emit.mul(emit.dim(x, 2), emit.dim(x, 3)), emit.product(columnDims));
  Value perOffset = emit.asValue(emit.quotient(channels, emit.dimension(offsetGroup)));
  Value columns = emit.tabulate(columnDims, sum, [&](OpBuilder &b, Location loc, ValueRange i) -> Value {
    auto constant = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, loc, value); };
    auto add = [&](Value p, Value q) -> Value { return arith::AddIOp::create(b, loc, p, q); };
    auto mul = [&](Value p, int64_t q) -> Value { return arith::MulIOp::create(b, loc, p, constant(q)); };
    // Offsets are laid out as [offset group, kernel row, kernel column, axis].
    Value place = arith::DivUIOp::create(b, loc, i[1], perOffset);
    for (unsigned axis = 0; axis < 2; ++axis)
      place = add(mul(place, kernel[axis]), i[2 + axis]);
    SmallVector<SmallVector<Tap>> around;
    for (unsigned axis = 0; axis < 2; ++axis) {
      Value at = add(mul(i[4 + axis], window->strides[axis]), mul(i[2 + axis], window->dilations[axis]));
      at = arith::SubIOp::create(b, loc, at, low[axis]);
      Value offset =
          tensor::ExtractOp::create(b, loc, offsets, ValueRange{i[0], add(mul(place, 2), constant(axis)), i[4], i[5]});
      Value coordinate =
          arith::AddFOp::create(b, loc, indexToFloat(b, loc, at, sum), Emitter::convertScalar(b, loc, offset, sum));
      around.push_back(tapsAround(b, loc, coordinate, sizes[axis], Outside::Zeros, /*cubic=*/false));
    }
    Value value = sumTaps(b, loc, x, i.take_front(2), around);
    if (!mask)
      return value;
    Value weight = tensor::ExtractOp::create(b, loc, mask, ValueRange{i[0], place, i[4], i[5]});
    return arith::MulFOp::create(b, loc, value, Emitter::convertScalar(b, loc, weight, sum));
  });
  Value result = multiplyColumns(emit, emit.castElements(w, sum), columns, group, window->output);
  if (node.hasInput(3))
    result = addBias(emit, result, node.input(3));
  return node.finish(emit.castElements(result, element));
}

void populateDeformableConvolutionLowerings(LoweringTable &table) { table.add("DeformConv", lowerDeformConv); }

} // namespace mlir::ac
