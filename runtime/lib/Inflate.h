//===- Inflate.h - Decompression --------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_INFLATE_H
#define AC_RUNTIME_LIB_INFLATE_H

#include <cstddef>
#include <cstdint>

namespace accordion {

/// Decompresses a raw DEFLATE stream (RFC 1951) to exactly `outputSize` bytes; false when it is damaged or longer or
/// shorter than that.
bool inflate(const uint8_t *input, size_t inputSize, uint8_t *output, size_t outputSize);

/// The CRC-32 of zip and gzip.
uint32_t crc32(const void *data, size_t size, uint32_t before = 0);

} // namespace accordion
#endif // AC_RUNTIME_LIB_INFLATE_H
