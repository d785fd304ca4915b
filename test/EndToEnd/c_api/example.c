//===- example.c - Run a compiled model from C -------------------*- C -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Usage: example MODEL.so [SIZE] [BUDGET=VALUE]...
//
// Runs any compiled model on made-up inputs: every dimension that is not fixed gets SIZE (1 if not given), floats count
// 0, 0.1, 0.2, ... and integers are 0. Budgets of the model that are not given keep their initial values. Build it with
//
//   cc example.c -I include -L lib -laccordion_runtime -o example
//
//===----------------------------------------------------------------------===//
#include "ac/Runtime/Runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(AcStatus status) {
  if (status == AC_OK)
    return;
  fprintf(stderr, "error %d: %s\n", (int)status, ac_last_error());
  exit(1);
}

/// Memory that the program owns and the model reads in place.
static AcTensor make_input(const AcTensorInfo *info, int64_t size, int64_t *dims) {
  size_t count = 1;
  for (int32_t i = 0; i < info->rank; ++i) {
    dims[i] = info->dims[i] >= 0 ? info->dims[i] : size;
    count *= (size_t)dims[i];
  }
  void *data = calloc(count ? count : 1, ac_type_size(info->type));
  if (!data) {
    fprintf(stderr, "no memory for input %s\n", info->name);
    exit(1);
  }
  if (info->type == AC_TYPE_F32)
    for (size_t i = 0; i < count; ++i)
      ((float *)data)[i] = 0.1f * (float)(i % 10);
  AcTensor tensor = {data, info->type, info->rank, dims};
  return tensor;
}

static void print_output(const AcTensorInfo *info, const AcTensor *tensor) {
  printf("output %s: %s [", info->name, ac_type_name(tensor->type));
  size_t count = 1;
  for (int32_t i = 0; i < tensor->rank; ++i) {
    printf(i ? ", %lld" : "%lld", (long long)tensor->dims[i]);
    count *= (size_t)tensor->dims[i];
  }
  printf("]");
  for (size_t i = 0; i < count && i < 8; ++i) {
    if (tensor->type == AC_TYPE_F32)
      printf(" %g", ((const float *)tensor->data)[i]);
    else if (tensor->type == AC_TYPE_I64)
      printf(" %lld", (long long)((const int64_t *)tensor->data)[i]);
  }
  printf("\n");
}

/// What each site of the model counted, and what that comes to.
static void print_counters(const AcModel *model, const AcRun *run) {
  for (int32_t i = 0; i < ac_model_num_sites(model); ++i) {
    AcSiteInfo info;
    check(ac_model_site(model, i, &info));
    int64_t *values = malloc(sizeof(int64_t) * (size_t)info.num_counters);
    check(ac_run_counters(run, i, values));
    printf("site %s (%s):", info.name, info.kind);
    for (int32_t c = 0; c < info.num_counters; ++c)
      printf(" %s %lld", info.counters[c], (long long)values[c]);
    printf("\n");
    free(values);
  }
  AcFlops flops;
  check(ac_run_flops(run, &flops));
  if (ac_model_num_sites(model) > 0)
    printf("flops: %g done, %g avoided%s\n", flops.done, flops.avoided, flops.unknown ? ", some not known" : "");
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s MODEL.so [SIZE] [BUDGET=VALUE]...\n", argv[0]);
    return 1;
  }
  int64_t size = argc > 2 ? atoll(argv[2]) : 1;

  AcModel *model;
  check(ac_model_open(argv[1], NULL, 0, &model));
  AcRun *run;
  check(ac_run_create(model, &run));

  for (int i = 3; i < argc; ++i) {
    char *equals = strchr(argv[i], '=');
    if (!equals) {
      fprintf(stderr, "expected BUDGET=VALUE, not %s\n", argv[i]);
      return 1;
    }
    *equals = 0;
    check(ac_run_set_budget(run, argv[i], atof(equals + 1)));
  }

  int32_t num_inputs = ac_model_num_inputs(model);
  AcTensor *inputs = calloc((size_t)num_inputs + 1, sizeof(AcTensor));
  int64_t **dims = calloc((size_t)num_inputs + 1, sizeof(int64_t *));
  for (int32_t i = 0; i < num_inputs; ++i) {
    AcTensorInfo info;
    check(ac_model_input(model, i, &info));
    printf("input %s: %s, rank %d\n", info.name, ac_type_name(info.type), (int)info.rank);
    dims[i] = malloc(sizeof(int64_t) * ((size_t)info.rank + 1));
    inputs[i] = make_input(&info, size, dims[i]);
    check(ac_run_set_input(run, i, &inputs[i]));
  }

  check(ac_run_execute(run));
  for (int32_t i = 0; i < ac_model_num_outputs(model); ++i) {
    AcTensorInfo info;
    AcTensor output;
    check(ac_model_output(model, i, &info));
    check(ac_run_output(run, i, &output));
    print_output(&info, &output);
  }
  print_counters(model, run);

  // The first output can also go straight to memory of the program, here of the size that it just had.
  if (ac_model_num_outputs(model) > 0) {
    AcTensor output, again;
    check(ac_run_output(run, 0, &output));
    size_t bytes = ac_type_size(output.type);
    for (int32_t i = 0; i < output.rank; ++i)
      bytes *= (size_t)output.dims[i];
    void *copy = malloc(bytes + 1), *mine = malloc(bytes + 1);
    memcpy(copy, output.data, bytes);
    check(ac_run_set_output(run, 0, mine, bytes));
    check(ac_run_execute(run));
    check(ac_run_output(run, 0, &again));
    printf("in place: %s\n", again.data == mine && memcmp(copy, mine, bytes) == 0 ? "same result" : "DIFFERENT");
    free(copy);
    free(mine);
  }

  ac_run_destroy(run);
  ac_model_close(model);
  for (int32_t i = 0; i < num_inputs; ++i) {
    free(inputs[i].data);
    free(dims[i]);
  }
  free(inputs);
  free(dims);
  return 0;
}
