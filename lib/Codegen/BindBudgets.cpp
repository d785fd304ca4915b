//===- BindBudgets.cpp - Budgets and counters of a run --------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A budget does not change during a run: all are read once, at the entry, and reach parallel loops as captured scalars.
// Counters are added to where the operations stand. Both are numbered by name, in the order of the program.
//
//===----------------------------------------------------------------------===//
#include "Codegen/BindBudgets.h"
#include "Codegen/HostCalls.h"
#include "Support/NodeName.h"
#include "dialects/AC/IR/ACDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::ac;

namespace {

// Offsets in AcCall.
constexpr int64_t kCallBudgets = 24, kCallCounters = 32;
/// Up to here every whole number is a double.
constexpr double kLargestWhole = 9007199254740992.0;

/// `node 'exit3'`, or where the operation was read from.
std::string nodeText(Operation *op) {
  if (StringRef node = nodeNameOf(op->getLoc()); !node.empty())
    return "node '" + node.str() + "'";
  std::string text;
  llvm::raw_string_ostream os(text);
  op->getLoc().print(os);
  return text;
}

std::string numberText(const llvm::APFloat &number) {
  SmallString<32> text;
  number.toString(text, /*FormatPrecision=*/6);
  return text.str().str();
}

std::string rangeText(ReadBudgetOp op) {
  return "[" + numberText(op.getLeast()) + ", " + numberText(op.getMost()) + "]";
}

/// Refuses `op`, which has the name of `first` and differs from it in `what`.
LogicalResult refuse(Operation *op, Operation *first, StringRef kind, StringRef name, StringRef what,
                     const std::string &seen, const std::string &expected) {
  InFlightDiagnostic error = op->emitError();
  error << nodeText(op) << ": " << kind << " '" << name << "' has " << what << " " << seen << ", but " << expected
        << " at " << nodeText(first) << "; what has one name must be one " << kind << ": rename one of them";
  error.attachNote(first->getLoc()) << "the other is here";
  return failure();
}

std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

LogicalResult checkSame(ReadBudgetOp op, ReadBudgetOp first) {
  auto refuseIn = [&](StringRef what, const std::string &seen, const std::string &expected) {
    return refuse(op, first, "budget", op.getName(), what, seen, expected);
  };
  if (op.getType() != first.getType())
    return refuseIn("the type", typeText(op.getType()), typeText(first.getType()));
  if (op.getInitialAttr() != first.getInitialAttr())
    return refuseIn("the initial value", numberText(op.getInitial()), numberText(first.getInitial()));
  if (op.getLeastAttr() != first.getLeastAttr() || op.getMostAttr() != first.getMostAttr())
    return refuseIn("the range", rangeText(op), rangeText(first));
  return success();
}

LogicalResult checkNumbers(ReadBudgetOp op) {
  double initial = op.getInitial().convertToDouble(), least = op.getLeast().convertToDouble(),
         most = op.getMost().convertToDouble();
  if (!(least <= initial && initial <= most))
    return op.emitError() << nodeText(op) << ": budget '" << op.getName() << "' has the initial value "
                          << numberText(op.getInitial()) << " and the range " << rangeText(op)
                          << ", expected a value in the range";
  auto isWhole = [](double number) { return std::trunc(number) == number && std::fabs(number) <= kLargestWhole; };
  if (op.getType().isInteger(64) && !(isWhole(initial) && isWhole(least) && isWhole(most)))
    return op.emitError() << nodeText(op) << ": budget '" << op.getName() << "' of type i64 has the initial value "
                          << numberText(op.getInitial()) << " and the range " << rangeText(op)
                          << ", expected whole numbers of at most 2^53";
  return success();
}

LogicalResult checkSame(CountOp op, CountOp first) {
  auto refuseIn = [&](StringRef what, const std::string &seen, const std::string &expected) {
    return refuse(op, first, "site", op.getSite(), what, seen, expected);
  };
  auto names = [](CountOp op) {
    return "[" +
           llvm::join(llvm::map_range(op.getNames().getAsValueRange<StringAttr>(),
                                      [](StringRef name) { return "'" + name.str() + "'"; }),
                      ", ") +
           "]";
  };
  auto costs = [](CountOp op) {
    return "[" + llvm::join(llvm::map_range(op.getFlops(), [](int64_t flops) { return std::to_string(flops); }), ", ") +
           "]";
  };
  if (op.getKindAttr() != first.getKindAttr())
    return refuseIn("the kind", "'" + op.getKind().str() + "'", "'" + first.getKind().str() + "'");
  if (op.getNamesAttr() != first.getNamesAttr())
    return refuseIn("the counters", names(op), names(first));
  if (op.getFlopsAttr() != first.getFlopsAttr())
    return refuseIn("the costs", costs(op), costs(first));
  return success();
}

void bindReads(ArrayRef<ReadBudgetOp> reads, ModuleOp module, func::FuncOp main) {
  ImplicitLocOpBuilder b(main.getLoc(), &main.getBody().front(), main.getBody().front().begin());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value table = LLVM::LoadOp::create(b, pointer, createByteOffset(b, main.getArgument(0), kCallBudgets));
  SmallVector<Attribute> facts;
  llvm::StringMap<Value> values;
  for (ReadBudgetOp op : reads) {
    Value &value = values[op.getName()];
    if (!value) {
      b.setLoc(op.getLoc());
      value = LLVM::LoadOp::create(b, b.getF64Type(), createByteOffset(b, table, facts.size() * 8));
      value = op.getType().isF32() ? arith::TruncFOp::create(b, b.getF32Type(), value).getResult()
                                   : arith::FPToSIOp::create(b, b.getI64Type(), value).getResult();
      facts.push_back(b.getDictionaryAttr(
          {b.getNamedAttr("name", op.getNameAttr()), b.getNamedAttr("type", TypeAttr::get(op.getType())),
           b.getNamedAttr("initial", op.getInitialAttr()), b.getNamedAttr("least", op.getLeastAttr()),
           b.getNamedAttr("most", op.getMostAttr())}));
    }
    op.replaceAllUsesWith(value);
    op.erase();
  }
  module->setAttr("ac.budgets", b.getArrayAttr(facts));
}

void bindCounts(ArrayRef<CountOp> counts, ModuleOp module, func::FuncOp main) {
  ImplicitLocOpBuilder b(main.getLoc(), &main.getBody().front(), main.getBody().front().begin());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value table = LLVM::LoadOp::create(b, pointer, createByteOffset(b, main.getArgument(0), kCallCounters));
  SmallVector<Attribute> facts;
  llvm::StringMap<int64_t> begins;
  int64_t numCounters = 0;
  for (CountOp op : counts) {
    auto [place, isNew] = begins.try_emplace(op.getSite(), numCounters);
    if (isNew) {
      numCounters += op.getNames().size();
      facts.push_back(b.getDictionaryAttr(
          {b.getNamedAttr("name", op.getSiteAttr()), b.getNamedAttr("kind", op.getKindAttr()),
           b.getNamedAttr("counters", op.getNamesAttr()), b.getNamedAttr("flops", op.getFlopsAttr())}));
    }
    b.setInsertionPoint(op);
    b.setLoc(op.getLoc());
    Value index = createI64(b, place->second + op.getSlot());
    if (Value offset = op.getOffset()) {
      int64_t most = op.getNames().size() - 1 - op.getSlot();
      offset = arith::MinSIOp::create(b, offset, arith::ConstantIndexOp::create(b, most));
      offset = arith::MaxSIOp::create(b, offset, arith::ConstantIndexOp::create(b, 0));
      index = arith::AddIOp::create(b, index, arith::IndexCastOp::create(b, b.getI64Type(), offset));
    }
    Value address = LLVM::GEPOp::create(b, pointer, b.getI64Type(), table, ArrayRef<LLVM::GEPArg>{index});
    Value sum = arith::AddIOp::create(b, LLVM::LoadOp::create(b, b.getI64Type(), address),
                                      arith::IndexCastOp::create(b, b.getI64Type(), op.getValue()));
    LLVM::StoreOp::create(b, sum, address);
    op.erase();
  }
  module->setAttr("ac.counters", b.getArrayAttr(facts));
}

} // namespace

LogicalResult mlir::ac::bindBudgets(ModuleOp module, func::FuncOp main) {
  SmallVector<ReadBudgetOp> reads;
  SmallVector<CountOp> counts;
  llvm::StringMap<ReadBudgetOp> budgets;
  llvm::StringMap<CountOp> sites;
  // All that is wrong is reported, not the first alone.
  bool isWrong = false;
  module.walk([&](Operation *op) {
    if (!isa<ReadBudgetOp, CountOp>(op))
      return;
    if (!main->isAncestor(op)) {
      op->emitError() << nodeText(op) << ": '" << op->getName() << "' stands outside of the entry point '"
                      << main.getName() << "', which alone knows the run";
      isWrong = true;
    } else if (auto read = dyn_cast<ReadBudgetOp>(op)) {
      reads.push_back(read);
      auto [first, isNew] = budgets.try_emplace(read.getName(), read);
      isWrong |= failed(isNew ? checkNumbers(read) : checkSame(read, first->second));
    } else {
      auto count = cast<CountOp>(op);
      counts.push_back(count);
      auto [first, isNew] = sites.try_emplace(count.getSite(), count);
      isWrong |= !isNew && failed(checkSame(count, first->second));
    }
  });
  if (isWrong)
    return failure();
  if (!reads.empty())
    bindReads(reads, module, main);
  if (!counts.empty())
    bindCounts(counts, module, main);
  return success();
}
