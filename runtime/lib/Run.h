//===- Run.h - One execution of a model -------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled code enters the runtime through AcHost and may not be unwound by C++: an error leaves it by `longjmp`, from
// the thread that runs the model to `AcRun::execute`, and inside a parallel task to the place where this thread began
// to take part in the loop. No frame between holds anything to destroy.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_RUN_H
#define AC_RUNTIME_LIB_RUN_H

#include "Arena.h"
#include "Artefact.h"
#include "Profile.h"
#include "ThreadPool.h"
#include "ac/Runtime/Runtime.h"

#include <atomic>
#include <csetjmp>
#include <memory>
#include <string>
#include <vector>

struct AcModel {
  AcModel(const std::string &path, const std::string &weights, int threads);

  const std::vector<accordion::TensorDeclaration> &inputs() const { return artefact.description.inputs; }
  const std::vector<accordion::TensorDeclaration> &outputs() const { return artefact.description.outputs; }
  const std::vector<accordion::BudgetDeclaration> &budgets() const { return artefact.description.budgets; }
  const std::vector<accordion::SiteDeclaration> &sites() const { return artefact.description.sites; }
  void retain() { users.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (users.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  /// For messages.
  std::string path;
  accordion::Artefact artefact;
  accordion::ThreadPool pool;
  /// For every input the number of the symbol of each dimension, -1 where there is none.
  std::vector<std::vector<int>> inputSymbols;
  std::vector<std::string> symbols;
  /// `TensorDeclaration::symbols` as the C API hands them out.
  std::vector<std::vector<const char *>> inputSymbolNames, outputSymbolNames;
  /// `SiteDeclaration::counters`, likewise.
  std::vector<std::vector<const char *>> counterNames;

private:
  ~AcModel() = default;
  /// Runs keep their model, so that the order in which a program destroys them does not matter.
  std::atomic<int> users{1};
};

struct AcRun {
  explicit AcRun(AcModel *model);
  AcRun(const AcRun &) = delete;
  ~AcRun();

  void setInput(int index, const AcTensor &tensor);
  void setOutput(int index, void *data, size_t bytes);
  void execute();
  AcTensor output(int index) const;
  void setBudget(const std::string &name, double value);
  /// A value for each budget of the model.
  const std::vector<double> &budgets() const { return callBudgets; }
  /// Of the last execution; a Failure when it failed or there was none.
  const std::vector<int64_t> &counters() const;
  AcFlops flops() const;

  AcModel *model;
  accordion::Arena arena;
  /// Not null while a profile is wanted.
  std::unique_ptr<accordion::Profile> profile;

private:
  struct Input {
    bool isBound = false;
    const void *data = nullptr;
    std::vector<int64_t> dims;
  };
  struct Output {
    void *data = nullptr; ///< where the last execution put it
    std::vector<int64_t> dims;
    bool isMade = false;
    void *own = nullptr; ///< memory of the run, only ever replaced by more
    size_t ownBytes = 0;
    void *callers = nullptr;
    size_t callersBytes = 0;
  };
  /// What compiled code sees of a run; AcCall comes first.
  struct Frame {
    AcCall call;
    AcRun *run;
  };

  void checkInputs();
  int32_t enter();
  [[noreturn]] void leave();
  void record(AcStatus status, const char *message);
  static void participate(const accordion::ThreadPool::Job &job, accordion::ThreadPool::Claims &claims,
                          int participant);

  static AcRun &of(AcCall *call) { return *reinterpret_cast<Frame *>(call)->run; }
  static void *hostAlloc(AcCall *call, int64_t bytes);
  static void hostFree(AcCall *call, void *pointer);
  static void hostParallelFor(AcCall *call, AcTask task, void *closure, int64_t count, int64_t grain);
  static void *hostOutput(AcCall *call, int64_t index, int64_t rank, const int64_t *dims);
  static void hostFail(AcCall *call, const char *message);
  static void hostFailLater(AcCall *call, const char *message);
  static void hostMark(AcCall *call, const char *node);
  static const AcHost host;

  Frame frame;
  std::vector<AcInput> callInputs;
  std::vector<double> callBudgets;
  std::vector<int64_t> callCounters;
  /// The last execution succeeded.
  bool hasCounters = false;
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  std::vector<int64_t> symbolSizes;
  std::atomic<bool> isExecuting{false};

  jmp_buf exit;
  /// The first error of this execution. `failed` is what other threads look at to stop early: nothing that is written
  /// in each loop may share its cache line.
  alignas(64) std::atomic<bool> failed{false};
  AcStatus failureStatus = AC_OK;
  std::string failureText;
  std::atomic_flag failureLock = ATOMIC_FLAG_INIT;
  /// Set while workers take part, who then share the arena.
  alignas(64) bool isParallel = false;
  std::atomic_flag arenaLock = ATOMIC_FLAG_INIT;
};

#endif // AC_RUNTIME_LIB_RUN_H
