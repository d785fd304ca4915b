//===- WindowVectors.h - Rows of windows on vectors --------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A body that reads what may lie outside of a tensor, or every second element of it, is left to LLVM at a price: it
// computes the ends of rows one by one, and gathers. Here it becomes vectors that say what they mean. What lies outside
// is masked off; every second element is two loads and a shuffle. Bytes that become words have the lanes of words.
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_WINDOWVECTORS_H
#define KERNELS_WINDOWVECTORS_H

#include "Support/TargetInfo.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::ac {

class WindowVectors {
  /// Reads of a body from which on loads take longer than sums.
  static constexpr size_t kFewestReads = 16;
  /// Vectors of a short row.
  static constexpr int64_t kMostVectors = 4;

public:
  /// Looks at an operation on buffers whose innermost loop is `dim`, its only reduction if there is one.
  WindowVectors(linalg::LinalgOp op, unsigned dim, const TargetInfo &target);

  /// Whether `emitRow` knows all of the body, and does better than a loop over elements.
  bool isWorthwhile() const { return isKnown && (hasGuards || hasStrides || hasTurns); }

  /// Whether `emitRow` or `emitReduction` knows all of the body, which reads runs of consecutive elements.
  bool isRowOfRuns() {
    // A body that looks elements up could do so for none.
    return isKnown && op.getBlock()->getOps<memref::LoadOp>().empty();
  }
  bool branches() const { return isKnown && hasTurns; }

  /// Whether rows of this size are a whole number of vectors, and few. LLVM would ask for each of them which of the
  /// operands overlap, which takes as long as to compute it.
  bool fill(int64_t size) { return isRowOfRuns() && size > 0 && size % lanes == 0 && size <= kMostVectors * lanes; }

  /// Whether rows are faster two at a time: neighbours read much of the same, and bodies with many reads have more
  /// factors than there are registers.
  bool sharesRows() const { return reads.size() >= kFewestReads; }

  /// Emits the loop from 0, or `begin`, to `size`, whose positions in the other loops are given. Rows are not empty,
  /// and have less than 2^31 elements.
  void emitRow(ImplicitLocOpBuilder &b, ArrayRef<Value> position, Value size, Value begin = {});
  /// The same for this position in loop `rowDim` and the next one, if that is one of the `numRows` too.
  void emitPair(ImplicitLocOpBuilder &b, ArrayRef<Value> position, unsigned rowDim, Value numRows, Value size);

  /// The reduction of elements 0 to `size`, which may be none, and of `start`. Where there are no masks, `step`
  /// computes the reduction of the given value and of the element at a place.
  Value emitReduction(ImplicitLocOpBuilder &b, ArrayRef<Value> position, Value size, Value start,
                      llvm::function_ref<Value(Value, Value)> step);

private:
  /// What a value of the body is along the innermost loop.
  struct Along {
    enum Kind {
      Same,      // one value for the whole row
      Index,     // a place that moves by `step`
      Clamped,   // the place `index`, or another one where `conditions` do not hold
      Condition, // whether all of `conditions` hold: comparisons of a place with a size, or the same for the row
      Data       // an element
    } kind = Data;
    int64_t step = 0;
    Value index;
    llvm::SmallSetVector<Value, 4> conditions;
  };
  /// A load along the row, with what makes it one of lanes that are inside.
  struct Read {
    Value index;
    int64_t step;
    llvm::SmallSetVector<Value, 4> conditions; // all of them; empty: it is inside
    Value outside;                             // of the body, what there is where they do not hold
  };

  bool classify();
  bool findCombiner();
  bool classifyOperands();
  bool classify(Operation &inner);
  bool classifyLoad(Operation &inner);
  Along lookup(Value value) const;
  /// Whether rows of this type are vectors here.
  bool isElement(Type type) const {
    return type.isInteger(8) || (type.isIntOrFloat() && type.getIntOrFloatBitWidth() == bits);
  }
  bool isSame(Value value) const { return lookup(value).kind == Along::Same; }
  VectorType vectorOf(Type scalar) const { return VectorType::get({lanes}, scalar); }

  //===--- Emission ----------------------------------------------------------===//
  /// What is to be checked for the vector at hand.
  struct Checks {
    bool columns = false; // places of lanes may be outside
    bool rows = false;    // conditions that are the same for the row may not hold
    Value end;            // lanes from this one on are not of the row; null: all are
  };
  struct Row {
    SmallVector<Value> position; // by loop dimension
    IRMapping same, splats;      // what is the same for the row, and vectors of it
    IRMapping lane;              // what the vector at hand has
  };
  Row prepareRow(ArrayRef<Value> position);
  Value holdsFor(const Row &each);
  void loopTo(Value limit, llvm::function_ref<void(Value)> body);
  void emitInside(MutableArrayRef<Row> rows, Value size);
  void emitAnywhere(Row &each, Value size);
  void emitVector(MutableArrayRef<Row> rows, Value at, const Checks &checks);
  void emitOperation(Operation &inner, Value at, const Checks &checks);
  void loadInputs(Value at, const Checks &checks);
  SmallVector<Value> placesOf(OpOperand &operand, Value at);
  Value load(Value buffer, ArrayRef<Value> rowIndices, const Read &read, Value at, const Checks &checks);
  /// The lanes for which `first + offset` is less than `size`, unsigned.
  Value lanesBelow(Value first, ArrayRef<int32_t> offsets, Value size);
  SmallVector<int32_t> allLanes() const;
  /// The lanes of a vector at `at` that are in front of `end`.
  Value lanesBefore(Value at, Value end) {
    return lanesBelow(arith::ConstantIndexOp::create(*b, 0), allLanes(), b->createOrFold<arith::SubIOp>(end, at));
  }
  /// The place `index` of the body where the innermost loop is at `at`.
  Value placeAt(Value index, Value at);
  std::pair<Value, Value> interval(Value size);
  /// What is reduced, for the vector at this place.
  Value elementsAt(Value at, const Checks &checks);
  Value combine(Value sum, Value value);
  /// Leaves the others as they are; scalars, or vectors of any length.
  Value neutral(Type type);

  linalg::LinalgOp op;
  unsigned dim;
  int64_t lanes = 0;
  unsigned bits = 0; // of the widest element
  bool hasMasks;
  Operation *combiner = nullptr; // of what is reduced, `reduced`, with the result
  Value reduced;
  bool isKnown = false, hasGuards = false, hasStrides = false;
  bool hasTurns = false; // sines and the like, of which vectors may branch
  DenseMap<Value, Along> along;
  llvm::MapVector<Operation *, Read> reads;
  llvm::SmallSetVector<Value, 4> rowConditions, columnConditions;

  ImplicitLocOpBuilder *b = nullptr;
  Row *row = nullptr; // at hand
  Value from;         // where loops begin
};

} // namespace mlir::ac

#endif // KERNELS_WINDOWVECTORS_H
