//===- ABI.h - What compiled code and the runtime agree on -------*- C -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A compiled model is an ELF shared object with two symbols:
//
//   ac_model_description  NUL-terminated text, see below
//   ac_model_run          int32_t (*)(AcCall *), 0 or the status given to `fail`
//
// It has no undefined symbol of the runtime: every service is reached through `AcCall::host`. The C and maths
// libraries (memcpy, expf, ...) are resolved in the process that loads it.
//
// The description has one line per fact, fields separated by tabs, names with `%XX` escapes for tab, newline, `%`:
//
//   accordion <abi version> <compiler version>
//   weights <bytes> <xxh64 of the bytes, 16 hex digits>
//   target <triple> <cpu> <feature>,<feature>,...       instructions that the code may use, in LLVM's names; optional
//   input  <name> <element type> <dim>,<dim>,...        a dim is a number, a symbol, or `?`; `-` for rank 0
//   output <name> <element type> <dim>,<dim>,...
//   budget <name> <f32|i64> <initial> <least> <most>    a number that the user sets for a run, see below
//   site   <name> <kind> <counter>:<flops>,<counter>:<flops>,...
//
// Element types are spelled f16 bf16 f32 f64 bool i8 i16 i32 i64 u8 u16 u32 u64.
//
// Budgets. The n-th budget line describes `AcCall::budgets[n]`. Numbers are written as in C (`0.9`, `1e-3`, `inf`),
// with as many digits as a double needs; least <= initial <= most. An i64 budget is a whole number of at most 2^53. A
// value does not change during a run.
//
// Sites. A site is a place in the model that decides how much is computed, `kind` the operation it was
// (`learner_chain`, `exit`, ...). The counters of all sites, in the order of the lines, are `AcCall::counters[0]`,
// `[1]`, ... Counter 0 of a site counts opportunities (rows, runs, row-steps); every other counter counts how many of
// them were taken. `flops` is the cost of one unit of a counter in floating-point operations: 0 if it is free, -1 if it
// is not known while compiling. So a run has done the sum over i > 0 of c_i * flops_i, and avoided the sum over i > 0
// of (c_0 - c_i) * flops_i; what has an unknown cost is left out of both, and whoever reports them says so. Counters
// are only touched by the thread that entered `ac_model_run`.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_ABI_H
#define AC_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AC_ABI_VERSION 2
/// Alignment in bytes of the weights, of every arena allocation and of every output buffer the runtime makes.
#define AC_ALIGNMENT 64

typedef struct AcCall AcCall;

/// A range [begin, end) of a parallel loop; `closure` is what the caller handed to `parallel_for`.
typedef void (*AcTask)(void *closure, int64_t begin, int64_t end);

/// A contiguous row-major tensor. `dims` has as many entries as the model's declared rank.
typedef struct AcInput {
  const void *data;
  const int64_t *dims;
} AcInput;

/// The services of the runtime. The order of the fields is part of the ABI: compiled code loads them by position.
typedef struct AcHost {
  /// `bytes` (>= 0) of arena memory for this run, aligned to AC_ALIGNMENT. Does not return on exhaustion (see `fail`).
  void *(*alloc)(AcCall *call, int64_t bytes);
  /// Gives memory of `alloc` back to this run's arena.
  void (*free)(AcCall *call, void *pointer);
  /// Runs `task` over [0, count) in ranges of at least `grain` (but for the last) on this run's threads; returns when
  /// all are done. Ranges never depend on the number of threads in a way that changes a result.
  void (*parallel_for)(AcCall *call, AcTask task, void *closure, int64_t count, int64_t grain);
  /// The buffer for output `index` with these dimensions; called exactly once for each output of a run.
  void *(*output)(AcCall *call, int64_t index, int64_t rank, const int64_t *dims);
  /// Ends the run with an error; `message` is a static string naming the ONNX node. Does not return. Only called from
  /// the thread that entered `ac_model_run`.
  void (*fail)(AcCall *call, const char *message);
  /// Records an error from inside a parallel task, where unwinding is impossible; the run ends with it at the next
  /// return to `parallel_for`'s caller.
  void (*fail_later)(AcCall *call, const char *message);
  /// What follows, until the next mark or the end of the run, belongs to the ONNX node of this name (a static string).
  /// Called outside of parallel tasks.
  void (*mark)(AcCall *call, const char *node);
} AcHost;

/// One run. Compiled code knows these fields by position; what follows them belongs to the runtime.
struct AcCall {
  const AcHost *host;
  const uint8_t *weights;
  const AcInput *inputs;
  const double *budgets; ///< a number for each budget of the description
  int64_t *counters;     ///< zero at the start of a run; a number for each counter of each site
};

#ifdef __cplusplus
}
#endif
#endif // AC_RUNTIME_ABI_H
