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
/// The same where the first tile copies the panel, which takes it half as long again.
constexpr int64_t kTilesPerCopy = 64;
/// Up to this depth, storing a tile takes longer than computing it. Where there are many panels, a tile's rows then
/// pass through as many of them before the next rows do: stores walk along rows instead of jumping from one to the
/// next.
constexpr int64_t kShallowDepth = 32, kShallowPanels = 16;

/// Columns of a task of a turned product: enough to use its panel of rows sixteen times over.
constexpr int64_t kTurnedColumns = 96;

/// Panels of a task with tile registers, at most as many and as many bytes, and the fewest groups of them.
constexpr int64_t kTiledPanels = 16, kTiledBytes = 1 << 19, kTiledGroups = 6;

/// Bytes that arrive together.
constexpr int64_t kLineBytes = 64;
/// Rows of a block with tile registers, two tiles; two tiles of columns stand side by side, so many vectors of sums.
constexpr int64_t kBlockRows = 2 * kTileRows, kBlockVectors = 2;
/// Bytes from one group of steps to the next in two tiles of columns.
constexpr int64_t kColumnStride = kBlockVectors * kLineBytes;
/// Blocks of a task that unpacks its panel to tiles.
constexpr int64_t kUnpackedBlocks = 16;

/// Steps of a full tile that are emitted one after another.
constexpr int64_t kUnrolledSteps = 4;

/// Kernels by what they compute.
using Kernels = llvm::StringMap<func::FuncOp>;

/// The constant whose elements a buffer of known size has in their order; null if it is none.
memref::GlobalOp constantBehindBuffer(Value buffer);

/// What the target multiplies groups of elements of this product with.
DotUnit groupedUnit(ContractOp op, const TargetInfo &target);

/// Emits the call of a kernel for an `ac.contract` on buffers (EmitContractions.cpp), and the kernel
/// (ContractKernel.cpp).
class ContractEmitter {
public:
  ContractEmitter(ContractOp op, const TargetInfo &target)
      : op(op), target(target), b(op.getLoc(), op), element(op.getElementType()), lanes(target.lanes(element)),
        unit(op.getGroup() ? target.dotUnit(getElementTypeOrSelf(op.getLhs())) : DotUnit::None),
        vectors(op.getPacked() ? op.getLanes() / target.lanes(element) : target.tileVectors),
        rows(unit == DotUnit::Tiles ? kBlockRows : target.tileRows), hasMasks(target.hasMasks),
        hasTables(target.hasTables()), vectorType(VectorType::get({static_cast<int64_t>(lanes)}, element)),
        maskType(VectorType::get({static_cast<int64_t>(lanes)}, b.getI1Type())) {}

  /// Makes the parallel loop, and the kernel unless `kernels` has one like it. The tiles of the last panel of packed
  /// weights fetch what is at the address `next` (index), the weights of the product after this one, or null.
  void emit(Kernels &kernels, Value next);
  /// Copies a rhs that is computed at run time to groups in panels, if the target multiplies such: the product then has
  /// a packed rhs, whose memory, which the caller frees, is returned. An emitter made afterwards knows. Else null.
  Value groupColumns(Kernels &kernels);
  /// The address (index) of a panel of packed weights.
  static Value addressOfPanel(ImplicitLocOpBuilder &b, Value rhs, Value batch, Value panel);

private:
  void emitKernel(func::FuncOp kernel);
  std::string fingerprint(ValueRange operands);
  struct Tile {
    Value image;                                    // null if there are none
    Value batch, lhsBatch, rhsBatch, panel, column; // column: first column of the panel
    unsigned vectors;                               // of columns that are computed
    bool masked;                                    // whether the last of them may be partly outside
    Value fetched;                                  // index: address of the packed panel that is needed next
    // With tile registers: the row of the block that comes next, the addresses (index) of its columns and of these, and
    // the vector of the panel that they begin with.
    Value nextRow, nextColumns, columns;
    unsigned firstVector = 0;
    // Of a turned product: tasks of its panel, and which of them this is; where the panels end; the block of steps; what
    // a step fetches, in bytes.
    Value numTasks, task, end, firstStep, stepEnd, fetchedOfStep;
  };
  /// What the columns that fill no whole panel need.
  struct Remainder {
    bool mayBeWhole = true;        // there may be whole panels
    SmallVector<unsigned> vectors; // numbers of vectors that cover what is left, smallest first; empty: nothing is left
  };
  Remainder remainder();

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value addIndex(Value a, int64_t constant) { return constant ? arith::AddIOp::create(b, a, index(constant)) : a; }
  Value applyBatch(AffineMap map, Value batch);
  /// Rows of a task, of `numRows`.
  Value chunkRows(Value numRows) {
    if (unpacksToTiles())
      return index(kBlockRows * kUnpackedBlocks);
    if (op.getRowsFirst()) {
      Value tiles = arith::CeilDivUIOp::create(b, numRows, index(2 * rows));
      return arith::MulIOp::create(b, arith::MaxUIOp::create(b, tiles, index(1)), index(rows));
    }
    if (op.getCopied())
      return index(rows * kTilesPerCopy);
    return index(rows * (unit == DotUnit::Tiles ? 2 : kTilesPerTask));
  }
  /// Panels of a task: many for a shallow product or with tile registers, else one.
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
    return memref::DimOp::create(b, result, op.getOutDim(1));
  }
  Value numColumns() {
    return op.getOutPanels() ? dimOf(rhs, op.getRhsOrder(), 2) : dimOf(result, op.getOutOrder(), 2);
  }
  /// Makes the masks of the first `count` vectors of a panel with as many columns left.
  void setMasks(Value columnsLeft, unsigned count);
  void emitPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft);
  /// The same by a function from elsewhere (CallPanel.cpp).
  void callPanel(Tile tile, Value rowBegin, Value rowEnd, Value columnsLeft);
  void callProduct(StringRef function, const Tile &tile, Value rowBegin, Value rowEnd, Value columnsLeft);
  void emitRowBlocks(const Tile &tile, Value rowBegin, Value rowEnd);
  void emitCopiedBlocks(const Tile &tile, Value rowBegin, Value rowEnd);
  /// A tile of exactly the rows from `row` to `rowEnd`, which are at most `most`; none for zero.
  void emitRowsLeft(const Tile &tile, Value row, Value rowEnd, int64_t most);
  /// What a tile fetches from memory on its way. A panel takes as long to arrive as the work of some ten rows on it.
  enum class Fetch {
    Nothing,
    Panel, // its part of the next panel, which all tiles fetch together
    Stream // what it will read itself in a while: with few rows there is nobody else to do it
  };
  /// How a tile of few rows fetches its panel. What is near comes by itself, and would only be asked for twice.
  Fetch fromAfar() { return op.getPacked() && !isResident ? Fetch::Stream : Fetch::Nothing; }
  /// Whether tiles fetch panels together: the kernel then takes the address of what is needed after the last.
  bool fetchesPanels() { return op.getPacked() && !op.isQuantized() && entry.empty() && unit != DotUnit::Tiles; }
  struct Fetching {
    Fetch what = Fetch::Nothing;
    unsigned lines = 0; // of its piece that a tile fetches every few steps
    Value piece = {};   // index: the address of the piece
  };
  Value emitRowLoop(const Tile &tile, Value rowBegin, Value rowEnd, int64_t tileRows, Fetching fetching);
  void emitTile(const Tile &tile, Value row, unsigned numRows, const Fetching &fetching);
  void fetch(const Fetching &fetching, Value k);

  //===--- Rows of a panel (ContractPanels.cpp) ------------------------------===//
  /// Takes row `k` of the panel, given in vectors, and updates the carried values. `isOdd` tells about `k`, where that is
  /// known while compiling.
  using Step = llvm::function_ref<void(Value k, std::optional<bool> isOdd, ArrayRef<Value> panelRow,
                                       MutableArrayRef<Value> carried)>;
  /// Calls `step` for each row of a quantised panel in order, and returns what the last one carries.
  SmallVector<Value> walkBlocks(const Tile &tile, ValueRange start, Step step);
  /// A row of a panel, of the sum's type.
  SmallVector<Value> loadRow(const Tile &tile, Value k);
  Value loadPanel(Value buffer, const Tile &tile, Value k, unsigned vector);
  /// Scales, zeros and offsets of one block, in vectors of floats; those that are left out are null.
  struct BlockParameters {
    SmallVector<Value> scales, zeros, offsets;
  };
  BlockParameters loadBlock(const Tile &tile, Value block);
  Value dequantize(Value integer, const BlockParameters &parameters, unsigned vector);
  /// The number that four bits of each lane stand for, as floats.
  Value fourBits(Value words, Value shift);
  /// Computes the panel's numbers into `scratch`.
  void unpackPanel(const Tile &tile);
  /// Copies the panel to `scratch`.
  void copyPanel(const Tile &tile);
  /// Whether many rows read a panel from there.
  bool usesScratch() { return op.isQuantized() || op.getCopied() || op.getTurned(); }
  /// Whether a panel of small integers that many rows use becomes bf16 in tiles, as its lhs asks for.
  bool unpacksToTiles() {
    return op.isQuantized() && op.getPacked() && vectors % kBlockVectors == 0 && hasMasks &&
           getElementTypeOrSelf(op.getLhs()).isBF16() && target.tileDots.bf16 && target.vectorDots.bf16;
  }
  /// Fetches what will be read some rows of the panel later.
  void prefetchAhead(const Tile &tile, Value k);

  //===--- Vectors of rows (ContractTurned.cpp) --------------------------------===//
  /// Panels of rows and groups of columns of a turned product.
  std::pair<Value, Value> turnedTasks();
  void emitTurned(Value task);
  /// The sums of a panel of rows and of columns [first, first + count), to `scratch` by columns.
  void emitTurnedTiles(Tile tile, Value first, Value count);
  void setFetched(Tile &tile, Value tiles, Value number);
  void emitTurnedTile(const Tile &tile, Value column, Value place, unsigned numColumns);
  /// What the epilogue makes of them, by rows, of which the panel has `numRows`.
  void emitTurnedRows(Tile tile, Value first, Value count, int64_t numRows);
  /// Sets the matrices of a task.
  void setMatrix(Tile &tile, Value matrix);

  //===--- Several products at once (ContractGroups.cpp) ---------------------===//
  /// A vector of groups, one for each lane.
  VectorType groupType();
  bool isFlipped();
  Value splatWord(Value word);
  /// A row of a grouped panel.
  SmallVector<Value> loadGroups(const Tile &tile, Value k);
  /// Group `k` of a row of the lhs in all lanes. If it may be partial, steps past the depth are zero.
  Value loadGroup(const Tile &tile, Value row, Value k, bool isPartial);
  /// `sum` and the products of the lanes' groups.
  Value multiplyGroups(Value x, Value y, Value sum);
  /// Finds what the sums of the panel start with, for `starts`.
  void sumColumns(const Tile &tile);

  //===--- Operands as instructions read them (ContractArrange.cpp) -----------===//
  void callInParallel(Kernels &kernels, StringRef name, StringRef key, SmallVector<Value> operands, Value count,
                      Value grain, llvm::function_ref<void(func::FuncOp)> emit);
  /// The lhs in tiles, [batch, block of rows, step, elements of two tiles], in memory that the caller frees.
  Value arrangeRows(Kernels &kernels);
  /// The same for rows that are constant, in a constant; null if they are not. The product then has a lhs whose
  /// dimensions alone are right.
  Value arrangeConstantRows();
  void emitArrangement(func::FuncOp kernel);
  Value enterLoop(Value begin, Value end);
  void emitGrouping(func::FuncOp kernel, int64_t group);
  /// One element of each of the vectors in turn; their number is a power of two.
  Value interleave(SmallVector<Value> rows);
  Value allocateGroups(Value batches, Value panels, Value depth, DotUnit with, Type small);

  //===--- Columns of an image in groups (ContractLines.cpp) ------------------===//
  /// What `groupColumns` does where the rhs has starts; the product then has one column for each position of an image.
  Value groupLines(Kernels &kernels, DotUnit with);
  void emitLineGrouping(func::FuncOp kernel, int64_t group);

  //===--- Small integers to tiles (ContractUnpack.cpp) ------------------------===//
  /// The panel's numbers as bf16 in groups of two: [half of the panel, group, columns of two tiles], as rows of one memory.
  void unpackToTiles(const Tile &tile);
  /// Makes zero what is past the depth of every panel that is unpacked.
  void clearUnpacked();
  void emitUnpackedBlocks(Tile tile, Value rowBegin, Value rowEnd);

  //===--- Tile registers (ContractTiles.cpp) ---------------------------------===//
  bool usesTiles() { return unit == DotUnit::Tiles || unpacksToTiles(); }
  void configureTiles();
  void releaseTiles();
  void emitTileBlocks(const Tile &tile, Value rowBegin, Value rowEnd);
  void emitTileBlock(const Tile &tile, Value row, Value rowEnd, unsigned rowTiles);
  /// Loads the tiles of the first step of the block of rows at `row` and the columns of `tile`.
  void loadFirstTiles(const Tile &tile, Value row);
  Value addressOfRows(const Tile &tile, Value row);

  /// A loop that carries values from `start` on; returns the last ones.
  SmallVector<Value> emitLoop(Value begin, Value end, ValueRange start,
                              llvm::function_ref<void(Value, SmallVectorImpl<Value> &)> body, int64_t step = 1);

  /// An element of lhs or rhs, or a vector of them, as the sum's type.
  Value widen(Value loaded, bool isUnsigned);
  /// `sum + x * y` of vectors.
  Value multiplyAdd(Value x, Value y, Value sum);
  Value epilogue(Value sum, const Tile &tile, Value row, unsigned vector);
  /// Stores what the epilogue makes of a finished vector of sums.
  void emitStore(Value sum, const Tile &tile, Value row, Value outRow, unsigned vector);
  Value loadVector(Value buffer, ValueRange indices, VectorType type, unsigned vector, bool masked);

  ContractOp op;
  const TargetInfo &target;
  ImplicitLocOpBuilder b;
  Type element;
  unsigned lanes;
  DotUnit unit; // that multiplies groups of elements
  unsigned vectors, rows;
  bool hasMasks, hasTables;
  std::string entry;         // of the function that computes a panel; empty: we do
  std::string unpackedEntry; // of that for a quantised panel which has been unpacked
  VectorType vectorType, maskType;
  Value lhs, rhs, result;
  Value lhsRows, outRows;       // places of rows, or null
  Value scales, zeros, offsets; // of a quantised rhs, or null
  Value scratch; // where a panel is unpacked or copied to for many rows, [depth, panel] if not for tiles
  Value arranged, tileSums;     // with tile registers: the lhs in tiles, and memory for a tile of sums
  SmallVector<Value> starts;    // per vector of the panel at hand: what its sums start with; empty: zero
  bool isResident = false;      // whether the weights are in the cache already
  bool isUnpacked = false;      // whether it has been, at the place where code is emitted
  bool isCopying = false;       // whether the rows of the panel that are read there are copied
  Value rhsStarts;              // of the steps of overlapping matrices, or null
  SmallVector<Value> extras;
  SmallVector<Value> masks;           // per vector of the panel at hand
  Value pieceBytes;                   // of a panel that a tile fetches
  SmallVector<Value> captured;        // by the epilogue
  SmallVector<Operation *> constants; // that it uses
  IRMapping inside;                   // what the epilogue captures, in the kernel
};

} // namespace mlir::ac

#endif // KERNELS_CONTRACTEMITTER_H
