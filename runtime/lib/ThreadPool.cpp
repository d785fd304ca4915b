//===- ThreadPool.cpp - Persistent workers ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace accordion {

static constexpr int maxThreads = 1024;
/// How long workers wait actively for the next job: about what it costs to put one to sleep and wake it again, and
/// longer while a model runs, where the next loop is near.
static constexpr int64_t spinTime = 50000, spinTimeInRun = 1000000;

static void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

static int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Spins until `done()` or the time is over; true if it is done.
template <typename Done> static bool spin(int64_t nanoseconds, Done done) {
  if (done())
    return true;
  if (nanoseconds <= 0)
    return false;
  for (int64_t deadline = now() + nanoseconds; now() < deadline;)
    for (int i = 0; i < 32; ++i) {
      relax();
      if (done())
        return true;
    }
  return false;
}

/// Moves this thread off a processor where it would take turns with another that is busy. Schedulers wake a thread where
/// its waker runs and leave it there for milliseconds, even if another processor is idle.
static void moveOff(int processor) {
  cpu_set_t all, others;
  if (processor < 0 || processor >= CPU_SETSIZE || sched_getaffinity(0, sizeof(all), &all) != 0)
    return;
  others = all;
  CPU_CLR(processor, &others);
  if (CPU_COUNT(&others) && sched_setaffinity(0, sizeof(others), &others) == 0)
    sched_setaffinity(0, sizeof(all), &all);
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// The processor time that a container may use, in cores; more threads than that would be stopped in turn.
static int containerLimit() {
  int limit = INT32_MAX;
  if (FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re")) {
    long long quota, period;
    if (fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
      limit = static_cast<int>(std::min<long long>((quota + period - 1) / period, maxThreads));
    fclose(file);
  }
  return limit;
}

static int availableCores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                           : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(1, std::min(cores, containerLimit()));
}

int64_t ThreadPool::Claims::next() {
  for (; offset < pool.threads; ++offset) {
    Share &share = pool.shares[(participant + offset) % pool.threads];
    // Looking first keeps the line of an exhausted share from being taken away from its owner.
    if (share.next.load(std::memory_order_relaxed) >= share.end)
      continue;
    int64_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
    if (chunk < share.end)
      return chunk;
  }
  return -1;
}

ThreadPool::ThreadPool(int requested) {
  int cores = availableCores();
  threads = std::min(requested > 0 ? requested : cores, maxThreads);
  spinNanoseconds = threads <= cores ? spinTime : 0;
  shares = std::make_unique<Share[]>(threads);
}

ThreadPool::~ThreadPool() {
  state.fetch_or(stopBit, std::memory_order_seq_cst);
  futexWake(state, INT32_MAX);
  for (std::thread &worker : workers)
    if (workersProcess == getpid())
      worker.join();
    else
      worker.detach();
}

/// Workers are made when first needed, so that opening a model to look at it, or a model of small loops, costs nothing.
void ThreadPool::start() {
  workers.reserve(threads - 1);
  workersProcess = getpid();
  try {
    for (int i = 1; i < threads; ++i)
      workers.emplace_back([this, i] { work(i); });
  } catch (const std::exception &) {
    // The system refuses more threads. The caller does what they would have done.
  }
}

bool ThreadPool::tryRun(Job &newJob) {
  std::unique_lock<std::mutex> lock(callers, std::try_to_lock);
  if (!lock)
    return false;
  if (workers.empty() && threads > 1)
    start();
  int64_t quotient = newJob.numChunks / threads, remainder = newJob.numChunks % threads;
  int64_t begin = 0;
  for (int i = 0; i < threads; ++i) {
    shares[i].next.store(begin, std::memory_order_relaxed);
    begin += quotient + (i < remainder);
    shares[i].end = begin;
  }
  job = &newJob;
  callerProcessor.store(spinNanoseconds ? sched_getcpu() : -1, std::memory_order_relaxed);
  uint32_t generation = (state.load(std::memory_order_relaxed) >> generationShift) + 1;
  state.store(generation << generationShift | openBit, std::memory_order_seq_cst);
  uint32_t asleep = sleepers.load(std::memory_order_seq_cst);
  if (asleep)
    futexWake(state, static_cast<int>(std::min<int64_t>(asleep, newJob.numChunks - 1)));

  Claims claims(*this, 0);
  newJob.participate(newJob, claims, 0);

  if (state.fetch_and(~openBit, std::memory_order_seq_cst) & enteredMask)
    waitUntilDrained();
  // Pairs with the release of the last worker that left.
  state.load(std::memory_order_acquire);
  job = nullptr;
  return true;
}

void ThreadPool::waitUntilDrained() {
  auto isDrained = [this] { return !(state.load(std::memory_order_seq_cst) & enteredMask); };
  if (spin(spinNanoseconds, isDrained))
    return;
  callerWaits.store(1, std::memory_order_seq_cst);
  for (;;) {
    uint32_t seen = drained.load(std::memory_order_seq_cst);
    if (isDrained())
      break;
    futexWait(drained, seen);
  }
  callerWaits.store(0, std::memory_order_relaxed);
}

/// Waits for a job that may be entered and is not the last one, then returns true; false when the pool ends.
bool ThreadPool::waitForJob(uint32_t lastGeneration, uint32_t &seen) {
  auto isReady = [&] {
    seen = state.load(std::memory_order_seq_cst);
    return seen & stopBit || (seen & openBit && seen >> generationShift != lastGeneration);
  };
  auto isReadyOrIdle = [&] { return isReady() || activeRuns.load(std::memory_order_relaxed) == 0; };
  while (!spin(spinNanoseconds, isReady)) {
    if (spinNanoseconds && spin(spinTimeInRun, isReadyOrIdle) && isReady())
      break;
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    if (!isReady())
      futexWait(state, seen);
    sleepers.fetch_sub(1, std::memory_order_relaxed);
    if (isReady())
      break;
  }
  return !(seen & stopBit);
}

void ThreadPool::work(int participant) {
  uint32_t generation = ~0u, seen;
  while (waitForJob(generation, seen)) {
    if (!state.compare_exchange_weak(seen, seen + 1, std::memory_order_seq_cst))
      continue;
    generation = seen >> generationShift;
    if (int busy = callerProcessor.load(std::memory_order_relaxed); busy >= 0 && busy == sched_getcpu())
      moveOff(busy);
    Claims claims(*this, participant);
    job->participate(*job, claims, participant);
    uint32_t left = state.fetch_sub(1, std::memory_order_seq_cst) - 1;
    if (!(left & (enteredMask | openBit)) && callerWaits.load(std::memory_order_seq_cst)) {
      drained.fetch_add(1, std::memory_order_seq_cst);
      futexWake(drained, 1);
    }
  }
}

} // namespace accordion
