//===- Hash.cpp - The 64-bit xxHash -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Written after the published description of XXH64: four lanes over stripes of 32 bytes, then the tail in words of 8, 4
// and 1 bytes, then an avalanche. It runs at memory speed, which matters when gigabytes of weights are checked.
//
//===----------------------------------------------------------------------===//
#include "ac/Runtime/Artefact.h"

#include <cstring>

namespace accordion {

static constexpr uint64_t prime1 = 0x9E3779B185EBCA87u, prime2 = 0xC2B2AE3D27D4EB4Fu, prime3 = 0x165667B19E3779F9u,
                          prime4 = 0x85EBCA77C2B2AE63u, prime5 = 0x27D4EB2F165667C5u;

static uint64_t rotate(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static uint64_t word64(const unsigned char *data) {
  uint64_t value;
  memcpy(&value, data, 8);
  return value;
}

static uint64_t word32(const unsigned char *data) {
  uint32_t value;
  memcpy(&value, data, 4);
  return value;
}

static uint64_t mix(uint64_t lane, uint64_t word) { return rotate(lane + word * prime2, 31) * prime1; }

static void stripe(uint64_t *lanes, const unsigned char *data) {
  for (int i = 0; i < 4; ++i)
    lanes[i] = mix(lanes[i], word64(data + 8 * i));
}

void ContentHash::update(const void *data, size_t size) {
  const unsigned char *bytes = static_cast<const unsigned char *>(data);
  total += size;
  if (numPending) {
    size_t take = size < 32 - numPending ? size : 32 - numPending;
    memcpy(pending + numPending, bytes, take);
    numPending += take;
    bytes += take;
    size -= take;
    if (numPending < 32)
      return;
    stripe(lanes, pending);
    numPending = 0;
  }
  uint64_t local[4] = {lanes[0], lanes[1], lanes[2], lanes[3]};
  for (; size >= 32; bytes += 32, size -= 32)
    stripe(local, bytes);
  memcpy(lanes, local, sizeof(lanes));
  if (size)
    memcpy(pending, bytes, size);
  numPending = size;
}

uint64_t ContentHash::digest() const {
  uint64_t hash = prime5;
  if (total >= 32) {
    hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (uint64_t lane : lanes)
      hash = (hash ^ mix(0, lane)) * prime1 + prime4;
  }
  hash += total;
  const unsigned char *data = pending;
  size_t left = numPending;
  for (; left >= 8; data += 8, left -= 8)
    hash = rotate(hash ^ mix(0, word64(data)), 27) * prime1 + prime4;
  for (; left >= 4; data += 4, left -= 4)
    hash = rotate(hash ^ (word32(data) * prime1), 23) * prime2 + prime3;
  for (; left; ++data, --left)
    hash = rotate(hash ^ (*data * prime5), 11) * prime1;
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

uint64_t contentHash(const void *data, size_t size) {
  ContentHash hash;
  hash.update(data, size);
  return hash.digest();
}

} // namespace accordion
