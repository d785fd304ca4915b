//===- OutlineKernels.cpp - Task functions of parallel loops --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/HostCalls.h"
#include "Codegen/Passes.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringExtras.h"

namespace mlir::ac {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "Codegen/Passes.h.inc"

namespace {

/// The text of a function without its name and locations: equal texts, equal kernels.
std::string fingerprint(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  flags.useLocalScope().printGenericOpForm().enableDebugInfo(false);
  for (Operation &op : function.getBody().front())
    op.print(os, flags);
  return text;
}

/// A name for profiles: that of the first ONNX node in the loop's location.
std::string kernelName(Location loc, unsigned number) {
  std::string name = "ac_kernel_" + std::to_string(number);
  if (auto node = loc->findInstanceOf<NameLoc>()) {
    name += '_';
    for (char c : node.getName().getValue().take_back(48))
      name += llvm::isAlnum(c) ? c : '_';
  }
  return name;
}

/// The ONNX nodes that a loop computes, for profiles: `Conv_0 + Relu_1`.
std::string nodeNames(Location loc) {
  llvm::SetVector<StringRef> names;
  loc->walk([&](Location part) {
    auto node = dyn_cast<NameLoc>(part);
    if (node)
      names.insert(node.getName().getValue());
    return node ? WalkResult::skip() : WalkResult::advance();
  });
  constexpr size_t shown = 4;
  std::string text = llvm::join(names.getArrayRef().take_front(shown), " + ");
  return names.size() > shown ? text + " + " + std::to_string(names.size() - shown) + " more" : text;
}

struct OutlineKernels : impl::OutlineKernelsBase<OutlineKernels> {
  using Base::Base;

  /// `closure` is memory on the stack for what a loop captures. Loops run one after another and can share it.
  void outline(ParallelOp op, Value call, Value closure) {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    ImplicitLocOpBuilder b(op.getLoc(), context);
    LLVMTypeConverter converter(context);
    auto pointer = LLVM::LLVMPointerType::get(context);

    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(op.getBody(), used);
    SmallVector<Value> captured;
    SmallVector<Operation *> constants;
    for (Value value : used) {
      Operation *definition = value.getDefiningOp();
      if (definition && definition->hasTrait<OpTrait::ConstantLike>())
        constants.push_back(definition);
      else
        captured.push_back(value);
    }
    SmallVector<Type> fields;
    for (Value value : captured)
      fields.push_back(converter.convertType(value.getType()));
    auto closureType = LLVM::LLVMStructType::getLiteral(context, fields);

    // The task: unpack, then the body over [begin, end).
    b.setInsertionPointToEnd(module.getBody());
    auto task = func::FuncOp::create(
        b, kernelName(op.getLoc(), numKernels), b.getFunctionType({pointer, b.getI64Type(), b.getI64Type()}, {}));
    task.setPrivate();
    Block *entry = task.addEntryBlock();
    b.setInsertionPointToStart(entry);
    IRMapping mapping;
    for (Operation *constant : constants)
      b.clone(*constant, mapping);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value address = LLVM::GEPOp::create(b, pointer, closureType, entry->getArgument(0),
                                          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      Value field = LLVM::LoadOp::create(b, fields[i], address);
      if (value.getType() != fields[i])
        field = UnrealizedConversionCastOp::create(b, TypeRange{value.getType()}, ValueRange{field}).getResult(0);
      mapping.map(value, field);
    }
    mapping.map(op.getBegin(), arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(1)).getResult());
    mapping.map(op.getEnd(), arith::IndexCastOp::create(b, b.getIndexType(), entry->getArgument(2)).getResult());
    for (Operation &inner : op.getBody().front().without_terminator())
      b.clone(inner, mapping);
    func::ReturnOp::create(b);
    auto [known, isNew] = kernels.try_emplace(fingerprint(task), task.getName());
    if (isNew)
      ++numKernels;
    else
      task.erase();

    // The caller: the closure, then the host.
    // An upper bound: the module has no data layout yet, and MLIR's default aligns an i64 less than LLVM will.
    int64_t bytes = 0;
    for (Type field : fields)
      bytes += llvm::alignTo(DataLayout(module).getTypeSize(field).getFixedValue(), 16);
    closureBytes = std::max(closureBytes, bytes);
    b.setInsertionPoint(op);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value field = value;
      if (field.getType() != fields[i])
        field = UnrealizedConversionCastOp::create(b, TypeRange{fields[i]}, ValueRange{field}).getResult(0);
      Value address = LLVM::GEPOp::create(b, pointer, closureType, closure,
                                          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      LLVM::StoreOp::create(b, field, address);
    }
    Value address = func::ConstantOp::create(b, b.getFunctionType({pointer, b.getI64Type(), b.getI64Type()}, {}),
                                             FlatSymbolRefAttr::get(context, known->second));
    address = UnrealizedConversionCastOp::create(b, TypeRange{pointer}, ValueRange{address}).getResult(0);
    if (std::string names = nodeNames(op.getLoc()); !names.empty())
      createHostCall(b, HostService::Mark, call, {createText(b, module, names)});
    createHostCall(b, HostService::ParallelFor, call,
                   {address, closure, arith::IndexCastOp::create(b, b.getI64Type(), op.getCount()),
                    arith::IndexCastOp::create(b, b.getI64Type(), op.getGrain())});
    op.erase();
  }

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>(entry);
    if (!function)
      return;
    SmallVector<ParallelOp> ops;
    function.walk([&](ParallelOp op) { ops.push_back(op); });
    if (ops.empty())
      return;
    // At the entry, where no loop can make the stack grow.
    ImplicitLocOpBuilder b(function.getLoc(), &function.getBody().front(), function.getBody().front().begin());
    auto size = cast<LLVM::ConstantOp>(createI64(b, 0).getDefiningOp());
    Value closure = LLVM::AllocaOp::create(b, LLVM::LLVMPointerType::get(&getContext()), b.getI8Type(), size,
                                           /*alignment=*/16);
    for (ParallelOp op : ops)
      outline(op, function.getArgument(0), closure);
    size.setValueAttr(b.getI64IntegerAttr(closureBytes));
    kernels.clear();
    numKernels = 0;
    closureBytes = 0;
  }

  llvm::StringMap<std::string> kernels;
  unsigned numKernels = 0;
  int64_t closureBytes = 0;
};

} // namespace
} // namespace mlir::ac
