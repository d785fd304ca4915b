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

/// What a kernel is told about a captured value, field by field: it stands in memory that one core writes and others
/// read, so less is faster. Of a buffer, that is its elements' address and what its type does not say.
class Capture {
public:
  Capture(Value value, const LLVMTypeConverter &converter)
      : value(value), converted(converter.convertType(value.getType())), type(dyn_cast<MemRefType>(value.getType())) {
    if (!type) {
      fields.push_back({{}, converted});
      return;
    }
    SmallVector<int64_t> strides;
    int64_t offset;
    if (failed(type.getStridesAndOffset(strides, offset)))
      llvm_unreachable("buffers are strided here");
    auto parts = cast<LLVM::LLVMStructType>(converted).getBody();
    fields.push_back({{1}, parts[1]});
    Type integer = parts[2];
    auto add = [&](ArrayRef<int64_t> position, int64_t known) {
      if (ShapedType::isDynamic(known))
        fields.push_back({llvm::to_vector(position), integer});
      else
        constants.push_back({llvm::to_vector(position), integer, known});
    };
    add({2}, offset);
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      add({3, dim}, type.getDimSize(dim));
      add({4, dim}, strides[dim]);
    }
  }

  void appendTypes(SmallVectorImpl<Type> &types) const {
    for (const Field &field : fields)
      types.push_back(field.type);
  }
  /// The fields, where the value is.
  void appendFields(ImplicitLocOpBuilder &b, SmallVectorImpl<Value> &values) const {
    Value whole = castTo(b, value, converted);
    for (const Field &field : fields)
      values.push_back(type ? LLVM::ExtractValueOp::create(b, whole, field.position).getResult() : whole);
  }
  /// The value again, in the kernel.
  Value rebuild(ImplicitLocOpBuilder &b, ValueRange values) const {
    if (!type)
      return castTo(b, values.front(), value.getType());
    Value whole = LLVM::PoisonOp::create(b, converted);
    // Nobody frees it here, so that both addresses may be one.
    whole = LLVM::InsertValueOp::create(b, whole, values.front(), ArrayRef<int64_t>{0});
    for (auto [field, part] : llvm::zip_equal(fields, values))
      whole = LLVM::InsertValueOp::create(b, whole, part, field.position);
    for (const Constant &constant : constants) {
      Value known = LLVM::ConstantOp::create(b, constant.type, b.getIntegerAttr(constant.type, constant.value));
      whole = LLVM::InsertValueOp::create(b, whole, known, constant.position);
    }
    return castTo(b, whole, value.getType());
  }
  size_t size() const { return fields.size(); }
  Value getValue() const { return value; }

private:
  struct Field {
    SmallVector<int64_t> position;
    Type type;
  };
  struct Constant {
    SmallVector<int64_t> position;
    Type type;
    int64_t value;
  };
  static Value castTo(ImplicitLocOpBuilder &b, Value value, Type type) {
    if (value.getType() == type)
      return value;
    return UnrealizedConversionCastOp::create(b, TypeRange{type}, ValueRange{value}).getResult(0);
  }

  Value value;
  Type converted;
  MemRefType type; // null: no buffer
  SmallVector<Field> fields;
  SmallVector<Constant> constants;
};

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
    SmallVector<Capture> captures;
    SmallVector<Operation *> constants;
    for (Value value : used) {
      Operation *definition = value.getDefiningOp();
      if (definition && definition->hasTrait<OpTrait::ConstantLike>())
        constants.push_back(definition);
      else
        captures.emplace_back(value, converter);
    }
    SmallVector<Type> fields;
    for (const Capture &capture : captures)
      capture.appendTypes(fields);
    auto closureType = LLVM::LLVMStructType::getLiteral(context, fields);

    // The task: unpack, then the body over [begin, end).
    b.setInsertionPointToEnd(module.getBody());
    auto task = func::FuncOp::create(b, kernelName(op.getLoc(), numKernels),
                                     b.getFunctionType({pointer, b.getI64Type(), b.getI64Type()}, {}));
    task.setPrivate();
    Block *entry = task.addEntryBlock();
    b.setInsertionPointToStart(entry);
    IRMapping mapping;
    for (Operation *constant : constants)
      b.clone(*constant, mapping);
    auto addressOf = [&](Value memory, size_t field) {
      return LLVM::GEPOp::create(b, pointer, closureType, memory,
                                 ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(field)});
    };
    SmallVector<Value> told;
    for (auto [i, type] : llvm::enumerate(fields))
      told.push_back(LLVM::LoadOp::create(b, type, addressOf(entry->getArgument(0), i)));
    ValueRange left = told;
    for (const Capture &capture : captures) {
      mapping.map(capture.getValue(), capture.rebuild(b, left.take_front(capture.size())));
      left = left.drop_front(capture.size());
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
    SmallVector<Value> values;
    for (const Capture &capture : captures)
      capture.appendFields(b, values);
    for (auto [i, field] : llvm::enumerate(values))
      LLVM::StoreOp::create(b, field, addressOf(closure, i));
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
