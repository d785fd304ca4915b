//===- Iteration.cpp - Loops with carried and stacked tensors -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The types of carried tensors are not known before the body is: a dimension may be the same in all iterations or not.
// So the body is lowered on trial, at first as if no dimension changed. Dimensions of which this turns out not to be
// proven become index values that travel with the tensors, equal ones together, and the body is lowered again, until
// nothing new turns up. The body of the last trial then becomes the body of the loop.
//
// Tensors with a single element travel as scalars. Tensors whose dimensions do not change are written back into the
// buffer in which they came, so that a loop owns a fixed set of buffers.
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Iteration.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mlir::ac;

namespace {

/// A tensor on its way through the iterations.
struct Carried {
  Value initial;
  Dims dims;
  /// For each dimension the number of the travelling size that it is, or -1 if it never changes.
  SmallVector<int> travelling;

  bool isFixed() const {
    return llvm::all_of(travelling, [](int size) { return size < 0; });
  }
  bool isScalar() const { return isFixed() && hasOneElement(initial.getType()); }
};

/// A stacked output while its loop is emitted.
struct Stack {
  Value row;
  int64_t axis;
  Dims rowDims;
  /// Size known before the loop; otherwise the buffer grows.
  bool preallocated;
  /// The sizes of a row that are not known before the loop: -1, or the number of an index among the loop's results.
  SmallVector<int> travelling;
  Value buffer;
  unsigned bufferNumber;
};

class IterationEmitter {
public:
  IterationEmitter(Node &node, const Iteration &iteration) : node(node), emit(node.emit), iteration(iteration) {}

  FailureOr<SmallVector<Value>> run();

private:
  LogicalResult lowerOnTrial();
  LogicalResult check();
  bool refine();
  bool isKnownBefore(OpFoldResult size);
  void carry(Type type, Value initial, Value next);
  LogicalResult carryStack(size_t number);
  void writeBack();
  Value grow(Stack &stack, OpFoldResult needed);
  OpFoldResult create(Value proceed);

  Dims currentDims(const Carried &tensor, ArrayRef<Value> sizes) {
    Dims dims = tensor.dims;
    for (auto [dim, number] : llvm::zip(dims, tensor.travelling))
      if (number >= 0)
        dim = sizes[number];
    return dims;
  }

  Node &node;
  Emitter &emit;
  const Iteration &iteration;

  SmallVector<Carried> tensors;
  /// The values of the travelling sizes before the loop.
  Dims initialSizes;

  // The trial.
  scf::ForOp trial;
  Block *body = nullptr;
  SmallVector<Value> sizeArguments;
  IterationStep step;

  // The loop.
  /// Whether the number of iterations is known when the loop begins.
  bool counted = false;
  SmallVector<Value> inits, nexts;
  SmallVector<Stack> stacks;
  SmallVector<Value> results;
};

} // namespace

/// Emits the body into a fresh loop without results, whose block arguments are the index, the tensors, the sizes.
LogicalResult IterationEmitter::lowerOnTrial() {
  Value zero = emit.constantIndex(0), one = emit.constantIndex(1);
  trial = scf::ForOp::create(emit, zero, zero, one);
  body = trial.getBody();
  body->clear();
  OpBuilder::InsertionGuard guard(emit);
  emit.setInsertionPointToEnd(body);

  SmallVector<Value> arguments;
  for (const Carried &tensor : tensors) {
    Type element = Emitter::elementType(tensor.initial);
    SmallVector<int64_t> shape(Emitter::tensorType(tensor.dims, element).getShape());
    for (auto [size, number] : llvm::zip(shape, tensor.travelling))
      if (number >= 0)
        size = ShapedType::kDynamic;
    Type type = tensor.isScalar() ? element : Type(RankedTensorType::get(shape, element));
    arguments.push_back(body->addArgument(type, emit.getLoc()));
  }
  sizeArguments.clear();
  for (size_t i = 0; i < initialSizes.size(); ++i)
    sizeArguments.push_back(body->addArgument(emit.getIndexType(), emit.getLoc()));

  for (auto [tensor, argument] : llvm::zip(tensors, arguments)) {
    if (tensor.isScalar())
      argument = emit.fromElements(Emitter::type(tensor.initial).getShape(), argument.getType(), argument);
    emit.withDims(argument, currentDims(tensor, sizeArguments));
  }
  auto lowered = iteration.step(trial.getInductionVar(), arguments);
  if (failed(lowered))
    return failure();
  step = std::move(*lowered);
  return check();
}

LogicalResult IterationEmitter::check() {
  assert(step.carried.size() == tensors.size() && step.stacked.size() == iteration.stacked.size());
  for (Value value : llvm::concat<Value>(step.carried, step.stacked))
    if (!isa<RankedTensorType>(value.getType()))
      return node.refuse("the body gives a sequence or optional, expected a tensor");
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    RankedTensorType before = Emitter::type(tensor.initial), after = Emitter::type(step.carried[i]);
    if (before.getRank() != after.getRank() || before.getElementType() != after.getElementType())
      return node.refuse("carried value " + Twine(i) + " begins as " + typeText(before) + " and the body makes it " +
                         typeText(after) + "; its rank and element type must stay the same");
  }
  return success();
}

/// Groups the dimensions that were not proven to stay the same; true if the grouping is finer than before.
bool IterationEmitter::refine() {
  struct Group {
    int before;
    OpFoldResult initial, next;
  };
  SmallVector<Group> groups;
  SmallVector<SmallVector<int>> travelling;
  bool changed = false;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    SmallVector<int> &numbers = travelling.emplace_back();
    Dims next = emit.dims(step.carried[i]);
    for (auto [axis, before] : llvm::enumerate(tensor.travelling)) {
      if (before < 0 && Emitter::same(next[axis], tensor.dims[axis])) {
        numbers.push_back(-1);
        continue;
      }
      auto found = llvm::find_if(groups, [&, tensor = &tensor, axis = axis, before = before](const Group &group) {
        return group.before == before && Emitter::same(group.initial, tensor->dims[axis]) &&
               Emitter::same(group.next, next[axis]);
      });
      numbers.push_back(found - groups.begin());
      if (found == groups.end())
        groups.push_back({before, tensor.dims[axis], next[axis]});
    }
  }
  changed = groups.size() != initialSizes.size();
  initialSizes.clear();
  for (const Group &group : groups)
    initialSizes.push_back(group.initial);
  for (auto [tensor, numbers] : llvm::zip(tensors, travelling))
    tensor.travelling = numbers;
  return changed;
}

/// Whether `size` has a value before the loop, moving its computation there if that is all it takes.
bool IterationEmitter::isKnownBefore(OpFoldResult size) {
  auto value = dyn_cast<Value>(size);
  if (!value || !trial.getRegion().isAncestor(value.getParentRegion()))
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions() != 0 || !isPure(op) || !value.getType().isIntOrIndex())
    return false;
  if (!llvm::all_of(op->getOperands(), [&](Value operand) { return isKnownBefore(operand); }))
    return false;
  op->moveBefore(trial);
  return true;
}

void IterationEmitter::carry(Type type, Value initial, Value next) {
  assert(initial.getType() == type && next.getType() == type);
  inits.push_back(initial);
  nexts.push_back(next);
}

/// The value whose buffer `value` is computed into, step by step, or is a view of; null if that is not clear.
static Value getDestination(Value value) {
  while (auto result = dyn_cast<OpResult>(value)) {
    Operation *op = result.getOwner();
    if (auto destination = dyn_cast<DestinationStyleOpInterface>(op)) {
      value = destination.getTiedOpOperand(result)->get();
    } else if (auto copy = dyn_cast<bufferization::MaterializeInDestinationOp>(op)) {
      value = copy.getDest();
    } else if (isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      value = op->getOperand(0);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      unsigned number = result.getResultNumber();
      if (getDestination(loop.getYieldedValues()[number]) != loop.getRegionIterArg(number))
        return {};
      value = loop.getInitArgs()[number];
    } else {
      return isa<tensor::EmptyOp>(op) ? value : Value();
    }
  }
  return value;
}

/// Has fresh tensors copied into the buffers in which their predecessors came, so that these serve for the whole loop.
/// The copy goes once the producer writes there directly. Nothing is done where one of these buffers could be read
/// after it was written over: all tensors must be fresh, each in a buffer of its own, or written over their
/// predecessors.
void IterationEmitter::writeBack() {
  SmallVector<Value> destinations;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    if (tensor.isScalar())
      continue;
    Value destination = getDestination(nexts[i]);
    if (!destination || llvm::is_contained(destinations, destination))
      return;
    bool isFresh = destination.getDefiningOp<tensor::EmptyOp>() && destination.getParentBlock() == body;
    if (!isFresh && destination != body->getArgument(1 + i))
      return;
    destinations.push_back(destination);
  }
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Value argument = body->getArgument(1 + i);
    if (tensor.isFixed() && !tensor.isScalar() && getDestination(nexts[i]) != argument)
      nexts[i] = bufferization::MaterializeInDestinationOp::create(emit, nexts[i], argument).getResult();
  }
}

/// Makes room for row `needed` and whatever it takes to get there in a buffer that is doubled when it is full.
Value IterationEmitter::grow(Stack &stack, OpFoldResult needed) {
  Location loc = emit.getLoc();
  auto type = cast<RankedTensorType>(stack.buffer.getType());
  Value capacity = tensor::DimOp::create(emit, stack.buffer, 0);
  Value full = arith::CmpIOp::create(emit, arith::CmpIPredicate::sge, emit.asValue(needed), capacity);
  Dims dims = stack.rowDims, filled = stack.rowDims;
  for (auto [size, number] : llvm::zip(filled, stack.travelling))
    if (number >= 0)
      size = body->getArgument(1 + number);
  auto result = scf::IfOp::create(
      emit, full,
      [&](OpBuilder &b, Location) {
        Value more = arith::ConstantIndexOp::create(b, loc, 16);
        if (counted)
          more = emit.asValue(iteration.bound);
        else
          more = arith::AddIOp::create(b, loc, more, arith::AddIOp::create(b, loc, capacity, capacity));
        SmallVector<Value> dynamic;
        SmallVector<OpFoldResult> sizes{emit.asValue(needed)};
        for (auto [axis, size] : llvm::enumerate(dims)) {
          sizes.push_back(folded(emit, filled[axis]));
          if (type.isDynamicDim(axis + 1))
            dynamic.push_back(getValueOrCreateConstantIndexOp(b, loc, size));
        }
        dynamic.insert(dynamic.begin(), more);
        Value fresh = tensor::EmptyOp::create(b, loc, type, dynamic);
        SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0)), strides(sizes.size(), b.getIndexAttr(1));
        Value old = tensor::ExtractSliceOp::create(b, loc, stack.buffer, offsets, sizes, strides);
        Value moved = tensor::InsertSliceOp::create(b, loc, old, fresh, offsets, sizes, strides);
        scf::YieldOp::create(b, loc, moved);
      },
      [&](OpBuilder &b, Location) { scf::YieldOp::create(b, loc, stack.buffer); });
  Dims all = dims;
  all.insert(all.begin(), OpFoldResult(tensor::DimOp::create(emit, result.getResult(0), 0).getResult()));
  return emit.withDims(result.getResult(0), all);
}

/// Carries the buffer of a stacked output through the loop.
LogicalResult IterationEmitter::carryStack(size_t number) {
  StackedOutput wanted = iteration.stacked[number];
  Stack &stack = stacks.emplace_back();
  stack.row = step.stacked[number];
  stack.rowDims = emit.dims(stack.row);
  int64_t rank = stack.rowDims.size() + 1;
  stack.axis = wanted.axis < 0 ? wanted.axis + rank : wanted.axis;
  if (stack.axis < 0 || stack.axis >= rank)
    return node.refuse("axis " + Twine(wanted.axis) + " of a stacked output of rank " + Twine(rank));
  bool known = true;
  SmallVector<bool> knownAxis;
  for (OpFoldResult size : stack.rowDims)
    known &= knownAxis.emplace_back(isKnownBefore(size));
  stack.preallocated = counted && known;
  Type element = Emitter::elementType(stack.row);
  Value index = trial.getInductionVar();

  if (stack.preallocated) {
    Dims dims = stack.rowDims;
    dims.insert(dims.begin() + stack.axis, iteration.bound);
    Value initial;
    {
      OpBuilder::InsertionGuard guard(emit);
      emit.setInsertionPoint(trial);
      initial = emit.empty(dims, element);
    }
    stack.buffer = body->addArgument(initial.getType(), emit.getLoc());
    stack.bufferNumber = nexts.size();
    emit.withDims(stack.buffer, dims);
    OpFoldResult position = index;
    if (wanted.reverse)
      position = emit.sub(emit.sub(iteration.bound, emit.getIndexAttr(1)), position);
    carry(initial.getType(), initial, putRow(emit, stack.row, stack.buffer, stack.axis, position));
    return success();
  }
  if (stack.axis != 0 || wanted.reverse)
    return node.refuse("a stacked output of which the element's shape is not known before the loop, along axis " +
                       Twine(stack.axis) + (wanted.reverse ? ", back to front" : ""));

  // Rows of unknown size: they must all have that of the first one.
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  SmallVector<Value> initialDynamic;
  OpBuilder::InsertPoint here = emit.saveInsertionPoint();
  emit.setInsertionPoint(trial);
  Value zero = emit.constantIndex(0);
  initialDynamic.push_back(zero);
  for (auto [axis, size] : llvm::enumerate(stack.rowDims)) {
    auto constant = getConstantIntValue(size);
    shape.push_back(constant.value_or(ShapedType::kDynamic));
    if (!constant)
      initialDynamic.push_back(knownAxis[axis] ? emit.asValue(size) : zero);
  }
  auto type = RankedTensorType::get(shape, element);
  Value initial = tensor::EmptyOp::create(emit, type, initialDynamic);
  emit.restoreInsertionPoint(here);

  stack.travelling.assign(stack.rowDims.size(), -1);
  for (auto [axis, size] : llvm::enumerate(stack.rowDims)) {
    if (knownAxis[axis])
      continue;
    Value current = emit.asValue(size);
    BlockArgument previous = body->addArgument(emit.getIndexType(), emit.getLoc());
    stack.travelling[axis] = nexts.size();
    Value isFirst = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, index, emit.constantIndex(0));
    Value agrees = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, previous, current);
    node.require(arith::OrIOp::create(emit, isFirst, agrees),
                 "iterations give rows of different shapes for stacked output " + std::to_string(number));
    carry(emit.getIndexType(), zero, current);
  }
  stack.buffer = body->addArgument(type, emit.getLoc());
  stack.bufferNumber = nexts.size();
  carry(type, initial, putRow(emit, stack.row, grow(stack, index), 0, index));
  return success();
}

/// Makes the loop from the body and what it carries, sets `results`, returns the number of iterations, and leaves the
/// emitter behind the loop.
OpFoldResult IterationEmitter::create(Value proceed) {
  // Upstream folds a cast of a static tensor into the type that `scf.for` carries, whether or not the body changes the
  // dimension (ForOpTensorCastFolder): what changes shape goes through `scf.while`.
  bool isFixed = llvm::all_of(tensors, [](const Carried &tensor) { return tensor.isFixed(); }) &&
                 llvm::all_of(stacks, [](const Stack &stack) { return stack.preallocated; });
  if (counted && isFixed) {
    scf::YieldOp::create(emit, nexts);
    emit.setInsertionPoint(trial);
    Value zero = emit.constantIndex(0), one = emit.constantIndex(1);
    OpFoldResult count = iteration.bound;
    if (iteration.enter)
      count = arith::SelectOp::create(emit, iteration.enter, emit.asValue(count), zero).getResult();
    auto loop = scf::ForOp::create(emit, zero, emit.asValue(count), one, inits);
    loop.getRegion().takeBody(trial.getRegion());
    trial.erase();
    emit.setInsertionPointAfter(loop);
    llvm::append_range(results, loop.getResults());
    return count;
  }

  // The index and the condition travel as well, behind the tensors; the condition is read before each iteration.
  auto orTrue = [&](Value condition) { return condition ? condition : emit.constant(emit.getI1Type(), 1); };
  nexts.push_back(arith::AddIOp::create(emit, trial.getInductionVar(), emit.constantIndex(1)));
  nexts.push_back(orTrue(proceed));
  scf::YieldOp::create(emit, nexts);
  trial.getInductionVar().replaceAllUsesWith(body->addArgument(emit.getIndexType(), emit.getLoc()));
  body->addArgument(emit.getI1Type(), emit.getLoc());
  body->eraseArgument(0);
  emit.setInsertionPoint(trial);
  inits.append({emit.constantIndex(0), orTrue(iteration.enter)});
  SmallVector<Location> locations(inits.size(), emit.getLoc());
  Value bound = iteration.bound ? emit.asValue(iteration.bound) : Value();
  auto loop = scf::WhileOp::create(emit, TypeRange(ValueRange(inits)), inits);
  {
    OpBuilder::InsertionGuard guard(emit);
    Block *before = emit.createBlock(&loop.getBefore(), {}, TypeRange(ValueRange(inits)), locations);
    Value index = before->getArguments().drop_back().back(), go = before->getArguments().back();
    if (bound)
      go = arith::AndIOp::create(emit, go, arith::CmpIOp::create(emit, arith::CmpIPredicate::slt, index, bound));
    scf::ConditionOp::create(emit, go, before->getArguments());
  }
  loop.getAfter().takeBody(trial.getRegion());
  trial.erase();
  emit.setInsertionPointAfter(loop);
  llvm::append_range(results, loop.getResults().drop_back(2));
  return loop.getResults().drop_back().back();
}

FailureOr<SmallVector<Value>> IterationEmitter::run() {
  for (Value initial : iteration.initial) {
    Dims dims = emit.dims(initial);
    tensors.push_back({initial, dims, SmallVector<int>(dims.size(), -1)});
  }
  while (true) {
    if (failed(lowerOnTrial())) {
      emit.discard(trial);
      return failure();
    }
    if (!refine())
      break;
    emit.discard(trial);
  }

  bool always = !step.proceed || matchPattern(step.proceed, m_One());
  counted = always && iteration.bound;

  OpBuilder::InsertionGuard guard(emit);
  emit.setInsertionPointToEnd(body);
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Value argument = body->getArgument(1 + i), next = step.carried[i], initial = tensor.initial;
    if (tensor.isScalar()) {
      OpBuilder::InsertionGuard outer(emit);
      next = emit.scalar(next);
      emit.setInsertionPoint(trial);
      initial = emit.scalar(initial);
    } else {
      Dims dims = currentDims(tensor, sizeArguments);
      next = emit.castToDims(next, dims);
      OpBuilder::InsertionGuard outer(emit);
      emit.setInsertionPoint(trial);
      initial = emit.castToDims(initial, dims);
    }
    carry(argument.getType(), initial, next);
  }
  for (size_t number = 0; number < initialSizes.size(); ++number) {
    Value next;
    for (auto [i, tensor] : llvm::enumerate(tensors))
      for (auto [axis, travelling] : llvm::enumerate(tensor.travelling))
        if (travelling == static_cast<int>(number) && !next)
          next = emit.asValue(emit.dim(step.carried[i], axis));
    OpBuilder::InsertionGuard outer(emit);
    emit.setInsertionPoint(trial);
    Value initial = emit.asValue(initialSizes[number]);
    carry(emit.getIndexType(), initial, next);
  }
  for (size_t number = 0; number < iteration.stacked.size(); ++number) {
    if (failed(carryStack(number))) {
      emit.discard(trial);
      return failure();
    }
  }
  // A loop of one iteration folds away, and what it carries comes straight from where it may not be written.
  if (!iteration.bound || getConstantIntValue(iteration.bound).value_or(2) > 1)
    writeBack();
  OpFoldResult count = create(step.proceed);

  // Make tensors of the results again.
  SmallVector<Value> outputs, sizes(results.begin() + tensors.size(),
                                    results.begin() + tensors.size() + initialSizes.size());
  for (auto [tensor, result] : llvm::zip(tensors, results)) {
    Value output = result;
    if (tensor.isScalar())
      output = emit.fromElements(Emitter::type(tensor.initial).getShape(), result.getType(), result);
    outputs.push_back(emit.withDims(output, currentDims(tensor, sizes)));
  }
  for (Stack &stack : stacks) {
    Value buffer = results[stack.bufferNumber];
    Dims dims = stack.rowDims;
    if (!stack.preallocated)
      for (auto [size, number] : llvm::zip(dims, stack.travelling))
        if (number >= 0)
          size = results[number];
    dims.insert(dims.begin() + stack.axis, stack.preallocated ? iteration.bound : count);
    buffer = emit.withDims(buffer, dims);
    if (!stack.preallocated || iteration.enter)
      buffer = emit.slice(buffer, stack.axis, OpFoldResult(emit.getIndexAttr(0)), count);
    outputs.push_back(buffer);
  }
  return outputs;
}

FailureOr<SmallVector<Value>> ac::emitIteration(Node &node, const Iteration &iteration) {
  return IterationEmitter(node, iteration).run();
}
