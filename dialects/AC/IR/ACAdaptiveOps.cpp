//===- ACAdaptiveOps.cpp - Verifiers of the adaptive `ac` operations ------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::ac;

static RankedTensorType ranked(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isOneElement(Type type, llvm::function_ref<bool(Type)> isElement) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() && tensor.getNumElements() == 1 && isElement(tensor.getElementType());
}

/// A region that takes and yields these types; `label` and `what` name the constraint and the region in the message.
static LogicalResult verifyRegion(Operation *op, Region &region, TypeRange takes, TypeRange yields, StringRef label,
                                  const Twine &what) {
  Block &block = region.front();
  Operation *yield = block.getTerminator();
  if (TypeRange(block.getArgumentTypes()) == takes && TypeRange(yield->getOperandTypes()) == yields)
    return success();
  return op->emitOpError() << "(" << label << ") has " << what << " from (" << block.getArgumentTypes() << ") to ("
                           << yield->getOperandTypes() << "), expected from (" << takes << ") to (" << yields << ")";
}

//===----------------------------------------------------------------------===//
// BudgetOp, CountOp
//===----------------------------------------------------------------------===//

LogicalResult BudgetOp::verify() {
  auto isNumber = [](Type type) { return type.isF32() || type.isInteger(64); };
  if (!isOneElement(getValue().getType(), isNumber))
    return emitOpError("(budget_c1) has a result of type ")
           << getValue().getType() << ", expected one element of type f32 or i64";
  double initial = getInitial().convertToDouble(), least = getLeast().convertToDouble(),
         most = getMost().convertToDouble();
  if (!(least <= initial && initial <= most))
    return emitOpError("(budget_c2) has the initial value ")
           << initial << " and the range [" << least << ", " << most << "], expected a value in the range";
  auto isAllowed = [](char c) { return llvm::isAlnum(c) || StringRef("._-/:").contains(c); };
  if (getName().empty() || !llvm::all_of(getName(), isAllowed))
    return emitOpError("(budget_c3) has the name '")
           << getName() << "', expected letters, digits, '.', '_', '-', '/' and ':'";
  return success();
}

LogicalResult CountOp::verify() {
  if (getSlot() >= getNames().size() || getFlops().size() != getNames().size())
    return emitOpError("(count_c1) has slot ") << getSlot() << ", " << getNames().size() << " names and "
                                               << getFlops().size() << " costs, expected as many costs as names and "
                                               << "a slot among them";
  for (int64_t flops : getFlops())
    if (flops < -1)
      return emitOpError("(count_c1) has the cost ") << flops << ", expected 0 or more, or -1 where it is not known";
  if (getOperation()->getParentOfType<ParallelOp>())
    return emitOpError("(count_c2) stands inside of 'ac.parallel', whose threads would count at the same time; count "
                       "before or behind the loop");
  return success();
}

//===----------------------------------------------------------------------===//
// DecideOp
//===----------------------------------------------------------------------===//

LogicalResult DecideOp::verify() {
  RankedTensorType scores = ranked(getScores()), stop = ranked(getStop());
  bool isCount = getRule() == StopRule::Value && scores.getElementType().isSignlessInteger() &&
                 scores.getElementTypeBitWidth() > 1;
  if ((!isa<FloatType>(scores.getElementType()) && !isCount) || scores.getRank() == 0 ||
      (getRule() == StopRule::Value && scores.getShape().back() != 1))
    return emitOpError("(decide_c1) has scores of type ")
           << scores << ", expected floating-point rows"
           << (getRule() == StopRule::Value ? " with a last dimension of one" : "");
  if (!isOneElement(getThreshold().getType(), [&](Type type) { return type == scores.getElementType(); }))
    return emitOpError("(decide_c2) has a threshold of type ")
           << getThreshold().getType() << ", expected one element of type " << scores.getElementType();
  bool wantsPrevious = getRule() == StopRule::Change;
  if (wantsPrevious != bool(getPrevious()) || (getPrevious() && getPrevious().getType() != scores)) {
    InFlightDiagnostic error = emitOpError("(decide_c3) has ");
    if (getPrevious())
      error << "previous scores of type " << getPrevious().getType();
    else
      error << "no previous scores";
    error << ", expected ";
    if (wantsPrevious)
      error << "some of type " << scores;
    else
      error << "none";
    return error << " for the rule " << stringifyStopRule(getRule());
  }
  SmallVector<int64_t> expected(scores.getShape());
  int64_t kept = getGranularity() == Granularity::Row ? scores.getRank() - 1 : getGranularity() == Granularity::Sample;
  for (int64_t axis = std::min(kept, scores.getRank() - 1); axis < scores.getRank(); ++axis)
    expected[axis] = 1;
  auto type = RankedTensorType::get(expected, IntegerType::get(getContext(), 1));
  if (stop.getElementType() != type.getElementType() || failed(verifyCompatibleShape(stop, type)) ||
      stop.getRank() != type.getRank())
    return emitOpError("(decide_c4) has a result of type ") << stop << ", expected " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// RouteOp
//===----------------------------------------------------------------------===//

LogicalResult RouteOp::verify() {
  RankedTensorType scores = ranked(getScores());
  if (!isa<FloatType>(scores.getElementType()) || scores.getRank() < 2 || getWeights().getType() != scores)
    return emitOpError("(route_c1) has scores of type ") << scores << " and weights of type " << getWeights().getType()
                                                         << ", expected one floating-point type of rank two or more";
  bool counts = getRule() == RouteRule::TopK || getRule() == RouteRule::ExpertChoice;
  auto isLimit = [&](Type type) { return counts ? type.isInteger(64) : type == scores.getElementType(); };
  bool wantsLimit = getRule() != RouteRule::ReLU;
  if (wantsLimit != bool(getLimit()) || (getLimit() && !isOneElement(getLimit().getType(), isLimit))) {
    InFlightDiagnostic error = emitOpError("(route_c2) has ");
    if (getLimit())
      error << "a limit of type " << getLimit().getType();
    else
      error << "no limit";
    if (!wantsLimit)
      return error << ", expected none for this rule";
    return error << ", expected one element of type "
                 << (counts ? Type(IntegerType::get(getContext(), 64)) : scores.getElementType());
  }
  if (static_cast<int64_t>(getCapacity()) < 0)
    return emitOpError("(route_c3) has the capacity ")
           << static_cast<int64_t>(getCapacity()) << ", expected zero or more";
  if (getBias()) {
    RankedTensorType bias = ranked(getBias());
    if (bias.getRank() != 1 || bias.getElementType() != scores.getElementType() ||
        bias.getDimSize(0) != scores.getShape().back())
      return emitOpError("(route_c4) has a bias of type ")
             << bias << ", expected " << RankedTensorType::get({scores.getShape().back()}, scores.getElementType());
  }
  return success();
}

//===----------------------------------------------------------------------===//
// MaskedRowsOp
//===----------------------------------------------------------------------===//

LogicalResult MaskedRowsOp::verify() {
  auto mask = cast<RankedTensorType>(getMask().getType());
  auto sameRank = [&](Type type) { return cast<RankedTensorType>(type).getRank() == mask.getRank(); };
  if (mask.getRank() == 0 || mask.getShape().back() != 1 || !llvm::all_of(getRows().getTypes(), sameRank) ||
      !llvm::all_of(getResultTypes(), sameRank))
    return emitOpError("(masked_rows_c1) has a mask of type ")
           << mask << ", expected a last dimension of one and the rank of the rows and results";
  if (!getOtherwise().empty() && getOtherwise().getTypes() != getResultTypes())
    return emitOpError("(masked_rows_c3) has rows of types ")
           << getOtherwise().getTypes() << " otherwise, expected " << getResultTypes();
  return success();
}

LogicalResult MaskedRowsOp::verifyRegions() {
  Block &block = getBody().front();
  Operation *yield = block.getTerminator();
  if (TypeRange(block.getArgumentTypes()) != TypeRange(getRows().getTypes()) ||
      TypeRange(yield->getOperandTypes()) != TypeRange(getResultTypes()))
    return emitOpError("(masked_rows_c2) has a body from ")
           << block.getArgumentTypes() << " to " << yield->getOperandTypes() << ", expected from "
           << getRows().getTypes() << " to " << getResultTypes();
  return success();
}

//===----------------------------------------------------------------------===//
// LearnerChainOp, MoeDispatchOp
//===----------------------------------------------------------------------===//

static bool allOfRank(TypeRange types, int64_t rank) {
  return llvm::all_of(types, [&](Type type) { return cast<RankedTensorType>(type).getRank() == rank; });
}

LogicalResult LearnerChainOp::verify() {
  RankedTensorType k = ranked(getK());
  if (!isa<IntegerType>(k.getElementType()) || k.getRank() == 0 || k.getShape().back() != 1 ||
      !allOfRank(getRows().getTypes(), k.getRank()) || !allOfRank(getResult().getType(), k.getRank()))
    return emitOpError("(learner_chain_c1) has a count of type ")
           << k << ", expected integers with a last dimension of one and the rank of the rows and the result";
  if (getLearners().empty())
    return emitOpError("(learner_chain_c2) has no learner, expected one or more");
  if (getMinK() > getLearners().size())
    return emitOpError("(learner_chain_c3) runs at least ")
           << static_cast<int64_t>(getMinK()) << " of " << getLearners().size() << " learners, expected 0 to "
           << getLearners().size();
  if (getResidual() && getResidual().getType() != getResult().getType())
    return emitOpError("(learner_chain_c4) has a residual of type ")
           << getResidual().getType() << ", expected " << getResult().getType();
  return success();
}

LogicalResult LearnerChainOp::verifyRegions() {
  for (auto [i, learner] : llvm::enumerate(getLearners()))
    if (failed(verifyRegion(*this, learner, getRows().getTypes(), getResult().getType(), "learner_chain_c2",
                            "learner " + Twine(i))))
      return failure();
  return success();
}

LogicalResult MoeDispatchOp::verify() {
  RankedTensorType weights = ranked(getWeights());
  if (getExperts().empty())
    return emitOpError("(moe_dispatch_c2) has no expert, expected one or more");
  if (!isa<FloatType>(weights.getElementType()) || weights.getRank() < 2 ||
      weights.getShape().back() != static_cast<int64_t>(getExperts().size()) ||
      !allOfRank(getRows().getTypes(), weights.getRank()) || !allOfRank(getResult().getType(), weights.getRank()))
    return emitOpError("(moe_dispatch_c1) has weights of type ")
           << weights << " for " << getExperts().size()
           << " experts, expected floating-point ones of rank two or more, the number of experts last, with the rank "
              "of "
              "the rows and the result";
  return success();
}

LogicalResult MoeDispatchOp::verifyRegions() {
  for (auto [i, expert] : llvm::enumerate(getExperts()))
    if (failed(verifyRegion(*this, expert, getRows().getTypes(), getResult().getType(), "moe_dispatch_c2",
                            "expert " + Twine(i))))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// ExitOp, SkipOp
//===----------------------------------------------------------------------===//

static bool isFlag(Type type) {
  return isOneElement(type, [](Type element) { return element.isInteger(1); });
}

LogicalResult ExitOp::verify() {
  if (!isFlag(getStop().getType()))
    return emitOpError("(exit_c1) has a decision of type ")
           << getStop().getType() << ", expected one element of type i1";
  return success();
}

LogicalResult ExitOp::verifyRegions() {
  if (failed(verifyRegion(*this, getEarly(), {}, getResultTypes(), "exit_c2", "an early region")))
    return failure();
  return verifyRegion(*this, getRest(), {}, getResultTypes(), "exit_c2", "a rest");
}

LogicalResult SkipOp::verify() {
  if (!isFlag(getActive().getType()))
    return emitOpError("(skip_c1) has a decision of type ")
           << getActive().getType() << ", expected one element of type i1";
  return success();
}

LogicalResult SkipOp::verifyRegions() {
  if (getOtherwise().getTypes() != TypeRange(getResultTypes()))
    return emitOpError("(skip_c2) has results of types ")
           << getResultTypes() << ", expected " << getOtherwise().getTypes();
  return verifyRegion(*this, getBody(), {}, getResultTypes(), "skip_c2", "a body");
}

//===----------------------------------------------------------------------===//
// HaltingLoopOp
//===----------------------------------------------------------------------===//

LogicalResult HaltingLoopOp::verify() {
  if (!isOneElement(getLimit().getType(), [](Type type) { return type.isInteger(64); }))
    return emitOpError("(halting_loop_c1) has a limit of type ")
           << getLimit().getType() << ", expected one element of type i64";
  return success();
}

LogicalResult HaltingLoopOp::verifyRegions() {
  SmallVector<Type> takes{RankedTensorType::get({}, IntegerType::get(getContext(), 64))};
  llvm::append_range(takes, getInit().getTypes());
  Block &running = getRunning().front();
  Operation *yield = running.getTerminator();
  auto mask = yield->getNumOperands() == 1 || (yield->getNumOperands() == 2 && isFlag(yield->getOperand(1).getType()))
                  ? dyn_cast<RankedTensorType>(yield->getOperand(0).getType())
                  : RankedTensorType();
  if (TypeRange(running.getArgumentTypes()) != TypeRange(takes) || !mask || !mask.getElementType().isInteger(1) ||
      mask.getRank() == 0 || mask.getShape().back() != 1)
    return emitOpError("(halting_loop_c2) has a running region from (")
           << running.getArgumentTypes() << ") to (" << yield->getOperandTypes() << "), expected from (" << takes
           << ") to one i1 tensor whose last dimension is one, and perhaps one element of type i1";
  if (TypeRange(getResultTypes()) != TypeRange(getInit().getTypes()))
    return emitOpError("(halting_loop_c3) has results of types ")
           << getResultTypes() << ", expected " << getInit().getTypes();
  if (failed(verifyRegion(*this, getBody(), takes, getInit().getTypes(), "halting_loop_c3", "a body")))
    return failure();
  if (getRows().size() != getInit().size())
    return emitOpError("(halting_loop_c4) marks ") << getRows().size() << " carried values of " << getInit().size();
  ArrayRef<int64_t> leading = mask.getShape().drop_back();
  for (auto [i, value] : llvm::enumerate(getInit())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!getRows()[i])
      continue;
    int64_t rank = type.getRank();
    if ((rank != mask.getRank() && rank != mask.getRank() - 1) ||
        failed(verifyCompatibleShape(type.getShape().take_front(leading.size()), leading)))
      return emitOpError("(halting_loop_c4) carries value ")
             << i << " of type " << type << " by rows, expected the rows of the mask, which is " << mask;
  }
  return success();
}
