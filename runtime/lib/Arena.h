//===- Arena.h - Memory of one run ------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A two-level segregated fit allocator over large retained chunks: constant time, immediate coalescing, no system call
// once the shapes repeat. Each block is preceded by a header of 64 bytes, which also keeps every payload aligned. At
// the end of a run everything is given back at once; several chunks are then replaced by one of their total size, so
// that the next run of these shapes finds its memory in one piece.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_ARENA_H
#define AC_RUNTIME_LIB_ARENA_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace accordion {

class Arena {
public:
  Arena() { chunks.reserve(maxChunks); }
  Arena(const Arena &) = delete;
  ~Arena();

  /// Memory aligned to 64 bytes, or null when there is none or `bytes` is negative.
  void *allocate(int64_t bytes);
  void release(void *pointer);
  /// Takes everything back and keeps the memory for the next run.
  void reset();

  /// The most bytes that were in use at once since the arena was made.
  int64_t peakBytes() const { return static_cast<int64_t>(peak); }
  int64_t bytesInUse() const { return static_cast<int64_t>(inUse); }
  int64_t reservedBytes() const;
  /// How often memory was asked of the system.
  int64_t systemAllocations() const { return numSystemAllocations; }

private:
  struct Block {
    uint64_t size; ///< with this header; 0 marks the end of a chunk
    Block *before; ///< the block that lies before this one in memory, null at the start of a chunk
    bool isFree;
    Block *nextFree, *previousFree;
    Block *after() { return reinterpret_cast<Block *>(reinterpret_cast<char *>(this) + size); }
  };
  struct Chunk {
    void *mapping;
    size_t mapped;
    char *start;
    uint64_t size;
  };
  static constexpr uint64_t unit = 64;
  /// More are never needed: each is half as large as all before, or 256 MB. Growing the list itself could throw.
  static constexpr size_t maxChunks = 1024;
  static constexpr int numClasses = 48, numSteps = 16;

  static void classOf(uint64_t size, int &level, int &step);
  Block *findFree(uint64_t size);
  void insertFree(Block *block);
  void removeFree(Block *block);
  void format(const Chunk &chunk);
  bool grow(uint64_t size);
  bool mapChunk(uint64_t size);
  void unmapAll();

  std::vector<Chunk> chunks;
  Block *heads[numClasses][numSteps]; ///< only meaningful where the bit of the list is set
  uint64_t classBits = 0;
  uint32_t stepBits[numClasses] = {};
  uint64_t inUse = 0, peak = 0;
  int64_t numSystemAllocations = 0;
};

} // namespace accordion
#endif // AC_RUNTIME_LIB_ARENA_H
