//===- CApi.cpp - The C API -------------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Budgets.h"
#include "Failure.h"
#include "Run.h"
#include "Types.h"
#include "ac/Runtime/Runtime.h"

#include <algorithm>
#include <new>

using namespace accordion;

static thread_local std::string lastError;

/// Nothing of C++ leaves the library: every failure becomes a status and a text.
template <typename Body> static AcStatus guarded(Body body) {
  try {
    body();
    return AC_OK;
  } catch (const Failure &failure) {
    lastError = failure.what();
    return failure.status;
  } catch (const std::bad_alloc &) {
    lastError = "out of memory";
    return AC_ERROR_MEMORY;
  } catch (const std::exception &error) {
    lastError = error.what();
    return AC_ERROR_FILE;
  }
}

static void expect(const void *pointer, const char *what) {
  if (!pointer)
    fail(AC_ERROR_ARGUMENT, "%s is null", what);
}

static void expectIndex(int32_t index, size_t size, const char *what) {
  if (index < 0 || static_cast<size_t>(index) >= size)
    fail(AC_ERROR_ARGUMENT, "there is no %s %d: the model has %zu", what, index, size);
}

const char *ac_last_error(void) { return lastError.c_str(); }
size_t ac_type_size(AcType type) { return typeSize(type); }
const char *ac_type_name(AcType type) { return typeName(type); }

AcStatus ac_model_open(const char *path, const char *weights, int32_t threads, AcModel **model) {
  return guarded([&] {
    expect(path, "the path");
    expect(model, "the place for the model");
    *model = nullptr;
    *model = new AcModel(path, weights ? weights : "", threads);
  });
}

void ac_model_close(AcModel *model) {
  if (model)
    model->release();
}

int32_t ac_model_num_inputs(const AcModel *model) { return model ? static_cast<int32_t>(model->inputs().size()) : 0; }
int32_t ac_model_num_outputs(const AcModel *model) { return model ? static_cast<int32_t>(model->outputs().size()) : 0; }

static AcTensorInfo infoOf(const TensorDeclaration &tensor, const std::vector<const char *> &symbols) {
  return {tensor.name.c_str(), tensor.type, static_cast<int32_t>(tensor.dims.size()), tensor.dims.data(),
          symbols.data()};
}

AcStatus ac_model_input(const AcModel *model, int32_t index, AcTensorInfo *info) {
  return guarded([&] {
    expect(model, "the model");
    expect(info, "the place for the information");
    expectIndex(index, model->inputs().size(), "input");
    *info = infoOf(model->inputs()[index], model->inputSymbolNames[index]);
  });
}

AcStatus ac_model_output(const AcModel *model, int32_t index, AcTensorInfo *info) {
  return guarded([&] {
    expect(model, "the model");
    expect(info, "the place for the information");
    expectIndex(index, model->outputs().size(), "output");
    *info = infoOf(model->outputs()[index], model->outputSymbolNames[index]);
  });
}

int32_t ac_model_num_budgets(const AcModel *model) { return model ? static_cast<int32_t>(model->budgets().size()) : 0; }
int32_t ac_model_num_sites(const AcModel *model) { return model ? static_cast<int32_t>(model->sites().size()) : 0; }

AcStatus ac_model_budget(const AcModel *model, int32_t index, AcBudgetInfo *info) {
  return guarded([&] {
    expect(model, "the model");
    expect(info, "the place for the information");
    expectIndex(index, model->budgets().size(), "budget");
    const BudgetDeclaration &budget = model->budgets()[index];
    *info = {budget.name.c_str(), budget.type, budget.initial, budget.least, budget.most};
  });
}

AcStatus ac_model_site(const AcModel *model, int32_t index, AcSiteInfo *info) {
  return guarded([&] {
    expect(model, "the model");
    expect(info, "the place for the information");
    expectIndex(index, model->sites().size(), "site");
    const SiteDeclaration &site = model->sites()[index];
    *info = {site.name.c_str(), site.kind.c_str(), static_cast<int32_t>(site.counters.size()),
             model->counterNames[index].data(), site.flops.data()};
  });
}

AcStatus ac_run_create(AcModel *model, AcRun **run) {
  return guarded([&] {
    expect(model, "the model");
    expect(run, "the place for the run");
    *run = nullptr;
    *run = new AcRun(model);
  });
}

void ac_run_destroy(AcRun *run) { delete run; }

AcStatus ac_run_set_input(AcRun *run, int32_t index, const AcTensor *tensor) {
  return guarded([&] {
    expect(run, "the run");
    expect(tensor, "the tensor");
    expectIndex(index, run->model->inputs().size(), "input");
    run->setInput(index, *tensor);
  });
}

AcStatus ac_run_set_output(AcRun *run, int32_t index, void *data, size_t bytes) {
  return guarded([&] {
    expect(run, "the run");
    expectIndex(index, run->model->outputs().size(), "output");
    run->setOutput(index, data, bytes);
  });
}

AcStatus ac_run_execute(AcRun *run) {
  return guarded([&] {
    expect(run, "the run");
    run->execute();
  });
}

AcStatus ac_run_output(const AcRun *run, int32_t index, AcTensor *tensor) {
  return guarded([&] {
    expect(run, "the run");
    expect(tensor, "the place for the tensor");
    expectIndex(index, run->model->outputs().size(), "output");
    *tensor = run->output(index);
  });
}

AcStatus ac_run_set_budget(AcRun *run, const char *name, double value) {
  return guarded([&] {
    expect(run, "the run");
    expect(name, "the name of the budget");
    run->setBudget(name, value);
  });
}

AcStatus ac_run_get_budget(const AcRun *run, const char *name, double *value) {
  return guarded([&] {
    expect(run, "the run");
    expect(name, "the name of the budget");
    expect(value, "the place for the value");
    *value = run->budgets()[findBudget(run->model->budgets(), name)];
  });
}

AcStatus ac_run_counters(const AcRun *run, int32_t site, int64_t *values) {
  return guarded([&] {
    expect(run, "the run");
    expect(values, "the place for the counters");
    expectIndex(site, run->model->sites().size(), "site");
    const SiteDeclaration &declared = run->model->sites()[site];
    std::copy_n(run->counters().begin() + declared.firstCounter, declared.counters.size(), values);
  });
}

AcStatus ac_run_flops(const AcRun *run, AcFlops *flops) {
  return guarded([&] {
    expect(run, "the run");
    expect(flops, "the place for the operations");
    *flops = run->flops();
  });
}

AcStatus ac_run_statistics(const AcRun *run, AcStatistics *statistics) {
  return guarded([&] {
    expect(run, "the run");
    expect(statistics, "the place for the statistics");
    *statistics = {run->arena.peakBytes(), run->arena.reservedBytes(), run->arena.systemAllocations()};
  });
}
