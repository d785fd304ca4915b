//===- TensorFiles.h - Inputs and outputs of a run in files -----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_TENSORFILES_H
#define AC_RUNTIME_LIB_TENSORFILES_H

#include "Description.h"
#include "Tensor.h"

#include <string>
#include <vector>

namespace accordion {

enum class FileFormat { npz, npy, pb };

struct InputFiles {
  std::vector<HostTensor> tensors; ///< in the order of the declarations
  FileFormat format = FileFormat::npy;
};

/// Reads every declared input from a `.npz` file, or from a folder of `input_<i>.npy|.pb`.
InputFiles readInputs(const std::string &path, const std::vector<TensorDeclaration> &declared);

/// Writes the outputs to a `.npz` file, or to a folder as `output_<i>` in `format`. All appear, or none.
void writeOutputs(const std::string &path, FileFormat format, const std::vector<TensorDeclaration> &declared,
                  const std::vector<AcTensor> &tensors);

} // namespace accordion
#endif // AC_RUNTIME_LIB_TENSORFILES_H
