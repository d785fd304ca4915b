//===- NodeLowering.h - One ONNX node on its way to linalg -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The lowering of an operator is one function from a `Node` (its inputs already lowered, its attributes) to tensors, made
// with the `Emitter` that the node carries:
//
//   static LogicalResult lowerSigmoid(Node &node) {
//     Value x = node.input(0);
//     return node.finish(node.emit.elementwise(x, Emitter::elementType(x), [](OpBuilder &b, Location loc, ValueRange v) {
//       ...
//     }));
//   }
//   void populateActivationLowerings(LoweringTable &table) { table.add("Sigmoid", lowerSigmoid); }
//
// A family of operators is a file in lib/Lower/Ops; `populateAllLowerings` names the families.
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_NODELOWERING_H
#define LOWER_NODELOWERING_H

#include "Lower/Emitter.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/StringMap.h"
#include <optional>

namespace mlir::ac {

class FunctionLowering;

/// An ONNX node whose inputs have been lowered.
class Node {
public:
  Node(Operation *op, Emitter &emit, FunctionLowering &function) : op(op), emit(emit), function(function) {}

  Operation *op;
  Emitter &emit;

  /// `MatMul`, `com.microsoft.MoE`: the operator without the dialect's prefix and version suffix.
  StringRef operatorName() const;
  /// The node's name in the model.
  std::string nodeName() const;
  /// The opset version of the operator's domain in this model.
  int64_t opset() const;

  //===--- Inputs and outputs ----------------------------------------------===//
  unsigned numInputs() const { return op->getNumOperands(); }
  unsigned numOutputs() const { return op->getNumResults(); }
  /// False for optional inputs that are left out, and past the last one.
  bool hasInput(unsigned i) const;
  /// True if output `i` exists and something uses it.
  bool wantsOutput(unsigned i) const;
  /// The lowered tensor: ranked, signless elements.
  Value input(unsigned i) const;
  SmallVector<Value> inputs() const;
  /// The lowered tensor of a value of an enclosing scope, which a region of the node may use.
  Value captured(Value original) const;
  /// Whether the ONNX element type is unsigned (the lowered one is signless).
  bool isUnsigned(unsigned i) const;
  bool isOutputUnsigned(unsigned i) const;
  /// The lowered element type of output `i` as ONNX infers it.
  Type outputElementType(unsigned i) const;
  /// The integers of input `i` if they are known while compiling.
  std::optional<SmallVector<int64_t>> constantInts(unsigned i) const;
  /// The single number in input `i` if it is known while compiling.
  std::optional<double> constantNumber(unsigned i) const;

  //===--- Attributes --------------------------------------------------------===//
  bool has(StringRef name) const { return op->hasAttr(name); }
  int64_t getInt(StringRef name, int64_t otherwise) const;
  double getFloat(StringRef name, double otherwise) const;
  StringRef getString(StringRef name, StringRef otherwise) const;
  std::optional<SmallVector<int64_t>> getInts(StringRef name) const;
  std::optional<SmallVector<double>> getFloats(StringRef name) const;
  SmallVector<StringRef> getStrings(StringRef name) const;
  /// An axis attribute made non-negative; an error if it is out of [-rank, rank).
  FailureOr<int64_t> getAxis(StringRef name, int64_t otherwise, int64_t rank) const;
  FailureOr<int64_t> normalizeAxis(int64_t axis, int64_t rank) const;

  /// Lists that moved from attribute to input over the opsets (`axes`, `split`, ...): whichever is there, as constants.
  std::optional<SmallVector<int64_t>> getIntsOrInput(StringRef attribute, unsigned input) const;

  //===--- Results -----------------------------------------------------------===//
  /// Sets output `i`.
  void setOutput(unsigned i, Value value);
  /// Sets the outputs in order and succeeds.
  LogicalResult finish(ValueRange values);
  /// Refuses the node: "node 'x' (Operator): <why>". Always failure.
  LogicalResult refuse(const Twine &why) const;
  /// Fails at run time unless the condition holds; the message gets the node's name and operator.
  void require(Value condition, const Twine &message) const;
  std::string describe(const Twine &message) const;

  /// Lowers the body of region `i` at the current insertion point with `arguments` for its block arguments, and returns
  /// what it yields. Values of enclosing scopes are captured.
  FailureOr<SmallVector<Value>> lowerRegion(unsigned i, ValueRange arguments);
  /// Lowers what follows this node in its block at the current insertion point and returns what the block yields, or
  /// nothing if it cannot be lowered as things stand; then `why` says why.
  std::optional<SmallVector<Value>> tryLowerRest(std::string &why);
  /// Ends the lowering of this node's block, which yields `values`: the rest has been lowered by `tryLowerRest`.
  LogicalResult finishBlock(ValueRange values);
  Region &region(unsigned i) const { return op->getRegion(i); }

private:
  FunctionLowering &function;
};

using LowerFunction = LogicalResult (*)(Node &);

/// Operator name → lowering. Names of other domains carry them: `com.microsoft.MoE`, `ml.Scaler`.
class LoweringTable {
public:
  void add(StringRef name, LowerFunction lower) { table[name] = lower; }
  LowerFunction lookup(StringRef name) const { return table.lookup(name); }
  const llvm::StringMap<LowerFunction> &entries() const { return table; }

private:
  llvm::StringMap<LowerFunction> table;
};

/// All operators that can be lowered.
const LoweringTable &getLoweringTable();

// One declaration for each file in lib/Lower/Ops.
void populateActivationLowerings(LoweringTable &table);
void populateArithmeticLowerings(LoweringTable &table);
void populateAttentionLowerings(LoweringTable &table);
void populateBudgetLowerings(LoweringTable &table);
void populateCastLowerings(LoweringTable &table);
void populateComparisonLowerings(LoweringTable &table);
void populateConstantLowerings(LoweringTable &table);
void populateControlFlowLowerings(LoweringTable &table);
void populateConvolutionLowerings(LoweringTable &table);
void populateDecideLowerings(LoweringTable &table);
void populateDequantizedProductLowerings(LoweringTable &table);
void populateDetectionLowerings(LoweringTable &table);
void populateEinsumLowerings(LoweringTable &table);
void populateExitLowerings(LoweringTable &table);
void populateGatherLowerings(LoweringTable &table);
void populateHaltingLoopLowerings(LoweringTable &table);
void populateIndexingLowerings(LoweringTable &table);
void populateMaskedRowsLowerings(LoweringTable &table);
void populateMatMulLowerings(LoweringTable &table);
void populateNormalizationLowerings(LoweringTable &table);
void populatePoolingLowerings(LoweringTable &table);
void populateQuantizationLowerings(LoweringTable &table);
void populateRecurrentLowerings(LoweringTable &table);
void populateReductionLowerings(LoweringTable &table);
void populateResizeLowerings(LoweringTable &table);
void populateRouteLowerings(LoweringTable &table);
void populateRowSumLowerings(LoweringTable &table);
void populateScatterLowerings(LoweringTable &table);
void populateSequenceLowerings(LoweringTable &table);
void populateShapeLowerings(LoweringTable &table);
void populateSlicingLowerings(LoweringTable &table);
void populateSignalLowerings(LoweringTable &table);
void populateSortingLowerings(LoweringTable &table);
void populateUniqueLowerings(LoweringTable &table);

} // namespace mlir::ac

#endif // LOWER_NODELOWERING_H
