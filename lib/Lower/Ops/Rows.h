//===- Rows.h - Rows of tensors ----------------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LOWER_OPS_ROWS_H
#define LOWER_OPS_ROWS_H

#include "Lower/Emitter.h"

namespace mlir::ac {

/// `tensor[..., index, ...]` without that axis.
Value takeRow(Emitter &emit, Value tensor, int64_t axis, OpFoldResult index);
/// `whole` with `row` at `[..., index, ...]`; `row` lacks that axis.
Value putRow(Emitter &emit, Value row, Value whole, int64_t axis, OpFoldResult index);

/// A constant as an attribute, so that result types and slices agree.
OpFoldResult folded(Emitter &emit, OpFoldResult value);
/// Whether `type` is a tensor with one element, whatever its rank.
bool hasOneElement(Type type);
/// A type as it appears in messages.
std::string typeText(Type type);

} // namespace mlir::ac

#endif // LOWER_OPS_ROWS_H
