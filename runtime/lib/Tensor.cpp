//===- Tensor.cpp - Tensors that own their memory ---------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Tensor.h"

#include "Failure.h"
#include "Types.h"
#include "ac/Runtime/ABI.h"

#include <cstdlib>

namespace accordion {

Buffer::Buffer(int64_t bytes) {
  size_t rounded = (static_cast<size_t>(bytes) + AC_ALIGNMENT - 1) / AC_ALIGNMENT * AC_ALIGNMENT;
  memory = static_cast<char *>(aligned_alloc(AC_ALIGNMENT, rounded ? rounded : AC_ALIGNMENT));
  if (!memory)
    fail(AC_ERROR_MEMORY, "out of memory: a tensor needs %lld bytes", static_cast<long long>(bytes));
}

Buffer::~Buffer() { free(memory); }

int64_t HostTensor::bytes() const { return tensorBytes(type, dims.data(), dims.size()).value_or(0); }

HostTensor makeTensor(AcType type, std::vector<int64_t> dims, uint64_t available, const std::string &what) {
  std::optional<int64_t> bytes = tensorBytes(type, dims.data(), dims.size());
  std::string shape = shapeText(dims.data(), dims.size());
  if (!bytes)
    fail(AC_ERROR_FILE, "%s has the impossible shape %s", what.c_str(), shape.c_str());
  if (static_cast<uint64_t>(*bytes) > available)
    fail(AC_ERROR_FILE, "%s is truncated: shape %s of %s needs %lld bytes, %llu are there", what.c_str(), shape.c_str(),
         typeName(type), static_cast<long long>(*bytes), static_cast<unsigned long long>(available));
  HostTensor tensor;
  tensor.type = type;
  tensor.dims = std::move(dims);
  tensor.data = Buffer(*bytes);
  return tensor;
}

} // namespace accordion
