//===- Inflate.cpp - Decompression ------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compressed `.npz` files are the only reason for DEFLATE in the runtime, and a library for it would have to be there
// for every target the launcher is built for. Codes are looked up in a table of the short ones; longer ones are found
// by comparison with the largest code of each length.
//
//===----------------------------------------------------------------------===//
#include "Inflate.h"

#include <array>
#include <cstring>

namespace accordion {

namespace {

class Bits {
public:
  Bits(const uint8_t *data, size_t size) : data(data), end(data + size) {}

  /// At least 32 bits are there afterwards; zeros stand for what lies behind the end.
  void refill() {
    while (count <= 56) {
      if (data < end)
        held |= uint64_t(*data++) << count;
      else
        ++behindEnd;
      count += 8;
    }
  }
  uint32_t peek(int bits) const { return static_cast<uint32_t>(held & ((uint64_t(1) << bits) - 1)); }
  void drop(int bits) {
    held >>= bits;
    count -= bits;
  }
  uint32_t take(int bits) {
    refill();
    uint32_t value = peek(bits);
    drop(bits);
    return value;
  }
  /// Whether bits were taken that the stream does not have.
  bool overran() const { return behindEnd * 8 > count; }
  /// Moves on to the next whole byte and copies the bytes from there on.
  bool takeBytes(uint8_t *target, size_t size) {
    drop(count & 7);
    for (; count && size; --size) {
      *target++ = static_cast<uint8_t>(peek(8));
      drop(8);
    }
    if (overran() || static_cast<size_t>(end - data) < size)
      return false;
    if (size)
      memcpy(target, data, size);
    data += size;
    return true;
  }

private:
  const uint8_t *data, *end;
  uint64_t held = 0;
  int count = 0;
  int behindEnd = 0;
};

constexpr int maxCodeLength = 15, tableBits = 10;

class Code {
public:
  /// False when the lengths are not those of a prefix code.
  bool build(const uint8_t *lengths, int size) {
    counts.fill(0);
    for (int i = 0; i < size; ++i)
      ++counts[lengths[i]];
    counts[0] = 0;
    int left = 1;
    for (int length = 1; length <= maxCodeLength; ++length)
      if ((left = 2 * left - counts[length]) < 0)
        return false;
    std::array<uint16_t, maxCodeLength + 2> offsets = {};
    for (int length = 1; length <= maxCodeLength; ++length)
      offsets[length + 1] = offsets[length] + counts[length];
    for (int i = 0; i < size; ++i)
      if (lengths[i])
        symbols[offsets[lengths[i]]++] = static_cast<uint16_t>(i);
    fillTable();
    return true;
  }

  /// The next symbol, -1 when no code matches.
  int decode(Bits &bits) const {
    bits.refill();
    uint16_t entry = table[bits.peek(tableBits)];
    if (entry) {
      bits.drop(entry & 15);
      return entry >> 4;
    }
    // Codes of one length are consecutive, and longer codes are larger when all are written with their first bit on
    // top: the first length whose limit lies above the coming bits is the length of the code.
    uint32_t ahead = 0, coming = bits.peek(maxCodeLength);
    for (int bit = 0; bit < maxCodeLength; ++bit)
      ahead |= (coming >> bit & 1) << (maxCodeLength - 1 - bit);
    for (int length = tableBits + 1; length <= maxCodeLength; ++length)
      if (ahead < limits[length]) {
        bits.drop(length);
        return symbols[(ahead >> (maxCodeLength - length)) - firstCode[length] + firstIndex[length]];
      }
    return -1;
  }

private:
  /// Every value of the next bits that begins with a short code maps to its symbol and length.
  void fillTable() {
    table.fill(0);
    int code = 0, index = 0;
    for (int length = 1; length <= maxCodeLength; ++length) {
      firstCode[length] = code;
      firstIndex[length] = index;
      limits[length] = static_cast<uint32_t>(code + counts[length]) << (maxCodeLength - length);
      for (int i = 0; i < counts[length]; ++i, ++code, ++index) {
        if (length > tableBits)
          continue;
        int reversed = 0;
        for (int bit = 0; bit < length; ++bit)
          reversed |= (code >> bit & 1) << (length - 1 - bit);
        for (int value = reversed; value < 1 << tableBits; value += 1 << length)
          table[value] = static_cast<uint16_t>(symbols[index] << 4 | length);
      }
      code <<= 1;
    }
  }

  std::array<uint16_t, maxCodeLength + 1> counts;
  std::array<uint32_t, maxCodeLength + 1> limits;
  std::array<int, maxCodeLength + 1> firstCode, firstIndex;
  std::array<uint16_t, 288> symbols;
  std::array<uint16_t, 1 << tableBits> table;
};

constexpr uint16_t lengthBase[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                     31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr uint8_t lengthExtra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                     2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr uint16_t distanceBase[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                       33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                       1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr uint8_t distanceExtra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                       6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

class Inflater {
public:
  Inflater(const uint8_t *input, size_t inputSize, uint8_t *output, size_t outputSize)
      : bits(input, inputSize), start(output), at(output), end(output + outputSize) {}

  bool run() {
    bool isLast;
    do {
      isLast = bits.take(1);
      uint32_t kind = bits.take(2);
      bool good = kind == 0 ? stored() : kind == 1 ? fixed() : kind == 2 ? dynamic() : false;
      if (!good || bits.overran())
        return false;
    } while (!isLast);
    return at == end;
  }

private:
  bool stored() {
    uint8_t header[4];
    if (!bits.takeBytes(header, 4))
      return false;
    uint32_t size = header[0] | header[1] << 8, inverse = header[2] | header[3] << 8;
    if (size != (inverse ^ 0xffff) || size > static_cast<size_t>(end - at) || !bits.takeBytes(at, size))
      return false;
    at += size;
    return true;
  }

  bool fixed() {
    uint8_t lengths[288 + 30];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    memset(lengths + 288, 5, 30);
    return literals.build(lengths, 288) && distances.build(lengths + 288, 30) && block();
  }

  bool dynamic() {
    static constexpr uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    int numLiterals = static_cast<int>(bits.take(5)) + 257, numDistances = static_cast<int>(bits.take(5)) + 1;
    int numLengths = static_cast<int>(bits.take(4)) + 4;
    if (numLiterals > 286 || numDistances > 30)
      return false;
    uint8_t lengths[286 + 30] = {}, small[19] = {};
    for (int i = 0; i < numLengths; ++i)
      small[order[i]] = static_cast<uint8_t>(bits.take(3));
    if (!literals.build(small, 19))
      return false;
    for (int i = 0; i < numLiterals + numDistances;) {
      int symbol = literals.decode(bits);
      if (symbol < 0 || bits.overran())
        return false;
      if (symbol < 16) {
        lengths[i++] = static_cast<uint8_t>(symbol);
        continue;
      }
      if (symbol == 16 && i == 0)
        return false;
      uint8_t value = symbol == 16 ? lengths[i - 1] : 0;
      int repeat = static_cast<int>(symbol == 16   ? 3 + bits.take(2)
                                    : symbol == 17 ? 3 + bits.take(3)
                                                   : 11 + bits.take(7));
      if (i + repeat > numLiterals + numDistances)
        return false;
      while (repeat--)
        lengths[i++] = value;
    }
    return lengths[256] && literals.build(lengths, numLiterals) &&
           distances.build(lengths + numLiterals, numDistances) && block();
  }

  bool block() {
    for (;;) {
      int symbol = literals.decode(bits);
      if (symbol < 0 || bits.overran())
        return false;
      if (symbol < 256) {
        if (at == end)
          return false;
        *at++ = static_cast<uint8_t>(symbol);
        continue;
      }
      if (symbol == 256)
        return true;
      if (symbol > 285)
        return false;
      size_t length = lengthBase[symbol - 257] + bits.take(lengthExtra[symbol - 257]);
      int far = distances.decode(bits);
      if (far < 0 || far > 29)
        return false;
      size_t distance = distanceBase[far] + bits.take(distanceExtra[far]);
      if (distance > static_cast<size_t>(at - start) || length > static_cast<size_t>(end - at))
        return false;
      // Source and target may overlap: what was just written is repeated.
      for (const uint8_t *from = at - distance; length; --length)
        *at++ = *from++;
    }
  }

  Bits bits;
  uint8_t *start, *at, *end;
  Code literals, distances;
};

} // namespace

bool inflate(const uint8_t *input, size_t inputSize, uint8_t *output, size_t outputSize) {
  return Inflater(input, inputSize, output, outputSize).run();
}

/// Eight bytes at a time, with a table for each of them.
uint32_t crc32(const void *data, size_t size, uint32_t before) {
  using Table = std::array<std::array<uint32_t, 256>, 8>;
  static const Table table = [] {
    Table t;
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit)
        value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
      t[0][i] = value;
    }
    for (uint32_t i = 0; i < 256; ++i)
      for (int k = 1; k < 8; ++k)
        t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
    return t;
  }();
  const uint8_t *bytes = static_cast<const uint8_t *>(data);
  uint32_t crc = ~before;
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    word ^= crc;
    crc = 0;
    for (int k = 0; k < 8; ++k)
      crc ^= table[7 - k][word >> 8 * k & 255];
  }
  for (; size; ++bytes, --size)
    crc = crc >> 8 ^ table[0][(crc ^ *bytes) & 255];
  return ~crc;
}

} // namespace accordion
