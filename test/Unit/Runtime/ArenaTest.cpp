//===- ArenaTest.cpp - Unit tests of the arena ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

using accordion::Arena;

namespace {

TEST(Arena, GivesAlignedMemoryAlsoForNothing) {
  Arena arena;
  void *a = arena.allocate(0), *b = arena.allocate(1), *c = arena.allocate(100000);
  for (void *pointer : {a, b, c})
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pointer) % 64, 0u);
  EXPECT_NE(a, b);
  arena.release(nullptr);
}

TEST(Arena, RefusesNegativeAndImpossibleSizes) {
  Arena arena;
  EXPECT_EQ(arena.allocate(-1), nullptr);
  EXPECT_EQ(arena.allocate(INT64_MAX), nullptr);
  EXPECT_EQ(arena.allocate(int64_t(1) << 45), nullptr);
  EXPECT_NE(arena.allocate(64), nullptr);
}

TEST(Arena, ReusesWhatWasGivenBack) {
  Arena arena;
  void *first = arena.allocate(5000);
  arena.release(first);
  EXPECT_EQ(arena.allocate(5000), first);
}

TEST(Arena, JoinsNeighbours) {
  Arena arena;
  void *a = arena.allocate(1000), *b = arena.allocate(1000), *c = arena.allocate(1000);
  arena.allocate(64);
  arena.release(a);
  arena.release(c);
  arena.release(b);
  EXPECT_EQ(arena.allocate(3000), a);
}

TEST(Arena, AsksTheSystemOnlyWhileShapesAreNew) {
  Arena arena;
  auto run = [&](int64_t scale) {
    std::vector<void *> blocks;
    for (int i = 1; i < 40; ++i)
      blocks.push_back(arena.allocate(i * scale));
    for (size_t i = 0; i < blocks.size(); i += 2)
      arena.release(blocks[i]);
    arena.allocate(100 * scale);
    arena.reset();
  };
  run(70000);
  run(70000);
  int64_t settled = arena.systemAllocations();
  for (int i = 0; i < 20; ++i)
    run(70000 - i * 1000);
  EXPECT_EQ(arena.systemAllocations(), settled);
  EXPECT_GE(arena.peakBytes(), 39 * 40 / 2 * 70000);
  EXPECT_EQ(arena.bytesInUse(), 0);
}

/// Any order of requests keeps blocks apart and loses nothing.
TEST(Arena, SurvivesRandomUse) {
  std::mt19937 random(7);
  Arena arena;
  for (int round = 0; round < 4; ++round) {
    struct Held {
      int64_t size;
      unsigned char mark;
    };
    std::map<char *, Held> held;
    for (int step = 0; step < 20000; ++step) {
      if (held.empty() || random() % 5 < 3) {
        int64_t size = static_cast<int64_t>(random() % (step % 50 == 0 ? 3000000 : 4000));
        char *pointer = static_cast<char *>(arena.allocate(size));
        ASSERT_NE(pointer, nullptr);
        auto after = held.lower_bound(pointer);
        if (after != held.end()) {
          ASSERT_LE(pointer + size, after->first);
        }
        if (after != held.begin()) {
          ASSERT_LE(std::prev(after)->first + std::prev(after)->second.size, pointer);
        }
        unsigned char mark = static_cast<unsigned char>(random());
        memset(pointer, mark, static_cast<size_t>(size));
        held[pointer] = {size, mark};
      } else {
        auto chosen = std::next(held.begin(), random() % held.size());
        for (int64_t i = 0; i < chosen->second.size; i += 97)
          ASSERT_EQ(static_cast<unsigned char>(chosen->first[i]), chosen->second.mark);
        arena.release(chosen->first);
        held.erase(chosen);
      }
    }
    arena.reset();
    EXPECT_EQ(arena.bytesInUse(), 0);
  }
}

} // namespace
