//===- ONNX.h - From ONNX models to the onnx dialect -------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef AC_IMPORT_ONNX_H
#define AC_IMPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>
#include <map>
#include <string>

namespace mlir::ac {

struct ImportOptions {
  /// Sizes for symbolic dimensions, given before shapes are inferred. An unknown name is an error.
  std::map<std::string, int64_t> dims;

  /// Replaces every node for which `keepFunction` says false by the body that its schema gives, where it has one.
  /// `keepFunction` gets the domain (`` for ai.onnx) and the operator. Without it no built-in function is expanded,
  /// and no operator of com.microsoft on quantised tensors.
  std::function<bool(StringRef domain, StringRef opType)> keepFunction;

  /// Told the name of each file of external data, relative to the model's folder.
  std::function<void(StringRef name)> onExternalFile;
};

/// Reads a model, checks it, inlines its functions, infers shapes and builds a module with one function `main`. The
/// suffixes `.onnxtxt` and `.txt` announce ONNX text syntax. External data is looked for beside the model and nowhere
/// else. On failure one error is emitted that names the file, the node where there is one, and the remedy; the result
/// is null.
OwningOpRef<ModuleOp> importONNX(StringRef path, MLIRContext *context, const ImportOptions &options = {});

/// The same for a serialised model in memory, or its text; `baseDir` is where external data would be, `name` is for
/// errors.
OwningOpRef<ModuleOp> importONNXBytes(StringRef bytes, StringRef baseDir, MLIRContext *context,
                                      const ImportOptions &options = {}, StringRef name = "model");

/// Loads the dialects that an imported module consists of.
void registerImportDialects(DialectRegistry &registry);

} // namespace mlir::ac

#endif // AC_IMPORT_ONNX_H
