//===- TurnProducts.cpp - Vectors of rows where columns fill few ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a convolution, channels are rows and pixels are columns. Pixels of one line of a small image fill a part of a
// vector, or of the vectors that a tile needs to keep the processor busy, and each panel of them is copied first. With
// few channels nobody makes up for the copy. Channels are constants that can be packed while compiling, and read from
// there. See ContractTurned.cpp.
//
//===----------------------------------------------------------------------===//
#include "Kernels/ContractEmitter.h"
#include "Support/Weights.h"

namespace mlir::ac {
#define GEN_PASS_DEF_TURNPRODUCTS
#include "Kernels/Passes.h.inc"

namespace {

/// The part of its speed at which a product works whose vectors hold `size` of something: the last panel may be partly
/// empty, and tiles of one or two vectors have less to do for what they load.
double usedShare(int64_t size, int64_t lanes, int64_t vectors) {
  constexpr double kTimeOfVectors[] = {0, .45, .55, .79}; // in that of a panel of four
  int64_t panel = lanes * vectors, whole = size / panel, left = llvm::divideCeil(size % panel, lanes);
  double rest = left == 0 ? 0 : left == vectors ? 1 : vectors == 4 ? kTimeOfVectors[left] : double(left) / vectors;
  return double(size) / panel / (whole + rest);
}

/// What turning the sums over takes and elements that do not come in vectors, and the copy of a panel, in tiles of its
/// rows. Measured with lines of 14 to 238 pixels.
constexpr double kTurning = .1, kCopying = .75;
/// Rows and depth from which on it pays at all.
constexpr int64_t kFewestRows = 40, kLeastDepth = 40;
/// Columns that are not an image's lines are far apart from step to step: up to so many panels stay in a cache.
constexpr int64_t kMostPanels = 2;

bool isFaster(ContractOp op, const TargetInfo &target) {
  int64_t lanes = target.lanes(op.getElementType()), vectors = target.tileVectors;
  auto lhs = cast<RankedTensorType>(op.getLhs().getType());
  int64_t numRows = lhs.getDimSize(1),
          numColumns = cast<RankedTensorType>(op.getInit().getType()).getDimSize(op.getOutDim(2));
  if (numRows < kFewestRows || lhs.getDimSize(2) < kLeastDepth)
    return false;
  bool isKnown = !ShapedType::isDynamic(numColumns);
  if (!op.getRhsStarts() && (!isKnown || numColumns > kMostPanels * lanes * vectors))
    return false;
  double copy = op.getCopied() ? 1 + kCopying * target.tileRows / numRows : 1;
  // Columns of unknown number may be those of a large image.
  double plain = (isKnown ? usedShare(numColumns, lanes, vectors) : 1) / copy;
  return usedShare(numRows, lanes, vectors) / (1 + kTurning) > plain;
}

/// [1, m, k] to [1, panels, k, lanes], rows past m being zero.
ElementsAttr packRows(ElementsAttr value, int64_t lanes) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t numRows = type.getDimSize(1), depth = type.getDimSize(2), panels = llvm::divideCeil(numRows, lanes);
  auto packedType = RankedTensorType::get({1, panels, depth, lanes}, type.getElementType());
  auto *from = reinterpret_cast<const float *>(getRawElements(value).data());
  return makeWeight(packedType, "turned", [&](MutableArrayRef<char> bytes) {
    std::memset(bytes.data(), 0, bytes.size());
    auto *to = reinterpret_cast<float *>(bytes.data());
    for (int64_t row = 0; row < numRows; ++row)
      for (int64_t k = 0; k < depth; ++k)
        to[(row / lanes * depth + k) * lanes + row % lanes] = from[row * depth + k];
  });
}

struct TurnProducts : impl::TurnProductsBase<TurnProducts> {
  /// The rows as a constant that can be packed; null if they are none.
  static ElementsAttr rowsOf(ContractOp op) {
    auto type = cast<RankedTensorType>(op.getLhs().getType());
    arith::ConstantOp constant = constantBehind(op.getLhs());
    if (!constant || !type.hasStaticShape() || type.getDimSize(0) != 1 || type.getNumElements() == 0 ||
        !type.getElementType().isF32())
      return {};
    ElementsAttr value = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
    return value ? withRawElements(value) : ElementsAttr();
  }

  void runOnOperation() override {
    TargetInfo target = TargetInfo::of(getOperation());
    if (!target.hasMasks)
      return;
    getOperation().walk([&](ContractOp op) {
      auto init = cast<RankedTensorType>(op.getInit().getType());
      if (op.getPacked() || op.isQuantized() || op.getOutPanels() || op.getLhsOrder() || op.getRhsOrder() ||
          op.getLhsRows() || op.getOutRows() || op.getRowsFirst() || !op.getElementType().isF32() ||
          !cast<RankedTensorType>(op.getRhs().getType()).getElementType().isF32() ||
          init.getDimSize(op.getOutDim(1)) != cast<RankedTensorType>(op.getLhs().getType()).getDimSize(1))
        return;
      ElementsAttr value = rowsOf(op);
      if (!value || !isFaster(op, target))
        return;
      OpBuilder b(op);
      int64_t lanes = target.panel(op.getElementType());
      op.getLhsMutable().assign(
          arith::ConstantOp::create(b, op.getLoc(), cast<TypedAttr>(packRows(value, lanes))).getResult());
      op.setCopied(false);
      op.setTurned(true);
    });
  }
};

} // namespace
} // namespace mlir::ac
