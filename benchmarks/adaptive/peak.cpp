//===- peak.cpp - What the machine can do -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `peak THREADS BYTES...`: prints the most float multiply-adds and, for each number of bytes, the fastest reading of
// that many, in GFLOP/s and GB/s, as JSON. Both are the best of several tries, since a peak is what nothing disturbed.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
using Vector = float __attribute__((vector_size(kLanes * sizeof(float)), may_alias));

// Enough chains to hide the latency of two units, few enough to stay in registers.
constexpr int kChains = 12;
constexpr long kSteps = 2000000;

static double seconds(const std::function<void(unsigned)> &work, unsigned threads) {
  auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i)
    others.emplace_back(work, i);
  work(0);
  for (std::thread &thread : others)
    thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Makes the compiler believe that a register changes here.
static inline void keep(Vector &value) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(value)); // x would be the lower half of the registers
#else
  asm volatile("" : "+w"(value));
#endif
}

static float multiplyAdd(float seed) {
  Vector factor, term;
  for (int lane = 0; lane < kLanes; ++lane) {
    factor[lane] = 0.999f;
    term[lane] = seed;
  }
  // Not an array: compilers would keep it in memory.
  Vector a = term, b = term, c = term, d = term, e = term, f = term, g = term, h = term, i = term, j = term, k = term,
         l = term;
  auto advance = [&](auto &...sums) {
    ((sums = sums * factor + term), ...);
    (keep(sums), ...); // one instruction each, whatever the compiler would make of the series
  };
  for (long step = 0; step < kSteps; ++step)
    advance(a, b, c, d, e, f, g, h, i, j, k, l);
  Vector total = a + b + c + d + e + f + g + h + i + j + k + l;
  float result = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    result += total[lane];
  return result;
}

static float read(const float *data, size_t count) {
  constexpr int kStreams = 8;
  Vector sums[kStreams] = {};
  for (size_t at = 0; at + kStreams * kLanes <= count; at += kStreams * kLanes)
    for (int i = 0; i < kStreams; ++i)
      sums[i] += *reinterpret_cast<const Vector *>(data + at + i * kLanes);
  float result = 0;
  for (Vector &sum : sums)
    for (int lane = 0; lane < kLanes; ++lane)
      result += sum[lane];
  return result;
}

int main(int argc, char **argv) {
  unsigned threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  std::vector<float> results(threads * 64);
  double fma = 1e9;
  for (int round = 0; round < 9; ++round)
    fma = std::min(fma, seconds([&](unsigned i) { results[i * 64] += multiplyAdd(1e-3f * (i + 1)); }, threads));
  std::printf("{\"gflops\": %.1f, \"read\": {", 2e-9 * threads * kSteps * kChains * kLanes / fma);
  for (int a = 2; a < argc; ++a) {
    size_t part = std::strtoull(argv[a], nullptr, 10) / sizeof(float) / threads / 128 * 128, count = part * threads;
    auto *data = static_cast<float *>(std::aligned_alloc(64, count * sizeof(float)));
    if (!data || !count)
      return 1;
    // Each thread writes the part that it will read.
    seconds([&](unsigned i) { std::fill_n(data + i * part, part, 1.0f); }, threads);
    double best = 1e9;
    for (int round = 0; round < 15; ++round)
      best = std::min(best, seconds([&](unsigned i) { results[i * 64] += read(data + i * part, part); }, threads));
    std::printf("%s\"%s\": %.2f", a > 2 ? ", " : "", argv[a], 1e-9 * count * sizeof(float) / best);
    std::free(data);
  }
  std::printf("}}\n");
  return results[0] == 42.0f; // so that nothing is left out
}
