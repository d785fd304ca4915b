//===- GraphImporter.h - Builds the module of a model ------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef IMPORT_ONNX_GRAPHIMPORTER_H
#define IMPORT_ONNX_GRAPHIMPORTER_H

#include "Import/ONNX/Tensors.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::ac {

/// Translates a prepared model, taking its weights. Throws `ImportError`.
OwningOpRef<ModuleOp> buildModule(::onnx::ModelProto &model, ExternalData &external, MLIRContext *context);

} // namespace mlir::ac

#endif // IMPORT_ONNX_GRAPHIMPORTER_H
