//===- KernelDescription.h - What a kernel computes --------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The interface of generators of kernels. Ours is MLIR (ContractKernel.cpp, EmitLoops.cpp) and serves everything;
// another one gets a description in JSON and returns an object with one function (tools/ac-halide-generate). The
// fields:
//
//   version       1
//   target        arch, vector_bits, tile_rows, tile_vectors (of TargetInfo)
//   compute       "matrix_product"        result(n, m) = epilogue(sum over k of lhs(k, m) * panel(n, k)) for the
//                                         columns n of one packed panel
//                 "depthwise_convolution" result(x, y, plane) as `ac.depthwise` says; a plane is a channel of an image
//   lhs, panel, result                    types of their elements: "f32", "i32", "i8", "u8", or "u32" for words of
//                                         weights of four bits. Left out: "f32". Sums of bytes are i32, modulo 2^32,
//                                         all others f32
//   columns       matrix_product: of a panel
//   lhs_rows      matrix_product: whether row m of the lhs is row rows(m)
//   group         matrix_product of bytes: 4 where as many steps of a column stand together, as `ac.contract` says
//   weights       matrix_product of f32 by small integers with scales, as `ac.contract` has them: {"bits": 4 or 8,
//                 "least": with four bits, "scales": type, "zeros": type or left out}. What is multiplied is rounded
//                 after the scale
//   kernel, strides, dilations, low       depthwise_convolution: as the operation has them
//   extras        for each extra {"along": [...], "type": "i32" or left out}: what its dimensions are, innermost first:
//                 "column" and "row", or "column", "row", "plane" and "channel"
//   epilogue      {"ops": [...], "yield": i}. Values have numbers: 0 is the sum, extras follow, then the results of the
//                 ops in order. An op is {"op": name, "in": [numbers]} or a constant, {"bits": those of an f32}, or of
//                 another number of 32 bits, which has a "type"
//
// Sizes are no part of it: a kernel works on any. Arguments of the function are 32-bit numbers, then buffers
// (HalideCall.h):
//
//   matrix_product         number of rows, steps of a block if there are weights; as far as there are: lhs, panel,
//                          scales, zeros, rows, extras, result
//   depthwise_convolution  channel of the first plane, columns of the result; input, weights, extras, result
//
// A kernel allocates nothing, starts no threads and does not fail. An element of the result has the same bits
// whichever range of rows or planes a call computes.
//
//===----------------------------------------------------------------------===//
#ifndef KERNELS_KERNELDESCRIPTION_H
#define KERNELS_KERNELDESCRIPTION_H

#include "Kernels/Passes.h"
#include "Support/TargetInfo.h"
#include <optional>

namespace mlir::ac {

/// On a module: who makes kernels. Absent: MLIR. "halide": Halide, where it can. A dictionary: Halide for the work (see
/// `describeWork`) that it maps to "halide".
constexpr llvm::StringLiteral kGeneratorAttribute = "ac.generator";
/// On a module: the descriptions of the kernels that it calls, as an array of texts.
constexpr llvm::StringLiteral kKernelsAttribute = "ac.kernels";
/// On an `ac.contract`: the generator that is to make its kernel.
constexpr llvm::StringLiteral kKernelAttribute = "ac.kernel";
/// Elements of a plane, and planes, that a call may have: numbers of a call have 32 bits.
constexpr int64_t kMostPerCall = std::numeric_limits<int32_t>::max();

/// The description of an operation's kernel as JSON in one canonical form; nothing if it needs what a description
/// cannot say.
std::optional<std::string> describeKernel(ContractOp op, const TargetInfo &target);
std::optional<std::string> describeKernel(DepthwiseOp op, const TargetInfo &target);
/// The same for a product of small integers with scales whose panel has been made one of f32 before.
std::optional<std::string> describeUnpackedKernel(ContractOp op, const TargetInfo &target);

/// The name of the function that a description stands for: equal descriptions, equal names.
std::string kernelEntry(StringRef description);

/// What a call of an operation has to do, with its sizes, in words under which times are remembered.
std::string describeWork(ContractOp op);
std::string describeWork(DepthwiseOp op);

/// Adds to the kernels that the module calls (CallKernels.cpp).
void addKernel(ModuleOp module, StringRef description);

/// The least element of a matrix of small integers with scales, if it is or will be packed with four bits for each
/// (PrepackWeights.cpp).
std::optional<int64_t> leastOfFourBits(ContractOp op);

/// Moves an elementwise operation into the epilogue of the `ac.depthwise` that it uses (FuseDepthwise.cpp).
LogicalResult fuseIntoDepthwise(linalg::GenericOp op, RewriterBase &rewriter);

/// Whether all that an operation does is to compute each element from the same elements of its operands
/// (FuseEpilogues.cpp).
bool isElementwise(linalg::GenericOp op);

} // namespace mlir::ac

#endif // KERNELS_KERNELDESCRIPTION_H
