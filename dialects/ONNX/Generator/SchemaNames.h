//===- SchemaNames.h - From ONNX schemas to op names -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the generator of the dialect, the importer and the exporter must agree on: which op of the dialect stands for
// which version of which operator. One op, named as the operator, has the newest signature; a version whose inputs,
// outputs or attributes do not fit into it has an op of its own, `Upsample_v9`.
//
//===----------------------------------------------------------------------===//

#ifndef DIALECTS_ONNX_GENERATOR_SCHEMANAMES_H
#define DIALECTS_ONNX_GENERATOR_SCHEMANAMES_H

#include "onnx/defs/schema.h"
#include <string>
#include <vector>

namespace mlir::onnx {

/// The first opset of `ai.onnx` that the importer reads. No variant is made for a version that ended before it.
constexpr int kOldestOpset = 7;
/// The last one: what the schema registry knows.
int getNewestOpset();

/// The schema whose signature `schema`'s op has: the newest of its name, or `schema` itself when it needs an own op.
const ::onnx::OpSchema &getSignature(const ::onnx::OpSchema &schema);

/// The op's name without `onnx.`: `Add`, `ml.Scaler`, `Upsample_v9`.
std::string getMnemonic(const ::onnx::OpSchema &schema);

/// The graph attributes of a schema, which become the op's regions, in this order.
std::vector<std::string> getGraphAttributes(const ::onnx::OpSchema &schema);

/// True if the last parameter takes any number of values.
bool hasVariadicInput(const ::onnx::OpSchema &schema);
bool hasVariadicOutput(const ::onnx::OpSchema &schema);

/// The domain of a mnemonic and the operator's name without version: `ml.Scaler` -> {`ai.onnx.ml`, `Scaler`}.
std::pair<std::string, std::string> getDomainAndOpType(const std::string &mnemonic);

} // namespace mlir::onnx

#endif // DIALECTS_ONNX_GENERATOR_SCHEMANAMES_H
