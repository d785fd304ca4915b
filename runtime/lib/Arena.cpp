//===- Arena.cpp - Memory of one run ----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Arena.h"

#include <algorithm>
#include <sys/mman.h>

namespace accordion {

/// The first chunk, and the largest amount by which the arena grows ahead of need. Untouched pages cost nothing.
static constexpr uint64_t firstChunk = 1 << 20, largestAhead = 256 << 20;
/// From here on chunks are made of huge pages where the system has them: fewer page faults, fewer TLB misses.
static constexpr uint64_t hugePage = 2 << 20, hugeFrom = 4 << 20;
static constexpr uint64_t largestRequest = uint64_t(1) << 46;

Arena::~Arena() { unmapAll(); }

void Arena::unmapAll() {
  for (const Chunk &chunk : chunks)
    munmap(chunk.mapping, chunk.mapped);
  chunks.clear();
}

int64_t Arena::reservedBytes() const {
  uint64_t total = 0;
  for (const Chunk &chunk : chunks)
    total += chunk.size;
  return static_cast<int64_t>(total);
}

/// Sixteen lists for each power of two; below 16 units one list for each size.
void Arena::classOf(uint64_t size, int &level, int &step) {
  uint64_t units = size / unit;
  if (units < numSteps) {
    level = 0;
    step = static_cast<int>(units);
    return;
  }
  int top = 63 - __builtin_clzll(units);
  level = top - 3;
  step = static_cast<int>(units >> (top - 4)) & (numSteps - 1);
}

void Arena::insertFree(Block *block) {
  int level, step;
  classOf(block->size, level, step);
  Block *next = stepBits[level] >> step & 1 ? heads[level][step] : nullptr;
  block->isFree = true;
  block->previousFree = nullptr;
  block->nextFree = next;
  if (next)
    next->previousFree = block;
  heads[level][step] = block;
  stepBits[level] |= 1u << step;
  classBits |= uint64_t(1) << level;
}

void Arena::removeFree(Block *block) {
  block->isFree = false;
  if (block->nextFree)
    block->nextFree->previousFree = block->previousFree;
  if (block->previousFree) {
    block->previousFree->nextFree = block->nextFree;
    return;
  }
  int level, step;
  classOf(block->size, level, step);
  heads[level][step] = block->nextFree;
  if (!block->nextFree && !(stepBits[level] &= ~(1u << step)))
    classBits &= ~(uint64_t(1) << level);
}

Arena::Block *Arena::findFree(uint64_t size) {
  int level, step;
  classOf(size, level, step);
  // The list of the size itself may hold blocks that are a little too small. A few are tried all the same: memory of
  // the very size that is asked for is what a loop gave back last.
  if (stepBits[level] >> step & 1) {
    Block *block = heads[level][step];
    for (int tries = 0; block && tries < 8; ++tries, block = block->nextFree)
      if (block->size >= size)
        return block;
  }
  // Every block of a higher list is large enough.
  uint32_t steps = step + 1 < numSteps ? stepBits[level] >> (step + 1) << (step + 1) : 0;
  if (!steps) {
    uint64_t levels = classBits >> (level + 1) << (level + 1);
    if (!levels)
      return nullptr;
    level = __builtin_ctzll(levels);
    steps = stepBits[level];
  }
  return heads[level][__builtin_ctz(steps)];
}

void *Arena::allocate(int64_t bytes) {
  static_assert(sizeof(Block) <= unit, "the header must fit before an aligned payload");
  if (bytes < 0 || static_cast<uint64_t>(bytes) > largestRequest)
    return nullptr;
  uint64_t payload = std::max<uint64_t>((static_cast<uint64_t>(bytes) + unit - 1) / unit * unit, unit);
  uint64_t size = payload + unit;
  Block *block = findFree(size);
  if (!block) {
    if (!grow(size))
      return nullptr;
    block = findFree(size);
  }
  removeFree(block);
  if (block->size >= size + 2 * unit) {
    uint64_t whole = block->size;
    Block *following = block->after();
    block->size = size;
    Block *rest = block->after();
    rest->size = whole - size;
    rest->before = block;
    following->before = rest;
    insertFree(rest);
  }
  inUse += block->size;
  peak = std::max(peak, inUse);
  return reinterpret_cast<char *>(block) + unit;
}

void Arena::release(void *pointer) {
  if (!pointer)
    return;
  Block *block = reinterpret_cast<Block *>(static_cast<char *>(pointer) - unit);
  inUse -= block->size;
  Block *following = block->after();
  if (following->isFree) {
    removeFree(following);
    block->size += following->size;
    block->after()->before = block;
  }
  if (Block *before = block->before; before && before->isFree) {
    removeFree(before);
    before->size += block->size;
    before->after()->before = before;
    block = before;
  }
  insertFree(block);
}

void Arena::format(const Chunk &chunk) {
  Block *block = reinterpret_cast<Block *>(chunk.start);
  block->size = chunk.size - unit;
  block->before = nullptr;
  Block *end = block->after();
  end->size = 0;
  end->before = block;
  end->isFree = false;
  insertFree(block);
}

bool Arena::mapChunk(uint64_t size) {
  if (chunks.size() == maxChunks)
    return false;
  bool huge = size >= hugeFrom;
  uint64_t alignment = huge ? hugePage : 4096;
  size = (size + alignment - 1) / alignment * alignment;
  Chunk chunk;
  chunk.mapped = size + (huge ? hugePage : 0);
  chunk.mapping = mmap(nullptr, chunk.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (chunk.mapping == MAP_FAILED)
    return false;
  uintptr_t address = reinterpret_cast<uintptr_t>(chunk.mapping);
  chunk.start = static_cast<char *>(chunk.mapping) + ((alignment - address % alignment) % alignment);
  chunk.size = size;
  if (huge)
    madvise(chunk.start, chunk.size, MADV_HUGEPAGE);
  ++numSystemAllocations;
  chunks.push_back(chunk);
  format(chunk);
  return true;
}

bool Arena::grow(uint64_t size) {
  // Half as much again as there is, so that the number of chunks stays small; if the system refuses, just the need.
  uint64_t ahead = std::min(std::max<uint64_t>(firstChunk, static_cast<uint64_t>(reservedBytes()) / 2), largestAhead);
  return mapChunk(size + unit + ahead) || mapChunk(size + unit);
}

void Arena::reset() {
  classBits = 0;
  std::fill(std::begin(stepBits), std::end(stepBits), 0u);
  inUse = 0;
  if (chunks.size() > 1) {
    uint64_t total = static_cast<uint64_t>(reservedBytes());
    unmapAll();
    mapChunk(total);
    return;
  }
  for (const Chunk &chunk : chunks)
    format(chunk);
}

} // namespace accordion
