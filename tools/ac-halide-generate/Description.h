//===- Description.h - What a kernel computes, read from JSON ----*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The other side is lib/Kernels/KernelDescription.h, which documents the fields. All functions that read throw
// std::exception with a text for the user.
//
//===----------------------------------------------------------------------===//
#ifndef HALIDE_GENERATE_DESCRIPTION_H
#define HALIDE_GENERATE_DESCRIPTION_H

#include "Halide.h"
#include <nlohmann/json.hpp>

namespace accordion {

using Json = nlohmann::json;

/// The machine, with its vectors and register tile.
struct Machine {
  Halide::Target target;
  int lanes;       ///< f32 numbers of a vector
  int tileRows;    ///< rows of a tile of sums
  int tileVectors; ///< vectors of a row of it
};

/// A kernel ready to be compiled: arguments in the order of the call, the result last.
struct Kernel {
  Halide::Func result;
  std::vector<Halide::Argument> arguments;
};

Machine readMachine(const Json &description);

/// The type of elements that a field names ("f32", "u8"); f32 where it is absent.
Halide::Type typeOf(const Json &object, const std::string &field);

/// The operands of an epilogue, one for each of the description's `extras`.
std::vector<Halide::ImageParam> declareExtras(const Json &description);

/// The value that the epilogue yields for these numbers: the sum, then an element of each extra. Rounded exactly as
/// written, and integers wrap, so that an element has the same bits in whichever tile it is computed.
Halide::Expr applyEpilogue(const Json &description, std::vector<Halide::Expr> values);

Kernel makeMatrixProduct(const Json &description, const Machine &machine);
Kernel makeDepthwiseConvolution(const Json &description, const Machine &machine);

} // namespace accordion
#endif // HALIDE_GENERATE_DESCRIPTION_H
