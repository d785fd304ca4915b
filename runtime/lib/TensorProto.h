//===- TensorProto.h - ONNX tensors in files --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_TENSORPROTO_H
#define AC_RUNTIME_LIB_TENSORPROTO_H

#include "Tensor.h"

#include <string>

namespace accordion {

/// Reads a serialised ONNX TensorProto, as the data sets beside published models hold.
HostTensor readTensorProto(const std::string &path);

/// Everything of a serialised TensorProto but the elements, which follow it as they are.
std::string tensorProtoHeader(const std::string &name, const AcTensor &tensor);

} // namespace accordion
#endif // AC_RUNTIME_LIB_TENSORPROTO_H
