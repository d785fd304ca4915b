//===- Tensor.h - Tensors that own their memory -----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_TENSOR_H
#define AC_RUNTIME_LIB_TENSOR_H

#include "ac/Runtime/Runtime.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace accordion {

/// Uninitialised memory aligned to AC_ALIGNMENT.
class Buffer {
public:
  Buffer() = default;
  /// Throws a Failure when there is no memory.
  explicit Buffer(int64_t bytes);
  Buffer(Buffer &&other) noexcept { *this = std::move(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    std::swap(memory, other.memory);
    return *this;
  }
  ~Buffer();
  char *data() const { return memory; }

private:
  char *memory = nullptr;
};

struct HostTensor {
  AcType type = AC_TYPE_F32;
  std::vector<int64_t> dims;
  Buffer data;
  /// Two bytes per element whose meaning the file does not tell (NumPy has no bfloat16).
  bool mayBeBf16 = false;

  int64_t bytes() const;
  AcTensor view() const { return {data.data(), type, static_cast<int32_t>(dims.size()), dims.data()}; }
};

/// Memory for a tensor of which a file claims `dims`; `available` bytes are there to fill it, so a lying shape is
/// refused before memory is taken. `what` names the tensor for the message.
HostTensor makeTensor(AcType type, std::vector<int64_t> dims, uint64_t available, const std::string &what);

} // namespace accordion
#endif // AC_RUNTIME_LIB_TENSOR_H
