//===- Prepare.h - A model made ready for translation ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What happens to a `ModelProto` before MLIR sees it, in this order: normalise domains and names, refuse opsets and
// operators that are not known, check, inline local functions, expand operators of quantised tensors, fix dimensions,
// infer shapes, expand built-in functions.
// Everything here throws `ImportError` or an exception of the ONNX library.
//
//===----------------------------------------------------------------------===//

#ifndef IMPORT_ONNX_PREPARE_H
#define IMPORT_ONNX_PREPARE_H

#include "Import/ONNX/Tensors.h"
#include "ac/Import/ONNX.h"

namespace mlir::ac {

void prepareModel(::onnx::ModelProto &model, const std::string &baseDir, ExternalData &external,
                  const ImportOptions &options);

/// Replaces nodes by the function bodies of their schemas until `keep` holds for all that have one. Types in the model
/// must be inferred; `infer` does so again after each round, since bodies depend on the types of inputs.
void expandFunctions(::onnx::ModelProto &model, const std::function<bool(StringRef, StringRef)> &keep,
                     llvm::function_ref<void()> infer);

/// Replaces com.microsoft's operators on quantised tensors (`QLinearAdd`, ...) by operators of the standard between
/// `DequantizeLinear` and `QuantizeLinear`.
void expandQuantized(::onnx::ModelProto &model);

/// Replaces operators that ONNX Runtime's fusions leave (`SkipLayerNormalization`, ...) by those of the standard that
/// they are made of, as far as the model's opset has them.
void expandFused(::onnx::ModelProto &model);

/// Infers types for all values, as far as that goes. What the model itself says of intermediate values is used only
/// where inference finds nothing: files are edited, and then it is stale.
void inferTypes(::onnx::ModelProto &model);

/// True if a dimension has a name of the model's own, not one that inference made up.
bool hasSymbol(const ::onnx::TensorShapeProto::Dimension &dim);

/// The version of a domain that the model imports, or 0.
int getOpset(const ::onnx::ModelProto &model, const std::string &domain);

/// Calls `visit` for every graph, outer ones first.
void walkGraphs(::onnx::GraphProto &graph, llvm::function_ref<void(::onnx::GraphProto &)> visit);

} // namespace mlir::ac

#endif // IMPORT_ONNX_PREPARE_H
