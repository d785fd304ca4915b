//===- Npy.h - NumPy's array files ------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_NPY_H
#define AC_RUNTIME_LIB_NPY_H

#include "Tensor.h"

#include <functional>
#include <string>

namespace accordion {

/// Delivers exactly `bytes` more bytes, or throws.
using ByteSource = std::function<void(void *data, size_t bytes)>;

/// Reads one array of versions 1 to 3 in C or Fortran order from a source of `available` bytes; `what` names it in
/// messages. The result is contiguous in C order and in the byte order of this machine.
HostTensor readNpy(const ByteSource &source, uint64_t available, const std::string &what);
HostTensor readNpyFile(const std::string &path);

/// What precedes the elements of `tensor` in a `.npy` file. bfloat16 is written as two opaque bytes, as NumPy does.
std::string npyHeader(const AcTensor &tensor);

} // namespace accordion
#endif // AC_RUNTIME_LIB_NPY_H
