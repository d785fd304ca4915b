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
//
// Element types are spelled f16 bf16 f32 f64 bool i8 i16 i32 i64 u8 u16 u32 u64.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_ABI_H
#define AC_RUNTIME_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AC_ABI_VERSION 1
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

/// One run. Compiled code reads the first three fields; what follows them belongs to the runtime.
struct AcCall {
  const AcHost *host;
  const uint8_t *weights;
  const AcInput *inputs;
};

#ifdef __cplusplus
}
#endif
#endif // AC_RUNTIME_ABI_H
