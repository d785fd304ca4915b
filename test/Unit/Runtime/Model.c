//===- Model.c - A compiled model written by hand ---------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler would make of y = gain * (SCALE * x + weights), where `gain` is a budget, with ways to misbehave
// that `mode` chooses. Of its n rows, `steps` (a budget) at most count as taken by the first learner; the second takes
// one.
//
//===----------------------------------------------------------------------===//
#include "ac/Runtime/ABI.h"

#ifndef SCALE
#define SCALE 2
#endif

#define EXPORT __attribute__((visibility("default")))
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#ifdef NO_WEIGHTS
#define WEIGHTS_SIZE "0"
#else
#define WEIGHTS_SIZE "16"
#endif

// The weights are the floats 0, 1, 2, 3.
EXPORT const char ac_model_description[] =
    "accordion\t" TEXT(AC_ABI_VERSION) "\t0.1.0\n"
                                       "weights\t" WEIGHTS_SIZE "\tcffea34249aec64f\n"
                                       "target\t\tgeneric\n"
                                       "input\tx\tf32\tn,4\n"
                                       "input\tmode%09\ti64\t-\n"
                                       "input\tz\tf32\tn\n"
                                       "output\ty\tf32\tn,4\n"
                                       "output\tcount\ti64\t-\n"
                                       "budget\tgain\tf32\t1\t-10\t10\n"
                                       "budget\texit/steps\ti64\t2\t0\t100\n"
                                       "site\tmlp%09\tlearner_chain\trows:0,first:100,second%2C:7\n"
                                       "site\tlast\texit\truns:0,taken:-1\n";

enum Mode {
  normal = 0,
  failAtOnce = 1,
  failInTask = 2,
  hugeAllocation = 3,
  forgetOutput = 4,
  allocateInTasks = 5,
  nestedLoop = 6,
  returnStatus = 7,
  outputTwice = 8,
  unwindTask = 9,
  negativeAllocation = 10,
  hugeAllocationInTask = 11,
  otherShape = 12,
};

struct Closure {
  AcCall *call;
  const float *x;
  const float *weights;
  float *y;
  int64_t mode;
  float gain;
};

static void column(void *closure, int64_t begin, int64_t end) {
  struct Closure *c = *(struct Closure **)closure;
  int64_t row = ((int64_t *)closure)[1];
  for (int64_t j = begin; j < end; ++j)
    c->y[row * 4 + j] = c->gain * (c->x[row * 4 + j] * SCALE + c->weights[j]);
}

static void rows(void *closure, int64_t begin, int64_t end) {
  struct Closure *c = closure;
  const AcHost *host = c->call->host;
  for (int64_t i = begin; i < end; ++i) {
    float *scratch = 0;
    if (c->mode == allocateInTasks)
      scratch = host->alloc(c->call, 64 + i % 7 * 64);
    if (c->mode == hugeAllocationInTask && i == 3)
      host->alloc(c->call, (int64_t)1 << 60);
    if (c->mode == failInTask && i == 5)
      host->fail_later(c->call, "node `Gather_3` (Gather): index 9 is not in [0, 4)");
    if (c->mode == unwindTask && i >= 2)
      host->fail(c->call, "node `Gather_4` (Gather): index 8 is not in [0, 4)");
    if (c->mode == nestedLoop) {
      void *inner[2] = {c, (void *)i};
      host->parallel_for(c->call, column, inner, 4, 1);
    } else {
      for (int64_t j = 0; j < 4; ++j)
        c->y[i * 4 + j] = c->gain * (c->x[i * 4 + j] * SCALE + c->weights[j]);
    }
    if (scratch) {
      scratch[0] = (float)i;
      host->free(c->call, scratch);
    }
  }
}

EXPORT int32_t ac_model_run(AcCall *call) {
#ifdef NO_WEIGHTS
  static const float weights[] = {0, 1, 2, 3};
#else
  const float *weights = (const float *)call->weights;
#endif
  const AcHost *host = call->host;
  int64_t n = call->inputs[0].dims[0], mode = *(const int64_t *)call->inputs[1].data, dims[2] = {n, 4};
  int64_t steps = (int64_t)call->budgets[1];
  call->counters[0] += n;
  call->counters[1] += n < steps ? n : steps;
  call->counters[2] += n < 1 ? n : 1;
  call->counters[3] += 1;
  host->mark(call, "Add_0");
  if (mode == failAtOnce)
    host->fail(call, "node `Add_1` (Add): shapes [2] and [3] do not agree");
  if (mode == hugeAllocation)
    host->alloc(call, (int64_t)1 << 45);
  if (mode == negativeAllocation)
    host->alloc(call, -1);
  if (mode == returnStatus)
    return 17;
  struct Closure closure = {call, call->inputs[0].data,   weights, host->output(call, 0, 2, dims),
                            mode, (float)call->budgets[0]};
  float *temporary = host->alloc(call, n * 16);
  host->parallel_for(call, rows, &closure, n, 3);
  host->free(call, temporary);
  if (mode == outputTwice)
    host->output(call, 0, 2, dims);
  if (mode == forgetOutput)
    return 0;
  int64_t one = 1;
  *(int64_t *)host->output(call, 1, mode == otherShape ? 1 : 0, &one) = n;
  return 0;
}
