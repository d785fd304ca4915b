//===- KernelTuner.cpp - Which generator's kernels are faster here --------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An operation is measured as a model of its own: what it reads becomes arguments, or filled constants where it reads
// constants, so that they are packed as in the model it comes from. Both generators' models run in turns.
//
//===----------------------------------------------------------------------===//
#include "Compiler/KernelTuner.h"
#include "Codegen/BuildModel.h"
#include "Kernels/KernelDescription.h"
#include "Support/Weights.h"
#include "ac/Pipelines/Pipelines.h"
#include "ac/Runtime/Runtime.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Pass/PassManager.h"
#include <chrono>
#include <map>

using namespace mlir;
using namespace mlir::ac;

/// Each model runs at least so often and for so long. Halide's kernel is taken if it is faster by more than noise.
static constexpr int kFewestRuns = 5, kMostRuns = 200;
static constexpr double kSeconds = 0.15, kNoise = 0.97;

/// Operations that a depthwise convolution is by MLIR. More of them are those that compute its weights.
static constexpr size_t kMostBefore = 100;

/// Numbers between -1 and 1 of no meaning.
static void fill(MutableArrayRef<float> values) {
  uint32_t state = 1;
  for (float &value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<int32_t>(state) * 0x1p-31f;
  }
}

static Value insteadOf(Operation *op) {
  auto depthwise = dyn_cast<DepthwiseOp>(op);
  return depthwise ? depthwise.getInstead() : Value();
}

static bool isFixed(Type type) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  return !shaped || (shaped.hasStaticShape() && shaped.getNumElements() > 0);
}

/// A module whose `main` is this operation alone, with what it may be replaced by.
static OwningOpRef<ModuleOp> isolate(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op->getContext());
  OwningOpRef<ModuleOp> module = ModuleOp::create(b.getLoc());
  llvm::SetVector<Value> used;
  used.insert_range(op->getOperands());
  llvm::SetVector<Operation *> before;
  if (auto depthwise = dyn_cast<DepthwiseOp>(op)) {
    // The way from the same operands.
    used.remove(depthwise.getInstead());
    BackwardSliceOptions options;
    options.omitUsesFromAbove = false;
    options.inclusive = true;
    options.filter = [&](Operation *producer) {
      return llvm::none_of(producer->getResults(), [&](Value result) { return used.contains(result); });
    };
    if (failed(getBackwardSlice(depthwise.getInstead(), &before, options)) || before.size() > kMostBefore)
      return nullptr;
  }
  if (auto contract = dyn_cast<ContractOp>(op)) {
    // Constants come as they are kept, so that they are arranged as in the model.
    BackwardSliceOptions options;
    options.inclusive = true;
    options.filter = [](Operation *producer) {
      return isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::CastOp, tensor::EmptyOp, linalg::TransposeOp>(
          producer);
    };
    for (Value operand : {contract.getRhs(), contract.getScales(), contract.getZeros(), contract.getOffsets()})
      if (operand && arrangedConstantBehind(operand) && failed(getBackwardSlice(operand, &before, options)))
        return nullptr;
    used.remove_if([&](Value value) { return value.getDefiningOp() && before.contains(value.getDefiningOp()); });
  }
  // What is read from outside.
  auto read = [&](Operation *reader) {
    reader->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands()) {
        Operation *definition = operand.getDefiningOp();
        bool isOwn = reader->isAncestor(operand.getParentBlock()->getParentOp());
        if (!isOwn && !(definition && before.contains(definition)) && operand != insteadOf(op))
          used.insert(operand);
      }
    });
  };
  for (Operation *producer : before)
    read(producer);
  read(op);
  SmallVector<Type> arguments;
  SmallVector<Value> given, constants;
  for (Value value : used) {
    bool isInit = value.getDefiningOp<tensor::EmptyOp>() != nullptr;
    if (constantBehind(value) || isInit || !isa<RankedTensorType>(value.getType())) {
      constants.push_back(value);
      continue;
    }
    given.push_back(value);
    arguments.push_back(value.getType());
  }
  auto facts = [&](Type type) {
    SmallVector<Attribute> dims;
    for (int64_t size : cast<RankedTensorType>(type).getShape())
      dims.push_back(b.getI64IntegerAttr(size));
    return b.getDictionaryAttr({b.getNamedAttr("onnx.dims", b.getArrayAttr(dims))});
  };
  b.setInsertionPointToEnd(module->getBody());
  auto main = func::FuncOp::create(b, "main", b.getFunctionType(arguments, op->getResultTypes()));
  b.setInsertionPointToStart(main.addEntryBlock());
  IRMapping mapping;
  for (auto [i, value] : llvm::enumerate(given)) {
    mapping.map(value, main.getArgument(i));
    main.setArgAttrs(i, facts(value.getType()));
    main.setArgAttr(i, "bufferization.writable", b.getBoolAttr(false));
  }
  main.setResultAttrs(0, facts(op->getResult(0).getType()));
  for (Value value : constants) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    // How small integers are packed depends on what they are, and so it does on how exact their scales are.
    bool isSmall = isa<ContractOp>(op) && !getElementTypeOrSelf(cast<ContractOp>(op).getRhs()).isF32();
    if (arith::ConstantOp constant = type && isSmall ? constantBehind(value) : arith::ConstantOp()) {
      ElementsAttr elements = reshapeElements(cast<ElementsAttr>(constant.getValue()), type);
      if (!elements)
        return nullptr;
      mapping.map(value, arith::ConstantOp::create(b, cast<TypedAttr>(elements)).getResult());
      continue;
    }
    if (type && type.getElementType().isF32() && constantBehind(value)) {
      ElementsAttr weights = makeWeight(type, "weights", [](MutableArrayRef<char> bytes) {
        fill(MutableArrayRef(reinterpret_cast<float *>(bytes.data()), bytes.size() / sizeof(float)));
      });
      mapping.map(value, arith::ConstantOp::create(b, cast<TypedAttr>(weights)).getResult());
      continue;
    }
    Operation *definition = value.getDefiningOp();
    if (!definition || definition->getNumOperands() || definition->getNumRegions())
      return nullptr;
    mapping.map(value, b.clone(*definition, mapping)->getResult(cast<OpResult>(value).getResultNumber()));
  }
  for (Operation *producer : before)
    b.clone(*producer, mapping);
  func::ReturnOp::create(b, b.clone(*op, mapping)->getResults());
  return module;
}

namespace {
/// A model that is ready to run.
class Contender {
public:
  llvm::Error open(const std::string &path);
  ~Contender() {
    if (run)
      ac_run_destroy(run);
    if (model)
      ac_model_close(model);
  }
  /// Seconds of one run, or the error.
  llvm::Expected<double> time();

private:
  AcModel *model = nullptr;
  AcRun *run = nullptr;
  std::vector<std::vector<float>> inputs;
};
} // namespace

llvm::Error Contender::open(const std::string &path) {
  auto check = [](AcStatus status) {
    return status == AC_OK ? llvm::Error::success() : llvm::createStringError(ac_last_error());
  };
  if (llvm::Error error = check(ac_model_open(path.c_str(), nullptr, /*threads=*/1, &model)))
    return error;
  if (llvm::Error error = check(ac_run_create(model, &run)))
    return error;
  for (int32_t i = 0, count = ac_model_num_inputs(model); i < count; ++i) {
    AcTensorInfo info;
    if (llvm::Error error = check(ac_model_input(model, i, &info)))
      return error;
    int64_t size = 1;
    for (int32_t axis = 0; axis < info.rank; ++axis)
      size *= info.dims[axis];
    fill(inputs.emplace_back(size));
    AcTensor tensor = {inputs.back().data(), info.type, info.rank, info.dims};
    if (llvm::Error error = check(ac_run_set_input(run, i, &tensor)))
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<double> Contender::time() {
  auto start = std::chrono::steady_clock::now();
  if (ac_run_execute(run) != AC_OK)
    return llvm::createStringError(ac_last_error());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The faster generator for an operation; empty if Halide's kernels cannot do it.
static llvm::Expected<std::string> measureKernels(Operation *op, const TargetInfo &target, KernelCache &cache) {
  TemporaryFolder folder;
  if (llvm::Error error = folder.create())
    return std::move(error);
  Contender contenders[2];
  StringRef names[] = {"mlir", "halide"};
  for (auto [name, contender] : llvm::zip_equal(names, contenders)) {
    OwningOpRef<ModuleOp> module = isolate(op);
    if (!module)
      return "";
    target.attach(*module);
    if (name == "halide")
      (*module)->setAttr(kGeneratorAttribute, StringAttr::get(op->getContext(), name));
    PassManager pm(op->getContext());
    buildKernelsPipeline(pm);
    buildBufferizePipeline(pm);
    buildCodegenPipeline(pm);
    if (failed(pm.run(*module)))
      return llvm::createStringError("an operation to measure does not compile");
    auto objects = getKernelObjects(*module, cache, folder);
    if (!objects)
      return objects.takeError();
    if (name == "halide" && objects->empty())
      return "";
    auto path = buildModel(*module, target, /*optLevel=*/3, *objects, folder, (name + ".so").str());
    if (!path)
      return path.takeError();
    if (llvm::Error error = contender.open(*path))
      return std::move(error);
  }
  std::vector<double> times[2];
  auto start = std::chrono::steady_clock::now();
  auto isOver = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > 2 * kSeconds;
  };
  for (int i = -1; i < kMostRuns && (i < kFewestRuns || !isOver()); ++i)
    for (int which : {0, 1}) {
      auto seconds = contenders[which].time();
      if (!seconds)
        return seconds.takeError();
      if (i >= 0) // the first run warms up
        times[which].push_back(*seconds);
    }
  double medians[2];
  for (int which : {0, 1}) {
    auto middle = times[which].begin() + times[which].size() / 2;
    std::nth_element(times[which].begin(), middle, times[which].end());
    medians[which] = *middle;
  }
  return names[medians[1] < kNoise * medians[0]].str();
}

/// Whether both generators have kernels for elements of these types.
static bool isMadeTwice(ContractOp op) {
  Type lhs = getElementTypeOrSelf(op.getLhs()), rhs = getElementTypeOrSelf(op.getRhs());
  return lhs.isF32() ? rhs.isF32() || op.isQuantized() : lhs.isInteger(8) && rhs.isInteger(8);
}

llvm::Error mlir::ac::chooseGenerators(ModuleOp module, const TargetInfo &target, KernelCache &cache, bool measure) {
  std::map<std::string, Operation *> work;
  module.walk([&](Operation *op) {
    auto depthwise = dyn_cast<DepthwiseOp>(op);
    auto contract = dyn_cast<ContractOp>(op);
    if (!llvm::all_of(op->getOperandTypes(), isFixed))
      return;
    if (depthwise && depthwise.getInstead())
      work.insert({describeWork(depthwise), op});
    else if (contract && isMadeTwice(contract) && arrangedConstantBehind(contract.getRhs()))
      work.insert({describeWork(contract), op});
  });
  SmallVector<NamedAttribute> choices;
  Builder b(module.getContext());
  for (auto &[text, op] : work) {
    std::optional<std::string> choice = cache.getChoice(target.cpu, text);
    if (!choice && measure) {
      auto measured = measureKernels(op, target, cache);
      if (!measured)
        return measured.takeError();
      choice = *measured;
      cache.setChoice(target.cpu, text, *choice);
    }
    if (choice && !choice->empty())
      choices.push_back(b.getNamedAttr(text, b.getStringAttr(*choice)));
  }
  module->setAttr(kGeneratorAttribute, b.getDictionaryAttr(choices));
  return llvm::Error::success();
}
