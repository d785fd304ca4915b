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
// What a loop costs with nothing in it is the number of cache lines that go from one core to the other in turn. So a
// worker waits at a line of its own, which brings it the whole job, and says in another line what it has done; the
// caller waits for none of them before it begins its own share.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_THREADPOOL_H
#define AC_RUNTIME_LIB_THREADPOOL_H

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace accordion {

class ThreadPool {
public:
  class Claims;

  /// A loop in chunks.
  struct Job {
    /// Called once by every thread that takes part, for the chunks that `claims` gives it. All must be taken, whatever
    /// happens; a chunk counts as done when the thread asks for the next.
    void (*participate)(const Job &job, Claims &claims, int participant);
    int64_t numChunks; ///< at most `maxChunks`
    /// For `participate`. (A job is copied to each worker.)
    void *owner;
    void (*task)(void *closure, int64_t begin, int64_t end);
    void *closure;
    int64_t count, grain;
  };
  static constexpr int64_t maxChunks = INT32_MAX;

  /// Claims chunks of the running job, one after another.
  class Claims {
  public:
    /// The next chunk, or -1 when all are claimed.
    int64_t next();

  private:
    friend class ThreadPool;
    Claims(ThreadPool &pool, uint32_t number, int64_t numChunks, int participant)
        : pool(pool), number(number), numChunks(numChunks), participant(participant) {}
    int64_t claim();

    ThreadPool &pool;
    uint32_t number; // of the job
    int64_t numChunks;
    int participant;
    int offset = 0;
    int64_t first = -1; ///< has been claimed, and is to be given out
    bool isBusy = false;
    uint32_t done = 0;
  };

  /// `threads` counts the caller; <= 0 means one per core that this process may use.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool &) = delete;
  ~ThreadPool();

  int numThreads() const { return threads; }
  /// Returns when every chunk is done; false, without having done anything, when the pool is busy with the job of
  /// another caller.
  bool tryRun(const Job &job);

  /// While a model runs, workers wait longer before they sleep: to wake one costs more than most serial stretches.
  void beginRun() { activeRuns.fetch_add(1, std::memory_order_relaxed); }
  void endRun() { activeRuns.fetch_sub(1, std::memory_order_relaxed); }

private:
  /// The number of a job in the upper half, a number of chunks in the lower: of a share, those that are claimed.
  using Progress = uint64_t;
  static Progress progress(uint32_t job, uint32_t chunks) { return static_cast<Progress>(job) << 32 | chunks; }
  static uint32_t jobOf(Progress progress) { return progress >> 32; }
  static uint32_t chunksOf(Progress progress) { return static_cast<uint32_t>(progress); }
  /// In place of claimed chunks: the job is being written.
  static constexpr uint32_t closed = UINT32_MAX;

  static constexpr size_t jobWords = sizeof(Job) / sizeof(uint64_t);
  /// What a participant is told.
  struct alignas(64) Mailbox {
    std::atomic<Progress> claimed{0};
    std::array<std::atomic<uint64_t>, jobWords> job;
  };
  static_assert(sizeof(Job) % sizeof(uint64_t) == 0 && sizeof(Mailbox) == 64, "a job arrives in one cache line");
  /// What it answers: the chunks, of any share, that it has done.
  struct alignas(64) Report {
    std::atomic<Progress> done{0};
  };
  struct alignas(64) Bed {
    std::atomic<uint32_t> isAsleep{0};
  };
  struct Share {
    int64_t begin, size;
  };

  Share shareOf(int participant, int64_t numChunks) const {
    int64_t quotient = numChunks / threads, remainder = numChunks % threads;
    return {participant * quotient + std::min<int64_t>(participant, remainder), quotient + (participant < remainder)};
  }
  void start();
  void work(int participant);
  bool waitForJob(int participant, uint32_t last);
  void post(int participant, const Job &job);
  bool read(int participant, uint32_t &last, Job &job) const;
  void wake(int64_t numChunks);
  void waitUntilDone(int64_t chunksOfWorkers);

  int threads;
  /// Zero when there are more threads than cores: then spinning only takes time from those who work.
  int64_t spinNanoseconds;
  std::vector<std::thread> workers;
  int workersProcess = 0; ///< the process that has the workers: a fork does not
  std::unique_ptr<Mailbox[]> mailboxes;
  std::unique_ptr<Report[]> reports;
  std::unique_ptr<Bed[]> beds;
  std::mutex callers;
  uint32_t number = 0; ///< of the last job
  // Seldom written.
  alignas(64) std::atomic<uint32_t> activeRuns{0};
  std::atomic<bool> stops{false};
  /// Where the caller of the running job is, or -1 if workers need not keep away from it.
  std::atomic<int> callerProcessor{-1};
  std::atomic<uint32_t> callerWaits{0};
  std::atomic<uint32_t> answers{0}; ///< workers that were done while the caller waited
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_THREADPOOL_H
