//===- Window.cpp - Windows that slide over spatial dimensions ------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Window.h"

namespace mlir::ac {

int64_t Window::numTaps() const {
  int64_t taps = 1;
  for (int64_t size : kernel)
    taps *= size;
  return taps;
}

Dims Window::tapAt(Emitter &emit, int64_t index) const {
  Dims taps(rank());
  for (size_t i = rank(); i-- > 0; index /= kernel[i])
    taps[i] = emit.dimension(index % kernel[i]);
  return taps;
}

bool Window::isPadded() const {
  return llvm::any_of(llvm::concat<const OpFoldResult>(low, high),
                      [](OpFoldResult size) { return getConstantIntValue(size) != 0; });
}

bool Window::isTiling() const {
  return kernel == strides && llvm::all_of(dilations, [](int64_t d) { return d == 1; }) && !isPadded();
}

Dims spatialDims(Emitter &emit, Value tensor) {
  Dims dims = emit.dims(tensor);
  return Dims(dims.begin() + 2, dims.end());
}

FailureOr<SmallVector<int64_t>> getPerAxis(Node &node, StringRef name, size_t rank) {
  SmallVector<int64_t> values = node.getInts(name).value_or(SmallVector<int64_t>(rank, 1));
  if (values.size() != rank)
    return node.refuse("has " + Twine(values.size()) + " " + name + ", expected one for each of " + Twine(rank) +
                       " spatial dimensions");
  for (int64_t value : values)
    if (value <= 0)
      return node.refuse("has " + Twine(value) + " among its " + name + ", expected positive numbers");
  return values;
}

FailureOr<Window> getWindow(Node &node, ArrayRef<OpFoldResult> spatial, ArrayRef<int64_t> kernel, bool mayRoundUp) {
  Emitter &emit = node.emit;
  size_t rank = spatial.size();
  if (kernel.size() != rank)
    return node.refuse("has a kernel of " + Twine(kernel.size()) + " dimensions over an input of " + Twine(rank) +
                       " spatial dimensions");
  for (int64_t size : kernel)
    if (size <= 0)
      return node.refuse("has a kernel dimension of " + Twine(size) + ", expected positive constants");
  Window window;
  window.kernel.assign(kernel.begin(), kernel.end());
  FailureOr<SmallVector<int64_t>> strides = getPerAxis(node, "strides", rank),
                                  dilations = getPerAxis(node, "dilations", rank);
  if (failed(strides) || failed(dilations))
    return failure();
  window.strides = *strides;
  window.dilations = *dilations;

  StringRef autoPad = node.getString("auto_pad", "NOTSET");
  SmallVector<int64_t> pads(2 * rank, 0);
  if (autoPad == "NOTSET" || autoPad.empty()) {
    pads = node.getInts("pads").value_or(pads);
    if (pads.size() != 2 * rank)
      return node.refuse("has " + Twine(pads.size()) + " pads, expected " + Twine(2 * rank));
    for (int64_t pad : pads)
      if (pad < 0)
        return node.refuse("has the negative padding " + Twine(pad));
  } else if (autoPad != "VALID" && autoPad != "SAME_UPPER" && autoPad != "SAME_LOWER") {
    return node.refuse("has auto_pad `" + autoPad + "`, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  bool roundUp = mayRoundUp && node.getInt("ceil_mode", 0);
  OpFoldResult zero = emit.dimension(0), one = emit.dimension(1), two = emit.dimension(2);

  for (size_t i = 0; i < rank; ++i) {
    OpFoldResult size = spatial[i], stride = emit.dimension(window.strides[i]);
    int64_t extent = window.extent(i);
    if (autoPad.starts_with("SAME")) {
      OpFoldResult output = emit.ceilDiv(size, stride), total = emit.dimension(extent - 1);
      if (window.strides[i] != 1) {
        OpFoldResult last = emit.mul(emit.sub(output, one), stride);
        total = emit.max(emit.sub(emit.add(last, emit.dimension(extent)), size), zero);
      }
      OpFoldResult smaller = emit.floorDiv(total, two), larger = emit.sub(total, smaller);
      window.low.push_back(autoPad == "SAME_UPPER" ? smaller : larger);
      window.high.push_back(autoPad == "SAME_UPPER" ? larger : smaller);
      window.declaredHigh.push_back(window.high.back());
      window.output.push_back(output);
      continue;
    }
    OpFoldResult low = emit.dimension(pads[i]), high = emit.dimension(pads[rank + i]);
    int64_t slack = pads[i] + pads[rank + i] - extent;
    OpFoldResult positions;
    bool hangsOver = roundUp && (window.strides[i] != 1 || pads[rank + i] >= extent);
    if (hangsOver) {
      positions = emit.add(emit.ceilDiv(emit.add(size, emit.dimension(slack)), stride), one);
      // A window that would start in the padding after the input is left out.
      positions = emit.min(positions, emit.ceilDiv(emit.add(size, low), stride));
    } else if (window.strides[i] == 1) {
      positions = emit.add(size, emit.dimension(slack + 1));
    } else {
      positions = emit.add(emit.floorDiv(emit.add(size, emit.dimension(slack)), stride), one);
    }
    // An input smaller than the kernel has no position. With a dynamic size this is decided at run time.
    if (slack + 1 < 0 || hangsOver)
      positions = emit.max(positions, zero);
    window.low.push_back(low);
    window.declaredHigh.push_back(high);
    if (hangsOver) {
      OpFoldResult reach = emit.add(emit.mul(emit.sub(positions, one), stride), emit.dimension(extent - pads[i]));
      high = emit.max(high, emit.sub(reach, size));
    }
    window.high.push_back(high);
    window.output.push_back(positions);
  }
  return window;
}

Value padSpatial(Emitter &emit, Value tensor, const Window &window, Value scalar) {
  if (!window.isPadded())
    return tensor;
  Dims low(2, emit.dimension(0)), high(2, emit.dimension(0));
  llvm::append_range(low, window.low);
  llvm::append_range(high, window.high);
  return emit.pad(tensor, low, high, scalar);
}

Value readWindow(Emitter &emit, OpBuilder &b, Location loc, Value tensor, const Window &window, ValueRange lead,
                 ValueRange position, ArrayRef<OpFoldResult> taps, Value outside) {
  AffineExpr at, tap, low;
  bindDims(b.getContext(), at, tap);
  bindSymbols(b.getContext(), low);
  SmallVector<Value> indices(lead);
  Value inside, zero;
  for (size_t i = 0; i < window.rank(); ++i) {
    AffineMap source = AffineMap::get(2, 1, window.source(i, at, tap) - low);
    Value index = getValueOrCreateConstantIndexOp(
        b, loc, affine::makeComposedFoldedAffineApply(b, loc, source, {position[i], taps[i], window.low[i]}));
    if (getConstantIntValue(window.low[i]) != 0 || getConstantIntValue(window.high[i]) != 0) {
      // Unsigned: an index before the first one is a large one.
      Value size = getValueOrCreateConstantIndexOp(b, loc, emit.dim(tensor, 2 + i));
      Value within = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, index, size);
      if (!zero)
        zero = arith::ConstantIndexOp::create(b, loc, 0);
      index = arith::SelectOp::create(b, loc, within, index, zero);
      inside = inside ? arith::AndIOp::create(b, loc, inside, within).getResult() : within;
    }
    indices.push_back(index);
  }
  Value element = tensor::ExtractOp::create(b, loc, tensor, indices);
  return inside ? arith::SelectOp::create(b, loc, inside, element, outside).getResult() : element;
}

} // namespace mlir::ac
