//===- Emitter.h - Builds tensor programs with known shapes ------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The vocabulary in which the lowering of every ONNX operator is written: ranked tensors with signless elements, built
// from linalg, tensor, arith, math, scf and `ac.contract`.
//
// Two ideas carry it. First, the emitter remembers the dimensions of every tensor it makes as index values, and makes
// equal dimensions the *same* value wherever it can: whether two shapes agree is then mostly known while lowering, and
// no `tensor.dim` of an intermediate is ever needed. Second, small integer tensors (shapes, axes, positions) are kept
// element by element, as `tensor.from_elements` of scalars that fold as they are built: `Shape → Gather → Concat →
// Reshape` disappears.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_EMITTER_H
#define LOWER_EMITTER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/DenseMap.h"

namespace mlir::ac {

using Dims = SmallVector<OpFoldResult>;

class Emitter : public ImplicitLocOpBuilder {
public:
  explicit Emitter(MLIRContext *context);

  /// Computes one element from one element of each operand.
  using ScalarBody = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;
  /// Computes one element from its indices.
  using IndexBody = llvm::function_ref<Value(OpBuilder &, Location, ValueRange)>;

  //===--- Dimensions ----------------------------------------------------===//
  // Index arithmetic with folding and reuse. All values are of type index.

  OpFoldResult dimension(int64_t size) { return getIndexAttr(size); }
  OpFoldResult add(OpFoldResult a, OpFoldResult b);
  OpFoldResult sub(OpFoldResult a, OpFoldResult b);
  OpFoldResult mul(OpFoldResult a, OpFoldResult b);
  /// Rounds towards minus infinity; the divisor is positive.
  OpFoldResult floorDiv(OpFoldResult a, OpFoldResult b);
  OpFoldResult ceilDiv(OpFoldResult a, OpFoldResult b);
  OpFoldResult min(OpFoldResult a, OpFoldResult b);
  OpFoldResult max(OpFoldResult a, OpFoldResult b);
  OpFoldResult product(ArrayRef<OpFoldResult> sizes);
  /// `product(of) / product(by)` with equal factors cancelled symbolically.
  OpFoldResult quotient(ArrayRef<OpFoldResult> of, ArrayRef<OpFoldResult> by);
  /// True only if the two are proven equal.
  static bool same(OpFoldResult a, OpFoldResult b);
  static bool same(ArrayRef<OpFoldResult> a, ArrayRef<OpFoldResult> b);
  static bool isOne(OpFoldResult a) { return getConstantIntValue(a) == 1; }
  Value asValue(OpFoldResult size);
  /// An integer scalar of any width (signed) as a dimension; undoes the cast of a dimension to an integer.
  OpFoldResult asDimension(Value integer);
  /// A dimension as an integer scalar of `type`.
  Value asInteger(OpFoldResult size, Type type);

  /// The dimensions of a tensor this emitter made.
  Dims dims(Value tensor);
  OpFoldResult dim(Value tensor, int64_t axis) { return dims(tensor)[axis]; }
  OpFoldResult numElements(Value tensor) { return product(dims(tensor)); }
  static RankedTensorType type(Value tensor) { return cast<RankedTensorType>(tensor.getType()); }
  static int64_t rank(Value tensor) { return type(tensor).getRank(); }
  static Type elementType(Value tensor) { return type(tensor).getElementType(); }
  static RankedTensorType tensorType(ArrayRef<OpFoldResult> dims, Type element);
  /// Says what the dimensions of `tensor` are; for tensors made by ops that the emitter has no method for.
  Value withDims(Value tensor, ArrayRef<OpFoldResult> dims);
  /// Casts to a type with exactly the static sizes that `dims` has.
  Value castToDims(Value tensor, ArrayRef<OpFoldResult> dims);

  //===--- Scalars and small tensors -------------------------------------===//

  Value constantIndex(int64_t value);
  /// A scalar constant of an integer or floating-point type.
  Value constant(Type type, double value);
  Value constant(Type type, int64_t value);
  Value constant(Type type, int value) { return constant(type, static_cast<int64_t>(value)); }
  /// A constant tensor.
  Value constantTensor(ElementsAttr value);
  /// The value of a tensor that is a constant, or null.
  static ElementsAttr constantValue(Value tensor);
  /// A tensor whose elements are known one by one: at most 64, static shape.
  static bool isElementwiseKnown(Value tensor);
  /// The elements of a static tensor of at most 64 elements, in row-major order, as scalars.
  SmallVector<Value> elements(Value tensor);
  /// The elements of an integer tensor (static, at most 64) as dimensions.
  Dims dimElements(Value tensor);
  /// A tensor from its elements in row-major order; a constant if they all are.
  Value fromElements(ArrayRef<int64_t> shape, Type element, ValueRange scalars);
  /// The only element of a tensor with one element, whatever its rank.
  Value scalar(Value tensor);
  /// Converts a scalar between integer (signed or not) and floating-point types with ONNX `Cast` rules: to bool is `!= 0`,
  /// float to integer truncates (saturating at the ends, NaN gives 0).
  static Value convertScalar(OpBuilder &b, Location loc, Value scalar, Type to, bool fromUnsigned = false,
                             bool toUnsigned = false);

  //===--- Tensors ---------------------------------------------------------===//

  Value empty(ArrayRef<OpFoldResult> dims, Type element);
  /// Every element is `scalar`.
  Value fill(ArrayRef<OpFoldResult> dims, Value scalar);
  /// One element of the result from one element of each operand, with multidirectional (numpy) broadcasting.
  Value elementwise(ValueRange tensors, Type resultElement, ScalarBody body);
  /// The dimensions to which tensors broadcast together; asserts at run time what cannot be proven.
  Dims broadcastDims(ValueRange tensors);
  /// One element of the result from its indices; the body may read tensors with `tensor.extract`.
  Value tabulate(ArrayRef<OpFoldResult> dims, Type element, IndexBody body);
  /// A linalg.generic over `loopDims` (its iteration space), `parallel.size()` of them marked as parallel, with `init` as
  /// the destination; the body gets the operands' elements and last the destination's.
  Value generic(ValueRange tensors, ArrayRef<AffineMap> maps, Value init, AffineMap initMap,
                ArrayRef<utils::IteratorType> iterators, ScalarBody body);
  /// Folds the elements along `axes` (any order, non-negative) into `start`: `body(element, accumulator)`. Elements are
  /// visited in row-major order but may be reassociated where `body` carries fast-math flags.
  Value reduce(Value tensor, ArrayRef<int64_t> axes, bool keepDims, Value start, ScalarBody body);

  /// Same elements in row-major order, other dimensions. The number of elements must agree: proven or asserted.
  Value reshape(Value tensor, ArrayRef<OpFoldResult> dims);
  /// `result.dims[i] = tensor.dims[permutation[i]]`.
  Value transpose(Value tensor, ArrayRef<int64_t> permutation);
  /// Repeats along dimensions of size one, and adds leading dimensions, as numpy's broadcast_to.
  Value broadcastTo(Value tensor, ArrayRef<OpFoldResult> dims);
  /// Elements `offset + i * stride` for `i < size`; strides positive and all in bounds.
  Value slice(Value tensor, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
              ArrayRef<OpFoldResult> strides);
  /// Elements [begin, begin + size) along one axis.
  Value slice(Value tensor, int64_t axis, OpFoldResult begin, OpFoldResult size);
  /// Writes `part` into a copy of `whole` at these offsets.
  Value insert(Value part, Value whole, ArrayRef<OpFoldResult> offsets);
  Value concat(ValueRange tensors, int64_t axis);
  /// Constant padding.
  Value pad(Value tensor, ArrayRef<OpFoldResult> low, ArrayRef<OpFoldResult> high, Value scalar);
  /// Element type conversion with ONNX `Cast` rules.
  Value castElements(Value tensor, Type to, bool fromUnsigned = false, bool toUnsigned = false);
  /// Inserts dimensions of size one before these axes of the result (sorted).
  Value expandAxes(Value tensor, ArrayRef<int64_t> axes);
  /// Removes dimensions (sorted axes), which must have size one.
  Value squeezeAxes(Value tensor, ArrayRef<int64_t> axes);

  /// Whether the elements of i8 operands of a product are 0 to 255 rather than -128 to 127.
  struct Signs {
    bool lhsUnsigned = false, rhsUnsigned = false;
  };
  /// `result[b, m, n] = sum over k of lhs[lhsBatch(b), m, k] * rhs[rhsBatch(b), k, n]`; rank 3. `batch` is the batch
  /// size of the result. Both have one element type: f32, f64 or bf16, or i8 for a result of i32; or the left f32 and
  /// the right f16. See `ac.contract`.
  Value contract(Value lhs, Value rhs, OpFoldResult batch, AffineMap lhsBatch, AffineMap rhsBatch,
                 Signs signs = {false, false});
  /// The same with a map `(d0) -> (d0)`, or `(d0) -> (0)` where the operand's batch size is one and the result's is not.
  Value contract(Value lhs, Value rhs);
  /// `result[b, m, n] = sum over k of lhs[0, m, k] * r[k, n]` with `r[k, n]` the element `starts[k] + n` behind the
  /// start of line `rhsBatch(b)` of `lines` [lines, pitch]. With four dimensions the result is [i, m, b, n], and the
  /// lines are those of image `i`. Elements of i8 are summed in i32. See `ac.contract`.
  Value contractLines(Value lhs, Value lines, Value starts, ArrayRef<OpFoldResult> result, AffineMap rhsBatch,
                      Signs signs = {false, false});

  /// Ends the run with `message` (say the node and what is wrong) unless `condition` (i1) holds.
  void require(Value condition, const Twine &message);

  /// Takes back an operation that was built on trial. It is kept, detached, as long as the emitter, so that what is
  /// remembered about values inside it stays harmless.
  void discard(Operation *op) {
    op->remove();
    op->dropAllReferences();
    discarded.emplace_back(op);
  }

private:
  OpFoldResult memo(StringRef kind, OpFoldResult a, OpFoldResult b, llvm::function_ref<Value(Value, Value)> make);
  Value scalarElementwise(ValueRange tensors, ArrayRef<int64_t> shape, Type resultElement, ScalarBody body);
  bool visible(Value value);
  Value reshapeByGroups(Value tensor, ArrayRef<OpFoldResult> own, ArrayRef<OpFoldResult> wanted);
  Value reshapeFlat(Value tensor, ArrayRef<OpFoldResult> own, ArrayRef<OpFoldResult> wanted);

  DenseMap<Value, Dims> knownDims;
  llvm::StringMap<SmallVector<Value>> memoTable;
  std::vector<OwningOpRef<Operation *>> discarded;
};

} // namespace mlir::ac

#endif // LOWER_EMITTER_H
