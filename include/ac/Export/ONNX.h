//===- ONNX.h - From the onnx dialect to ONNX models -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AC_EXPORT_ONNX_H
#define AC_EXPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"

namespace mlir::ac {

struct ExportOptions {
  /// Writes large constants into `<file>.data` beside the model. Done without asking where protobuf could not hold
  /// them.
  bool externalData = false;
};

/// Writes a module of onnx ops as a model with the module's opsets. A file appears whole or not at all. On failure the
/// error names every op that has no place in a model.
LogicalResult exportONNX(ModuleOp module, StringRef path, const ExportOptions &options = {});

/// The same into a stream, which has no room beside it: a model above 2 GiB is refused.
LogicalResult exportONNX(ModuleOp module, raw_ostream &os);

} // namespace mlir::ac

#endif // AC_EXPORT_ONNX_H
