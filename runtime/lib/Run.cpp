//===- Run.cpp - One execution of a model -----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Run.h"

#include "Budgets.h"
#include "Failure.h"
#include "Types.h"
#include "ac/Runtime/ABI.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace accordion;

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

AcModel::AcModel(const std::string &path, const std::string &weights, int threads)
    : path(path), artefact(path, weights), pool(threads) {
  std::map<std::string, int> numbers;
  for (const TensorDeclaration &input : inputs()) {
    std::vector<int> dims;
    for (const std::string &symbol : input.symbols) {
      if (symbol.empty()) {
        dims.push_back(-1);
        continue;
      }
      auto inserted = numbers.try_emplace(symbol, static_cast<int>(symbols.size()));
      if (inserted.second)
        symbols.push_back(symbol);
      dims.push_back(inserted.first->second);
    }
    inputSymbols.push_back(std::move(dims));
  }
  auto namesOf = [](const std::vector<TensorDeclaration> &tensors) {
    std::vector<std::vector<const char *>> names;
    for (const TensorDeclaration &tensor : tensors) {
      names.emplace_back();
      for (const std::string &symbol : tensor.symbols)
        names.back().push_back(symbol.empty() ? nullptr : symbol.c_str());
    }
    return names;
  };
  inputSymbolNames = namesOf(inputs());
  outputSymbolNames = namesOf(outputs());
  for (const SiteDeclaration &site : sites()) {
    counterNames.emplace_back();
    for (const std::string &counter : site.counters)
      counterNames.back().push_back(counter.c_str());
  }
}

//===----------------------------------------------------------------------===//
// Inputs and outputs
//===----------------------------------------------------------------------===//

/// Messages of compiled code are cut here. Nothing may be thrown through compiled code, so nothing may be allocated.
static constexpr size_t longestMessage = 4000;

AcRun::AcRun(AcModel *model)
    : model(model), callInputs(model->inputs().size()), callCounters(model->artefact.description.numCounters),
      inputs(model->inputs().size()), outputs(model->outputs().size()), symbolSizes(model->symbols.size()) {
  frame.call.host = &host;
  frame.call.weights = model->artefact.weights;
  frame.call.inputs = callInputs.data();
  for (const BudgetDeclaration &budget : model->budgets())
    callBudgets.push_back(budget.initial);
  frame.call.budgets = callBudgets.data();
  frame.call.counters = callCounters.data();
  frame.run = this;
  // Room for any rank that a model can declare, so that executions do not allocate.
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i].dims.reserve(std::max<size_t>(1, model->inputs()[i].dims.size()));
  for (size_t i = 0; i < outputs.size(); ++i)
    outputs[i].dims.reserve(std::max<size_t>(8, model->outputs()[i].dims.size()));
  failureText.reserve(longestMessage);
  model->retain();
}

AcRun::~AcRun() {
  for (Output &output : outputs)
    free(output.own);
  model->release();
}

static bool isAligned(const void *data, AcType type) { return reinterpret_cast<uintptr_t>(data) % typeSize(type) == 0; }

void AcRun::setInput(int index, const AcTensor &tensor) {
  const TensorDeclaration &declared = model->inputs()[index];
  const char *name = declared.name.c_str();
  if (tensor.type != declared.type)
    fail(AC_ERROR_INPUT, "input `%s` has element type %s, expected %s", name, typeName(tensor.type),
         typeName(declared.type));
  if (tensor.rank < 0 || (tensor.rank > 0 && !tensor.dims))
    fail(AC_ERROR_ARGUMENT, "input `%s` was given no dimensions", name);
  std::string shape = shapeText(tensor.dims, tensor.rank);
  if (static_cast<size_t>(tensor.rank) != declared.dims.size())
    fail(AC_ERROR_INPUT, "input `%s` has rank %d (shape %s), expected rank %zu (%s)", name, tensor.rank, shape.c_str(),
         declared.dims.size(), declaredShapeText(declared).c_str());
  for (int i = 0; i < tensor.rank; ++i) {
    if (tensor.dims[i] < 0)
      fail(AC_ERROR_INPUT, "input `%s` has the negative size %lld in dimension %d", name,
           static_cast<long long>(tensor.dims[i]), i);
    if (declared.dims[i] >= 0 && declared.dims[i] != tensor.dims[i])
      fail(AC_ERROR_INPUT, "input `%s` has size %lld in dimension %d (shape %s), expected %lld (%s)", name,
           static_cast<long long>(tensor.dims[i]), i, shape.c_str(), static_cast<long long>(declared.dims[i]),
           declaredShapeText(declared).c_str());
  }
  std::optional<int64_t> bytes = tensorBytes(tensor.type, tensor.dims, tensor.rank);
  if (!bytes)
    fail(AC_ERROR_INPUT, "input `%s` of shape %s is larger than any memory", name, shape.c_str());
  if (*bytes > 0 && !tensor.data)
    fail(AC_ERROR_ARGUMENT, "input `%s` was given no data", name);
  if (!isAligned(tensor.data, tensor.type))
    fail(AC_ERROR_ARGUMENT, "the data of input `%s` is not aligned to its element type %s", name,
         typeName(declared.type));
  Input &input = inputs[index];
  input.isBound = true;
  input.data = tensor.data;
  input.dims.assign(tensor.dims, tensor.dims + tensor.rank);
}

void AcRun::setOutput(int index, void *data, size_t bytes) {
  const TensorDeclaration &declared = model->outputs()[index];
  if (data && !isAligned(data, declared.type))
    fail(AC_ERROR_ARGUMENT, "the buffer for output `%s` is not aligned to its element type %s", declared.name.c_str(),
         typeName(declared.type));
  outputs[index].callers = data;
  outputs[index].callersBytes = data ? bytes : 0;
}

AcTensor AcRun::output(int index) const {
  const Output &output = outputs[index];
  if (!output.isMade)
    fail(AC_ERROR_ARGUMENT, "output `%s` does not exist: the last execution failed or there was none",
         model->outputs()[index].name.c_str());
  return AcTensor{output.data, model->outputs()[index].type, static_cast<int32_t>(output.dims.size()),
                  output.dims.data()};
}

void AcRun::setBudget(const std::string &name, double value) {
  size_t index = findBudget(model->budgets(), name);
  checkBudget(model->budgets()[index], value);
  callBudgets[index] = value;
}

const std::vector<int64_t> &AcRun::counters() const {
  if (!hasCounters)
    fail(AC_ERROR_ARGUMENT, "nothing was counted: the last execution failed or there was none");
  return callCounters;
}

AcFlops AcRun::flops() const { return countFlops(model->sites(), counters()); }

void AcRun::checkInputs() {
  std::string missing;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].isBound)
      missing += (missing.empty() ? "`" : ", `") + model->inputs()[i].name + "`";
  if (!missing.empty())
    fail(AC_ERROR_INPUT, "no value was given for input %s", missing.c_str());

  std::fill(symbolSizes.begin(), symbolSizes.end(), -1);
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t d = 0; d < inputs[i].dims.size(); ++d) {
      int symbol = model->inputSymbols[i][d];
      if (symbol < 0)
        continue;
      int64_t size = inputs[i].dims[d];
      int64_t &known = symbolSizes[symbol];
      if (known < 0)
        known = size;
      if (known == size)
        continue;
      // Find the input that fixed the symbol, to name both.
      for (size_t other = 0; other <= i; ++other)
        for (size_t od = 0; od < inputs[other].dims.size(); ++od)
          if (model->inputSymbols[other][od] == symbol && inputs[other].dims[od] == known)
            fail(AC_ERROR_INPUT,
                 "input `%s` has size %lld in dimension %zu (`%s`), expected %lld as in dimension %zu "
                 "of input `%s`",
                 model->inputs()[i].name.c_str(), static_cast<long long>(size), d, model->symbols[symbol].c_str(),
                 static_cast<long long>(known), od, model->inputs()[other].name.c_str());
    }
    callInputs[i] = {inputs[i].data, inputs[i].dims.data()};
  }
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

namespace {

/// Compiled code runs with the default floating-point environment, on this thread as on the workers: otherwise a host
/// program that flushes denormals would get results that depend on which thread computed them.
class FloatingPointDefaults {
#if defined(__x86_64__)
public:
  FloatingPointDefaults() : saved(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatingPointDefaults() { _mm_setcsr(saved); }

private:
  unsigned saved;
#elif defined(__aarch64__)
public:
  FloatingPointDefaults() {
    asm volatile("mrs %0, fpcr" : "=r"(saved));
    asm volatile("msr fpcr, %0" : : "r"(uint64_t(0)));
  }
  ~FloatingPointDefaults() { asm volatile("msr fpcr, %0" : : "r"(saved)); }

private:
  uint64_t saved;
#endif
};

/// The participation of this thread in a parallel loop, if any.
struct TaskFrame {
  jmp_buf exit;
};
thread_local TaskFrame *currentTask = nullptr;

class SpinLock {
public:
  explicit SpinLock(std::atomic_flag &flag) : flag(flag) {
    while (flag.test_and_set(std::memory_order_acquire))
      ;
  }
  ~SpinLock() { flag.clear(std::memory_order_release); }

private:
  std::atomic_flag &flag;
};

} // namespace

const AcHost AcRun::host = {hostAlloc, hostFree, hostParallelFor, hostOutput, hostFail, hostFailLater, hostMark};

void AcRun::execute() {
  if (isExecuting.exchange(true))
    fail(AC_ERROR_ARGUMENT, "this run is already executing on another thread; make one run for each thread");
  struct Done {
    ~Done() {
      run.arena.reset();
      run.isExecuting.store(false);
    }
    AcRun &run;
  } done{*this};

  for (Output &output : outputs)
    output.isMade = false;
  std::fill(callCounters.begin(), callCounters.end(), 0);
  hasCounters = false;
  failed.store(false, std::memory_order_relaxed);
  failureStatus = AC_OK;
  checkInputs();
  if (profile)
    profile->beginRun();
  int32_t status;
  {
    FloatingPointDefaults defaults;
    model->pool.beginRun();
    status = enter();
    model->pool.endRun();
  }
  if (profile)
    profile->endRun();
  const char *missing = nullptr;
  for (size_t i = 0; i < outputs.size() && !missing; ++i)
    if (!outputs[i].isMade)
      missing = model->outputs()[i].name.c_str();
  hasCounters = failureStatus == AC_OK && status == 0 && !missing;
  if (hasCounters)
    return;
  for (Output &output : outputs)
    output.isMade = false;
  if (failureStatus != AC_OK)
    throw Failure(failureStatus, failureText);
  if (status != 0)
    fail(AC_ERROR_MODEL, "the model ended with status %d", status);
  fail(AC_ERROR_MODEL, "the model ended without its output `%s`", missing);
}

/// No object with a destructor may live here: control comes back by `longjmp`.
int32_t AcRun::enter() {
  if (_setjmp(exit))
    return 0;
  return model->artefact.entry(&frame.call);
}

void AcRun::leave() {
  if (currentTask)
    longjmp(currentTask->exit, 1);
  longjmp(exit, 1);
}

void AcRun::record(AcStatus status, const char *message) {
  SpinLock lock(failureLock);
  if (failureStatus != AC_OK)
    return;
  failureStatus = status;
  if (!message)
    message = "the model failed without saying why";
  failureText.assign(message, strnlen(message, longestMessage));
  failed.store(true, std::memory_order_release);
}

void *AcRun::hostAlloc(AcCall *call, int64_t bytes) {
  AcRun &run = of(call);
  void *memory;
  if (run.isParallel) {
    SpinLock lock(run.arenaLock);
    memory = run.arena.allocate(bytes);
  } else {
    memory = run.arena.allocate(bytes);
  }
  if (memory)
    return memory;
  char message[160];
  snprintf(message, sizeof(message), "out of memory: the model needs %lld bytes more, %lld are in use",
           static_cast<long long>(bytes), static_cast<long long>(run.arena.bytesInUse()));
  run.record(AC_ERROR_MEMORY, bytes < 0 ? "out of memory: a tensor of the model is larger than any memory" : message);
  run.leave();
}

void AcRun::hostFree(AcCall *call, void *pointer) {
  AcRun &run = of(call);
  if (!run.isParallel)
    return run.arena.release(pointer);
  SpinLock lock(run.arenaLock);
  run.arena.release(pointer);
}

void *AcRun::hostOutput(AcCall *call, int64_t index, int64_t rank, const int64_t *dims) {
  AcRun &run = of(call);
  char message[512];
  if (index < 0 || static_cast<size_t>(index) >= run.outputs.size() || run.outputs[index].isMade || rank < 0 ||
      static_cast<size_t>(rank) > run.outputs[index].dims.capacity()) {
    snprintf(message, sizeof(message),
             "the model asked for output %lld, which it does not have or has asked for before",
             static_cast<long long>(index));
    run.record(AC_ERROR_MODEL, message);
    run.leave();
  }
  Output &output = run.outputs[index];
  const TensorDeclaration &declared = run.model->outputs()[index];
  std::optional<int64_t> bytes = tensorBytes(declared.type, dims, rank);
  if (!bytes || *bytes > std::numeric_limits<int64_t>::max() - AC_ALIGNMENT) {
    snprintf(message, sizeof(message), "output `%.300s` is larger than any memory", declared.name.c_str());
    run.record(AC_ERROR_MEMORY, message);
    run.leave();
  }
  size_t needed = static_cast<size_t>(*bytes);
  if (output.callers) {
    // Whoever brings a buffer relies on the declared shape to read it.
    bool isAsDeclared = static_cast<size_t>(rank) == declared.dims.size();
    for (int64_t i = 0; isAsDeclared && i < rank; ++i)
      isAsDeclared = declared.dims[i] < 0 || declared.dims[i] == dims[i];
    if (!isAsDeclared) {
      snprintf(message, sizeof(message), "output `%.300s` does not have the shape that the model declares for it",
               declared.name.c_str());
      run.record(AC_ERROR_OUTPUT, message);
      run.leave();
    }
    if (needed > output.callersBytes) {
      snprintf(message, sizeof(message), "output `%.300s` needs %zu bytes, the buffer given for it has %zu",
               declared.name.c_str(), needed, output.callersBytes);
      run.record(AC_ERROR_OUTPUT, message);
      run.leave();
    }
    output.data = output.callers;
  } else {
    if (needed > output.ownBytes || !output.own) {
      size_t rounded = (std::max<size_t>(needed, 1) + AC_ALIGNMENT - 1) / AC_ALIGNMENT * AC_ALIGNMENT;
      free(output.own);
      output.own = aligned_alloc(AC_ALIGNMENT, rounded);
      output.ownBytes = output.own ? rounded : 0;
      if (!output.own) {
        snprintf(message, sizeof(message), "out of memory: output `%.300s` needs %zu bytes", declared.name.c_str(),
                 needed);
        run.record(AC_ERROR_MEMORY, message);
        run.leave();
      }
    }
    output.data = output.own;
  }
  output.dims.assign(dims, dims + rank);
  output.isMade = true;
  return output.data;
}

void AcRun::hostFail(AcCall *call, const char *message) {
  AcRun &run = of(call);
  run.record(AC_ERROR_MODEL, message);
  run.leave();
}

void AcRun::hostFailLater(AcCall *call, const char *message) { of(call).record(AC_ERROR_MODEL, message); }

void AcRun::hostMark(AcCall *call, const char *node) {
  AcRun &run = of(call);
  if (run.profile && !currentTask)
    run.profile->mark(node);
}

//===----------------------------------------------------------------------===//
// Parallel loops
//===----------------------------------------------------------------------===//

/// No object with a destructor may live across the tasks: control may come back by `longjmp`.
void AcRun::participate(const ThreadPool::Job &job, ThreadPool::Claims &claims, int participant) {
  AcRun &run = *static_cast<AcRun *>(job.owner);
  TaskFrame frame;
  int64_t began = run.profile ? run.profile->now() : 0;
  currentTask = &frame;
  // A task that fails comes back here. What is left is taken and not done.
  _setjmp(frame.exit);
  for (int64_t chunk; (chunk = claims.next()) >= 0;) {
    if (run.failed.load(std::memory_order_relaxed))
      continue;
    int64_t begin = chunk * job.grain;
    job.task(job.closure, begin, std::min(job.count - begin, job.grain) + begin);
  }
  currentTask = nullptr;
  if (run.profile)
    run.profile->task(participant, began);
}

void AcRun::hostParallelFor(AcCall *call, AcTask task, void *closure, int64_t count, int64_t grain) {
  if (count <= 0)
    return;
  AcRun &run = of(call);
  grain = std::max(grain, (count - 1) / ThreadPool::maxChunks + 1);
  // The ranges depend on `count` and `grain` alone, also when one thread runs them all: so does every result.
  int64_t numChunks = count / grain + (count % grain != 0);
  bool isShared = false;
  if (numChunks > 1 && !currentTask && run.model->pool.numThreads() > 1) {
    ThreadPool::Job job{participate, numChunks, &run, task, closure, count, grain};
    run.isParallel = true;
    isShared = run.model->pool.tryRun(job);
    run.isParallel = false;
  }
  if (!isShared)
    for (int64_t begin = 0; begin < count && !run.failed.load(std::memory_order_relaxed);) {
      int64_t end = begin + std::min(count - begin, grain);
      task(closure, begin, end);
      begin = end;
    }
  if (run.failed.load(std::memory_order_acquire))
    run.leave();
}
