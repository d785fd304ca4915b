//===- ThreadPool.h - Persistent workers ------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The chunks of a job are dealt out as one contiguous share per thread, and a thread that is done helps the others:
// neighbouring chunks, and the same chunks of the next job, tend to stay in the cache of one core. Nobody waits for a
// worker that has not begun: the caller does the work of workers that are asleep or not scheduled.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_THREADPOOL_H
#define AC_RUNTIME_LIB_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace accordion {

class ThreadPool {
public:
  /// Claims chunks of the running job, one after another.
  class Claims {
  public:
    Claims(ThreadPool &pool, int participant) : pool(pool), participant(participant) {}
    /// The next chunk, or -1 when all are claimed.
    int64_t next();

  private:
    ThreadPool &pool;
    int participant;
    int offset = 0;
  };

  struct Job {
    /// Called once by every thread that takes part.
    void (*participate)(Job &job, Claims &claims, int participant);
    int64_t numChunks;
  };

  /// `threads` counts the caller; <= 0 means one per core that this process may use.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool &) = delete;
  ~ThreadPool();

  int numThreads() const { return threads; }
  /// Returns when every chunk that was claimed is done; false, without having done anything, when the pool is busy
  /// with the job of another caller.
  bool tryRun(Job &job);

  /// While a model runs, workers wait longer before they sleep: to wake one costs more than most serial stretches.
  void beginRun() { activeRuns.fetch_add(1, std::memory_order_relaxed); }
  void endRun() { activeRuns.fetch_sub(1, std::memory_order_relaxed); }

private:
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  // Bits of `state`: the number of workers in the job, whether it may be entered, and a number that tells jobs apart.
  static constexpr uint32_t enteredMask = 0x3fff, openBit = 0x4000, stopBit = 0x8000;
  static constexpr int generationShift = 16;

  void start();
  void work(int participant);
  bool waitForJob(uint32_t lastGeneration, uint32_t &state);
  void waitUntilDrained();

  int threads;
  /// Zero when there are more threads than cores: then spinning only takes time from those who work.
  int64_t spinNanoseconds;
  std::vector<std::thread> workers;
  int workersProcess = 0; ///< the process that has the workers: a fork does not
  std::unique_ptr<Share[]> shares;
  std::mutex callers;
  Job *job = nullptr;
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<uint32_t> activeRuns{0};
  /// Where the caller of the running job is, or -1 if workers need not keep away from it.
  std::atomic<int> callerProcessor{-1};
  std::atomic<uint32_t> callerWaits{0};
  std::atomic<uint32_t> drained{0};
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_THREADPOOL_H
