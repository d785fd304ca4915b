//===- Weights.h - Large constants as blobs ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights are `DenseResourceElementsAttr`s: the IR holds a name, the bytes stand elsewhere (in the mapped model file, or
// in memory that a pass made). Element layout is that of numpy: row-major, one byte for a bool.
//
//===----------------------------------------------------------------------===//
#ifndef SUPPORT_WEIGHTS_H
#define SUPPORT_WEIGHTS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mlir::ac {

/// Whether the bytes of every element are at hand: elements of whole bytes, and a blob or a dense non-splat attribute.
bool hasRawElements(ElementsAttr value);
/// The same elements so that `hasRawElements` holds: an attribute that repeats one element is written out. Null if that is
/// not to be had.
ElementsAttr withRawElements(ElementsAttr value);
/// The bytes of an attribute for which `hasRawElements` holds.
ArrayRef<char> getRawElements(ElementsAttr value);
/// The same bytes under another type of the same size; null if the attribute's kind has no such form.
ElementsAttr reshapeElements(ElementsAttr value, RankedTensorType type);
/// The constant that `value` is, seen through what only gives it another shape; null if it is none.
arith::ConstantOp constantBehind(Value value);
/// The same seen through transpositions too: it has the elements of `value` in some order.
arith::ConstantOp arrangedConstantBehind(Value value);
/// A new constant of `type` whose bytes `write` produces: a blob, or a plain attribute if it is small.
ElementsAttr makeWeight(RankedTensorType type, StringRef name,
                        llvm::function_ref<void(MutableArrayRef<char>)> write);

} // namespace mlir::ac

#endif // SUPPORT_WEIGHTS_H
