//===- EmitObjects.cpp - Machine code by several threads ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Most of a model's kernels know nothing of each other, and LLVM takes most of the time of a compilation. So the module
// is cut into parts, each of which has a context of its own. Functions stay with their callers, where they may be
// inlined or made for the arguments that they get; small constants go with all who read them.
//
//===----------------------------------------------------------------------===//
#include "Codegen/Native.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include <map>

using namespace mlir;
using namespace mlir::ac;

/// Parts at most, and instructions of a part at least: less is not worth a context of its own.
static constexpr unsigned kMostParts = 16;
static constexpr size_t kFewestInstructions = 4000;
/// Bytes of constants that every part may have for itself.
static constexpr uint64_t kSmallConstant = 4096;

namespace {

class ModuleParts {
public:
  explicit ModuleParts(llvm::Module &module) : module(module) {
    assign();
    shareSymbols();
  }
  unsigned size() const { return count; }
  std::unique_ptr<llvm::Module> take(unsigned part) {
    llvm::ValueToValueMapTy values;
    return llvm::CloneModule(module, values, [&](const llvm::GlobalValue *value) { return isIn(value, part); });
  }
  /// Where a function stood among all.
  unsigned positionOf(StringRef function) const { return position.lookup(function); }

private:
  static bool isShared(const llvm::GlobalValue *value) {
    auto *variable = dyn_cast<llvm::GlobalVariable>(value);
    return variable && variable->hasLocalLinkage();
  }
  bool isIn(const llvm::GlobalValue *value, unsigned part) const {
    if (isShared(value))
      return true;
    auto *function = dyn_cast<llvm::Function>(value);
    return (function ? partOf.lookup(function) : 0) == part;
  }

  bool isUsedElsewhere(const llvm::Function &function) const {
    return llvm::any_of(function.users(), [&](const llvm::User *user) {
      auto *instruction = dyn_cast<llvm::Instruction>(user);
      return !instruction || partOf.lookup(instruction->getFunction()) != partOf.lookup(&function);
    });
  }

  /// What is local and needed by several parts can be seen by them, and by nobody else; but small constants are the
  /// same everywhere.
  void shareSymbols() {
    for (llvm::GlobalValue &value : module.global_values()) {
      auto *variable = dyn_cast<llvm::GlobalVariable>(&value);
      auto *function = dyn_cast<llvm::Function>(&value);
      if (!value.hasLocalLinkage() || (function && !isUsedElsewhere(*function)) ||
          (variable && variable->isConstant() &&
           module.getDataLayout().getTypeAllocSize(variable->getValueType()) <= kSmallConstant))
        continue;
      if (!value.hasName())
        value.setName("ac_part");
      value.setLinkage(llvm::GlobalValue::ExternalLinkage);
      value.setVisibility(llvm::GlobalValue::HiddenVisibility);
    }
  }

  void assign() {
    // Functions with those that call them, but for the entry, which calls all sorts of things.
    llvm::EquivalenceClasses<const llvm::Function *> groups;
    for (llvm::Function &function : module) {
      position[function.getName()] = position.size();
      if (!function.isDeclaration())
        groups.insert(&function);
    }
    for (llvm::Function &function : module)
      for (llvm::User *user : function.users())
        if (auto *call = dyn_cast<llvm::CallInst>(user))
          if (call->getCalledFunction() == &function && !function.isDeclaration() &&
              call->getFunction()->getName() != "ac_model_run")
            groups.unionSets(&function, call->getFunction());
    size_t total = 0;
    std::vector<std::pair<size_t, const llvm::Function *>> leaders;
    llvm::DenseMap<const llvm::Function *, size_t> numberOf;
    for (llvm::Function &function : module) {
      if (function.isDeclaration())
        continue;
      auto [number, isNew] = numberOf.try_emplace(groups.getLeaderValue(&function), leaders.size());
      if (isNew)
        leaders.push_back({0, number->first});
      leaders[number->second].first += function.getInstructionCount();
      total += function.getInstructionCount();
    }
    size_t most = std::min<size_t>(kMostParts, std::max<size_t>(leaders.size(), 1));
    count = std::clamp<size_t>(total / kFewestInstructions, 1, most);
    // The largest first, each to the part that has least.
    llvm::sort(leaders, [&](const auto &a, const auto &b) {
      return std::pair(b.first, numberOf.lookup(a.second)) < std::pair(a.first, numberOf.lookup(b.second));
    });
    std::vector<size_t> loads(count);
    llvm::DenseMap<const llvm::Function *, unsigned> partOfLeader;
    for (auto [size, leader] : leaders) {
      auto least = llvm::min_element(loads);
      partOfLeader[leader] = least - loads.begin();
      *least += size;
    }
    for (llvm::Function &function : module)
      if (!function.isDeclaration())
        partOf[&function] = partOfLeader[groups.getLeaderValue(&function)];
  }

  llvm::Module &module;
  unsigned count = 1;
  llvm::DenseMap<const llvm::Function *, unsigned> partOf;
  llvm::StringMap<unsigned> position;
};

/// What a thread makes of a part.
struct PartResult {
  std::string error;
  std::vector<ScalarLoop> loops;
};

} // namespace

static llvm::Error emitObject(llvm::Module &module, const TargetInfo &target, int optLevel, StringRef path,
                              std::vector<ScalarLoop> *scalarLoops) {
  if (llvm::Error error = optimize(module, target, optLevel, scalarLoops))
    return error;
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (code)
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  if (llvm::Error error = emitMachineCode(module, target, optLevel, /*assembly=*/false, os))
    return error;
  os.close();
  if ((code = os.error())) {
    os.clear_error();
    return llvm::createStringError(code, "cannot write '" + path + "': " + code.message());
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<std::string>> mlir::ac::emitObjects(llvm::Module &module, const TargetInfo &target,
                                                               int optLevel, StringRef prefix,
                                                               std::vector<ScalarLoop> *scalarLoops) {
  ModuleParts parts(module);
  std::vector<std::string> paths;
  std::vector<PartResult> results(parts.size());
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency());
  for (unsigned part = 0; part < parts.size(); ++part) {
    paths.push_back((prefix + llvm::Twine(part) + ".o").str());
    // A context is for one thread: parts travel as bitcode.
    llvm::SmallString<0> bitcode;
    llvm::raw_svector_ostream os(bitcode);
    llvm::WriteBitcodeToFile(*parts.take(part), os);
    pool.async([&, part, bitcode = std::move(bitcode), path = paths.back()] {
      llvm::LLVMContext context;
      auto own = llvm::parseBitcodeFile(llvm::MemoryBufferRef(bitcode, "part"), context);
      llvm::Error error = own ? emitObject(**own, target, optLevel, path, scalarLoops ? &results[part].loops : nullptr)
                              : own.takeError();
      if (error)
        results[part].error = llvm::toString(std::move(error));
    });
  }
  pool.wait();
  std::map<unsigned, std::vector<ScalarLoop>> loops; // by the place of their function
  for (PartResult &result : results) {
    if (!result.error.empty())
      return llvm::createStringError(result.error);
    for (ScalarLoop &loop : result.loops)
      loops[parts.positionOf(loop.function)].push_back(std::move(loop));
  }
  for (auto &[position, ofFunction] : loops)
    llvm::append_range(*scalarLoops, ofFunction);
  return paths;
}
