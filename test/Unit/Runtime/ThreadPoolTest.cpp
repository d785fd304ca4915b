//===- ThreadPoolTest.cpp - Unit tests of the thread pool -------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ThreadPool.h"

#include <gtest/gtest.h>

#include <chrono>

using accordion::ThreadPool;

namespace {

struct CountingJob : ThreadPool::Job {
  explicit CountingJob(int64_t chunks) : visits(chunks) {
    numChunks = chunks;
    owner = this;
    participate = [](const ThreadPool::Job &base, ThreadPool::Claims &claims, int participant) {
      CountingJob &job = *static_cast<CountingJob *>(base.owner);
      for (int64_t chunk; (chunk = claims.next()) >= 0;)
        // Not atomic on purpose: each chunk belongs to one thread, and its result must be seen after the job.
        ++job.visits[chunk];
    };
  }
  std::vector<int> visits;
};

TEST(ThreadPool, RunsEveryChunkOnce) {
  for (int threads : {1, 2, 3, 4, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.numThreads(), threads);
    for (int64_t chunks : {1, 2, 3, 5, 7, 8, 64, 1000})
      for (int repeat = 0; repeat < 30; ++repeat) {
        CountingJob job(chunks);
        ASSERT_TRUE(pool.tryRun(job));
        ASSERT_EQ(job.visits, std::vector<int>(chunks, 1));
      }
  }
}

TEST(ThreadPool, WakesWorkersThatSleep) {
  ThreadPool pool(4);
  for (int repeat = 0; repeat < 20; ++repeat) {
    CountingJob job(16);
    ASSERT_TRUE(pool.tryRun(job));
    ASSERT_EQ(job.visits, std::vector<int>(16, 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(ThreadPool, SurvivesManyShortJobs) {
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 100000; ++repeat) {
    CountingJob job(3);
    ASSERT_TRUE(pool.tryRun(job));
    ASSERT_EQ(job.visits, std::vector<int>(3, 1));
  }
}

/// A worker that is late for one job, whose chunks others took, meets the next one while it is being written.
TEST(ThreadPool, TellsJobsOfDifferentSizesApart) {
  for (int threads : {2, 3, 8}) {
    ThreadPool pool(threads);
    pool.beginRun();
    for (int repeat = 0; repeat < 30000; ++repeat) {
      CountingJob job(repeat % 2 ? 97 : threads);
      ASSERT_TRUE(pool.tryRun(job));
      ASSERT_EQ(job.visits, std::vector<int>(job.numChunks, 1));
    }
    pool.endRun();
  }
}

TEST(ThreadPool, RefusesASecondCallerAndStaysRight) {
  ThreadPool pool(3);
  std::atomic<int> refused{0}, done{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 2000; ++repeat) {
        CountingJob job(11);
        if (!pool.tryRun(job)) {
          ASSERT_EQ(job.visits, std::vector<int>(11, 0));
          ++refused;
          continue;
        }
        ASSERT_EQ(job.visits, std::vector<int>(11, 1));
        ++done;
      }
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(refused + done, 8000);
  EXPECT_GT(done, 0);
}

TEST(ThreadPool, CanBeClosedAtOnce) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    ThreadPool pool(4);
    if (repeat % 2) {
      CountingJob job(4);
      ASSERT_TRUE(pool.tryRun(job));
    }
  }
}

TEST(ThreadPool, TakesTheNumberOfCoresByDefault) { EXPECT_GE(ThreadPool(0).numThreads(), 1); }

} // namespace
