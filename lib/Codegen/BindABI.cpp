//===- BindABI.cpp - The entry point that the runtime calls ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Codegen/BindBudgets.h"
#include "Codegen/HostCalls.h"
#include "Codegen/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::ac {
#define GEN_PASS_DEF_BINDABI
#include "Codegen/Passes.h.inc"

namespace {

constexpr int64_t kWeightAlignment = 64;
// Offsets in AcCall and AcInput.
constexpr int64_t kCallWeights = 8, kCallInputs = 16, kInputSize = 16, kInputDims = 8;

class Binder {
public:
  Binder(ModuleOp module, func::FuncOp main)
      : module(module), main(main), b(main.getLoc(), module.getContext()),
        pointer(LLVM::LLVMPointerType::get(module.getContext())) {}

  LogicalResult run();

private:
  void bindArguments();
  void bindResults();
  Value bindOutput(unsigned index, ArrayRef<Value> sizes);
  void skipCopiesInPlace(memref::AllocOp alloc);
  std::optional<SmallVector<Value>> sizesAt(Value buffer, memref::AllocOp alloc);
  void bindConstants();
  void bindMemory();
  void bindAssertions();
  Value bytesOf(MemRefType type, ValueRange dynamicSizes);

  ModuleOp module;
  func::FuncOp main;
  ImplicitLocOpBuilder b;
  LLVM::LLVMPointerType pointer;
  Value call;
};

LogicalResult Binder::run() {
  main.setName("ac_model_run");
  Block &entry = main.getBody().front();
  call = entry.insertArgument(0u, pointer, main.getLoc());
  bindResults();
  bindArguments();
  bindConstants();
  bindMemory();
  bindAssertions();
  LogicalResult isBound = bindBudgets(module, main);
  entry.eraseArguments(1, entry.getNumArguments() - 1);
  auto ioDims = [&](unsigned count, auto get) {
    SmallVector<Attribute> facts;
    for (unsigned i = 0; i < count; ++i)
      facts.push_back(get(i));
    return b.getArrayAttr(facts);
  };
  // The description of the model is made from these.
  module->setAttr("ac.inputs", ioDims(main.getNumArguments(), [&](unsigned i) { return DictionaryAttr(main.getArgAttrDict(i) ? main.getArgAttrDict(i) : b.getDictionaryAttr({})); }));
  module->setAttr("ac.outputs", ioDims(main.getNumResults(), [&](unsigned i) { return DictionaryAttr(main.getResultAttrDict(i) ? main.getResultAttrDict(i) : b.getDictionaryAttr({})); }));
  main.removeArgAttrsAttr();
  main.removeResAttrsAttr();
  main.setType(b.getFunctionType({pointer}, {b.getI32Type()}));
  main.setPublic();
  return isBound;
}

void Binder::bindArguments() {
  Block &entry = main.getBody().front();
  b.setInsertionPointToStart(&entry);
  Value inputs = LLVM::LoadOp::create(b, pointer, createByteOffset(b, call, kCallInputs));
  for (unsigned i = 1; i < entry.getNumArguments(); ++i) {
    BlockArgument argument = entry.getArgument(i);
    auto type = cast<MemRefType>(argument.getType());
    int64_t at = (i - 1) * kInputSize;
    Value data = LLVM::LoadOp::create(b, pointer, createByteOffset(b, inputs, at));
    SmallVector<Value> sizes;
    if (type.getNumDynamicDims()) {
      Value dims = LLVM::LoadOp::create(b, pointer, createByteOffset(b, inputs, at + kInputDims));
      for (int64_t axis = 0; axis < type.getRank(); ++axis)
        if (type.isDynamicDim(axis))
          sizes.push_back(LLVM::LoadOp::create(b, b.getI64Type(), createByteOffset(b, dims, axis * 8)));
    }
    argument.replaceAllUsesWith(createBuffer(b, type, data, sizes));
  }
}

Value Binder::bytesOf(MemRefType type, ValueRange dynamicSizes) {
  int64_t constant = type.getElementType().isIndex() ? 8 : llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size))
      constant *= size;
  Value bytes = arith::ConstantIndexOp::create(b, constant);
  for (Value size : dynamicSizes)
    bytes = arith::MulIOp::create(b, bytes, size);
  return arith::IndexCastOp::create(b, b.getI64Type(), bytes);
}

/// Asks the host for the memory of output `index`.
Value Binder::bindOutput(unsigned index, ArrayRef<Value> sizes) {
  // The dimensions go in a small array on the stack, made at the entry so that loops do not grow the stack.
  Value dims;
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&main.getBody().front());
    dims = LLVM::AllocaOp::create(b, pointer, b.getI64Type(), createI64(b, std::max<size_t>(sizes.size(), 1)));
  }
  for (auto [axis, size] : llvm::enumerate(sizes))
    LLVM::StoreOp::create(b, arith::IndexCastOp::create(b, b.getI64Type(), size), createByteOffset(b, dims, axis * 8));
  return createHostCall(b, HostService::Output, call,
                        {createI64(b, index), createI64(b, sizes.size()), dims}, pointer)
      .getResult();
}

/// The allocation that a buffer is, seen through casts and reshapes.
static memref::AllocOp allocationOf(Value buffer) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op))
      return alloc;
    if (!isa<memref::CastOp, memref::CollapseShapeOp, memref::ExpandShapeOp>(op))
      return {};
    buffer = op->getOperand(0);
  }
  return {};
}

/// The sizes of `buffer`, a view of `alloc`, as values that exist before `alloc`.
std::optional<SmallVector<Value>> Binder::sizesAt(Value buffer, memref::AllocOp alloc) {
  SmallVector<Value> sizes;
  Operation *op = buffer.getDefiningOp();
  auto type = cast<MemRefType>(buffer.getType());
  if (op == alloc) {
    unsigned next = 0;
    for (int64_t size : type.getShape())
      sizes.push_back(ShapedType::isDynamic(size) ? alloc.getDynamicSizes()[next++]
                                                  : arith::ConstantIndexOp::create(b, size).getResult());
    return sizes;
  }
  if (auto expand = dyn_cast<memref::ExpandShapeOp>(op)) {
    for (OpFoldResult size : expand.getMixedOutputShape()) {
      if (auto constant = getConstantIntValue(size)) {
        sizes.push_back(arith::ConstantIndexOp::create(b, *constant));
        continue;
      }
      Value value = cast<Value>(size);
      Operation *definition = value.getDefiningOp();
      if (definition && (definition->getBlock() != alloc->getBlock() || !definition->isBeforeInBlock(alloc)))
        return std::nullopt;
      sizes.push_back(value);
    }
    return sizes;
  }
  auto source = sizesAt(op->getOperand(0), alloc);
  if (!source || isa<memref::CastOp>(op))
    return source;
  for (ReassociationIndices indices : cast<memref::CollapseShapeOp>(op).getReassociationIndices()) {
    Value product = arith::ConstantIndexOp::create(b, 1);
    for (int64_t index : indices)
      product = arith::MulIOp::create(b, product, (*source)[index]);
    sizes.push_back(product);
  }
  return sizes;
}

/// The buffer of which `view` shows a part or the whole.
static Value baseOf(Value view) {
  while (auto op = view.getDefiningOp<ViewLikeOpInterface>())
    view = op.getViewSource();
  return view;
}

/// An output that begins as a copy of an input, such as a cache: a caller may give it the input's memory, and then
/// there is nothing to copy.
void Binder::skipCopiesInPlace(memref::AllocOp alloc) {
  SmallVector<memref::CopyOp> copies;
  main.walk([&](memref::CopyOp copy) {
    auto argument = dyn_cast<BlockArgument>(baseOf(copy.getSource()));
    if (argument && argument.getOwner() == &main.getBody().front() && baseOf(copy.getTarget()) == alloc.getResult())
      copies.push_back(copy);
  });
  for (memref::CopyOp copy : copies) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(copy);
    auto differ = [&](Value x, Value y) -> Value { return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, x, y); };
    auto from = memref::ExtractStridedMetadataOp::create(b, copy.getSource()),
         to = memref::ExtractStridedMetadataOp::create(b, copy.getTarget());
    Value apart = differ(memref::ExtractAlignedPointerAsIndexOp::create(b, copy.getSource()),
                         memref::ExtractAlignedPointerAsIndexOp::create(b, copy.getTarget()));
    apart = arith::OrIOp::create(b, apart, differ(from.getOffset(), to.getOffset()));
    for (auto [x, y] : llvm::zip_equal(from.getStrides(), to.getStrides()))
      apart = arith::OrIOp::create(b, apart, differ(x, y));
    auto choice = scf::IfOp::create(b, apart, /*withElseRegion=*/false);
    copy->moveBefore(choice.thenBlock()->getTerminator());
  }
}

void Binder::bindResults() {
  Block &entry = main.getBody().front();
  auto ret = cast<func::ReturnOp>(entry.getTerminator());
  llvm::SmallDenseSet<Operation *> taken;
  for (unsigned index = 0; index < ret.getNumOperands(); ++index) {
    // Asked anew each time: two results may be views of one buffer, which the first has replaced.
    Value source = ret.getOperand(index);
    memref::AllocOp alloc = allocationOf(source);
    bool own = alloc && alloc->getBlock() == &entry && alloc.getType().getLayout().isIdentity() &&
               !taken.contains(alloc) &&
               llvm::none_of(alloc->getUsers(), [](Operation *user) { return isa<memref::DeallocOp>(user); });
    b.setInsertionPoint(own ? alloc.getOperation() : ret.getOperation());
    // The host must know the output's dimensions where the buffer is made.
    if (std::optional<SmallVector<Value>> sizes; own && (sizes = sizesAt(source, alloc))) {
      taken.insert(alloc);
      skipCopiesInPlace(alloc);
      Value data = bindOutput(index, *sizes);
      alloc.replaceAllUsesWith(createBuffer(b, alloc.getType(), data, alloc.getDynamicSizes()));
      alloc.erase();
      continue;
    }
    b.setInsertionPoint(ret);
    auto type = cast<MemRefType>(source.getType());
    SmallVector<Value> sizes;
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      sizes.push_back(memref::DimOp::create(b, source, axis));
    auto plain = MemRefType::get(type.getShape(), type.getElementType());
    Value data = bindOutput(index, sizes);
    SmallVector<Value> dynamicSizes;
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      if (type.isDynamicDim(axis))
        dynamicSizes.push_back(sizes[axis]);
    memref::CopyOp::create(b, source, createBuffer(b, plain, data, dynamicSizes));
    // The result was ours to free; its memory goes with the run's arena.
  }
  b.setInsertionPoint(ret);
  func::ReturnOp::create(b, ValueRange{LLVM::ConstantOp::create(b, b.getI32Type(), b.getI32IntegerAttr(0)).getResult()});
  ret.erase();
}

void Binder::bindConstants() {
  SmallVector<Attribute> values, offsets;
  int64_t offset = 0;
  llvm::StringMap<int64_t> placed;
  SmallVector<memref::GlobalOp> globals(module.getOps<memref::GlobalOp>());
  for (memref::GlobalOp global : globals) {
    MemRefType type = global.getType();
    placed[global.getSymName()] = offset;
    values.push_back(cast<Attribute>(*global.getInitialValue()));
    offsets.push_back(b.getI64IntegerAttr(offset));
    int64_t width = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
    int64_t bytes = type.getNumElements() * llvm::divideCeil(width, 8);
    offset = llvm::alignTo(offset + bytes, kWeightAlignment);
  }
  SmallVector<memref::GetGlobalOp> uses;
  main.walk([&](memref::GetGlobalOp op) { uses.push_back(op); });
  if (!uses.empty()) {
    b.setInsertionPointToStart(&main.getBody().front());
    Value weights = LLVM::LoadOp::create(b, pointer, createByteOffset(b, call, kCallWeights));
    llvm::StringMap<Value> views;
    for (memref::GetGlobalOp use : uses) {
      Value &view = views[use.getName()];
      if (!view)
        view = createBuffer(b, use.getType(), createByteOffset(b, weights, placed[use.getName()]), {});
      use.replaceAllUsesWith(view);
      use.erase();
    }
  }
  for (memref::GlobalOp global : globals)
    global.erase();
  module->setAttr("ac.weights", b.getArrayAttr(values));
  module->setAttr("ac.weight_offsets", b.getArrayAttr(offsets));
  module->setAttr("ac.weight_bytes", b.getI64IntegerAttr(offset));
}

void Binder::bindMemory() {
  SmallVector<memref::AllocOp> allocs;
  SmallVector<memref::DeallocOp> deallocs;
  main.walk([&](Operation *op) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op))
      allocs.push_back(alloc);
    else if (auto dealloc = dyn_cast<memref::DeallocOp>(op))
      deallocs.push_back(dealloc);
  });
  for (memref::DeallocOp op : deallocs) {
    b.setInsertionPoint(op);
    b.setLoc(op.getLoc());
    createHostCall(b, HostService::Free, call, {createPointer(b, op.getMemref())});
    op.erase();
  }
  for (memref::AllocOp op : allocs) {
    b.setInsertionPoint(op);
    b.setLoc(op.getLoc());
    Value data =
        createHostCall(b, HostService::Alloc, call, {bytesOf(op.getType(), op.getDynamicSizes())}, pointer).getResult();
    op.replaceAllUsesWith(createBuffer(b, op.getType(), data, op.getDynamicSizes()));
    op.erase();
  }
}

void Binder::bindAssertions() {
  SmallVector<cf::AssertOp> assertions;
  main.walk([&](cf::AssertOp op) { assertions.push_back(op); });
  for (cf::AssertOp op : assertions) {
    b.setInsertionPoint(op);
    b.setLoc(op.getLoc());
    Value broken = arith::XOrIOp::create(b, op.getArg(), arith::ConstantIntOp::create(b, 1, 1));
    auto choice = scf::IfOp::create(b, broken, /*withElseRegion=*/false);
    b.setInsertionPointToStart(choice.thenBlock());
    createHostCall(b, HostService::Fail, call, {createText(b, module, op.getMsg())});
    op.erase();
  }
}

struct BindABI : impl::BindABIBase<BindABI> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal())
      return;
    for (Type type : main.getArgumentTypes())
      if (auto buffer = dyn_cast<MemRefType>(type); !buffer || !buffer.getLayout().isIdentity()) {
        main.emitError("has an argument of type ") << type << ", expected buffers of identity layout";
        return signalPassFailure();
      }
    if (failed(Binder(getOperation(), main).run()))
      signalPassFailure();
  }
};

} // namespace
} // namespace mlir::ac
