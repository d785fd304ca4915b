//===- ContractEmitter.h - Register-blocked matrix kernels -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_CONTRACTEMITTER_H
#define KERNELS_CONTRACTEMITTER_H

#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::ac {

/// Rows of a task: enough to use a panel that is in the cache sixteen times over, few enough to share the work.
constexpr int64_t kTilesPerTask = 16;
/// Up to this depth, storing a tile takes longer than computing it. Where there are many panels, a tile's rows then
/// pass through as many of them before the next rows do: stores walk along rows instead of jumping from one to the
/// next.
constexpr int64_t kShallowDepth = 32, kShallowPanels = 16;

/// Emits the call of a kernel for an `ac.contract` on buffers (EmitContractions.cpp), and the kernel (ContractKernel.cpp).
class ContractEmitter {
public:
  ContractEmitter(ContractOp op, const TargetInfo &target)
      : op(op), b(op.getLoc(), op), element(op.getElementType()), lanes(target.lanes(element)),
        vectors(op.getPacked() ? op.getLanes() / target.lanes(element) : target.tileVectors), rows(target.tileRows),
        hasMasks(target.hasMasks), vectorType(VectorType::get({static_cast<int64_t>(lanes)}, element)),
        maskType(VectorType::get({static_cast<int64_t>(lanes)}, b.getI1Type())) {}

  /// Makes the parallel loop, and the kernel unless `kernels` has one like it.
  void emit(llvm::StringMap<func::FuncOp> &kernels);

private:
  void emitKernel(func::FuncOp kernel, ValueRange captured, ArrayRef<Operation *> constants);
  std::string fingerprint(ValueRange operands, ArrayRef<Operation *> constants);
  struct Tile {
    Value image;                                    // null if there are none
    Value batch, lhsBatch, rhsBatch, panel, column; // column: first column of the panel
    unsigned vectors;                               // of columns that are computed
    bool masked;                                    // whether the last of them may be partly outside
  };
  /// What the columns that fill no whole panel need.
  struct Remainder {
    bool mayBeWhole = true;          // there may be whole panels
    SmallVector<unsigned> vectors;   // numbers of vectors that cover what is left, smallest first; empty: nothing is left
  };
  Remainder remainder();

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value addIndex(Value a, int64_t constant) { return constant ? arith::AddIOp::create(b, a, index(constant)) : a; }
  Value makeDynamic(Value buffer, int64_t staticTrailing);
  Value withUnitStride(Value buffer);
  Value applyBatch(AffineMap map, Value batch);
  /// Panels of a task: many for a shallow product, else one.
  Value panelsOfTask(Value panels, Value depth);
  /// Whether an extra read by `map` is read along the columns, so by vectors.
  bool alongColumns(AffineMap map) {
    return map.getNumResults() && map.getResult(map.getNumResults() - 1) == b.getAffineDimExpr(2);
  }
  /// Matrix coordinates in the order of the operand's dimensions.
  SmallVector<Value> ordered(std::optional<ArrayRef<int64_t>> order, ArrayRef<Value> coordinates) {
    return order ? llvm::map_to_vector(*order, [&](int64_t dim) { return coordinates[dim]; })
                 : llvm::to_vector(coordinates.take_front(3));
  }
  Value dimOf(Value buffer, std::optional<ArrayRef<int64_t>> order, int64_t matrixDim) {
    return memref::DimOp::create(b, buffer, ContractOp::dimOf(order, matrixDim));
  }
  /// Rows of the product, which may be a part of the lhs's or the result's.
  Value numRowsOf(Value lhsPlaces, Value resultPlaces) {
    if (lhsPlaces || resultPlaces)
      return memref::DimOp::create(b, lhsPlaces ? lhsPlaces : resultPlaces, 0);
    return dimOf(result, op.getOutOrder(), 1);
  }
  void emitPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft);
  void emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd);
  /// What a tile fetches from memory on its way. A panel takes as long to arrive as the work of some ten rows on it.
  enum class Fetch {
    Nothing,
    Panel,  // its part of the next panel, which all tiles fetch together
    Stream  // what it will read itself in a while: with few rows there is nobody else to do it
  };
  Value emitRowLoop(const Tile &tile, Value rowBegin, Value rowEnd, int64_t tileRows, Fetch fetch);
  void emitTile(const Tile &tile, Value row, unsigned numRows, Fetch fetch, Value tileNumber = {});
  Value loadRhs(const Tile &tile, Value k, unsigned vector);
  Value epilogue(Value sum, const Tile &tile, Value row, unsigned vector);
  Value loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked);

  ContractOp op;
  ImplicitLocOpBuilder b;
  Type element;
  unsigned lanes, vectors, rows;
  bool hasMasks;
  VectorType vectorType, maskType;
  Value lhs, rhs, result;
  Value lhsRows, outRows; // places of rows, or null
  Value rhsStarts;        // of the steps of overlapping matrices, or null
  SmallVector<Value> extras;
  SmallVector<Value> masks; // per vector of the panel at hand
  Value aheadShift;         // see emitRowBlocks
  IRMapping inside;         // what the epilogue captures, in the kernel
};

} // namespace mlir::ac

#endif // KERNELS_CONTRACTEMITTER_H
