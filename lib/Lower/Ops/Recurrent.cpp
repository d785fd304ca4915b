//===- Recurrent.cpp - LSTM, GRU and RNN ----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The products with the inputs do not depend on the state: they are one matrix product for all steps, in front of the
// loop. A step is then a product with the state, and one elementwise operation that computes all gates and overwrites
// the state.
//
// The columns of these products are not gate by gate, but the gates of some units, then those of the next: who computed
// a piece of the columns can go on with the units, and need not wait for what another core has in its cache.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Iteration.h"
#include "Lower/Ops/RecurrentActivation.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::ac;

//===----------------------------------------------------------------------===//
// What the three have in common
//===----------------------------------------------------------------------===//

namespace {
/// Computes the new states of one element: from the gates' parts by input and by state (in that order of gates), the
/// extras, and the old states.
using CellBody = llvm::function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange)>;

class Recurrent {
public:
  Recurrent(Node &node, unsigned numGates, unsigned numStates)
      : node(node), emit(node.emit), numGates(numGates), numStates(numStates) {}

  LogicalResult read(ArrayRef<StringRef> defaultActivations);
  LogicalResult lower();

protected:
  virtual ~Recurrent() = default;
  /// Prepares what does not change over the steps of a direction; returns the bias added to the input's part.
  virtual Value prepare(unsigned direction) = 0;
  /// New states from the input's part [B, gates * H] of one step and the old states; the row of Y comes last.
  virtual SmallVector<Value> step(Value input, ValueRange states) = 0;

  /// What an operator's input has for gates `[first, first + count)` along `axis`.
  Value gates(Value tensor, int64_t axis, unsigned first, unsigned count = 1) {
    return emit.slice(tensor, axis, emit.mul(hidden, emit.dimension(first)), emit.mul(hidden, emit.dimension(count)));
  }
  /// The last axis, `count` gates of all units, as pieces of units with all of their gates.
  Value inPieces(Value tensor, unsigned count);
  /// Gate `which` of the `count` that a row of such pieces has: [B, count * H] -> [B, pieces, units].
  Value gateOf(Value rows, unsigned which, unsigned count) {
    Value all = emit.reshape(rows, {batch, pieces, emit.dimension(count), units});
    return emit.squeezeAxes(emit.slice(all, 2, emit.dimension(which), emit.dimension(1)), {2});
  }
  /// [.., H] -> [.., pieces, units].
  Value unitsOf(Value tensor) {
    Dims dims = emit.dims(tensor);
    dims.back() = pieces;
    dims.push_back(units);
    return emit.reshape(tensor, dims);
  }
  /// [B, K] x [1, K, N] -> [B, N].
  Value product(Value lhs, Value rhs) { return emit.squeezeAxes(emit.contract(emit.expandAxes(lhs, {0}), rhs), {0}); }
  /// The matrix of one direction, transposed: [1, K, gates * H].
  Value transposed(Value weights, unsigned direction) {
    return emit.transpose(emit.slice(weights, 0, emit.dimension(direction), emit.dimension(1)), {0, 2, 1});
  }
  /// The two halves of the bias of a direction, or nulls.
  std::pair<Value, Value> biases(unsigned direction);
  Value sum(Value a, Value b) {
    return emit.elementwise({a, b}, element, [](OpBuilder &builder, Location loc, ValueRange v) {
      return arith::AddFOp::create(builder, loc, v[0], v[1]).getResult();
    });
  }
  /// One elementwise operation over [B, pieces, units]; operands of rank 2 have no B. Results overwrite `inits`, [B, H].
  /// The state stays and the row of Y is zero past the end of a sequence; `numNew` of the results are states, the rest
  /// is as computed.
  SmallVector<Value> cell(ValueRange operands, ValueRange inits, unsigned numNew, CellBody body);
  /// Limits what goes into an activation.
  Value clipped(OpBuilder &b, Location loc, Value x) const {
    if (clip <= 0)
      return x;
    Value high = arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), clip));
    Value low = arith::ConstantOp::create(b, loc, b.getFloatAttr(x.getType(), -clip));
    return arith::MaximumFOp::create(b, loc, arith::MinimumFOp::create(b, loc, x, high), low);
  }
  Value activate(OpBuilder &b, Location loc, unsigned which, Value x) const {
    return activations[activationBase + which].apply(b, loc, clipped(b, loc, x));
  }
  /// `tensor` with dimensions that are checked to be `dims`; sets `misfit` if they cannot be.
  Value conform(Value tensor, ArrayRef<OpFoldResult> dims, StringRef what);

  Node &node;
  Emitter &emit;
  unsigned numGates, numStates, numDirections = 1;
  bool batchFirst = false, firstIsReverse = false, misfit = false;
  double clip = 0;
  Type element, resultElement;
  Value x, weights, recurrence, bias, lengths;
  OpFoldResult steps, batch, inputs, hidden;
  OpFoldResult pieces, units; // of the hidden state, and of a piece
  SmallVector<Activation> activations;
  unsigned activationBase = 0;
  /// The step that is being computed.
  Value position;
};
} // namespace

/// Units of a piece, if as many divide the hidden state: a cache line of f32.
static constexpr int64_t kUnitsOfPiece = 16;

Value Recurrent::inPieces(Value tensor, unsigned count) {
  if (count == 1)
    return tensor;
  Dims flat = emit.dims(tensor), apart(flat);
  apart.pop_back();
  llvm::append_values(apart, emit.dimension(count), pieces, units);
  auto order = llvm::to_vector(llvm::seq<int64_t>(apart.size()));
  std::swap(order[order.size() - 2], order[order.size() - 3]);
  return emit.reshape(emit.transpose(emit.reshape(tensor, apart), order), flat);
}

Value Recurrent::conform(Value tensor, ArrayRef<OpFoldResult> dims, StringRef what) {
  Dims own = emit.dims(tensor);
  if (own.size() != dims.size()) {
    (void)node.refuse(what + " has rank " + Twine(own.size()) + ", expected " + Twine(dims.size()));
    misfit = true;
    return tensor;
  }
  for (auto [have, need] : llvm::zip(own, dims)) {
    if (Emitter::same(have, need))
      continue;
    auto haveSize = getConstantIntValue(have), needSize = getConstantIntValue(need);
    if (haveSize && needSize) {
      (void)node.refuse(what + " has " + Twine(*haveSize) + " entries along a dimension, expected " + Twine(*needSize));
      misfit = true;
      return tensor;
    }
    node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(have), emit.asValue(need)),
                 "the shape of " + what + " does not fit the other inputs");
  }
  return emit.withDims(emit.castToDims(tensor, dims), dims);
}

LogicalResult Recurrent::read(ArrayRef<StringRef> defaultActivations) {
  for (unsigned i : {0u, 1u, 2u}) {
    if (!node.hasInput(i))
      return node.refuse("input " + Twine(i) + " is missing");
    if (Emitter::rank(node.input(i)) != 3)
      return node.refuse("input " + Twine(i) + " has rank " + Twine(Emitter::rank(node.input(i))) + ", expected 3");
  }
  resultElement = Emitter::elementType(node.input(0));
  element = resultElement.isF64() ? resultElement : emit.getF32Type();
  StringRef direction = node.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return node.refuse("unknown direction '" + direction + "'");
  numDirections = direction == "bidirectional" ? 2 : 1;
  firstIsReverse = direction == "reverse";
  batchFirst = node.getInt("layout", 0) != 0;
  clip = node.getFloat("clip", 0);
  auto read = readActivations(node, defaultActivations, numDirections);
  if (failed(read))
    return failure();
  activations = *read;

  x = emit.castElements(node.input(0), element);
  if (batchFirst)
    x = emit.transpose(x, {1, 0, 2});
  weights = emit.castElements(node.input(1), element);
  recurrence = emit.castElements(node.input(2), element);
  steps = emit.dim(x, 0);
  batch = emit.dim(x, 1);
  inputs = emit.dim(x, 2);
  hidden = emit.dim(recurrence, 2);
  auto known = getConstantIntValue(hidden);
  units = known && *known > 0 && *known % kUnitsOfPiece == 0 ? emit.dimension(kUnitsOfPiece) : hidden;
  pieces = units == hidden ? emit.dimension(1) : emit.dimension(*known / kUnitsOfPiece);
  OpFoldResult rows = emit.mul(hidden, emit.dimension(numGates));
  weights = conform(weights, {emit.dimension(numDirections), rows, inputs}, "W");
  recurrence = conform(recurrence, {emit.dimension(numDirections), rows, hidden}, "R");
  if (node.hasInput(3)) {
    bias = emit.castElements(node.input(3), element);
    bias = conform(bias, {emit.dimension(numDirections), emit.mul(rows, emit.dimension(2))}, "B");
  }
  if (node.hasInput(4))
    lengths = conform(node.input(4), {batch}, "sequence_lens");
  return success(!misfit);
}

std::pair<Value, Value> Recurrent::biases(unsigned direction) {
  if (!bias)
    return {};
  Value own = takeRow(emit, bias, 0, emit.dimension(direction));
  return {gates(own, 0, 0, numGates), gates(own, 0, numGates, numGates)};
}

SmallVector<Value> Recurrent::cell(ValueRange operands, ValueRange inits, unsigned numNew, CellBody body) {
  SmallVector<AffineMap> maps;
  // Pieces come first, so that they are what threads share.
  AffineExpr piece, row, unit;
  bindDims(emit.getContext(), piece, row, unit);
  auto map = [&](ArrayRef<AffineExpr> results) { return AffineMap::get(3, 0, results, emit.getContext()); };
  SmallVector<Value> ins(operands), outs;
  for (Value init : inits)
    outs.push_back(unitsOf(init));
  for (Value operand : operands)
    maps.push_back(Emitter::rank(operand) == 3 ? map({row, piece, unit}) : map({piece, unit}));
  if (lengths) {
    ins.push_back(lengths);
    maps.push_back(map({row}));
    outs.push_back(emit.empty({batch, pieces, units}, element));
  }
  maps.append(outs.size(), map({row, piece, unit}));
  SmallVector<utils::IteratorType> iterators(3, utils::IteratorType::parallel);
  Value now = lengths ? emit.asInteger(position, Emitter::elementType(lengths)) : Value();
  auto op = linalg::GenericOp::create(
      emit, TypeRange(ValueRange(outs)), ins, outs, maps, iterators, [&](OpBuilder &b, Location loc, ValueRange v) {
        SmallVector<Value> arguments(v.take_front(operands.size()));
        ValueRange old = v.drop_front(ins.size()).take_front(inits.size());
        llvm::append_range(arguments, old);
        SmallVector<Value> results = body(b, loc, arguments);
        if (lengths) {
          Value active = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, now, v[operands.size()]);
          Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
          results.push_back(arith::SelectOp::create(b, loc, active, results[0], zero));
          for (unsigned i = 0; i < numNew; ++i)
            results[i] = arith::SelectOp::create(b, loc, active, results[i], old[i]);
        }
        linalg::YieldOp::create(b, loc, results);
      });
  SmallVector<Value> results;
  for (auto [result, init] : llvm::zip(op.getResults(), outs))
    results.push_back(emit.reshape(emit.withDims(result, emit.dims(init)), {batch, hidden}));
  return results;
}

LogicalResult Recurrent::lower() {
  bool wantsAll = node.wantsOutput(0);
  SmallVector<SmallVector<Value>> finals(numStates);
  Value all;
  Dims allDims{steps, emit.dimension(numDirections), batch, hidden};
  if (wantsAll)
    all = emit.empty(allDims, element);
  Value flat = emit.reshape(x, {emit.dimension(1), emit.mul(steps, batch), inputs});

  for (unsigned direction = 0; direction < numDirections; ++direction) {
    bool reverse = direction == 1 || firstIsReverse;
    activationBase = direction * (activations.size() / numDirections);
    Value ahead = emit.contract(flat, inPieces(transposed(weights, direction), numGates));
    OpFoldResult width = emit.mul(hidden, emit.dimension(numGates));
    Value added = prepare(direction);
    if (misfit)
      return failure();
    if (added)
      ahead = sum(ahead, added);
    ahead = emit.reshape(ahead, {steps, batch, width});

    Iteration iteration;
    iteration.bound = steps;
    for (unsigned i = 0; i < numStates; ++i) {
      Dims dims{batch, hidden};
      if (!node.hasInput(5 + i)) {
        iteration.initial.push_back(emit.fill(dims, emit.constant(element, 0.0)));
        continue;
      }
      Value given = emit.castElements(node.input(5 + i), element);
      if (batchFirst && Emitter::rank(given) == 3)
        given = emit.transpose(given, {1, 0, 2});
      given = conform(given, {emit.dimension(numDirections), batch, hidden}, i == 0 ? "initial_h" : "initial_c");
      if (misfit)
        return failure();
      Value own = emit.squeezeAxes(emit.slice(given, 0, emit.dimension(direction), emit.dimension(1)), {0});
      iteration.initial.push_back(own);
    }
    if (wantsAll)
      iteration.initial.push_back(all);
    auto body = [&](Value index, ValueRange carried) -> FailureOr<IterationStep> {
      position = index;
      if (reverse)
        position = emit.asValue(emit.sub(emit.sub(steps, emit.dimension(1)), index));
      SmallVector<Value> states = step(takeRow(emit, ahead, 0, position), carried.take_front(numStates));
      IterationStep result;
      result.carried = llvm::to_vector(ArrayRef<Value>(states).take_front(numStates));
      if (wantsAll) {
        Value row = emit.expandAxes(lengths ? states.back() : states.front(), {0, 1});
        Dims offsets{position, emit.dimension(direction), emit.dimension(0), emit.dimension(0)};
        result.carried.push_back(emit.insert(row, carried.back(), offsets));
      }
      return result;
    };
    iteration.step = body;
    auto results = emitIteration(node, iteration);
    if (failed(results))
      return failure();
    for (unsigned i = 0; i < numStates; ++i)
      finals[i].push_back(emit.expandAxes((*results)[i], {0}));
    if (wantsAll)
      all = results->back();
  }

  if (wantsAll) {
    if (batchFirst)
      all = emit.transpose(all, {2, 0, 1, 3});
    node.setOutput(0, emit.castElements(all, resultElement));
  }
  for (unsigned i = 0; i < numStates; ++i) {
    if (!node.wantsOutput(1 + i))
      continue;
    Value state = emit.concat(finals[i], 0);
    if (batchFirst)
      state = emit.transpose(state, {1, 0, 2});
    node.setOutput(1 + i, emit.castElements(state, resultElement));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// LSTM
//===----------------------------------------------------------------------===//

namespace {
/// Gates in the order input, output, forget, cell; states h and c.
class LSTM : public Recurrent {
public:
  explicit LSTM(Node &node) : Recurrent(node, 4, 2) {}

private:
  Value prepare(unsigned direction) override {
    matrix = inPieces(transposed(recurrence, direction), numGates);
    peepholes.clear();
    if (node.hasInput(7)) {
      Value own = emit.castElements(node.input(7), element);
      own = conform(own, {emit.dimension(numDirections), emit.mul(hidden, emit.dimension(3))}, "P");
      if (misfit)
        return {};
      own = takeRow(emit, own, 0, emit.dimension(direction));
      for (unsigned i = 0; i < 3; ++i)
        peepholes.push_back(unitsOf(gates(own, 0, i)));
    }
    coupled = node.getInt("input_forget", 0) != 0;
    auto [byInput, byState] = biases(direction);
    return byInput ? inPieces(sum(byInput, byState), numGates) : Value();
  }

  SmallVector<Value> step(Value input, ValueRange states) override {
    Value byState = product(states[0], matrix);
    SmallVector<Value> operands;
    for (unsigned gate = 0; gate < 4; ++gate)
      operands.push_back(gateOf(input, gate, 4));
    for (unsigned gate = 0; gate < 4; ++gate)
      operands.push_back(gateOf(byState, gate, 4));
    llvm::append_range(operands, peepholes);
    return cell(operands, states, 2, [&](OpBuilder &b, Location loc, ValueRange v) {
      auto add = [&](Value l, Value r) { return arith::AddFOp::create(b, loc, l, r).getResult(); };
      auto mul = [&](Value l, Value r) { return arith::MulFOp::create(b, loc, l, r).getResult(); };
      auto peep = [&](Value sum, unsigned which, Value state) {
        return peepholes.empty() ? sum : add(sum, mul(v[8 + which], state));
      };
      Value old = v.back();
      Value i = activate(b, loc, 0, peep(add(v[0], v[4]), 0, old));
      Value f;
      if (coupled)
        f = arith::SubFOp::create(b, loc, arith::ConstantOp::create(b, loc, b.getFloatAttr(element, 1)), i);
      else
        f = activate(b, loc, 0, peep(add(v[2], v[6]), 2, old));
      Value c = activate(b, loc, 1, add(v[3], v[7]));
      Value now = add(mul(f, old), mul(i, c));
      Value o = activate(b, loc, 0, peep(add(v[1], v[5]), 1, now));
      Value h = mul(o, activations[activationBase + 2].apply(b, loc, now)); // not clipped, as ONNX Runtime has it
      return SmallVector<Value>{h, now};
    });
  }

  Value matrix;
  /// Input, output, forget.
  SmallVector<Value> peepholes;
  bool coupled = false;
};

//===----------------------------------------------------------------------===//
// GRU
//===----------------------------------------------------------------------===//

/// Gates in the order update, reset, hidden; state h.
class GRU : public Recurrent {
public:
  explicit GRU(Node &node) : Recurrent(node, 3, 1) {}

private:
  Value prepare(unsigned direction) override {
    linearBeforeReset = node.getInt("linear_before_reset", 0) != 0;
    matrix = transposed(recurrence, direction);
    hiddenMatrix = {};
    hiddenBias = {};
    if (!linearBeforeReset) {
      hiddenMatrix = gates(matrix, 2, 2);
      matrix = gates(matrix, 2, 0, 2);
    }
    matrix = inPieces(matrix, linearBeforeReset ? 3 : 2);
    auto [byInput, byState] = biases(direction);
    if (!byInput)
      return {};
    if (!linearBeforeReset)
      return inPieces(sum(byInput, byState), 3);
    hiddenBias = unitsOf(gates(byState, 0, 2));
    return inPieces(emit.concat({sum(gates(byInput, 0, 0, 2), gates(byState, 0, 0, 2)), gates(byInput, 0, 2)}, 0), 3);
  }

  /// `(1 - z) * candidate + z * old`.
  static Value blend(OpBuilder &b, Location loc, Value z, Value candidate, Value old) {
    Value one = arith::ConstantOp::create(b, loc, b.getFloatAttr(z.getType(), 1));
    Value fresh = arith::MulFOp::create(b, loc, arith::SubFOp::create(b, loc, one, z), candidate);
    return arith::AddFOp::create(b, loc, fresh, arith::MulFOp::create(b, loc, z, old));
  }

  SmallVector<Value> step(Value input, ValueRange states) override {
    Value h = states[0], byState = product(h, matrix);
    SmallVector<Value> operands;
    auto add = [](OpBuilder &b, Location loc, Value l, Value r) {
      return arith::AddFOp::create(b, loc, l, r).getResult();
    };
    if (linearBeforeReset) {
      for (unsigned gate = 0; gate < 3; ++gate)
        operands.push_back(gateOf(input, gate, 3));
      for (unsigned gate = 0; gate < 3; ++gate)
        operands.push_back(gateOf(byState, gate, 3));
      if (hiddenBias)
        operands.push_back(hiddenBias);
      return cell(operands, states, 1, [&](OpBuilder &b, Location loc, ValueRange v) {
        Value z = activate(b, loc, 0, add(b, loc, v[0], v[3]));
        Value r = activate(b, loc, 0, add(b, loc, v[1], v[4]));
        Value linear = hiddenBias ? add(b, loc, v[5], v[6]) : v[5];
        Value candidate = activate(b, loc, 1, add(b, loc, v[2], arith::MulFOp::create(b, loc, r, linear).getResult()));
        return SmallVector<Value>{blend(b, loc, z, candidate, v.back())};
      });
    }
    // The product with the state needs the reset gate first.
    Dims dims{batch, hidden};
    operands = {gateOf(input, 1, 3), gateOf(byState, 1, 2), unitsOf(h)};
    Value reset = reuse([&] {
      return cell(operands, emit.empty(dims, element), 0, [&](OpBuilder &b, Location loc, ValueRange v) {
        Value r = activate(b, loc, 0, add(b, loc, v[0], v[1]));
        return SmallVector<Value>{arith::MulFOp::create(b, loc, r, v[2])};
      });
    });
    Value candidate = product(reset, hiddenMatrix);
    operands = {gateOf(input, 0, 3), gateOf(byState, 0, 2), gateOf(input, 2, 3), unitsOf(candidate)};
    return cell(operands, states, 1, [&](OpBuilder &b, Location loc, ValueRange v) {
      Value z = activate(b, loc, 0, add(b, loc, v[0], v[1]));
      return SmallVector<Value>{blend(b, loc, z, activate(b, loc, 1, add(b, loc, v[2], v[3])), v.back())};
    });
  }

  /// A cell whose result is not a state: sequence lengths do not concern it.
  Value reuse(llvm::function_ref<SmallVector<Value>()> build) {
    Value kept = lengths;
    lengths = {};
    Value result = build()[0];
    lengths = kept;
    return result;
  }

  Value matrix, hiddenMatrix, hiddenBias;
  bool linearBeforeReset = false;
};

//===----------------------------------------------------------------------===//
// RNN
//===----------------------------------------------------------------------===//

class RNN : public Recurrent {
public:
  explicit RNN(Node &node) : Recurrent(node, 1, 1) {}

private:
  Value prepare(unsigned direction) override {
    matrix = transposed(recurrence, direction);
    auto [byInput, byState] = biases(direction);
    return byInput ? sum(byInput, byState) : Value();
  }

  SmallVector<Value> step(Value input, ValueRange states) override {
    return cell({unitsOf(input), unitsOf(product(states[0], matrix))}, states, 1, [&](OpBuilder &b, Location loc, ValueRange v) {
      return SmallVector<Value>{activate(b, loc, 0, arith::AddFOp::create(b, loc, v[0], v[1]))};
    });
  }

  Value matrix;
};
} // namespace

static LogicalResult lowerLSTM(Node &node) {
  LSTM lstm(node);
  return failed(lstm.read({"Sigmoid", "Tanh", "Tanh"})) ? failure() : lstm.lower();
}

static LogicalResult lowerGRU(Node &node) {
  GRU gru(node);
  return failed(gru.read({"Sigmoid", "Tanh"})) ? failure() : gru.lower();
}

static LogicalResult lowerRNN(Node &node) {
  RNN rnn(node);
  return failed(rnn.read({"Tanh"})) ? failure() : rnn.lower();
}

void ac::populateRecurrentLowerings(LoweringTable &table) {
  table.add("LSTM", lowerLSTM);
  table.add("GRU", lowerGRU);
  table.add("RNN", lowerRNN);
}
