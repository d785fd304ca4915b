//===- peak.cpp - What the machine can do -----------------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `peak THREADS BYTES...`: prints the most multiply-adds of floats, bytes and bf16 and, for each number of bytes, the
// fastest reading of that many, in GFLOP/s and GB/s, as JSON. Each is the best of several tries, since a peak is what
// nothing disturbed. What the processor has no instructions for is 0.
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

#if defined(__AMX_INT8__) && defined(__AMX_BF16__)
// Four tiles of sums, each of 16 x 16, use two tiles of rows and two of columns.
constexpr double kBytesPerStep = 4 * 16 * 16 * 64, kBF16PerStep = kBytesPerStep / 2;

static bool prepare() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; } // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

template <typename Step> static float repeat(Step step) {
  alignas(64) unsigned char shape[64] = {1};
  for (int i = 0; i < 8; ++i)
    shape[16 + 2 * i] = 64, shape[48 + i] = 16;
  _tile_loadconfig(shape);
  for (long i = 0; i < kSteps / 8; ++i)
    step();
  _tile_release();
  return 0;
}
static float multiplyBytes() {
  return repeat([] { _tile_dpbusd(0, 4, 6), _tile_dpbusd(1, 4, 7), _tile_dpbusd(2, 5, 6), _tile_dpbusd(3, 5, 7); });
}
static float multiplyBF16() {
  return repeat(
      [] { _tile_dpbf16ps(0, 4, 6), _tile_dpbf16ps(1, 4, 7), _tile_dpbf16ps(2, 5, 6), _tile_dpbf16ps(3, 5, 7); });
}
#elif defined(__AVX512VNNI__)
constexpr double kBytesPerStep = kChains * 16 * 4;
#if defined(__AVX512BF16__)
constexpr double kBF16PerStep = kChains * 16 * 2;
#else
constexpr double kBF16PerStep = 0;
#endif

static bool prepare() { return true; }

/// `instruction` adds products of two registers to the first.
#define REPEAT(instruction)                                                                                            \
  for (long step = 0; step < kSteps / 8; ++step)                                                                       \
  asm volatile(instruction                                                                                             \
               " %%zmm14, %%zmm15, %%zmm0\n" instruction " %%zmm14, %%zmm15, %%zmm1\n" instruction                     \
               " %%zmm14, %%zmm15, %%zmm2\n" instruction " %%zmm14, %%zmm15, %%zmm3\n" instruction                     \
               " %%zmm14, %%zmm15, %%zmm4\n" instruction " %%zmm14, %%zmm15, %%zmm5\n" instruction                     \
               " %%zmm14, %%zmm15, %%zmm6\n" instruction " %%zmm14, %%zmm15, %%zmm7\n" instruction                     \
               " %%zmm14, %%zmm15, %%zmm8\n" instruction " %%zmm14, %%zmm15, %%zmm9\n" instruction                     \
               " %%zmm14, %%zmm15, %%zmm10\n" instruction " %%zmm14, %%zmm15, %%zmm11" ::                              \
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11")
static float multiplyBytes() {
  REPEAT("vpdpbusd");
  return 0;
}
static float multiplyBF16() {
#if defined(__AVX512BF16__)
  REPEAT("vdpbf16ps");
#endif
  return 0;
}
#else
constexpr double kBytesPerStep = 0, kBF16PerStep = 0;
static bool prepare() { return false; }
static float multiplyBytes() { return 0; }
static float multiplyBF16() { return 0; }
#endif

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
  double bytes = 1e9, halves = 1e9;
  if (prepare())
    for (int round = 0; round < 9; ++round) {
      bytes = std::min(bytes, seconds([&](unsigned) { multiplyBytes(); }, threads));
      halves = std::min(halves, seconds([&](unsigned) { multiplyBF16(); }, threads));
    }
  std::printf("{\"gflops\": %.1f, \"int8_gflops\": %.1f, \"bf16_gflops\": %.1f, \"read\": {",
              2e-9 * threads * kSteps * kChains * kLanes / fma, 2e-9 * threads * (kSteps / 8) * kBytesPerStep / bytes,
              2e-9 * threads * (kSteps / 8) * kBF16PerStep / halves);
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
