//===- Runtime.h - Run compiled models from C --------------------*- C -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API of the runtime. A model is opened once and may be run by several threads at the same time, each run with
// an `AcRun` of its own. Every function that can fail returns an `AcStatus`; the text of the failure is read with
// `ac_last_error` on the thread that saw it.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_RUNTIME_H
#define AC_RUNTIME_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define AC_API
#else
#define AC_API __attribute__((visibility("default")))
#endif

typedef enum AcStatus {
  AC_OK = 0,
  AC_ERROR_FILE = 1,      ///< the artefact or its weights cannot be read, or are not what they say they are
  AC_ERROR_INPUT = 2,     ///< a wrong name, element type, rank, dimension, a missing input, or a budget that
                          ///< the model has not or that cannot have this value
  AC_ERROR_OUTPUT = 3,    ///< an output buffer that is too small
  AC_ERROR_MODEL = 4,     ///< the model itself stopped the run (an index out of range, shapes that do not agree)
  AC_ERROR_MEMORY = 5,    ///< no memory
  AC_ERROR_ARGUMENT = 6,  ///< an index out of range or a null pointer
} AcStatus;

typedef enum AcType {
  AC_TYPE_F16, AC_TYPE_BF16, AC_TYPE_F32, AC_TYPE_F64, AC_TYPE_BOOL,
  AC_TYPE_I8, AC_TYPE_I16, AC_TYPE_I32, AC_TYPE_I64,
  AC_TYPE_U8, AC_TYPE_U16, AC_TYPE_U32, AC_TYPE_U64,
} AcType;

typedef struct AcModel AcModel;
typedef struct AcRun AcRun;

/// What the model declares of an input or output. `dims[i]` is -1 where the size is only known at run time;
/// `symbols[i]` is then its name or NULL. All pointers live as long as the model.
typedef struct AcTensorInfo {
  const char *name;
  AcType type;
  int32_t rank;
  const int64_t *dims;
  const char *const *symbols;
} AcTensorInfo;

/// A contiguous row-major tensor in the caller's memory.
typedef struct AcTensor {
  void *data;
  AcType type;
  int32_t rank;
  const int64_t *dims;
} AcTensor;

/// The text of this thread's last failure, never NULL.
AC_API const char *ac_last_error(void);
/// Bytes of one element.
AC_API size_t ac_type_size(AcType type);
/// `f32`, `i64`, ...
AC_API const char *ac_type_name(AcType type);

/// Opens a compiled shared object or executable. `weights` names a weights file beside it, or NULL to use the one
/// recorded in the artefact. `threads` <= 0 means one per core.
AC_API AcStatus ac_model_open(const char *path, const char *weights, int32_t threads, AcModel **model);
AC_API void ac_model_close(AcModel *model);
AC_API int32_t ac_model_num_inputs(const AcModel *model);
AC_API int32_t ac_model_num_outputs(const AcModel *model);
AC_API AcStatus ac_model_input(const AcModel *model, int32_t index, AcTensorInfo *info);
AC_API AcStatus ac_model_output(const AcModel *model, int32_t index, AcTensorInfo *info);

/// A run holds the arena and the outputs of one execution at a time; keep it, and equal shapes allocate nothing.
AC_API AcStatus ac_run_create(AcModel *model, AcRun **run);
AC_API void ac_run_destroy(AcRun *run);
/// Binds input `index`; the memory must stay valid until `ac_run_execute` has returned.
AC_API AcStatus ac_run_set_input(AcRun *run, int32_t index, const AcTensor *tensor);
/// Optional: lets output `index` be written to the caller's `bytes` at `data` instead of memory of the run.
/// `data` must be aligned to the element type. NULL undoes it. It may be the memory of an input that the model uses for
/// nothing but to begin this output with, such as a cache with room for more: that is then updated in place.
AC_API AcStatus ac_run_set_output(AcRun *run, int32_t index, void *data, size_t bytes);
AC_API AcStatus ac_run_execute(AcRun *run);
/// Where output `index` of the last execution is. Valid until the next one.
AC_API AcStatus ac_run_output(const AcRun *run, int32_t index, AcTensor *tensor);

/// A budget is a number that the user sets for a run: a threshold, a number of steps, of experts. `type` is AC_TYPE_F32 or
/// AC_TYPE_I64, for which every value is whole. A value is in the unit that the model compares it in (probabilities for a
/// confidence, iterations for a number of steps), and lies in [least, most], either of which may be infinite for
/// AC_TYPE_F32. All pointers live as long as the model.
typedef struct AcBudgetInfo {
  const char *name;
  AcType type;
  double initial; ///< the value of a new run
  double least, most;
} AcBudgetInfo;
AC_API int32_t ac_model_num_budgets(const AcModel *model);
AC_API AcStatus ac_model_budget(const AcModel *model, int32_t index, AcBudgetInfo *info);
/// Sets a budget for the executions of this run that follow; other runs keep theirs. AC_ERROR_INPUT, and nothing changes,
/// when the model has no such budget (the text names the nearest one), or for a value outside of the range, NaN, and
/// fractions for AC_TYPE_I64 (the text says what was seen and expected).
AC_API AcStatus ac_run_set_budget(AcRun *run, const char *name, double value);
/// The value that the next execution will have. AC_ERROR_INPUT when the model has no such budget.
AC_API AcStatus ac_run_get_budget(const AcRun *run, const char *name, double *value);

/// A site is a place in the model that decides how much is computed; `kind` is the operation it is (`learner_chain`,
/// `exit`, ...). Counter 0 counts opportunities (rows, runs, row-steps), every other one how many of them were taken.
/// `flops[i]` is what one unit of counter i costs in floating-point operations: 0 if it is free, -1 if it was not known
/// while compiling. All pointers live as long as the model.
typedef struct AcSiteInfo {
  const char *name;
  const char *kind;
  int32_t num_counters; ///< at least one
  const char *const *counters;
  const int64_t *flops;
} AcSiteInfo;
AC_API int32_t ac_model_num_sites(const AcModel *model);
AC_API AcStatus ac_model_site(const AcModel *model, int32_t index, AcSiteInfo *info);
/// Copies what site `site` counted in the last execution to `values`, which has room for all its counters. Every
/// execution counts from zero. AC_ERROR_ARGUMENT when the last one failed or there was none.
AC_API AcStatus ac_run_counters(const AcRun *run, int32_t site, int64_t *values);

/// The floating-point operations that the sites of an execution account for.
typedef struct AcFlops {
  double done;     ///< the sum over i > 0 of c_i * flops_i
  double avoided;  ///< the sum over i > 0 of (c_0 - c_i) * flops_i
  int32_t unknown; ///< not zero if something counted has an unknown cost, which is in neither sum
} AcFlops;
/// Of the last execution. AC_ERROR_ARGUMENT when it failed or there was none.
AC_API AcStatus ac_run_flops(const AcRun *run, AcFlops *flops);

/// What the arena of a run has needed since the run was made.
typedef struct AcStatistics {
  int64_t peak_bytes;         ///< most bytes in use at once
  int64_t reserved_bytes;     ///< kept for the next execution
  int64_t system_allocations; ///< requests to the system; equal shapes add none
} AcStatistics;
AC_API AcStatus ac_run_statistics(const AcRun *run, AcStatistics *statistics);

#ifdef __cplusplus
}
#endif
#endif // AC_RUNTIME_RUNTIME_H
