//===- Values.h - What the passes of the raise stage ask of values -*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef RAISE_VALUES_H
#define RAISE_VALUES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <optional>

namespace mlir::ac {

/// `MatMul` for `onnx.MatMul`; `MatMulNBits` for a custom operator of that name.
StringRef operatorOf(Operation *op);
/// The operator that makes a value, or nothing for an argument.
StringRef operatorOf(Value value);
/// The type of a value of known rank, or null.
RankedTensorType rankedType(Value value);
/// Whether every dimension is known and their product is one.
bool hasOneElement(Value value);

/// Whether an operation is a matrix product or holds some: what is worth not to be done.
bool isProduct(Operation *op);

/// The integers of a constant.
std::optional<SmallVector<int64_t>> constantInts(Value value);
/// The integers of a value, row by row, that is computed from constants and known dimensions alone.
std::optional<SmallVector<int64_t>> knownInts(Value value, int depth = 16);
/// Whether a value is a constant of integers from zero to below `end`.
bool areIntsBelow(Value value, int64_t end);
/// The number that all elements of a constant are.
std::optional<double> constantNumber(Value value);
/// Whether every element is zero, by being a constant or filled with it.
bool isZero(Value value);
/// Integers that moved from attribute to input over the opsets.
std::optional<SmallVector<int64_t>> intsOf(Operation *op, StringRef attribute, unsigned input);
int64_t intOf(Operation *op, StringRef attribute, int64_t otherwise);
/// Axes made non-negative for this rank; nothing if one is out of range.
std::optional<SmallVector<int64_t>> normalized(std::optional<SmallVector<int64_t>> axes, int64_t rank);

/// The equation of an Einsum of two tensors without its blanks; empty for anything else.
std::string equationOfTwo(Operation *op);

/// What `value` is, seen through operations that change neither numbers nor their order: Identity and, with `shapes`,
/// Reshape, Squeeze, Unsqueeze and Flatten; with `casts`, Cast between booleans, integers and floats.
Value throughMoves(Value value, bool shapes, bool casts);

/// What `value` is, seen through Identity, and through reshapes and transpositions that only move dimensions of one.
Value throughUnitMoves(Value value);

/// Makes an operation of the onnx dialect with one result.
Value make(OpBuilder &b, Location loc, StringRef name, Type type, ValueRange operands,
           ArrayRef<NamedAttribute> attributes = {});
Value makeInts(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, ArrayRef<int64_t> values);
NamedAttribute intAttribute(OpBuilder &b, StringRef name, int64_t value);
/// `value` cast to elements of this type, or itself.
Value makeCast(OpBuilder &b, Location loc, Value value, Type element);

/// Erases `op` and what it alone used, if nothing uses it; adds them to `erased`.
void eraseUnused(Operation *op, llvm::SmallPtrSetImpl<Operation *> *erased = nullptr);

/// An operation in the words of remarks: `node 'x' (MatMul)`.
std::string describe(Operation *op);

} // namespace mlir::ac

#endif // RAISE_VALUES_H
