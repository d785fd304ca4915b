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
#include <cstring>
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

/// Moves this thread off a processor where it would take turns with another that is busy. Schedulers wake a thread
/// where its waker runs and leave it there for milliseconds, even if another processor is idle.
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
  int cores =
      sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  return std::max(1, std::min(cores, containerLimit()));
}

int64_t ThreadPool::Claims::claim() {
  for (; offset < pool.threads; ++offset) {
    int owner = (participant + offset) % pool.threads;
    Share share = pool.shareOf(owner, numChunks);
    std::atomic<Progress> &claimed = pool.mailboxes[owner].claimed;
    // Of a job that comes later nothing can be claimed: this one would not have ended while its number stood there.
    for (Progress seen = claimed.load(std::memory_order_relaxed); jobOf(seen) == number && chunksOf(seen) < share.size;)
      if (claimed.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed))
        return share.begin + chunksOf(seen);
  }
  return -1;
}

int64_t ThreadPool::Claims::next() {
  if (isBusy) {
    ++done;
    if (participant > 0) {
      pool.reports[participant].done.store(progress(number, done), std::memory_order_release);
    } else if (done == 1) {
      // A worker that was about to sleep when the job was posted may not have been seen.
      std::atomic_thread_fence(std::memory_order_seq_cst);
      pool.wake(numChunks);
    }
  }
  int64_t chunk = first >= 0 ? first : claim();
  first = -1;
  isBusy = chunk >= 0;
  return chunk;
}

ThreadPool::ThreadPool(int requested) {
  int cores = availableCores();
  threads = std::min(requested > 0 ? requested : cores, maxThreads);
  spinNanoseconds = threads <= cores ? spinTime : 0;
  mailboxes = std::make_unique<Mailbox[]>(threads);
  reports = std::make_unique<Report[]>(threads);
  beds = std::make_unique<Bed[]>(threads);
}

ThreadPool::~ThreadPool() {
  stops.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  wake(threads);
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

/// Puts the job into the mailbox. Its number goes first, so that whoever sees one of its words sees that the job before
/// is gone.
void ThreadPool::post(int participant, const Job &job) {
  Mailbox &mailbox = mailboxes[participant];
  mailbox.claimed.store(progress(number, closed), std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  std::array<uint64_t, jobWords> words;
  std::memcpy(words.data(), &job, sizeof(job));
  for (size_t i = 0; i < jobWords; ++i)
    mailbox.job[i].store(words[i], std::memory_order_relaxed);
  mailbox.claimed.store(progress(number, 0), std::memory_order_release);
}

/// Takes the job after `last` out of the mailbox, and sets `last` to its number; false if there is none, or if another
/// one was put there meanwhile. Words of two jobs would let a worker claim what nobody has to give: the shares of others
/// may still have the number of the first.
bool ThreadPool::read(int participant, uint32_t &last, Job &job) const {
  const Mailbox &mailbox = mailboxes[participant];
  Progress seen = mailbox.claimed.load(std::memory_order_acquire);
  if (jobOf(seen) == last || chunksOf(seen) == closed)
    return false;
  std::array<uint64_t, jobWords> words;
  for (size_t i = 0; i < jobWords; ++i)
    words[i] = mailbox.job[i].load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (jobOf(mailbox.claimed.load(std::memory_order_relaxed)) != jobOf(seen))
    return false;
  std::memcpy(&job, words.data(), sizeof(job));
  last = jobOf(seen);
  return true;
}

/// Wakes those of the workers with a share that sleep.
void ThreadPool::wake(int64_t numChunks) {
  for (int i = 1; i < std::min<int64_t>(threads, numChunks); ++i)
    if (beds[i].isAsleep.load(std::memory_order_relaxed)) {
      beds[i].isAsleep.store(0, std::memory_order_seq_cst);
      futexWake(beds[i].isAsleep, 1);
    }
}

bool ThreadPool::tryRun(const Job &job) {
  std::unique_lock<std::mutex> lock(callers, std::try_to_lock);
  if (!lock)
    return false;
  if (workers.empty() && threads > 1)
    start();
  ++number;
  if (int processor = spinNanoseconds ? sched_getcpu() : -1;
      processor != callerProcessor.load(std::memory_order_relaxed))
    callerProcessor.store(processor, std::memory_order_relaxed);
  for (int i = 1; i < std::min<int64_t>(threads, job.numChunks); ++i)
    post(i, job);
  // The first chunk is the caller's.
  mailboxes[0].claimed.store(progress(number, 1), std::memory_order_release);
  wake(job.numChunks);

  Claims claims(*this, number, job.numChunks, 0);
  claims.first = 0;
  job.participate(job, claims, 0);
  waitUntilDone(job.numChunks - claims.done);
  return true;
}

void ThreadPool::waitUntilDone(int64_t chunksOfWorkers) {
  auto isDone = [&] {
    int64_t left = chunksOfWorkers;
    for (int i = 1; i < threads && left > 0; ++i) {
      Progress done = reports[i].done.load(std::memory_order_acquire);
      if (jobOf(done) == number)
        left -= chunksOf(done);
    }
    return left <= 0;
  };
  if (spin(spinNanoseconds, isDone))
    return;
  callerWaits.store(1, std::memory_order_seq_cst);
  for (;;) {
    uint32_t seen = answers.load(std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (isDone())
      break;
    futexWait(answers, seen);
  }
  callerWaits.store(0, std::memory_order_relaxed);
}

/// Waits for a job after the last one; false when the pool ends.
bool ThreadPool::waitForJob(int participant, uint32_t last) {
  const std::atomic<Progress> &claimed = mailboxes[participant].claimed;
  std::atomic<uint32_t> &isAsleep = beds[participant].isAsleep;
  auto isReady = [&] {
    Progress seen = claimed.load(std::memory_order_acquire);
    return (jobOf(seen) != last && chunksOf(seen) != closed) || stops.load(std::memory_order_relaxed);
  };
  auto isReadyOrIdle = [&] { return isReady() || activeRuns.load(std::memory_order_relaxed) == 0; };
  while (!spin(spinNanoseconds, isReady)) {
    if (spinNanoseconds && spin(spinTimeInRun, isReadyOrIdle) && isReady())
      break;
    isAsleep.store(1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!isReady())
      futexWait(isAsleep, 1);
    isAsleep.store(0, std::memory_order_relaxed);
    if (isReady())
      break;
  }
  return !stops.load(std::memory_order_relaxed);
}

void ThreadPool::work(int participant) {
  uint32_t last = 0;
  while (waitForJob(participant, last)) {
    Job job;
    if (!read(participant, last, job))
      continue;
    Claims claims(*this, last, job.numChunks, participant);
    claims.first = claims.claim();
    if (claims.first < 0)
      continue;
    if (int busy = callerProcessor.load(std::memory_order_relaxed); busy >= 0 && busy == sched_getcpu())
      moveOff(busy);
    job.participate(job, claims, participant);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (callerWaits.load(std::memory_order_relaxed)) {
      answers.fetch_add(1, std::memory_order_seq_cst);
      futexWake(answers, 1);
    }
  }
}

} // namespace accordion
