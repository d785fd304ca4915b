//===- Scan.cpp - ONNX Scan -----------------------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Iteration.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

namespace {
/// The attributes of a `Scan`, defaults filled in and checked.
struct ScanForm {
  unsigned numStates, numSequences, numStacked;
  SmallVector<int64_t> inputAxes, outputAxes;
  SmallVector<bool> inputReverse, outputReverse;
};
} // namespace

static FailureOr<ScanForm> readForm(Node &node, unsigned numOptional) {
  ScanForm form;
  int64_t sequences = node.getInt("num_scan_inputs", 0), inputs = int64_t(node.numInputs()) - numOptional;
  if (sequences < 1 || sequences > inputs)
    return node.refuse("num_scan_inputs is " + Twine(sequences) + " with " + Twine(inputs) + " inputs");
  form.numSequences = sequences;
  form.numStates = inputs - sequences;
  if (node.numOutputs() < form.numStates)
    return node.refuse(Twine(form.numStates) + " state variables but " + Twine(node.numOutputs()) + " outputs");
  form.numStacked = node.numOutputs() - form.numStates;
  auto list = [&](StringRef name, size_t size) -> FailureOr<SmallVector<int64_t>> {
    SmallVector<int64_t> values = node.getInts(name).value_or(SmallVector<int64_t>(size, 0));
    if (values.empty())
      values.assign(size, 0);
    if (values.size() != size)
      return node.refuse(name + " has " + Twine(values.size()) + " entries, expected " + Twine(size));
    return values;
  };
  auto inputAxes = list("scan_input_axes", form.numSequences), outputAxes = list("scan_output_axes", form.numStacked);
  auto inputDirections = list(node.opset() < 9 ? "directions" : "scan_input_directions", form.numSequences);
  auto outputDirections = list("scan_output_directions", form.numStacked);
  if (failed(inputAxes) || failed(outputAxes) || failed(inputDirections) || failed(outputDirections))
    return failure();
  form.inputAxes = *inputAxes;
  form.outputAxes = *outputAxes;
  for (int64_t direction : *inputDirections)
    form.inputReverse.push_back(direction != 0);
  for (int64_t direction : *outputDirections)
    form.outputReverse.push_back(direction != 0);
  return form;
}

/// One pass over sequences; gives final states, then stacked outputs.
static FailureOr<SmallVector<Value>> scan(Node &node, const ScanForm &form, ValueRange states, ValueRange sequences) {
  Emitter &emit = node.emit;
  Iteration iteration;
  SmallVector<int64_t> axes;
  for (auto [i, sequence] : llvm::enumerate(sequences)) {
    auto axis = node.normalizeAxis(form.inputAxes[i], Emitter::rank(sequence));
    if (failed(axis))
      return failure();
    axes.push_back(*axis);
    OpFoldResult length = emit.dim(sequence, *axis);
    if (i == 0) {
      iteration.bound = length;
      continue;
    }
    if (Emitter::same(iteration.bound, length))
      continue;
    Value agree = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(iteration.bound),
                                        emit.asValue(length));
    node.require(agree, "the scanned inputs have different lengths");
    if (getConstantIntValue(length))
      iteration.bound = length;
  }
  llvm::append_range(iteration.initial, states);
  for (unsigned i = 0; i < form.numStacked; ++i)
    iteration.stacked.push_back({form.outputAxes[i], form.outputReverse[i]});

  OpFoldResult last = emit.sub(iteration.bound, emit.dimension(1));

  auto body = [&](Value index, ValueRange carried) -> FailureOr<IterationStep> {
    SmallVector<Value> arguments(carried);
    for (auto [i, sequence] : llvm::enumerate(sequences)) {
      OpFoldResult position = index;
      if (form.inputReverse[i])
        position = emit.sub(last, position);
      arguments.push_back(takeRow(emit, sequence, axes[i], position));
    }
    auto yields = node.lowerRegion(0, arguments);
    if (failed(yields))
      return failure();
    if (yields->size() != form.numStates + form.numStacked)
      return node.refuse("the body yields " + Twine(yields->size()) + " values, expected " +
                         Twine(form.numStates + form.numStacked));
    ArrayRef<Value> values(*yields);
    IterationStep step;
    step.carried = llvm::to_vector(values.take_front(form.numStates));
    step.stacked = llvm::to_vector(values.drop_front(form.numStates));
    return step;
  };
  iteration.step = body;
  return emitIteration(node, iteration);
}

/// Opset 8: every input has a batch dimension in front, each entry of which is a scan of its own.
static LogicalResult lowerBatchedScan(Node &node) {
  Emitter &emit = node.emit;
  if (node.hasInput(0))
    return node.refuse("sequence_lens is not supported");
  auto form = readForm(node, 1);
  if (failed(form))
    return failure();
  SmallVector<Value> inputs = node.inputs(); // without the absent sequence_lens
  ValueRange states = ValueRange(inputs).take_front(form->numStates);
  ValueRange sequences = ValueRange(inputs).drop_front(form->numStates);
  Iteration batch;
  batch.bound = emit.dim(sequences[0], 0);
  batch.stacked.resize(node.numOutputs());
  auto body = [&](Value index, ValueRange) -> FailureOr<IterationStep> {
    auto entry = [&](Value tensor) { return takeRow(emit, tensor, 0, index); };
    auto results = scan(node, *form, llvm::map_to_vector(states, entry), llvm::map_to_vector(sequences, entry));
    if (failed(results))
      return failure();
    IterationStep step;
    step.stacked = *results;
    return step;
  };
  batch.step = body;
  auto results = emitIteration(node, batch);
  return failed(results) ? failure() : node.finish(*results);
}

LogicalResult ac::lowerScan(Node &node) {
  if (node.opset() < 9)
    return lowerBatchedScan(node);
  auto form = readForm(node, 0);
  if (failed(form))
    return failure();
  SmallVector<Value> inputs = node.inputs();
  auto results = scan(node, *form, ValueRange(inputs).take_front(form->numStates),
                      ValueRange(inputs).drop_front(form->numStates));
  return failed(results) ? failure() : node.finish(*results);
}
